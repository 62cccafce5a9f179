//! Tables of another build that are laid out otherwise: what begins anew, and what is kept beside it.
use super::node::{device, go, ip, on_a_node, options, tables, way};
use anyhow::{Result, ensure};
use aya::maps::{Array, HashMap, Map, MapData};
use ringfence::apply::bpf::{AttachMode, Datapath, Role};
use ringfence::policy::tables::Tables;
use ringfence_abi::{FlowKey, FlowValue, Hint, names};
use std::path::Path;

/// A table of the set in force has been pinned by a build that laid it out otherwise.
fn lay_out_otherwise(pins: &Path, name: &str) -> Result<()> {
    let pin = pins.join("sets/1").join(name);
    std::fs::remove_file(&pin)?;
    Ok(HashMap::<_, u32, u32>::create(64, 0)?.pin(&pin)?)
}

fn pinned(pins: &Path, set: &str, name: &str) -> Result<Map> {
    Ok(Map::from_map_data(MapData::from_pin(pins.join("sets").join(set).join(name))?)?)
}

/// An agent has filled ten entries of each table, and ended.
fn filled(pins: &Path, netlink: &rtnetlink::Handle) -> Result<Tables> {
    let few = tables(10)?;
    let mut datapath = Datapath::open(options(pins, AttachMode::Tcx, 64), netlink.clone())?;
    go(&mut datapath, &way(&Tables::default(), &few))?;
    datapath.commit()?;
    Ok(few)
}

#[test]
fn tables_of_another_build_that_do_not_fit_are_begun_anew_and_the_others_kept() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        let few = filled(&pins, &netlink)?;
        lay_out_otherwise(&pins, names::POLICY)?;
        let datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        let found = datapath.observe()?;
        ensure!(found.policy.is_empty(), "it cannot be read by this build");
        ensure!(found.addresses == few.addresses, "the others are as they were");
        Ok(())
    })
}

#[test]
fn hints_that_begin_anew_beside_flows_say_that_everybody_may_have_to_reply() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        filled(&pins, &netlink)?;
        let mut flows: HashMap<_, FlowKey, FlowValue> = pinned(&pins, "1", names::FLOWS)?.try_into()?;
        flows.insert(&FlowKey::default(), &FlowValue::default(), 0)?;
        lay_out_otherwise(&pins, names::HINTS)?;
        let datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        ensure!(datapath.maps().flow_count()? == 1, "flows are kept");
        let hints: Array<_, Hint> = pinned(&pins, "building", names::HINTS)?.try_into()?;
        for index in [0, 1, 7, Hint::LEN - 1] {
            let hint = hints.get(&index, 0)?;
            ensure!(hint == Hint { replies: 1, ..Hint::default() }, "{index}: {hint:?}");
        }
        Ok(())
    })
}

#[test]
fn a_policy_generation_that_flows_may_bear_does_not_come_again() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        filled(&pins, &netlink)?;
        let mut before =
            Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone())?.maps().config()?.generation;
        ensure!(before > 0);
        for _ in 0..2 {
            lay_out_otherwise(&pins, names::CONFIG)?;
            let datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone())?;
            let now = datapath.maps().config()?.generation;
            ensure!(now > before, "{before}, then {now}");
            before = now;
        }
        Ok(())
    })
}

#[test]
fn hooks_stay_with_the_old_tables_while_new_ones_grow_before_they_are_filled() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        ip("link add eth0 type bridge")?;
        let devices = [device("eth0", Role::Underlay)?];
        let few = filled(&pins, &netlink)?;
        let open = || Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone());
        ensure!(open()?.ensure_hooks(&devices).await.changed == 2);
        lay_out_otherwise(&pins, names::ADDRESSES)?;

        let many = tables(1000)?;
        for killed in [true, false] {
            let mut datapath = open()?;
            let found = datapath.observe()?;
            ensure!(
                found.addresses.is_empty() && found.policy == few.policy,
                "an agent that was killed left nothing"
            );
            let way = way(&found, &many);
            let grew = datapath.reserve(&way.peak(&found))?;
            ensure!(grew.contains(&names::ADDRESSES) && datapath.is_building(), "{grew:?}");
            let done = datapath.ensure_hooks(&devices).await;
            ensure!(done.changed == 0 && done.errors.is_empty(), "nothing to move to yet: {done:?}");
            if killed {
                continue;
            }
            go(&mut datapath, &way)?;
            datapath.commit()?;
            let done = datapath.ensure_hooks(&devices).await;
            ensure!(done.changed == 2 && done.errors.is_empty(), "{done:?}");
            ensure!(datapath.observe()? == many);
            let sets: Vec<_> = std::fs::read_dir(pins.join("sets"))?.collect::<std::io::Result<_>>()?;
            ensure!(sets.len() == 1, "nothing else is left: {sets:?}");
        }
        Ok(())
    })
}
