//! Names, labels, ports, addresses.
use crate::watch::object::{address, syntax};

/// Asserts which texts fit a rule and which do not.
fn check(rule: fn(&str) -> Result<(), &'static str>, fit: &[&str], unfit: &[&str]) {
    fit.iter().for_each(|text| assert_eq!(rule(text), Ok(()), "{text:?}"));
    unfit.iter().for_each(|text| assert!(rule(text).is_err(), "{text:?}"));
}

#[test]
fn a_dns_label_is_lower_case_and_at_most_63_long() {
    let longest = "a".repeat(63);
    check(
        syntax::dns_label,
        &["a", "0", "a-b", "1-2", &longest],
        &["", "-a", "a-", "A", "a.b", "a_b", "ä", "a b", &format!("{longest}a")],
    );
    check(syntax::dns_1035_label, &["a", "a1"], &["1a", "", "-"]);
}

#[test]
fn a_dns_subdomain_has_no_empty_part_and_at_most_253_characters() {
    let longest = format!("{}.a", "a".repeat(251));
    check(
        syntax::dns_subdomain,
        &["a", "a.b", "0.1", &longest],
        &["", ".", "a.", ".a", "a..b", "A.b", "a.-b", &format!("{longest}a")],
    );
}

#[test]
fn a_label_key_may_have_a_dns_subdomain_before_its_name() {
    let longest = "a".repeat(63);
    check(
        syntax::label_key,
        &["a", "A", "a_b.c-d", "example.com/a", "0/0", &longest, &format!("x/{longest}")],
        &["", "/a", "a/", "a/b/c", "A.com/a", "-a", "a-", "_", "a b", &format!("{longest}a")],
    );
}

#[test]
fn a_label_value_may_be_empty() {
    let longest = "a".repeat(63);
    check(
        syntax::label_value,
        &["", "a", "A.b_c-d", &longest],
        &["-a", "a-", "a/b", "a b", "ä", &format!("{longest}a")],
    );
}

#[test]
fn the_name_of_a_port_has_a_letter_and_at_most_15_characters() {
    check(
        syntax::port_name,
        &["a", "http", "h2-1", "123456789012345a".get(1..).unwrap()],
        &["", "80", "1-2", "-a", "a-", "a--b", "A", "a_b", "abcdefghijklmnop"],
    );
}

#[test]
fn a_cidr_is_masked() {
    let cases = [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("1.2.3.4/0", "0.0.0.0/0"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::1/0", "::/0"),
        ("fd00::1/128", "fd00::1/128"),
    ];
    for (text, expected) in cases {
        assert_eq!(address::cidr(text).unwrap().to_string(), expected);
    }
}

#[test]
fn what_is_no_cidr_is_refused() {
    for text in [
        "",
        "/",
        "/8",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0/8",
        "10.0.0.256/8",
        "010.0.0.0/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/8/8",
        "::/129",
        "fd00::/1e1",
        "fd00::g/8",
        "::ffff:10.0.0.0/104",
        "fe80::1%eth0/64",
        "10.0.0.0/256",
        "10.0.0.0/0x8",
    ] {
        assert!(address::cidr(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in
        ["", "10.0.0", "10.0.0.1/32", "010.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "[::1]", "localhost"]
    {
        assert!(address::address(text).is_err(), "{text:?}");
    }
    assert!(address::address("10.0.0.1").is_ok() && address::address("fd00::1").is_ok());
}

#[test]
fn networks_overlap_if_one_holds_the_other() {
    let overlap = |a, b| address::overlap(address::cidr(a).unwrap(), address::cidr(b).unwrap());
    assert!(overlap("10.0.0.0/8", "10.9.0.0/16") && overlap("10.9.0.0/16", "10.0.0.0/8"));
    assert!(overlap("10.0.0.0/8", "10.0.0.0/8"));
    assert!(!overlap("10.0.0.0/9", "10.128.0.0/9") && !overlap("0.0.0.0/0", "::/0"));
}
