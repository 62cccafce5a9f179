//! Our datapath, brought where it is by the agent's own compiler, plan and executor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aya::maps::{HashMap, Map, MapData};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use ringfence::apply::bpf::{AttachMode, Datapath, Device, Options, Pins, Sizes, object::OBJECT};
use ringfence::desired::Snapshot;
use ringfence::plan::datapath::plan;
use ringfence::policy::Compiler;
use ringfence::policy::tables::{LocalView, Tables};
use ringfence_abi::{Config, FlowKey, FlowValue, Mark, names};

use super::netns::Netns;

/// Where everything is pinned.
pub(crate) const PINS: &str = "/sys/fs/bpf";
/// Entries of the flow table, as the agent has them by default.
pub(crate) const FLOWS: u32 = 262_144;
/// Entries that other tables start with, so that none has to grow while something is measured.
const ENTRIES: u32 = 65_536;

/// Makes a bpffs that nobody else sees and which goes with this process. To be called while it has one thread.
///
/// # Errors
/// Without root.
pub(crate) fn prepare() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace (are you root?)")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("making mounts private")?;
    mount(Some("bpf"), PINS, Some("bpf"), MsFlags::empty(), none).context("mounting a bpffs")
}

/// Enforcement in one namespace, until it is dropped.
pub(crate) struct Ours {
    netns: Netns,
    datapath: Datapath,
    compiler: Compiler,
    observed: Arc<Tables>,
    pins: PathBuf,
}

/// How long the parts of a change took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) compile: Duration,
    pub(crate) plan: Duration,
    /// Until what is new is in force.
    pub(crate) enforce: Duration,
    /// Removing what was left over, after that.
    pub(crate) retire: Duration,
}

impl Ours {
    /// With empty tables, and no program attached.
    ///
    /// # Errors
    /// The executor's.
    pub(crate) fn new(netns: &Netns, pins: &Path, flows: u32) -> Result<Self> {
        let options = Options {
            object: OBJECT,
            pins: pins.to_owned(),
            mark_shift: Mark::SHIFT_DEFAULT,
            sizes: Sizes::initial(ENTRIES, flows),
            mode: AttachMode::of_this_kernel(),
        };
        let netns = netns.again()?;
        let mut datapath = within(&netns, async |netlink| Ok(Datapath::open(options, netlink)?))?;
        datapath.commit()?;
        Ok(Self {
            netns,
            datapath,
            compiler: Compiler::default(),
            observed: Arc::default(),
            pins: pins.to_owned(),
        })
    }

    /// Puts programs on devices.
    ///
    /// # Errors
    /// The executor's.
    pub(crate) fn attach(&mut self, devices: &[Device]) -> Result<()> {
        let Self { netns, datapath, .. } = self;
        within(netns, async move |_| {
            let errors = datapath.ensure_hooks(devices).await.errors;
            if let Some(error) = errors.into_iter().next() {
                return Err(error.into());
            }
            Ok(())
        })
    }

    /// Goes to what the snapshot says.
    ///
    /// # Errors
    /// The executor's, or when a table would have to grow.
    pub(crate) fn enforce(&mut self, snapshot: &Snapshot, local: &LocalView) -> Result<Took> {
        let began = Instant::now();
        let output = self.compiler.compile(snapshot, local);
        let compiled = Instant::now();
        let config = self.datapath.maps().config()?;
        let plan = plan(&self.observed, &output.tables, &config);
        let grown = self.datapath.reserve(&plan.peak(&self.observed))?;
        if !grown.is_empty() {
            bail!("tables grew although they were made large: {grown:?}");
        }
        let planned = Instant::now();
        plan.enforce.iter().try_for_each(|action| self.datapath.apply(action))?;
        let enforced = Instant::now();
        plan.retire.iter().try_for_each(|action| self.datapath.apply(action))?;
        self.datapath.settle()?;
        self.compiler.applied(output.revision);
        self.observed = output.tables;
        Ok(Took {
            compile: compiled - began,
            plan: planned - compiled,
            enforce: enforced - planned,
            retire: enforced.elapsed(),
        })
    }

    /// Declares that some pod of the node is isolated, as on most nodes some are, also where the two in question are not.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn somebody_is_isolated(&mut self) -> Result<()> {
        let config = self.datapath.maps().config()?;
        let config = Config { flags: config.flags | Config::ANY_ISOLATED, ..config };
        Ok(self.datapath.apply(&ringfence::plan::datapath::Action::SetConfig(config))?)
    }

    /// A counter.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn counter(&self, index: u32) -> Result<u64> {
        Ok(self.datapath.maps().counter(index)?)
    }

    /// Forgets every flow, so that the next packet of each is the first again.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn forget_flows(&self) -> Result<()> {
        let pins = Pins::existing(&self.pins).context("the pins are gone")?;
        let set = pins.sets()?.last().copied().context("there is no set of tables")?;
        let map = Map::from_map_data(MapData::from_pin(pins.set(set).join(names::FLOWS))?)?;
        let mut flows = HashMap::<_, FlowKey, FlowValue>::try_from(map)?;
        let all: Vec<FlowKey> = flows.keys().collect::<Result<_, _>>()?;
        all.iter().try_for_each(|key| flows.remove(key)).context("forgetting a flow")
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

/// Runs something that speaks netlink inside a network namespace.
fn within<T: Send>(
    netns: &Netns,
    work: impl AsyncFnOnce(rtnetlink::Handle) -> Result<T> + Send,
) -> Result<T> {
    netns.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (connection, netlink, _) = rtnetlink::new_connection()?;
            let connection = tokio::spawn(connection);
            let result = work(netlink).await;
            connection.abort();
            result
        })
    })
}
