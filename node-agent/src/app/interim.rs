//! Going from one state of the tables to another.
use crate::apply::bpf::{Datapath, DatapathError, grace_period};
use crate::policy::tables::Tables;
use ringfence_abi::Config;

/// Adds and flips.
pub(super) fn begin(
    datapath: &mut Datapath,
    old: &Tables,
    new: &Tables,
    ports: [u16; 2],
) -> Result<(), DatapathError> {
    let isolated = |t: &Tables| t.endpoints.values().any(|e| e.ingress_profile | e.egress_profile != 0);
    let before = datapath.maps().config()?;
    let flags = if isolated(old) || isolated(new) { Config::ANY_ISOLATED } else { 0 };
    datapath.set_config(&Config {
        transit_class_v4: new.transit_class[0],
        transit_class_v6: new.transit_class[1],
        flags,
        wireguard_ports: ports.map(u16::to_be),
        ..before
    })?;
    datapath.fill(new)
}

/// Removes, and moves the generation on.
pub(super) fn finish(datapath: &mut Datapath, old: &Tables, new: &Tables) -> Result<(), DatapathError> {
    grace_period()?;
    datapath.clear(old, new)?;
    let before = datapath.maps().config()?;
    datapath.set_config(&Config { generation: before.generation.wrapping_add(1), ..before })
}
