//! When tables grow.
use super::sizes::{GROWING, Sizes, need};
use crate::plan::datapath::Peak;
use ringfence_abi::names;

#[test]
fn a_table_grows_before_it_is_full_and_then_to_twice_what_is_needed() {
    let sizes = Sizes::initial(64, 1024);
    let with = |policy| need(&Peak { policy, ..Peak::default() });
    assert!(sizes.grown(&with(48)).1.is_empty(), "three quarters are enough");
    let (grown, which) = sizes.grown(&with(49));
    assert_eq!((which, grown.get(names::POLICY)), (vec![names::POLICY], 128));
    assert_eq!(sizes.grown(&with(1000)).0.get(names::POLICY), 2048);
    assert_eq!(grown.get(names::ADDRESSES), 64, "the others stay");
}

#[test]
fn every_endpoint_may_come_to_have_roles() {
    let (grown, which) = Sizes::initial(64, 1024).grown(&need(&Peak { endpoints: 60, ..Peak::default() }));
    assert_eq!(which, [names::ENDPOINTS, names::ROLES]);
    assert_eq!(grown.get(names::ENDPOINTS), grown.get(names::ROLES));
}

#[test]
fn what_fits_without_growing_is_told_from_what_does_not() {
    let sizes = Sizes::initial(64, 1024);
    assert!(sizes.hold(&need(&Peak { addresses: 64, ..Peak::default() })));
    assert!(!sizes.hold(&need(&Peak { addresses: 65, ..Peak::default() })));
}

#[test]
fn every_table_has_a_size() {
    let sizes = Sizes::initial(0, 0);
    assert!(names::MAPS.into_iter().all(|name| sizes.get(name) > 0));
    assert!(GROWING.into_iter().all(|name| names::MAPS.contains(&name)));
}
