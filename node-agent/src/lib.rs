//! Ringfence's agent as a library: the binary, the tests and the benches use the same code.
//!
//! Data flows one way: `watch` turns Kubernetes objects into `model` values, `desired` publishes immutable snapshots,
//! `policy` and `mesh` compile a snapshot into tables, peers and routes, `plan` says what differs from what was
//! observed, and the executor in `apply` alone touches the kernel.

#[cfg(all(feature = "seeded-mistakes", not(debug_assertions)))]
compile_error!("`seeded-mistakes` lets tests break what this program enforces: it is for debug builds alone");

pub mod app;
pub mod apply;
pub mod cli;
pub mod cni;
pub mod control;
pub mod desired;
pub mod disk;
pub mod endpoint;
pub mod lab;
pub mod mesh;
pub mod model;
pub mod plan;
pub mod policy;
pub mod readiness;
pub mod status;
pub mod task;
pub mod testrun;
pub mod userspace;
pub mod watch;
pub mod words;
