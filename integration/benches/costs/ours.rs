//! Our datapath in R, brought there by the agent's own compiler, plan and executor.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use aya::maps::{HashMap, Map, MapData};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use ringfence::apply::bpf::{
    AttachMode, Attached, Datapath, Device, Options, Pins, Role, Sizes, object::OBJECT,
};
use ringfence::model::ObjectName;
use ringfence::plan::datapath::{Action, plan};
use ringfence::policy::Compiler;
use ringfence::policy::tables::{LocalEndpoint, LocalView, Tables};
use ringfence_abi::{Config, FlowKey, FlowValue, Mark, names};

use super::cluster::{Cluster, HERE};
use super::rig::{A, B, GATEWAY, Rig, VETHS};

/// Entries of the flow table, as the agent has them by default.
pub(crate) const FLOWS: u32 = 262_144;

/// Makes the bpffs that everything is pinned on, which nobody else sees and which goes with this process. To be called
/// while it has one thread.
///
/// # Errors
/// Without root.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace (are you root?)")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("making mounts private")?;
    mount(Some("bpf"), dir, Some("bpf"), MsFlags::empty(), none).context("mounting a bpffs")
}

/// Enforcement on one rig, until it is dropped.
pub(crate) struct Ours {
    datapath: Datapath,
    pins: PathBuf,
}

impl Ours {
    /// Compiles the cluster with A and B as pods of this node, and attaches everything. A is an outsider where it is
    /// `role` [`Role::Underlay`].
    ///
    /// # Errors
    /// The executor's.
    pub(crate) fn enforce(rig: &Rig, cluster: &Cluster, pins: &Path, role: Role, flows: u32) -> Result<Self> {
        let [to_a, to_b] = VETHS;
        let (at_a, at_b) = (rig.router.ifindex(to_a)?, rig.router.ifindex(to_b)?);
        let mut endpoints = vec![endpoint(2, at_b, "b", B.into())];
        if role == Role::Pod {
            endpoints.push(endpoint(1, at_a, "a", A.into()));
        }
        let local = LocalView {
            node: HERE.into(),
            addresses: vec![GATEWAY.into()],
            endpoints,
            cluster_pod_cidrs: Vec::new(),
            refused_nodes: Default::default(),
        };
        let tables = Compiler::default().compile(&cluster.snapshot(1), &local).tables;
        let devices = [
            Device { ifindex: at_a, name: to_a.into(), role },
            Device { ifindex: at_b, name: to_b.into(), role: Role::Pod },
        ];
        let sizes = Sizes::initial(65_536, flows);
        let datapath = rig.router.within(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (connection, netlink, _) = rtnetlink::new_connection()?;
                tokio::spawn(connection);
                let options = Options {
                    object: OBJECT,
                    pins: pins.to_owned(),
                    mark_shift: Mark::SHIFT_DEFAULT,
                    sizes,
                    mode: AttachMode::of_this_kernel(),
                };
                let mut datapath = Datapath::open(options, netlink)?;
                let way = plan(&Tables::default(), &tables, &Config::default());
                way.actions().try_for_each(|action| datapath.apply(action))?;
                datapath.apply(&Action::SetConfig(config(&tables)))?;
                datapath.commit()?;
                let Attached { errors, .. } = datapath.ensure_hooks(&devices).await;
                if !errors.is_empty() {
                    bail!("{errors:?}")
                }
                Ok(datapath)
            })
        })?;
        Ok(Self { datapath, pins: pins.to_owned() })
    }

    /// A counter.
    pub(crate) fn counter(&self, index: u32) -> Result<u64> {
        Ok(self.datapath.maps().counter(index)?)
    }

    /// Forgets every flow, so that the next packet of each is the first again.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn forget_flows(&self) -> Result<usize> {
        let mut flows = HashMap::<_, FlowKey, FlowValue>::try_from(open(&self.pins, names::FLOWS)?)?;
        let all: Vec<FlowKey> = flows.keys().collect::<Result<_, _>>()?;
        for key in &all {
            flows.remove(key)?;
        }
        Ok(all.len())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(pins) = Pins::existing(&self.pins) {
            // What is left goes with the mount namespace.
            let _ = pins.remove_all();
        }
    }
}

fn open(pins: &Path, name: &str) -> Result<Map> {
    let pins = Pins::existing(pins).context("no pins")?;
    let set = pins.sets()?.last().copied().context("no set of tables")?;
    Ok(Map::from_map_data(MapData::from_pin(pins.set(set).join(name))?)?)
}

/// As a plan would set it.
fn config(tables: &Tables) -> Config {
    let [transit_class_v4, transit_class_v6] = tables.transit_class;
    // Also where neither A nor B is isolated: of a node's pods some are.
    Config {
        generation: 1,
        transit_class_v4,
        transit_class_v6,
        flags: Config::ANY_ISOLATED,
        ..Config::default()
    }
}

fn endpoint(id: u32, ifindex: u32, name: &str, address: std::net::IpAddr) -> LocalEndpoint {
    LocalEndpoint {
        id,
        ifindex,
        pod: ObjectName::new("bench", name),
        uid: None,
        addresses: vec![address],
        closing: false,
    }
}
