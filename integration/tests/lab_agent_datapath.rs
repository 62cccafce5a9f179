//! The executor of maps, programs and hooks against a kernel: what outlives an agent, what heals, what grows.
//! Each test has a network namespace and a bpffs of its own; both go with its thread. Needs root.
use anyhow::{Context, Result, ensure};
use ipnetwork::IpNetwork;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use ringfence::apply::bpf::object::OBJECT;
use ringfence::apply::bpf::{AttachMode, Datapath, Device, Options, Role, Sizes};
use ringfence::plan::datapath::{Plan, plan};
use ringfence::policy::tables::Tables;
use ringfence_abi::{Addr, AddressValue, Config, PolicyKey, PolicyValue, PortBitmap, PrefixValue};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Runs `test` in namespaces of its own, with a netlink handle and an empty bpffs.
fn on_a_node<F, R>(test: F) -> Result<()>
where
    F: FnOnce(rtnetlink::Handle, PathBuf) -> R + Send + 'static,
    R: Future<Output = Result<()>>,
{
    let thread = std::thread::spawn(move || -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("unshare; are you root?")?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        let dir = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (connection, netlink, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            test(netlink, dir.path().join("pins")).await
        })
    });
    thread.join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}

fn options(pins: &Path, mode: AttachMode, tables: u32) -> Options {
    Options {
        object: OBJECT,
        pins: pins.to_owned(),
        mark_shift: 24,
        sizes: Sizes::initial(tables, 1024),
        mode,
    }
}

fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    ensure!(status.success(), "ip {arguments}");
    Ok(())
}

fn device(name: &str, role: Role) -> Result<Device> {
    Ok(Device { ifindex: nix::net::if_::if_nametoindex(name)?, name: name.to_owned(), role })
}

/// Tables with `n` entries in each that grows.
fn tables(n: u32) -> Result<Tables> {
    let mut tables = Tables::default();
    for i in 0..n {
        let ip = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + i));
        tables.addresses.insert(Addr::from(ip), AddressValue { class: i, ..AddressValue::default() });
        tables.prefixes.insert(IpNetwork::new(ip, 32)?, PrefixValue { class: i, ..PrefixValue::default() });
        tables
            .policy
            .insert(PolicyKey { profile: i, class: 1 }, PolicyValue { tcp: 1, ..PolicyValue::default() });
    }
    let mut bitmap = PortBitmap { words: [0; 1024] };
    bitmap.words[1] = 1 << 16;
    tables.bitmaps.insert(PolicyValue::FIRST_BITMAP, Arc::new(bitmap));
    Ok(tables)
}

fn way(from: &Tables, to: &Tables) -> Plan {
    plan(from, to, &Config::default())
}

fn go(datapath: &mut Datapath, plan: &Plan) -> Result<()> {
    Ok(plan.actions().try_for_each(|action| datapath.apply(action))?)
}

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

#[test]
fn tables_of_another_build_that_do_not_fit_are_begun_anew_and_the_others_kept() -> Result<()> {
    on_a_node(|netlink, pins| async move {
        let few = tables(10)?;
        let mut datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink.clone())?;
        go(&mut datapath, &way(&Tables::default(), &few))?;
        datapath.commit()?;
        drop(datapath);
        // Another build had another layout of one table.
        let set = pins.join("sets/1/RF_POLICY");
        std::fs::remove_file(&set)?;
        aya::maps::HashMap::<_, u32, u32>::create(64, 0)?.pin(&set)?;
        let datapath = Datapath::open(options(&pins, AttachMode::Tcx, 64), netlink)?;
        let found = datapath.observe()?;
        ensure!(found.policy.is_empty(), "it cannot be read by this build");
        ensure!(found.addresses == few.addresses, "the others are as they were");
        Ok(())
    })
}
