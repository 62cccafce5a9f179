//! The order of writes: a program that reads a place meanwhile sees one endpoint or none, never half of each.
use super::*;

/// Places, and every write in order.
#[derive(Default)]
struct Recorded {
    places: BTreeMap<u32, NearEndpoint>,
    writes: Vec<(NearEndpoint, NearEndpoint)>,
}

impl Places for Recorded {
    fn read(&self, place: u32) -> Result<NearEndpoint, DatapathError> {
        Ok(self.places.get(&place).copied().unwrap_or_default())
    }

    fn write(&mut self, place: u32, near: &NearEndpoint) -> Result<(), DatapathError> {
        let before = self.places.insert(place, *near).unwrap_or_default();
        self.writes.push((before, *near));
        Ok(())
    }
}

impl Recorded {
    /// The writes since this was last asked. The kernel copies a value in word by word, so none may change the ifindex and
    /// anything else, nor anything else while the ifindex says that it is valid.
    fn writes(&mut self) -> Vec<(u32, u32)> {
        let writes = std::mem::take(&mut self.writes);
        for (before, after) in &writes {
            let same = before.value == after.value;
            assert!(same || (before.ifindex == 0 && after.ifindex == 0), "{before:?} -> {after:?}");
        }
        writes.iter().map(|(before, after)| (before.ifindex, after.ifindex)).collect()
    }

    fn at(&self, ifindex: u32) -> NearEndpoint {
        self.places[&NearEndpoint::place(ifindex)]
    }
}

fn endpoint(id: u32) -> EndpointValue {
    EndpointValue { id, ingress_profile: id, class_v4: id, ..EndpointValue::default() }
}

/// Endpoint 7 with a copy of number 1.
fn copied() -> (Copies, Recorded) {
    let (mut copies, mut places) = (Copies::default(), Recorded::default());
    copies.leave(&mut places, 7, Some(&endpoint(1))).unwrap();
    assert_eq!(places.writes(), [], "its place is empty, and filled after a grace period only");
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [(0, 0), (0, 7)], "first all but the ifindex, then that");
    assert_eq!(places.at(7).value, endpoint(1));
    (copies, places)
}

#[test]
fn a_copy_is_given_up_by_its_ifindex_alone_and_made_anew_after_a_grace_period_only() {
    let (mut copies, mut places) = copied();
    copies.leave(&mut places, 7, Some(&endpoint(2))).unwrap();
    assert_eq!(places.writes(), [(7, 0)]);
    assert_eq!(places.at(7).value, endpoint(1), "a program may still be reading it");
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [(0, 0), (0, 7)]);
    assert_eq!(places.at(7).value, endpoint(2));
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [], "nothing is due any more");
}

#[test]
fn a_copy_of_what_did_not_change_stays_where_it_is() {
    let (mut copies, mut places) = copied();
    copies.leave(&mut places, 7, Some(&endpoint(1))).unwrap();
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), []);
}

#[test]
fn the_copy_of_an_endpoint_that_goes_is_given_up_and_never_made_anew() {
    let (mut copies, mut places) = copied();
    copies.leave(&mut places, 7, Some(&endpoint(2))).unwrap();
    copies.leave(&mut places, 7, None).unwrap();
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [(7, 0)]);
}

#[test]
fn of_two_that_claim_one_place_the_first_keeps_it_and_the_other_has_it_once_it_is_free() {
    let (mut copies, mut places) = copied();
    let other = 7 + NearEndpoint::LEN;
    copies.leave(&mut places, other, Some(&endpoint(3))).unwrap();
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [], "it is found by hashing");
    copies.leave(&mut places, 7, None).unwrap();
    copies.leave(&mut places, other, Some(&endpoint(3))).unwrap();
    copies.take(&mut places).unwrap();
    assert_eq!(places.writes(), [(7, 0), (0, 0), (0, other)]);
    assert_eq!(places.at(7).value, endpoint(3));
}

#[test]
fn an_agent_that_ended_in_between_left_a_place_empty_and_the_next_one_fills_it() {
    let (mut copies, mut places) = copied();
    copies.leave(&mut places, 7, Some(&endpoint(2))).unwrap();
    drop(copies);
    let mut next = Copies::default();
    // As at its start, for every endpoint there is.
    next.leave(&mut places, 7, Some(&endpoint(2))).unwrap();
    next.take(&mut places).unwrap();
    assert_eq!(places.writes(), [(7, 0), (0, 0), (0, 7)]);
}
