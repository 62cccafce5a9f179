use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> [u8; KEY_LEN] {
    let bytes: Vec<u8> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// RFC 7748 §6.1: Alice's and Bob's keys.
const RFC_7748: [(&str, &str); 2] = [
    (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ),
    (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ),
];

/// The points of small order on the curve and its twist in every spelling below 2^255, as the literature on
/// Curve25519 lists them, except zero.
const LOW_ORDER: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn public_keys_are_derived_as_in_rfc_7748() {
    for (private, public) in RFC_7748 {
        assert_eq!(PrivateKey::from_bytes(&hex(private)).unwrap().public().as_bytes(), &hex(public));
    }
}

#[test]
fn a_generated_key_is_clamped_and_new_each_time() {
    let mut seen = HashSet::new();
    for _ in 0..32 {
        let key = PrivateKey::generate().unwrap();
        let bytes = key.expose_bytes();
        assert_eq!((bytes[0] & 7, bytes[31] & 0xc0), (0, 0x40));
        assert!(seen.insert(key.public()));
    }
}

#[test]
fn a_private_key_is_clamped_when_read() {
    let key = PrivateKey::from_bytes(&[0xff; KEY_LEN]).unwrap();
    assert_eq!((key.expose_bytes()[0], key.expose_bytes()[31]), (0xf8, 0x7f));
    let again = PrivateKey::from_base64(&base64(&[0xff; KEY_LEN])).unwrap();
    assert_eq!(again.public(), key.public());
}

#[test]
fn every_point_of_low_order_is_refused_also_with_the_top_bit_set() {
    for text in LOW_ORDER {
        let mut bytes = hex(text);
        assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::LowOrder), "{text}");
        bytes[31] |= 0x80;
        assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::LowOrder), "{text} with top bit");
    }
}

proptest! {
    /// Every clamped scalar is a multiple of 8, the cofactor (of the twist: 4), so it takes exactly the points of small
    /// order to the neutral element, which X25519 writes as zero.
    #[test]
    fn a_key_is_of_low_order_where_a_multiplication_says_so(
        mut bytes: [u8; KEY_LEN],
        low in proptest::option::of(0..LOW_ORDER.len()),
        bit in proptest::option::of(0..256_usize),
    ) {
        if let Some(low) = low {
            bytes = hex(LOW_ORDER[low]);
        }
        if let Some(bit) = bit {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let point = x25519_dalek::PublicKey::from(bytes);
        let multiplied = x25519_dalek::StaticSecret::from([0; KEY_LEN]).diffie_hellman(&point);
        let found = matches!(PublicKey::from_bytes(bytes), Err(KeyError::LowOrder | KeyError::AllZero));
        prop_assert_eq!(found, !multiplied.was_contributory(), "{:?}", bytes);
    }
}

#[test]
fn the_all_zero_key_is_refused_in_every_kind() {
    assert_eq!(PublicKey::from_bytes([0; KEY_LEN]), Err(KeyError::AllZero));
    assert_eq!(base64(&[0; KEY_LEN]).parse::<PublicKey>(), Err(KeyError::AllZero));
    assert_eq!(PrivateKey::from_bytes(&[0; KEY_LEN]).unwrap_err(), KeyError::AllZero);
    assert_eq!(PrivateKey::from_base64(&base64(&[0; KEY_LEN])).unwrap_err(), KeyError::AllZero);
    assert_eq!(PresharedKey::from_base64(&base64(&[0; KEY_LEN])).unwrap_err(), KeyError::AllZero);
}

#[test]
fn a_public_key_not_reduced_by_the_prime_is_refused_and_the_greatest_reduced_one_is_not() {
    // p + 2 to p + 18 fill the encodings from the prime to 2^255; p and p + 1 are of low order.
    for low in 0xef_u8..=0xff {
        let mut bytes = [0xff; KEY_LEN];
        (bytes[0], bytes[31]) = (low, 0x7f);
        assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::NonCanonical), "{low:x}");
    }
    let mut greatest = [0xff; KEY_LEN];
    (greatest[0], greatest[31]) = (0xeb, 0x7f); // p - 2; p - 1 is of low order
    assert!(PublicKey::from_bytes(greatest).is_ok());
    greatest[31] = 0xff;
    assert_eq!(PublicKey::from_bytes(greatest), Err(KeyError::NonCanonical));
}

#[test]
fn text_that_is_no_key_is_refused_with_what_is_wrong_with_it() {
    let good = PrivateKey::generate().unwrap().public().to_base64();
    let cases = [
        (String::new(), KeyError::Empty),
        (good[..43].to_owned(), KeyError::NotBase64),
        (good[..20].to_owned(), KeyError::WrongLength { found: 15 }),
        (format!("{good}\n"), KeyError::NotBase64),
        (format!(" {good}"), KeyError::NotBase64),
        (format!("{}-{}", &good[..20], &good[21..]), KeyError::NotBase64),
        (base64(&[7; 31]), KeyError::WrongLength { found: 31 }),
        (base64(&[7; 33]), KeyError::WrongLength { found: 33 }),
        (base64(&[7; 4096]), KeyError::WrongLength { found: 4096 }),
        // The last character carries four bits of the key and two that must be zero.
        (format!("{}B=", &base64(&[8; KEY_LEN])[..42]), KeyError::NotBase64),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<PublicKey>(), Err(expected), "public {text:?}");
        assert_eq!(PrivateKey::from_base64(&text).unwrap_err(), expected, "private {text:?}");
        assert_eq!(PresharedKey::from_base64(&text).unwrap_err(), expected, "preshared {text:?}");
    }
}

#[test]
fn a_fingerprint_is_the_head_of_the_sha256_of_the_bytes() {
    // head -c 32 /dev/zero | tr '\0' '\1' | sha256sum
    let key = PublicKey::from_bytes([1; KEY_LEN]).unwrap();
    assert_eq!(key.fingerprint(), "72cd6e8422c407fb");
}

#[test]
fn public_keys_sort_by_their_bytes_and_serialize_as_base64() {
    let (low, high) =
        (PublicKey::from_bytes([1; KEY_LEN]).unwrap(), PublicKey::from_bytes([2; KEY_LEN]).unwrap());
    assert!(low < high);
    assert_eq!(serde_json::to_string(&low).unwrap(), format!("\"{low}\""));
    assert_eq!(serde_json::from_str::<PublicKey>(&format!("\"{high}\"")).unwrap(), high);
    assert!(serde_json::from_str::<PublicKey>("\"AAAA\"").is_err());
    assert_eq!(format!("{low:?}"), format!("PublicKey({low})"));
}

#[test]
fn preshared_keys_are_equal_when_all_bytes_are() {
    let one = PresharedKey::from_bytes(&[5; KEY_LEN]).unwrap();
    assert_eq!(one, PresharedKey::from_base64(&one.expose_base64()).unwrap());
    for at in 0..KEY_LEN {
        let mut bytes = [5; KEY_LEN];
        bytes[at] ^= 1;
        assert_ne!(one, PresharedKey::from_bytes(&bytes).unwrap());
    }
    assert_ne!(PresharedKey::generate().unwrap(), PresharedKey::generate().unwrap());
}

/// Compiles only while the type has none of the traits: with one, the name `probe` would be ambiguous.
macro_rules! lacks {
    ($type:ty: $($bound:path),+) => {$({
        trait Ambiguous<A> { fn probe() {} }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct Has;
        impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
        <$type as Ambiguous<_>>::probe();
    })+};
}

#[test]
fn secret_keys_can_be_neither_copied_nor_shown_nor_serialized() {
    lacks!(PrivateKey: Clone, std::fmt::Display, serde::Serialize, PartialEq, std::hash::Hash, AsRef<[u8]>);
    lacks!(PresharedKey: Clone, std::fmt::Display, serde::Serialize, std::hash::Hash, AsRef<[u8]>);
    fn wipes<T: zeroize::ZeroizeOnDrop>() {}
    wipes::<PrivateKey>();
    wipes::<PresharedKey>();
}

proptest! {
    #[test]
    fn private_keys_survive_the_way_to_text_and_back(bytes: [u8; KEY_LEN]) {
        prop_assume!(bytes != [0; KEY_LEN]);
        let key = PrivateKey::from_bytes(&bytes).unwrap();
        let text = key.expose_base64();
        prop_assert_eq!(text.as_str(), base64(key.expose_bytes()));
        prop_assert_eq!(text.len(), KEY_BASE64_LEN);
        let again = PrivateKey::from_base64(&text).unwrap();
        prop_assert_eq!(again.expose_bytes(), key.expose_bytes());
        prop_assert_eq!(again.public(), key.public());
    }

    #[test]
    fn public_keys_survive_the_way_to_text_and_back(bytes: [u8; KEY_LEN]) {
        let mut bytes = bytes;
        bytes[31] &= 0x3f;
        let key = PublicKey::from_bytes(bytes).unwrap();
        prop_assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        prop_assert_eq!(key.to_string(), base64(&bytes));
    }

    #[test]
    fn any_text_is_read_without_panic_and_only_32_bytes_make_a_key(text in "\\PC{0,80}") {
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
