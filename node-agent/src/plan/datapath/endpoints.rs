//! Local pods: their own classes flip with the places, their profiles turn with policy.
use super::meaning::Meaning;
use super::passing::{Pair, Passing};
use super::standins::Standins;
use super::{Action, Steps};
use crate::policy::tables::Tables;
use ringfence_abi::EndpointValue;
use std::collections::BTreeSet;

/// Pods that change.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// The same sandbox before and after.
    changed: Vec<(u32, EndpointValue, EndpointValue)>,
    /// New sandboxes, also under an ifindex that another had.
    new: Vec<(u32, EndpointValue)>,
    gone: Vec<u32>,
    /// Whether a pod that stays is judged otherwise afterwards.
    pub(super) any_turns: bool,
}

impl Endpoints {
    pub(super) fn new(old: &Tables, new: &Tables) -> Self {
        let mut out = Self::default();
        for (ifindex, after) in &new.endpoints {
            match old.endpoints.get(ifindex) {
                Some(before) if before == after => {}
                Some(before) if before.id == after.id => {
                    out.any_turns |= judged_by(before) != judged_by(after);
                    out.changed.push((*ifindex, *before, *after));
                }
                _ => out.new.push((*ifindex, *after)),
            }
        }
        out.gone.extend(old.endpoints.keys().filter(|ifindex| !new.endpoints.contains_key(ifindex)));
        out
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        let both = |(_, b, a): &(u32, EndpointValue, EndpointValue)| {
            [(b.class_v4, a.class_v4), (b.class_v6, a.class_v6)]
        };
        let pairs = self.changed.iter().flat_map(both).filter(|(before, after)| before != after);
        pairs.map(|(before, after)| (Meaning::Class(before), Meaning::Class(after)))
    }

    /// Profiles that some pod leaves.
    pub(super) fn left(&self) -> BTreeSet<u32> {
        let directions = |(_, b, a): &(u32, EndpointValue, EndpointValue)| {
            [(b.ingress_profile, a.ingress_profile), (b.egress_profile, a.egress_profile)]
        };
        let moved = self.changed.iter().flat_map(directions).filter(|(before, after)| before != after);
        moved.map(|(before, _)| before).collect()
    }

    pub(super) fn steps(&self, passing: &Passing, standins: &Standins, straight: bool, steps: &mut Steps) {
        for (ifindex, before, after) in &self.changed {
            let class = |before: u32, after: u32| match before == after {
                true => after,
                false => passing.of((Meaning::Class(before), Meaning::Class(after))).unwrap_or(after),
            };
            let mut now = *before;
            let mut put = |value: EndpointValue, into: &mut Vec<Action>| {
                if now != value {
                    into.push(Action::PutEndpoint(*ifindex, value));
                    now = value;
                }
            };
            let class_v4 = class(before.class_v4, after.class_v4);
            let class_v6 = class(before.class_v6, after.class_v6);
            if straight {
                put(*after, &mut steps.flip);
                continue;
            }
            let ingress_profile = standins.of(before.ingress_profile, after.ingress_profile);
            let egress_profile = standins.of(before.egress_profile, after.egress_profile);
            let first = EndpointValue { ingress_profile, egress_profile, class_v4, class_v6, ..*before };
            put(first, &mut steps.flip);
            put(EndpointValue { class_v4, class_v6, ..*after }, &mut steps.turn);
            put(*after, &mut steps.settle);
        }
        steps.turn.extend(self.new.iter().map(|(ifindex, value)| Action::PutEndpoint(*ifindex, *value)));
        steps.turn.extend(self.gone.iter().map(|ifindex| Action::RemoveEndpoint(*ifindex)));
    }
}

const fn judged_by(endpoint: &EndpointValue) -> (u32, u32, u32) {
    (endpoint.ingress_profile, endpoint.egress_profile, endpoint.flags)
}
