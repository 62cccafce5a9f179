//! Types that the eBPF programs and the agent share: map keys and values, the mark, drop reasons.
//!
//! Every struct is `repr(C)` without implicit padding, so both sides see the same bytes; `layout.rs` asserts it at
//! compile time, on both sides. Ports and addresses are in network byte order wherever they are compared with packet
//! bytes; the doc of each field says so. Names of maps and programs are in [`names`].
#![no_std]

pub mod addr;
pub mod config;
pub mod flow;
mod layout;
pub mod mark;
#[cfg(feature = "seeded-mistakes")]
pub mod mistake;
pub mod names;
pub mod reason;
pub mod tables;

pub use addr::Addr;
pub use config::Config;
pub use flow::{FlowKey, FlowValue, FragmentKey, FragmentValue, Hint, PortRoles, Recent, RecentFlow};
pub use mark::{Mark, Origin};
pub use reason::{Counter, Reason};
pub use tables::{
    AddressKind, AddressValue, EndpointValue, NearEndpoint, PolicyKey, PolicyValue, PortBitmap, PrefixValue,
    ServiceKey, ServiceValue,
};
