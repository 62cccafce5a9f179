//! The executor: the one place that touches the kernel. It decides nothing.

mod address;
pub mod bpf;
mod converge;
pub mod devices;
pub mod guard;
mod link;
mod lock;
pub mod mesh;
mod mesh_actions;
mod mesh_backend;
mod mesh_error;
mod nat_script;
mod netlink;
mod nft;
mod observe;
pub mod observe_events;
mod route;
mod rule;
mod sysctl;
mod wireguard;
mod words;
