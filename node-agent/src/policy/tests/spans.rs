//! Whose a network is, where some lie in others.
use crate::policy::spans::Spans;
use ipnetwork::IpNetwork;
use std::net::IpAddr;
use std::sync::Arc;

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

/// Takes them in order, those refused that another has part of; says who is refused.
fn taken(claims: &[(&str, &str)]) -> (Spans, Vec<String>) {
    let (mut spans, mut refused) = (Spans::default(), Vec::new());
    for (owner, network) in claims {
        match spans.other(&net(network), owner) {
            Some(other) => refused.push(format!("{owner} by {other}")),
            None => spans.take(&net(network), &Arc::from(*owner)),
        }
    }
    (spans, refused)
}

#[test]
fn networks_inside_and_around_anothers_overlap_it_and_neighbours_do_not() {
    let (_, refused) = taken(&[
        ("a", "10.0.1.0/24"),
        ("b", "10.0.1.128/25"),
        ("c", "10.0.0.0/16"),
        ("d", "10.0.0.0/24"),
        ("e", "10.0.2.0/24"),
        ("f", "::/0"),
        ("g", "0.0.0.0/0"),
    ]);
    assert_eq!(refused, ["b by a", "c by a", "g by e"]);
}

#[test]
fn an_owners_own_networks_may_lie_in_each_other_and_hide_nobody() {
    for own in [["10.1.0.0/16", "10.1.255.0/24"], ["10.1.255.0/24", "10.1.0.0/16"]] {
        let (spans, refused) =
            taken(&[("b", "10.0.0.0/24"), ("a", own[0]), ("a", own[1]), ("c", "10.1.3.0/24")]);
        assert_eq!(refused, ["c by a"]);
        let owner = |text: &str| spans.owner(text.parse::<IpAddr>().unwrap()).map(str::to_owned);
        assert_eq!(owner("10.1.0.0").as_deref(), Some("a"));
        assert_eq!(owner("10.1.255.255").as_deref(), Some("a"));
        assert_eq!(owner("10.0.0.255").as_deref(), Some("b"));
        assert_eq!((owner("10.0.1.0"), owner("10.2.0.0"), owner("::a01:0")), (None, None, None));
    }
    // Its own inner network lies above the one that another has in the outer.
    let (_, refused) = taken(&[("b", "10.1.0.0/24"), ("a", "10.1.200.0/24"), ("a", "10.1.0.0/16")]);
    assert_eq!(refused, ["a by b"]);
}
