//! Writing single entries. Each write is atomic: a program sees the old value or the new one.
use super::observe::prefix_key;
use super::{Datapath, DatapathError, Maps};
use crate::policy::tables::Tables;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key;
use ipnetwork::IpNetwork;
use nix::libc::ENOENT;
use ringfence_abi::{
    Addr, AddressValue, Config, EndpointValue, PolicyKey, PolicyValue, PortBitmap, PrefixValue, ServiceKey,
    ServiceValue, names,
};

impl Datapath {
    /// Writes every entry of `tables`, in no order that would be safe for traffic: for tables that no hook uses yet.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn fill(&mut self, tables: &Tables) -> Result<(), DatapathError> {
        let maps = &mut self.maps;
        tables.addresses.iter().try_for_each(|(k, v)| maps.put_address(*k, Some(v)))?;
        tables.prefixes.iter().try_for_each(|(k, v)| maps.put_prefix(k, Some(v)))?;
        tables.endpoints.iter().try_for_each(|(k, v)| maps.put_endpoint(*k, Some(v)))?;
        tables.services.iter().try_for_each(|(k, v)| maps.put_service(k, Some(v)))?;
        tables.policy.iter().try_for_each(|(k, v)| maps.put_policy(k, Some(v)))?;
        tables.bitmaps.iter().try_for_each(|(k, v)| maps.put_bitmap(*k, Some(v)))
    }

    /// Removes every entry of `old` that `new` does not have.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn clear(&mut self, old: &Tables, new: &Tables) -> Result<(), DatapathError> {
        let maps = &mut self.maps;
        let gone = old.endpoints.keys().filter(|k| !new.endpoints.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_endpoint(*k, None))?;
        let gone = old.addresses.keys().filter(|k| !new.addresses.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_address(*k, None))?;
        let gone = old.prefixes.keys().filter(|k| !new.prefixes.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_prefix(k, None))?;
        let gone = old.services.keys().filter(|k| !new.services.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_service(k, None))?;
        let gone = old.policy.keys().filter(|k| !new.policy.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_policy(k, None))?;
        let gone = old.bitmaps.keys().filter(|k| !new.bitmaps.contains_key(*k));
        gone.into_iter().try_for_each(|k| maps.put_bitmap(*k, None))
    }

    /// Sets one endpoint, ahead of any plan: a new pod is cut off before its policy is known.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn put_endpoint(&mut self, ifindex: u32, value: &EndpointValue) -> Result<(), DatapathError> {
        self.maps.put_endpoint(ifindex, Some(value))
    }

    /// Replaces the configuration that programs read.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn set_config(&mut self, config: &Config) -> Result<(), DatapathError> {
        self.maps.set_config(config)
    }
}

impl Maps {
    /// Sets an address, or removes it.
    pub(super) fn put_address(
        &mut self,
        key: Addr,
        value: Option<&AddressValue>,
    ) -> Result<(), DatapathError> {
        match value {
            Some(value) => wrote(self.addresses.insert(&key, value, 0), names::ADDRESSES),
            None => removed(self.addresses.remove(&key), names::ADDRESSES),
        }
    }

    /// Sets a prefix, or removes it.
    pub(super) fn put_prefix(
        &mut self,
        net: &IpNetwork,
        value: Option<&PrefixValue>,
    ) -> Result<(), DatapathError> {
        let (bits, addr) = prefix_key(net);
        let key = Key::new(bits, addr);
        match value {
            Some(value) => wrote(self.prefixes.insert(&key, value, 0), names::PREFIXES),
            None => removed(self.prefixes.remove(&key), names::PREFIXES),
        }
    }

    /// Sets an endpoint, or removes it.
    pub(super) fn put_endpoint(
        &mut self,
        ifindex: u32,
        value: Option<&EndpointValue>,
    ) -> Result<(), DatapathError> {
        match value {
            Some(value) => wrote(self.endpoints.insert(&ifindex, value, 0), names::ENDPOINTS),
            None => {
                removed(self.endpoints.remove(&ifindex), names::ENDPOINTS)?;
                // Made by the programs; goes with the endpoint.
                removed(self.roles.remove(&ifindex), names::ROLES)
            }
        }
    }

    /// Sets a Service, or removes it.
    pub(super) fn put_service(
        &mut self,
        key: &ServiceKey,
        value: Option<&ServiceValue>,
    ) -> Result<(), DatapathError> {
        match value {
            Some(value) => wrote(self.services.insert(key, value, 0), names::SERVICES),
            None => removed(self.services.remove(key), names::SERVICES),
        }
    }

    /// Sets what a profile allows a class, or removes it.
    pub(super) fn put_policy(
        &mut self,
        key: &PolicyKey,
        value: Option<&PolicyValue>,
    ) -> Result<(), DatapathError> {
        match value {
            Some(value) => wrote(self.policy.insert(key, value, 0), names::POLICY),
            None => removed(self.policy.remove(key), names::POLICY),
        }
    }

    /// Sets a bitmap, or clears it: entries of an array cannot be removed.
    pub(super) fn put_bitmap(&mut self, index: u32, value: Option<&PortBitmap>) -> Result<(), DatapathError> {
        const CLEARED: PortBitmap = PortBitmap { words: [0; 1024] };
        wrote(self.ports.set(index, value.unwrap_or(&CLEARED), 0), names::PORTS)
    }
}

fn wrote(done: Result<(), MapError>, map: &'static str) -> Result<(), DatapathError> {
    done.map_err(DatapathError::map("write", map))
}

/// What is not there need not be removed.
fn removed(done: Result<(), MapError>, map: &'static str) -> Result<(), DatapathError> {
    match done {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(e)) if e.io_error.raw_os_error() == Some(ENOENT) => Ok(()),
        other => other.map_err(DatapathError::map("remove from", map)),
    }
}
