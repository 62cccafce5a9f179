use proptest::prelude::*;

use super::*;

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

#[test]
fn epoch_zero_is_of_plane_zero_and_each_next_one_of_the_other_plane() {
    assert_eq!(Epoch::ZERO.plane(), Plane::Zero);
    let mut at = Epoch::ZERO;
    for _ in 0..9 {
        let next = at.next().unwrap();
        assert_eq!(next.plane(), at.plane().other());
        assert_eq!(next.previous(), Some(at));
        at = next;
    }
    assert_eq!(at.get(), 9);
}

#[test]
fn epochs_end_at_two_to_the_53_and_nothing_goes_round() {
    assert_eq!(Epoch::MAX.get(), 9_007_199_254_740_991);
    assert_eq!(Epoch::MAX.next(), None);
    assert_eq!(Epoch::ZERO.previous(), None);
    assert!(Epoch::new(Epoch::MAX.get()).is_ok());
    for huge in [Epoch::MAX.get() + 1, u64::MAX] {
        assert_eq!(Epoch::new(huge), Err(EpochError { number: huge }));
    }
    assert!(serde_json::from_str::<Epoch>("9007199254740992").is_err());
    assert!(serde_json::from_str::<Epoch>("-1").is_err());
    assert!(serde_json::from_str::<Epoch>("1.5").is_err());
}

#[test]
fn a_mesh_admits_its_own_epoch_with_the_next_or_the_last_on_the_idle_plane() {
    let keys = |zero, one| PerPlane { zero: epoch(zero), one: epoch(one) };
    let cases = [
        (4, keys(4, 5), true),
        (4, keys(4, 3), true),
        (5, keys(4, 5), true),
        (5, keys(6, 5), true),
        (0, keys(0, 1), true),
        (6, keys(4, 5), false),
        (3, keys(4, 5), false),
        (4, keys(4, 7), false),
        (4, keys(4, 1), false),
        (4, keys(5, 4), false),
        (5, keys(2, 5), false),
        (4, keys(4, 4), false),
    ];
    for (mesh, keys, expected) in cases {
        assert_eq!(epoch(mesh).admits(keys), expected, "{mesh} {keys:?}");
    }
}

proptest! {
    #[test]
    fn an_epoch_admits_just_the_two_sets_of_keys_beside_it(mesh in 0..1000_u64, zero in 0..1000_u64, one in 0..1000_u64) {
        let expected = match mesh % 2 {
            0 => zero == mesh && (one == mesh + 1 || one + 1 == mesh),
            _ => one == mesh && (zero == mesh + 1 || zero + 1 == mesh),
        };
        prop_assert_eq!(epoch(mesh).admits(PerPlane { zero: epoch(zero), one: epoch(one) }), expected);
    }

    #[test]
    fn an_epoch_survives_json(number in 0..=Epoch::MAX.get()) {
        let text = serde_json::to_string(&epoch(number)).unwrap();
        prop_assert_eq!(&text, &number.to_string());
        prop_assert_eq!(serde_json::from_str::<Epoch>(&text).unwrap(), epoch(number));
    }
}
