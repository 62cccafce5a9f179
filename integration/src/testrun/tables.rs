//! Filling and reading a rig's maps.
use super::Rig;
use anyhow::{Context as _, Result};
use aya::Pod;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map};
use ipnetwork::IpNetwork;
use ringfence_abi::{
    Addr, AddressKind, AddressValue, Config, EndpointValue, FlowKey, FlowValue, FragmentKey, FragmentValue,
    NearEndpoint, PolicyKey, PolicyValue, PortBitmap, PortRoles, PrefixValue, ServiceKey, ServiceValue,
    names,
};
use std::net::IpAddr;

impl Rig {
    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("the object has no map {name}"))
    }

    fn insert<K: Pod, V: Pod>(&mut self, name: &str, key: K, value: V) -> Result<()> {
        let mut map = HashMap::<_, K, V>::try_from(self.map(name)?)?;
        map.insert(&key, &value, 0).with_context(|| format!("write {name}"))
    }

    fn remove<K: Pod, V: Pod>(&mut self, name: &str, key: K) -> Result<()> {
        let mut map = HashMap::<_, K, V>::try_from(self.map(name)?)?;
        map.remove(&key).with_context(|| format!("remove from {name}"))
    }

    /// `RF_CONFIG`.
    ///
    /// # Errors
    /// As all here: the kernel refuses.
    pub fn set_config(&mut self, config: Config) -> Result<()> {
        Ok(Array::<_, Config>::try_from(self.map(names::CONFIG)?)?.set(0, &config, 0)?)
    }

    /// `RF_ADDRESSES`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_address(&mut self, ip: IpAddr, kind: AddressKind, class: u32, owner: u32) -> Result<()> {
        let value = AddressValue { class, owner, kind: kind as u8, ..AddressValue::default() };
        self.insert(names::ADDRESSES, Addr::from(ip), value)
    }

    /// Takes an address out of `RF_ADDRESSES`.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove_address(&mut self, ip: IpAddr) -> Result<()> {
        self.remove::<Addr, AddressValue>(names::ADDRESSES, Addr::from(ip))
    }

    /// `RF_PREFIXES`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_prefix(&mut self, net: IpNetwork, kind: AddressKind, class: u32) -> Result<()> {
        let bits = u32::from(net.prefix()) + if net.is_ipv4() { 96 } else { 0 };
        let value = PrefixValue { class, kind: kind as u8, ..PrefixValue::default() };
        let mut map = LpmTrie::<_, Addr, PrefixValue>::try_from(self.map(names::PREFIXES)?)?;
        Ok(map.insert(&Key::new(bits, Addr::from(net.network())), &value, 0)?)
    }

    /// `RF_NEAR` and `RF_ENDPOINTS`, as the agent writes them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_endpoint(&mut self, ifindex: u32, value: EndpointValue) -> Result<()> {
        self.set_near(ifindex, NearEndpoint { ifindex, value, ..NearEndpoint::default() })?;
        self.insert(names::ENDPOINTS, ifindex, value)
    }

    /// `RF_NEAR` alone, at the place of a veth.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_near(&mut self, ifindex: u32, value: NearEndpoint) -> Result<()> {
        let mut near = Array::<_, NearEndpoint>::try_from(self.map(names::NEAR)?)?;
        Ok(near.set(NearEndpoint::place(ifindex), &value, 0)?)
    }

    /// Takes an endpoint out of both.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove_endpoint(&mut self, ifindex: u32) -> Result<()> {
        self.set_near(ifindex, NearEndpoint::default())?;
        self.remove::<u32, EndpointValue>(names::ENDPOINTS, ifindex)
    }

    /// `RF_SERVICES`; `port` in host order.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_service(&mut self, ip: IpAddr, port: u16, protocol: u8, class: u32) -> Result<()> {
        let key = ServiceKey { addr: Addr::from(ip), port: port.to_be(), protocol, pad: 0 };
        self.insert(names::SERVICES, key, ServiceValue { class })
    }

    /// `RF_POLICY`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_policy(&mut self, profile: u32, class: u32, value: PolicyValue) -> Result<()> {
        self.insert(names::POLICY, PolicyKey { profile, class }, value)
    }

    /// Takes a line out of `RF_POLICY`.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove_policy(&mut self, profile: u32, class: u32) -> Result<()> {
        self.remove::<PolicyKey, PolicyValue>(names::POLICY, PolicyKey { profile, class })
    }

    /// `RF_PORTS`: the set of these ports (host order) at an index.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_ports(&mut self, index: u32, ports: &[u16]) -> Result<()> {
        let mut bitmap = PortBitmap { words: [0; 1024] };
        for port in ports {
            bitmap.words[usize::from(port / 64)] |= 1 << (port % 64);
        }
        Ok(Array::<_, PortBitmap>::try_from(self.map(names::PORTS)?)?.set(index, &bitmap, 0)?)
    }

    /// Every flow.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn flows(&mut self) -> Result<Vec<(FlowKey, FlowValue)>> {
        let map = HashMap::<_, FlowKey, FlowValue>::try_from(self.map(names::FLOWS)?)?;
        Ok(map.iter().collect::<Result<_, _>>()?)
    }

    /// How many datagrams are remembered of which a first fragment was seen.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn fragments(&mut self) -> Result<usize> {
        let map = HashMap::<_, FragmentKey, FragmentValue>::try_from(self.map(names::FRAGMENTS)?)?;
        Ok(map.keys().collect::<Result<Vec<_>, _>>()?.len())
    }

    /// Puts a flow in or replaces it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn set_flow(&mut self, key: FlowKey, value: FlowValue) -> Result<()> {
        self.insert(names::FLOWS, key, value)
    }

    /// Forgets every flow, as a flood would.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget_flows(&mut self) -> Result<()> {
        for (key, _) in self.flows()? {
            self.remove::<FlowKey, FlowValue>(names::FLOWS, key)?;
        }
        Ok(())
    }

    /// In which roles a pod's port (host order) has been used: opened, accepted.
    ///
    /// # Errors
    /// The kernel refuses, or the pod has no entry.
    pub fn roles(&mut self, ifindex: u32, port: u16) -> Result<(bool, bool)> {
        let map = HashMap::<_, u32, PortRoles>::try_from(self.map(names::ROLES)?)?;
        let roles = map.get(&ifindex, 0).context("no roles")?;
        let (word, bit) = (usize::from(port / 64), 1 << (port % 64));
        Ok((roles.opened[word] & bit != 0, roles.accepted[word] & bit != 0))
    }
}
