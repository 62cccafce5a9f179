//! One set of tables in the place of another, all at once: for tables that no traffic uses.
use super::near::Copies;
use super::{DatapathError, Maps};
use crate::policy::tables::Tables;
use aya::maps::{HashMap as HashTable, Map, MapData, MapError};
use aya::{Ebpf, Pod};
use ringfence_abi::names;
use std::collections::HashMap;
use std::hash::Hash;

impl Maps {
    /// Takes the tables out of an object that was loaded without pins.
    ///
    /// # Errors
    /// [`DatapathError::NoMap`], [`DatapathError::Map`].
    pub fn of_object(object: &mut Ebpf) -> Result<Self, DatapathError> {
        Ok(Self {
            addresses: taken(object, names::ADDRESSES)?,
            prefixes: taken(object, names::PREFIXES)?,
            endpoints: taken(object, names::ENDPOINTS)?,
            near: taken(object, names::NEAR)?,
            services: taken(object, names::SERVICES)?,
            policy: taken(object, names::POLICY)?,
            ports: taken(object, names::PORTS)?,
            flows: taken(object, names::FLOWS)?,
            roles: taken(object, names::ROLES)?,
            counters: taken(object, names::COUNTERS)?,
            config: taken(object, names::CONFIG)?,
            copies: Copies::default(),
        })
    }

    /// Writes what differs between `old`, which the tables hold, and `new`, in no order that would be safe for traffic.
    ///
    /// # Errors
    /// [`DatapathError::Map`], also if a table is too small.
    pub fn replace(&mut self, old: &Tables, new: &Tables) -> Result<(), DatapathError> {
        each(&old.addresses, &new.addresses, |k, v| self.put_address(*k, v))?;
        each(&old.prefixes, &new.prefixes, |k, v| self.put_prefix(k, v))?;
        each(&old.endpoints, &new.endpoints, |k, v| self.put_endpoint(*k, v))?;
        self.take_places()?;
        each(&old.services, &new.services, |k, v| self.put_service(k, v))?;
        each(&old.policy, &new.policy, |k, v| self.put_policy(k, v))?;
        for index in old.bitmaps.keys().filter(|index| !new.bitmaps.contains_key(index)) {
            self.put_bitmap(*index, None)?;
        }
        let changed = new.bitmaps.iter().filter(|(index, bitmap)| old.bitmaps.get(index) != Some(bitmap));
        for (index, bitmap) in changed {
            self.put_bitmap(*index, Some(bitmap))?;
        }
        Ok(())
    }

    /// Empties the flow table.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn clear_flows(&mut self) -> Result<(), DatapathError> {
        clear(&mut self.flows, names::FLOWS)
    }

    /// Forgets in which role pods used their ports.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub fn clear_roles(&mut self) -> Result<(), DatapathError> {
        clear(&mut self.roles, names::ROLES)
    }
}

/// Removes every entry.
///
/// # Errors
/// [`DatapathError::Map`].
pub(crate) fn clear<K: Pod, V: Pod>(
    map: &mut HashTable<MapData, K, V>,
    name: &'static str,
) -> Result<(), DatapathError> {
    let keys: Result<Vec<K>, MapError> = map.keys().collect();
    for key in keys.map_err(DatapathError::map("read", name))? {
        map.remove(&key).map_err(DatapathError::map("clear", name))?;
    }
    Ok(())
}

/// Removals first, so that a full table has room for what is new.
fn each<K: Eq + Hash, V: PartialEq>(
    old: &HashMap<K, V>,
    new: &HashMap<K, V>,
    mut put: impl FnMut(&K, Option<&V>) -> Result<(), DatapathError>,
) -> Result<(), DatapathError> {
    old.keys().filter(|key| !new.contains_key(key)).try_for_each(|key| put(key, None))?;
    let changed = new.iter().filter(|(key, value)| old.get(key) != Some(*value));
    changed.into_iter().try_for_each(|(key, value)| put(key, Some(value)))
}

/// A table of an object, to be used from here on.
///
/// # Errors
/// [`DatapathError::NoMap`], [`DatapathError::Map`].
pub(crate) fn taken<M>(object: &mut Ebpf, name: &'static str) -> Result<M, DatapathError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = object.take_map(name).ok_or(DatapathError::NoMap { map: name })?;
    M::try_from(map).map_err(DatapathError::map("open", name))
}
