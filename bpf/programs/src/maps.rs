//! The tables. Sizes are defaults: the agent sets them when it loads the object.
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray};
use ringfence_abi::reason::COUNTERS_LEN;
use ringfence_abi::{
    Addr, AddressValue, Config, EndpointValue, FlowKey, FlowValue, FragmentKey, FragmentValue, Hint,
    NearEndpoint, PolicyKey, PolicyValue, PortBitmap, PortRoles, PrefixValue, Recent, ServiceKey,
    ServiceValue,
};

#[map]
pub(crate) static RF_ADDRESSES: HashMap<Addr, AddressValue> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_PREFIXES: LpmTrie<Addr, PrefixValue> =
    LpmTrie::with_max_entries(16_384, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_ENDPOINTS: HashMap<u32, EndpointValue> =
    HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_NEAR: Array<NearEndpoint> = Array::with_max_entries(NearEndpoint::LEN, 0);
#[map]
pub(crate) static RF_SERVICES: HashMap<ServiceKey, ServiceValue> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_POLICY: HashMap<PolicyKey, PolicyValue> =
    HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_PORTS: Array<PortBitmap> = Array::with_max_entries(64, 0);
#[map]
pub(crate) static RF_FLOWS: LruHashMap<FlowKey, FlowValue> = LruHashMap::with_max_entries(65_536, 0);
#[map]
pub(crate) static RF_FRAGMENTS: LruHashMap<FragmentKey, FragmentValue> =
    LruHashMap::with_max_entries(4096, 0);
#[map]
pub(crate) static RF_ROLES: HashMap<u32, PortRoles> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static RF_HINTS: Array<Hint> = Array::with_max_entries(Hint::LEN, 0);
#[map]
pub(crate) static RF_RECENT: Array<Recent> = Array::with_max_entries(Recent::EACH, 0);
#[map]
pub(crate) static RF_COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS_LEN, 0);
#[map]
pub(crate) static RF_CONFIG: Array<Config> = Array::with_max_entries(1, 0);

/// The endpoint behind a veth.
#[inline(always)]
pub(crate) fn endpoint(ifindex: u32) -> Option<&'static EndpointValue> {
    if let Some(value) = near(ifindex) {
        return Some(value);
    }
    // SAFETY: not preallocated, so the value lives until the grace period after this run; the agent replaces values,
    // it never writes into them.
    unsafe { RF_ENDPOINTS.get(&ifindex) }
}

/// The same, if it has a copy.
#[inline(always)]
pub(crate) fn near(ifindex: u32) -> Option<&'static EndpointValue> {
    let near = RF_NEAR.get(NearEndpoint::place(ifindex))?;
    if near.ifindex == ifindex && ifindex != 0 { Some(&near.value) } else { None }
}

/// The configuration; absent never, but the verifier wants the question.
#[inline(always)]
pub(crate) fn config() -> Option<&'static Config> {
    RF_CONFIG.get(0)
}

/// The policy generation, to be read before any other table: what is decided from here on is at least as new.
#[inline(always)]
pub(crate) fn generation(config: &Config) -> u32 {
    // SAFETY: a plain field of a live reference; volatile so that the read stays where it is.
    unsafe { core::ptr::read_volatile(&raw const config.generation) }
}
