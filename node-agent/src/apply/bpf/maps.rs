//! The tables, open for reading and writing.
use super::{DatapathError, near::Copies, sizes::Sizes};
use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, MapInfo, PerCpuArray};
use ringfence_abi::{
    Addr, AddressValue, Config, EndpointValue, FlowKey, FlowValue, NearEndpoint, PolicyKey, PolicyValue,
    PortBitmap, PortRoles, PrefixValue, ServiceKey, ServiceValue, names,
};
use std::path::Path;

/// Every table of a set by its type.
pub struct Maps {
    pub(super) addresses: HashMap<MapData, Addr, AddressValue>,
    pub(super) prefixes: LpmTrie<MapData, Addr, PrefixValue>,
    pub(super) endpoints: HashMap<MapData, u32, EndpointValue>,
    pub(super) near: Array<MapData, NearEndpoint>,
    pub(super) services: HashMap<MapData, ServiceKey, ServiceValue>,
    pub(super) policy: HashMap<MapData, PolicyKey, PolicyValue>,
    pub(super) ports: Array<MapData, PortBitmap>,
    pub(super) roles: HashMap<MapData, u32, PortRoles>,
    pub(super) flows: HashMap<MapData, FlowKey, FlowValue>,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) config: Array<MapData, Config>,
    /// What is to be done in `near`.
    pub(super) copies: Copies,
}

impl Maps {
    /// Opens the tables pinned in `dir`.
    ///
    /// # Errors
    /// [`DatapathError::Map`], naming the first that is missing or of another type.
    pub fn open(dir: &Path) -> Result<Self, DatapathError> {
        let mut maps = Self {
            addresses: typed(dir, names::ADDRESSES)?,
            prefixes: typed(dir, names::PREFIXES)?,
            endpoints: typed(dir, names::ENDPOINTS)?,
            near: typed(dir, names::NEAR)?,
            services: typed(dir, names::SERVICES)?,
            policy: typed(dir, names::POLICY)?,
            ports: typed(dir, names::PORTS)?,
            roles: typed(dir, names::ROLES)?,
            flows: typed(dir, names::FLOWS)?,
            counters: typed(dir, names::COUNTERS)?,
            config: typed(dir, names::CONFIG)?,
            copies: Copies::default(),
        };
        maps.find_due()?;
        Ok(maps)
    }

    /// The configuration that programs read.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn config(&self) -> Result<Config, DatapathError> {
        self.config.get(&0, 0).map_err(DatapathError::map("read", names::CONFIG))
    }

    /// Replaces the configuration as a whole.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn set_config(&mut self, config: &Config) -> Result<(), DatapathError> {
        self.config.set(0, config, 0).map_err(DatapathError::map("write", names::CONFIG))
    }

    /// A counter or drop reason by index, summed over CPUs: packets.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn counter(&self, index: u32) -> Result<u64, DatapathError> {
        let values = self.counters.get(&index, 0).map_err(DatapathError::map("read", names::COUNTERS))?;
        Ok(values.iter().sum())
    }

    /// Entries of the flow table, counted one by one.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn flow_count(&self) -> Result<usize, DatapathError> {
        self.flows
            .keys()
            .try_fold(0, |n, key| key.map(|_| n + 1))
            .map_err(DatapathError::map("read", names::FLOWS))
    }
}

/// A table pinned in `dir`.
///
/// # Errors
/// [`DatapathError::Map`].
pub(super) fn typed<M>(dir: &Path, name: &'static str) -> Result<M, DatapathError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let open =
        || -> Result<M, MapError> { M::try_from(Map::from_map_data(MapData::from_pin(dir.join(name))?)?) };
    open().map_err(DatapathError::map("open", name))
}

/// The capacities of the tables pinned in `dir`; `defaults` for those that are not there.
///
/// # Errors
/// [`DatapathError::Map`] for a pin that is there but cannot be asked.
pub(super) fn pinned_sizes(dir: &Path, defaults: &Sizes) -> Result<Sizes, DatapathError> {
    let mut sizes = defaults.clone();
    for name in names::MAPS {
        let path = dir.join(name);
        if path.exists() {
            let info = MapInfo::from_pin(path).map_err(DatapathError::map("open", name))?;
            sizes.set(name, info.max_entries());
        }
    }
    Ok(sizes)
}
