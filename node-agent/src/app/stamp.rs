//! When policy last changed for somebody who is already there; see [`ringfence_abi::Config::changed`].
use crate::plan::datapath::{Action, Plan};
use crate::policy::tables::Tables;
use nix::time::{ClockId, clock_gettime};

/// Whether a plan changes what is said of anybody who is already there; a new pod or peer changes nothing for others.
pub(super) fn restricts(plan: &Plan, observed: &Tables) -> bool {
    plan.enforce.iter().any(|action| match action {
        Action::RemovePolicy(_) => true,
        Action::PutPolicy(key, _) => observed.policy.contains_key(key),
        Action::PutAddress(address, _) => observed.addresses.contains_key(address),
        Action::PutPrefix(network, _) => observed.prefixes.contains_key(network),
        Action::PutEndpoint(ifindex, value) => {
            observed.endpoints.get(ifindex).is_some_and(|old| old.id == value.id && old.flags == value.flags)
        }
        _ => false,
    })
}

/// Stamps every configuration of a plan from where the generation moves on with the present time; see
/// [`ringfence_abi::Config::changed`].
pub(super) fn stamp(plan: &mut Plan, generation: u32) {
    let now = monotonic_seconds();
    for action in plan.enforce.iter_mut().chain(&mut plan.retire) {
        if let Action::SetConfig(config) = action
            && config.generation != generation
        {
            config.changed = now;
        }
    }
}

/// `CLOCK_MONOTONIC`, which `bpf_ktime_get_ns` reads too; 0 stands for never.
fn monotonic_seconds() -> u32 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec());
    u32::try_from(now).unwrap_or(u32::MAX).max(1)
}
