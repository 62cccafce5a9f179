//! Requests as clients write them, and what is refused without telling the value.
use super::parse::{ParseError, Request, Set, parse};

const KEY: &str = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a";

fn set(text: &str) -> Set {
    match parse(text) {
        Ok(Request::Set(set)) => *set,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_with_two_peers_is_read_peer_by_peer() {
    let other = KEY.replace("e8", "f0");
    let set = set(&format!(
        "set=1\nprivate_key={KEY}\nlisten_port=51871\nfwmark=\npublic_key={KEY}\nendpoint=[2001:db8::1]:51871\n\
         persistent_keepalive_interval=25\nallowed_ip=10.244.2.9/24\nallowed_ip=fd00::/64\npublic_key={other}\nremove=true\n\n"
    ));
    assert_eq!(set.private_key.as_ref().unwrap()[..2], [0xe8, 0x4b]);
    assert_eq!((set.listen_port, set.fwmark, set.replace_peers), (Some(51871), Some(0), false));
    let [first, second] = &set.peers[..] else { panic!("{} peers", set.peers.len()) };
    assert_eq!(first.endpoint, Some("[2001:db8::1]:51871".parse().unwrap()));
    assert_eq!(first.keepalive, Some(25));
    assert_eq!(first.allowed, ["10.244.2.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]);
    assert!(second.remove && !first.remove);
    assert_eq!(second.public_key[0], 0xf0);
}

#[test]
fn reading_the_device_and_the_count_take_one_line() {
    assert!(matches!(parse("get=1\n\n"), Ok(Request::Get)));
    assert!(matches!(parse("refused=1\n\n"), Ok(Request::Refused)));
}

#[test]
fn an_error_names_line_and_key_but_never_the_value() {
    for (text, expected) in [
        ("", ParseError::Operation),
        ("get=2\n\n", ParseError::Operation),
        ("set=1\nsecret\n\n", ParseError::Line { line: 2 }),
        ("set=1\nprivate_key=secret\n\n", ParseError::Value { line: 2, key: "private_key" }),
        ("set=1\nlisten_port=65536\n\n", ParseError::Value { line: 2, key: "listen_port" }),
        ("set=1\nsecret=1\n\n", ParseError::Key { line: 2 }),
        ("set=1\nallowed_ip=10.0.0.0/8\n\n", ParseError::Key { line: 2 }),
        ("set=1\nreplace_peers=false\n\n", ParseError::Value { line: 2, key: "replace_peers" }),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error, expected, "{text:?}");
        assert!(!error.to_string().contains("secret"));
    }
    for (line, key) in [
        ("allowed_ip=10.0.0.0/33", "allowed_ip"),
        ("allowed_ip=10.0.0.0", "allowed_ip"),
        ("endpoint=10.0.0.1", "endpoint"),
        ("preshared_key=00", "preshared_key"),
        ("persistent_keepalive_interval=off", "persistent_keepalive_interval"),
    ] {
        let error = parse(&format!("set=1\npublic_key={KEY}\n{line}\n\n")).unwrap_err();
        assert_eq!(error, ParseError::Value { line: 3, key });
    }
    let misplaced = parse(&format!("set=1\npublic_key={KEY}\nprivate_key={KEY}\n\n"));
    assert_eq!(misplaced.unwrap_err(), ParseError::Key { line: 3 });
}

#[test]
fn a_key_is_64_hexadecimal_digits_of_ascii() {
    for bad in [&KEY[..62], &format!("{KEY}00"), &format!("{}é", &KEY[..62]), &format!("{}zz", &KEY[..62])] {
        assert!(parse(&format!("set=1\nprivate_key={bad}\n\n")).is_err(), "{bad}");
    }
}

#[test]
fn debug_output_shows_no_key() {
    let text = format!("{:?}", parse(&format!("set=1\nprivate_key={KEY}\n\n")).unwrap());
    assert!(!text.contains("e8") && !text.contains("232"), "{text}");
}
