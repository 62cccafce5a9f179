//! What is to be known of the rotation's actions before they are done, and of the kernel's steps that failed.
use crate::mesh::spec::{RouteSpec, RouteVia};
use crate::plan::mesh::Action as Step;
use ringfence_keyring::rotation::Action;

/// Whether an action rests on what those before it changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rests {
    /// Not at all.
    Never,
    /// The kernel must have it, if it does not yet.
    IfBehind,
    /// The kernel must have been looked at just before.
    Always,
}

/// What is to be known of an action before it is done.
pub(super) struct Traits {
    /// What tests call it.
    pub(super) name: &'static str,
    pub(super) rests: Rests,
    /// Whether the kernel is behind afterwards.
    pub(super) changes: bool,
}

/// The one table of actions: their order and what the kernel is brought to between them follow from it.
pub(super) fn traits(action: &Action) -> Traits {
    let (name, rests, changes) = match action {
        Action::Persist => ("persist", Rests::Never, false),
        Action::Report(_) => ("report", Rests::Never, false),
        Action::ConfigurePeer { .. } => ("configure", Rests::Never, true),
        Action::ReplaceRoute { .. } => ("route", Rests::Never, true),
        Action::RemoveRoute { .. } => ("remove route", Rests::Never, true),
        Action::RemovePeer { .. } => ("remove peer", Rests::Never, true),
        Action::Retire { .. } => ("retire", Rests::Always, false),
        Action::MakeKey { .. } => ("make", Rests::IfBehind, true),
        Action::Tell { .. } => ("tell", Rests::IfBehind, false),
        Action::Probe { .. } => ("probe", Rests::IfBehind, false),
        Action::Publish(_) => ("publish", Rests::IfBehind, false),
        Action::RaiseEpoch { .. } => ("raise", Rests::IfBehind, false),
    };
    Traits { name, rests, changes }
}

/// Whether the rotation rests on a step: all about devices, their peers and the routes onto them. Not on a route that cannot
/// be made where nothing is sent over the mesh: of a family that this node does not have, say. The other family's moves.
pub(super) fn concerns_keys(step: &Step, unmade: &[RouteSpec]) -> bool {
    match step {
        Step::SetRoute(route) => route.via != RouteVia::Blackhole && !unmade.contains(route),
        Step::CreateDevice { .. }
        | Step::DeleteDevice(_)
        | Step::AttachPrograms(_)
        | Step::SetKey { .. }
        | Step::ClearKey(_)
        | Step::ChangePeers(..)
        | Step::LinkUp(_) => true,
        Step::DeleteRoute(_)
        | Step::AddRule(_)
        | Step::DeleteRule(_)
        | Step::ReplaceNat(_)
        | Step::ReplaceLock(_)
        | Step::ReplaceWords(_)
        | Step::SetSysctl { .. }
        | Step::SetMtu(..)
        | Step::AddAddress(..)
        | Step::DeleteAddress(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::spec::{MAIN_TABLE, ROUTE_METRIC};
    use ringfence_keyring::{Epoch, Plane};
    use std::sync::Arc;

    fn route(destination: &str, via: RouteVia) -> RouteSpec {
        let destination = destination.parse().unwrap();
        RouteSpec { table: MAIN_TABLE, destination, metric: ROUTE_METRIC, via }
    }

    #[test]
    fn a_route_that_cannot_be_made_where_nothing_is_sent_does_not_stop_a_rotation_and_any_other_does() {
        let [v4, v6] =
            ["10.244.2.0/24", "fd00:10:244:2::/64"].map(|to| route(to, RouteVia::Plane(Plane::One, None)));
        let unmade = [v6.clone()];
        assert!(!concerns_keys(&Step::SetRoute(v6.clone()), &unmade));
        assert!(concerns_keys(&Step::SetRoute(v6), &[]), "an old route may still lead over the old plane");
        assert!(concerns_keys(&Step::SetRoute(v4), &unmade));
        let blackhole = route("10.244.0.0/16", RouteVia::Blackhole);
        assert!(!concerns_keys(&Step::SetRoute(blackhole), &[]));
        assert!(concerns_keys(&Step::LinkUp(Plane::One), &unmade));
    }

    #[test]
    fn what_changes_nothing_in_the_kernel_asks_for_no_convergence() {
        let peer: Arc<str> = "b".into();
        for (action, rests, changes) in [
            (Action::Persist, Rests::Never, false),
            (Action::RemoveRoute { peer: peer.clone() }, Rests::Never, true),
            (Action::MakeKey { plane: Plane::Zero, epoch: Epoch::ZERO }, Rests::IfBehind, true),
        ] {
            let found = traits(&action);
            assert!((found.rests, found.changes) == (rests, changes), "{}", found.name);
        }
    }
}
