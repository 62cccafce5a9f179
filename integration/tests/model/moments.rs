//! The moments of a plan, and an obvious reading of the tables at each.
use rand::RngExt;
use rand::rngs::StdRng;
use ringfence::plan::datapath::Action;
use ringfence::policy::tables::Tables;
use ringfence_abi::{AddressKind, Config, EndpointValue, ServiceKey};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One question to the tables of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ask {
    /// May the pod behind this ifindex (the sandbox with this number) send to the address?
    To(u32, u32, IpAddr, u8, u16),
    /// May the address send to the pod?
    From(u32, u32, IpAddr, u8, u16),
    /// May another pod send to it (by the class in its own entry)?
    Pod(u32, u32, u32, bool, u8, u16),
    /// May what a node masqueraded reach it?
    Transit(u32, u32, bool, u8, u16),
    /// Does the Service leave it alone?
    Service(u32, u32, ServiceKey),
}

/// The same question to the tables of three moments: a program looks the pod up first, then the class, then policy.
pub(crate) fn answer(ask: Ask, pod: &Tables, class: &Tables, policy: &Tables) -> bool {
    let alive = |ifindex: u32, id: u32| {
        let found = pod.endpoints.get(&ifindex).filter(|e| e.id == id);
        found.filter(|e| e.flags & EndpointValue::DENY_ALL == 0)
    };
    let permits = |profile: u32, class: u32, protocol, port| {
        profile == 0 || policy.permits(profile, class, protocol, port)
    };
    match ask {
        Ask::To(ifindex, id, address, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            let found = class.locate(address);
            found.kind == AddressKind::ThisNode || permits(e.egress_profile, found.class, protocol, port)
        }),
        Ask::From(ifindex, id, address, protocol, port) => alive(ifindex, id)
            .is_some_and(|e| permits(e.ingress_profile, class.locate(address).class, protocol, port)),
        Ask::Pod(ifindex, id, other, v6, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            let from = class.endpoints.get(&other).map(|o| if v6 { o.class_v6 } else { o.class_v4 });
            from.is_some_and(|from| permits(e.ingress_profile, from, protocol, port))
        }),
        Ask::Transit(ifindex, id, v6, protocol, port) => alive(ifindex, id).is_some_and(|e| {
            permits(e.ingress_profile, class.transit_class[usize::from(v6)], protocol, port)
        }),
        Ask::Service(ifindex, id, key) => {
            alive(ifindex, id).is_some_and(|e| match class.services.get(&key) {
                Some(value) if value.class == 0 => true,
                Some(value) => permits(e.egress_profile, value.class, key.protocol, 0),
                None => {
                    let found = class.locate(key.addr.into());
                    found.kind == AddressKind::ThisNode
                        || permits(e.egress_profile, found.class, key.protocol, u16::from_be(key.port))
                }
            })
        }
    }
}

/// Ports at which some set begins or ends, and one that hardly any names.
fn ports(tables: [&Tables; 2]) -> Vec<u16> {
    let mut found = BTreeSet::from([9]);
    for bitmap in tables.iter().flat_map(|t| t.bitmaps.values()) {
        let has = |p: u16| ringfence::policy::bitmap_has(bitmap, p);
        found.extend((1..=u16::MAX).filter(|p| has(*p) != has(p - 1)).take(4));
    }
    found.into_iter().collect()
}

pub(crate) fn questions(before: &Tables, after: &Tables, dice: &mut StdRng) -> Vec<Ask> {
    let mut addresses: BTreeSet<IpAddr> =
        before.addresses.keys().chain(after.addresses.keys()).map(|a| IpAddr::from(*a)).collect();
    for network in before.prefixes.keys().chain(after.prefixes.keys()) {
        addresses.extend([network.network(), network.broadcast()]);
    }
    // An address that begins or ceases to be the node's own is not asked about: nobody talks to it across that change.
    let own = |t: &Tables, a: &IpAddr| t.locate(*a).kind == AddressKind::ThisNode;
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(|a| own(before, a) == own(after, a)).collect();
    let keys: BTreeSet<ServiceKey> = before.services.keys().chain(after.services.keys()).copied().collect();
    let keys: Vec<ServiceKey> = keys.into_iter().filter(|k| k.protocol != 0).collect();
    let ports = ports([before, after]);
    let same = |(i, e): &(&u32, &EndpointValue)| after.endpoints.get(i).is_some_and(|o| o.id == e.id);
    let pods: Vec<_> = before.endpoints.iter().filter(same).map(|(i, e)| (*i, e.id)).collect();
    let mut out = Vec::new();
    if pods.is_empty() {
        return out;
    }
    for _ in 0..80 {
        let (ifindex, id) = pods[dice.random_range(0..pods.len())];
        let (other, _) = pods[dice.random_range(0..pods.len())];
        let address = addresses[dice.random_range(0..addresses.len())];
        let port = ports[dice.random_range(0..ports.len())];
        let protocol = [6, 17, 132, 1][dice.random_range(0..4)];
        let v6 = dice.random_bool(0.5);
        out.push(match dice.random_range(0..10) {
            0..4 => Ask::To(ifindex, id, address, protocol, port),
            4..7 => Ask::From(ifindex, id, address, protocol, port),
            7 => Ask::Pod(ifindex, id, other, v6, protocol, port),
            8 if !keys.is_empty() => Ask::Service(ifindex, id, keys[dice.random_range(0..keys.len())]),
            _ => Ask::Transit(ifindex, id, v6, protocol, port),
        });
    }
    out.sort();
    out.dedup();
    out
}

/// The tables after one action more, and how many grace periods lie behind.
pub(crate) struct Moment {
    pub(crate) tables: Tables,
    graces: usize,
}

/// Every moment while the actions are carried out, the one before the first too.
pub(crate) fn moments(before: &Tables, actions: &[Action], config: &mut Config) -> Vec<Moment> {
    let mut tables = before.clone();
    let mut graces = 0;
    let mut out = vec![Moment { tables: tables.clone(), graces }];
    for action in actions {
        action.apply_to(&mut tables, config);
        graces += usize::from(*action == Action::Grace);
        out.push(Moment { tables: tables.clone(), graces });
    }
    out
}

/// The first moment at which a question that has the same answer before and after has another one; also to a program
/// that is held up between its look-ups, which it cannot be across a grace period. Also how many such questions there were.
pub(crate) fn wrong_moment(asks: &[Ask], moments: &[Moment], dice: &mut StdRng) -> (usize, Option<String>) {
    let (before, after) = (&moments[0].tables, &moments[moments.len() - 1].tables);
    let mut kept = 0;
    for ask in asks {
        let was = answer(*ask, before, before, before);
        if was != answer(*ask, after, after, after) {
            continue;
        }
        kept += 1;
        for (i, Moment { tables, graces }) in moments.iter().enumerate() {
            if answer(*ask, tables, tables, tables) != was {
                return (kept, Some(format!("{ask:?} is not {was} after {i} actions")));
            }
            if !dice.random_bool(0.3) {
                continue;
            }
            let later = moments[i..].iter().take_while(|m| m.graces == *graces).count();
            let second = i + dice.random_range(0..later);
            let third = second + dice.random_range(0..later - (second - i));
            if answer(*ask, tables, &moments[second].tables, &moments[third].tables) != was {
                return (kept, Some(format!("{ask:?} is not {was} if asked at {i}, {second} and {third}")));
            }
        }
    }
    (kept, None)
}
