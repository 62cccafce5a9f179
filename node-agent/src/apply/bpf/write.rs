//! Writing single entries. Each write is atomic: a program sees the old value or the new one.
use super::observe::prefix_key;
use super::{Datapath, DatapathError, Maps, grace_period};
use crate::plan::datapath::Action;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key;
use ipnetwork::IpNetwork;
use nix::libc::ENOENT;
use ringfence_abi::{
    Addr, AddressValue, EndpointValue, PolicyKey, PolicyValue, PortBitmap, PrefixValue, ServiceKey,
    ServiceValue, names,
};

impl Datapath {
    /// Carries out one step of a plan. [`Action::Grace`] blocks for 5 to 50 ms.
    ///
    /// # Errors
    /// [`DatapathError::Map`], [`DatapathError::Grace`].
    pub fn apply(&mut self, action: &Action) -> Result<(), DatapathError> {
        let maps = &mut self.maps;
        match action {
            Action::PutBitmap(index, bitmap) => maps.put_bitmap(*index, Some(bitmap)),
            Action::ClearBitmap(index) => maps.put_bitmap(*index, None),
            Action::PutPolicy(key, value) => maps.put_policy(key, Some(value)),
            Action::RemovePolicy(key) => maps.put_policy(key, None),
            Action::PutAddress(address, value) => maps.put_address(*address, Some(value)),
            Action::RemoveAddress(address) => maps.put_address(*address, None),
            Action::PutPrefix(network, value) => maps.put_prefix(network, Some(value)),
            Action::RemovePrefix(network) => maps.put_prefix(network, None),
            Action::PutEndpoint(ifindex, value) => maps.put_endpoint(*ifindex, Some(value)),
            Action::RemoveEndpoint(ifindex) => maps.put_endpoint(*ifindex, None),
            Action::PutService(key, value) => maps.put_service(key, Some(value)),
            Action::RemoveService(key) => maps.put_service(key, None),
            Action::SetConfig(config) => maps.set_config(config),
            Action::Grace => {
                grace_period()?;
                maps.take_places()
            }
        }
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
        self.leave_place(ifindex, value)?;
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
