//! A node to try the executor on, and tables to fill.
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

/// Runs `test` in namespaces of its own, with a netlink handle and an empty bpffs.
pub(super) fn on_a_node<F, R>(test: F) -> Result<()>
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

pub(super) fn options(pins: &Path, mode: AttachMode, tables: u32) -> Options {
    Options {
        object: OBJECT,
        pins: pins.to_owned(),
        mark_shift: 24,
        sizes: Sizes::initial(tables, 1024),
        mode,
    }
}

pub(super) fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status()?;
    ensure!(status.success(), "ip {arguments}");
    Ok(())
}

pub(super) fn device(name: &str, role: Role) -> Result<Device> {
    Ok(Device { ifindex: nix::net::if_::if_nametoindex(name)?, name: name.to_owned(), role })
}

/// Tables with `n` entries in each that grows.
pub(super) fn tables(n: u32) -> Result<Tables> {
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

pub(super) fn way(from: &Tables, to: &Tables) -> Plan {
    plan(from, to, &Config::default())
}

pub(super) fn go(datapath: &mut Datapath, plan: &Plan) -> Result<()> {
    Ok(plan.actions().try_for_each(|action| datapath.apply(action))?)
}
