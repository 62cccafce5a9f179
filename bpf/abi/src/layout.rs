//! The layout both sides rely on, asserted when either is compiled; and aya's marker trait for the agent's side.
use crate::*;

macro_rules! layout {
    ($($t:ty = $size:literal),+ $(,)?) => {
        $(
            const _: () = assert!(core::mem::size_of::<$t>() == $size);
            // SAFETY: `repr(C)`, integers only, no padding (the sizes above are the sums of the fields), so any bit
            // pattern is a value and every byte is initialised.
            #[cfg(feature = "user")]
            unsafe impl aya::Pod for $t {}
        )+
    };
}

layout! {
    Addr = 16,
    AddressValue = 12,
    PrefixValue = 8,
    EndpointValue = 56,
    NearEndpoint = 128,
    ServiceKey = 20,
    ServiceValue = 4,
    PolicyKey = 8,
    PolicyValue = 16,
    PortBitmap = 8192,
    FlowKey = 40,
    FlowValue = 40,
    FragmentKey = 24,
    FragmentValue = 56,
    PortRoles = 16384,
    Hint = 16,
    RecentFlow = 24,
    Recent = 64,
    Config = 24,
}
