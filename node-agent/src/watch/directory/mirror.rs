//! Endpoints into EndpointSlices, as a cluster mirrors them.
use super::gather::{Draft, Gathered, Raw};

/// Adds the slices of Endpoints whose Service has no selector, and no slices here already (a dump of a cluster has).
/// Endpoints of other Services are a cluster's own and say nothing that its pods do not.
pub(super) fn endpoints(all: &mut Gathered) {
    for (name, draft) in std::mem::take(&mut all.endpoints) {
        let by_hand = all.services.get(&name).is_some_and(|s| s.value.service.selector.is_none());
        let has_slices = all
            .slices
            .values()
            .any(|s| s.value.service == name.name && s.value.name.namespace == name.namespace);
        if !by_hand || has_slices {
            continue;
        }
        for slice in draft.value.slices {
            let made = Draft { value: slice.clone(), origin: draft.origin.clone(), raw: Raw::Made };
            all.slices.insert(slice.name, made);
        }
    }
}
