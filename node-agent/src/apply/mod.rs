//! The executor: the one place that touches the kernel. It decides nothing.

mod address;
pub mod bpf;
pub mod devices;
pub mod guard;
mod link;
pub mod mesh;
mod mesh_actions;
mod mesh_backend;
mod mesh_error;
mod nat;
mod nat_script;
mod netlink;
mod observe;
pub mod observe_events;
mod route;
mod rule;
mod sysctl;
mod wireguard;
