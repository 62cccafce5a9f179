//! The executor of the datapath: the only place that touches maps, programs and hooks.
//!
//! Everything is pinned, so enforcement goes on when the agent ends. One agent uses a pin directory at a time.

mod attach;
mod clsact;
mod error;
mod grace;
mod grow;
mod hook;
mod kept;
mod load;
mod maps;
mod near;
pub mod object;
mod observe;
mod pins;
mod replace;
mod sizes;
mod tcx;
#[cfg(test)]
mod tests;
mod write;

pub use attach::{Attached, uninstall};
pub use error::DatapathError;
pub use grace::grace_period;
pub use hook::{AttachMode, Device, Direction, Role};
pub use maps::Maps;
pub use pins::Pins;
pub(crate) use replace::{clear, taken};
pub use sizes::{GROWING, Sizes, need};

use crate::policy::tables::Tables;
use load::Programs;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the executor is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The eBPF object file.
    pub object: &'static [u8],
    /// Pin directory; see [`Pins`].
    pub pins: PathBuf,
    /// How far the mark's bits are shifted.
    pub mark_shift: u32,
    /// Capacities to start with.
    pub sizes: Sizes,
    /// How programs are attached.
    pub mode: AttachMode,
}

/// Maps, programs and hooks of one node.
pub struct Datapath {
    options: Options,
    netlink: rtnetlink::Handle,
    pins: Pins,
    sizes: Sizes,
    maps: Maps,
    programs: Programs,
    /// The set in force is still being filled, so hooks must not use it yet.
    building: bool,
    /// Which program (by id) was put on which hook.
    attached: BTreeMap<(u32, Direction), u32>,
}

impl Datapath {
    /// Takes up the tables of the last agent, or begins with empty ones, and loads the programs against them. No hook is
    /// touched: what was attached goes on with what it had, until [`Datapath::commit`] and [`Datapath::ensure_hooks`].
    ///
    /// # Errors
    /// [`DatapathError`]: the pin directory, the object, a map.
    pub fn open(options: Options, netlink: rtnetlink::Handle) -> Result<Self, DatapathError> {
        let pins = Pins::open(&options.pins)?;
        let start = grow::take_up(&options, &pins)?;
        Ok(Self {
            netlink,
            pins,
            sizes: start.sizes,
            maps: start.maps,
            programs: start.programs,
            building: start.building,
            attached: BTreeMap::new(),
            options,
        })
    }

    /// Every table as the kernel has it.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn observe(&self) -> Result<Tables, DatapathError> {
        observe::observe(&self.maps)
    }

    /// The tables, to read counters and the configuration from.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Capacity of every table.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// How programs are attached.
    pub fn mode(&self) -> AttachMode {
        self.options.mode
    }
}
