//! Revocation of nodes whose Node objects are gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringfence_keyring::rotation::{Action, Event, Published, Refusal, Report};

use crate::world::{NOW, World, name, uid};

#[test]
fn who_is_revoked_after_its_node_object_has_gone_brings_its_keys_back_under_no_name_and_takes_nobody_elses_along()
 {
    let mut world = World::standing(3);
    let old = world.nodes[2].written.last().unwrap().clone();
    let honest = world.nodes[1].written.last().unwrap().clone();
    world.happen(0, NOW, Event::Left { node: name(2), uid: uid(2, 0) }, usize::MAX);
    // Its publication is still there, and shows an honest node's key as its own as well.
    let keys: BTreeSet<_> = old.keys().chain(honest.keys()).chain(world.nodes[0].written[0].keys()).collect();
    let event = Event::Judged { node: name(2), uid: uid(2, 0), number: 1, revoked: true, keys };
    world.happen(0, NOW, event, usize::MAX);
    let judged = &world.nodes[0].disk.as_ref().unwrap().judged[&uid(2, 0)];
    assert_eq!(judged.keys, old.keys().collect());
    let mut agent = world.nodes[0].agent.clone().unwrap();
    agent.step(NOW, Event::Joined { node: name(5), uid: uid(5, 0) });
    let thief = Published { node: name(5), uid: uid(5, 0), ..(*old).clone() };
    let said = agent.step(NOW, Event::Read(Arc::new(thief)));
    let is_refused = |action: &Action| {
        matches!(action, Action::Report(Report::Refused { why: Refusal::RevokedKey { .. }, .. }))
    };
    assert!(said.iter().any(is_refused), "{said:?}");
    let later = Published { serial: honest.serial + 1, ..(*honest).clone() };
    agent.step(NOW, Event::Read(Arc::new(later)));
    assert_eq!(agent.believed(&name(1)).unwrap().serial, honest.serial + 1);
}
