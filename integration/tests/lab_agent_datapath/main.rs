//! The executor of maps, programs and hooks against a kernel: what outlives an agent, what heals, what grows.
//! Each test has a network namespace and a bpffs of its own; both go with its thread. Needs root.
mod layout;
mod node;

use anyhow::{Result, ensure};
use node::{device, go, ip, on_a_node, options, tables, way};
use ringfence::apply::bpf::{AttachMode, Datapath, Role};
use ringfence::policy::tables::Tables;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn links(pins: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(pins.join("links"))?
        .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn programs_outlive_the_agent_and_are_put_back_when_somebody_takes_them_away() -> Result<()> {
    for mode in [AttachMode::Tcx, AttachMode::Clsact] {
        on_a_node(move |netlink, pins| async move {
            ip("link add pod0 type veth peer name eth0")?;
            ip("link add rf-wg0 type bridge")?;
            let devices =
                [device("pod0", Role::Pod)?, device("eth0", Role::Underlay)?, device("rf-wg0", Role::Mesh)?];
            let mut datapath = Datapath::open(options(&pins, mode, 64), netlink.clone())?;
            datapath.commit()?;
            let done = datapath.ensure_hooks(&devices).await;
            ensure!(done.changed == 6 && done.errors.is_empty(), "{mode:?}: {done:?}");
            let again = datapath.ensure_hooks(&devices).await;
            ensure!(again.changed == 0, "{mode:?}: what is there is left alone: {again:?}");
            drop(datapath);

            // Another agent takes over: every program is replaced in place by its own.
            let mut datapath = Datapath::open(options(&pins, mode, 64), netlink)?;
            let done = datapath.ensure_hooks(&devices).await;
            ensure!(done.changed == 6 && done.errors.is_empty(), "{mode:?}: {done:?}");

            // Somebody detaches programs.
            match mode {
                AttachMode::Tcx => {
                    std::fs::remove_file(pins.join(format!("links/{}-ingress", devices[0].ifindex)))?
                }
                AttachMode::Clsact => {
                    let status =
                        Command::new("tc").args(["qdisc", "del", "dev", "pod0", "clsact"]).status()?;
                    ensure!(status.success(), "tc");
                }
            }
            // The kernel lets go of a link a moment after its last user.
            let mut healed = 0;
            for _ in 0..100 {
                let done = datapath.ensure_hooks(&devices).await;
                ensure!(done.errors.is_empty(), "{mode:?}: {done:?}");
                healed += done.changed;
                tokio::time::sleep(Duration::from_millis(if healed == 0 { 10 } else { 1 })).await;
            }
            ensure!((1..=2).contains(&healed), "{mode:?}: {healed} hooks were put back");

            // A device goes, with its pins; its pair goes with it.
            ip("link del pod0")?;
            let done = datapath.ensure_hooks(&devices[2..]).await;
            ensure!(done.errors.is_empty(), "{mode:?}: {done:?}");
            if mode == AttachMode::Tcx {
                let id = devices[2].ifindex;
                ensure!(
                    links(&pins)? == [format!("{id}-egress"), format!("{id}-ingress")],
                    "{:?}",
                    links(&pins)?
                );
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_device_that_gets_an_index_that_was_used_before_gets_its_programs() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        ip("link add first index 77 type bridge")?;
        let mut datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        datapath.commit()?;
        datapath.ensure_hooks(&[device("first", Role::Underlay)?]).await;
        ip("link del first")?;
        ip("link add second index 77 type bridge")?;
        let done = datapath.ensure_hooks(&[device("second", Role::Pod)?]).await;
        ensure!(done.changed == 2 && done.errors.is_empty(), "{done:?}");
        let again = datapath.ensure_hooks(&[device("second", Role::Pod)?]).await;
        ensure!(again.changed == 0, "the kernel says that they are attached: {again:?}");
        Ok(())
    })
}

#[test]
fn tables_grow_with_all_their_entries_and_the_next_agent_finds_them() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        ip("link add eth0 type bridge")?;
        let devices = [device("eth0", Role::Underlay)?];
        let mut datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone())?;
        let few = tables(40)?;
        let way = way(&Tables::default(), &few);
        ensure!(datapath.reserve(&way.peak(&Tables::default()))?.is_empty(), "40 fit into 64");
        go(&mut datapath, &way)?;
        datapath.commit()?;
        datapath.ensure_hooks(&devices).await;
        ensure!(datapath.observe()? == few, "what was written is read back");

        let many = tables(1000)?;
        let way = self::way(&few, &many);
        let grew = datapath.reserve(&way.peak(&few))?;
        ensure!(grew.contains(&"RF_ADDRESSES") && !grew.contains(&"RF_SERVICES"), "{grew:?}");
        ensure!(datapath.observe()? == few, "growing changes no entry");
        let done = datapath.ensure_hooks(&devices).await;
        ensure!(done.changed == 2 && done.errors.is_empty(), "hooks move to the bigger tables: {done:?}");
        go(&mut datapath, &way)?;
        ensure!(datapath.observe()? == many);
        let sets: Vec<_> = std::fs::read_dir(pins.join("sets"))?.collect::<std::io::Result<_>>()?;
        ensure!(sets.len() == 1, "the smaller tables are gone");
        drop(datapath);

        let datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        ensure!(datapath.observe()? == many, "the next agent finds them");
        ensure!(datapath.sizes().get("RF_ADDRESSES") >= 1000);
        Ok(())
    })
}

#[test]
fn an_agent_killed_while_tables_grow_leaves_the_old_ones_in_force() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        let few = tables(10)?;
        let mut datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone())?;
        go(&mut datapath, &way(&Tables::default(), &few))?;
        datapath.commit()?;
        drop(datapath);
        // As if killed between making the next set and filling it.
        std::fs::create_dir(pins.join("sets/building"))?;
        let mut datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        ensure!(datapath.observe()? == few);
        let many = tables(500)?;
        let way = way(&few, &many);
        datapath.reserve(&way.peak(&few))?;
        go(&mut datapath, &way)?;
        ensure!(datapath.observe()? == many);
        Ok(())
    })
}
