//! Reading the tables back: after a restart the kernel, not a file, says what is enforced.
use super::{DatapathError, Maps};
use crate::policy::tables::Tables;
use aya::maps::{IterableMap, MapError};
use ipnetwork::IpNetwork;
use ringfence_abi::{Addr, PolicyValue, PortBitmap, names};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Bits by which an IPv4 prefix is longer in its mapped form.
const MAPPED_BITS: u32 = 96;

/// Every table as it is now. Bitmaps that are all zero count as absent: an array's entries cannot be removed.
///
/// # Errors
/// [`DatapathError::Map`], naming the table that could not be read.
pub(super) fn observe(maps: &Maps) -> Result<Tables, DatapathError> {
    let config = maps.config()?;
    let prefixes = maps
        .prefixes
        .iter()
        .map(|entry| entry.map(|(key, value)| (unmap(key.prefix_len(), key.data()), value)))
        .collect::<Result<Vec<_>, MapError>>()
        .map_err(DatapathError::map("read", names::PREFIXES))?;
    Ok(Tables {
        addresses: all(&maps.addresses, names::ADDRESSES)?,
        prefixes: prefixes.into_iter().filter_map(|(net, value)| Some((net?, value))).collect(),
        endpoints: all(&maps.endpoints, names::ENDPOINTS)?,
        services: all(&maps.services, names::SERVICES)?,
        policy: all(&maps.policy, names::POLICY)?,
        bitmaps: bitmaps(maps)?,
        transit_class: [config.transit_class_v4, config.transit_class_v6],
    })
}

fn all<K, V, M>(map: &M, name: &'static str) -> Result<HashMap<K, V>, DatapathError>
where
    K: aya::Pod + Eq + Hash,
    V: aya::Pod,
    M: IterableMap<K, V>,
    for<'a> &'a M: IntoIterator<Item = Result<(K, V), MapError>>,
{
    map.into_iter().collect::<Result<_, _>>().map_err(DatapathError::map("read", name))
}

fn bitmaps(maps: &Maps) -> Result<BTreeMap<u32, Arc<PortBitmap>>, DatapathError> {
    let mut found = BTreeMap::new();
    for index in PolicyValue::FIRST_BITMAP..maps.ports.len() {
        let bitmap = maps.ports.get(&index, 0).map_err(DatapathError::map("read", names::PORTS))?;
        if bitmap.words.iter().any(|word| *word != 0) {
            found.insert(index, Arc::new(bitmap));
        }
    }
    Ok(found)
}

/// The key of a prefix in the table: its length in bits of the mapped form, and its address.
pub(super) fn prefix_key(net: &IpNetwork) -> (u32, Addr) {
    let bits = u32::from(net.prefix());
    (if net.is_ipv4() { bits + MAPPED_BITS } else { bits }, Addr::from(net.network()))
}

/// The prefix of a key; `None` for a length that no prefix has.
fn unmap(length: u32, addr: Addr) -> Option<IpNetwork> {
    let (ip, bits): (IpAddr, u32) = if addr.is_v4() && length >= MAPPED_BITS {
        (addr.into(), length - MAPPED_BITS)
    } else {
        (IpAddr::V6(Ipv6Addr::from(addr.octets())), length)
    };
    IpNetwork::new(ip, u8::try_from(bits).ok()?).ok()
}
