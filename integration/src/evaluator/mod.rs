//! A slow, obvious evaluator of NetworkPolicy, written from the API's text (`networking.k8s.io/v1`, the reference
//! documentation of `NetworkPolicySpec` and below) and the Services documentation.
//!
//! It answers DESIGN's queries from plain Kubernetes objects: loops over policies, rules, peers and ports, no classes,
//! no tables, no caching. It shares no code with the agent's compiler on purpose, so that a misreading of the API in
//! one is not silently repeated in the other: nothing under this directory imports `ringfence`.
//!
//! - [`load`]: manifests of a directory as JSON values.
//! - [`read`]: values to a [`Cluster`] of pods, nodes, Services and policies.
//! - [`Query`]: one question. [`evaluate`]: its [`Answer`].
//! - [`generate`]: random clusters and queries, for differential tests.

mod cidr;
mod cluster;
mod generate;
mod load;
mod policy;
mod query;
mod read;
mod read_service;
mod selector;
mod served;
mod service;
mod verdict;

pub use cidr::Cidr;
pub use cluster::{Backend, Cluster, ContainerPort, Family, Node, Pod, Service, ServicePort};
pub use generate::{Generated, Shape, generate, queries};
pub use load::{load_directory, parse_documents};
pub use policy::{Direction, Seen, allowed, isolated};
pub use query::Query;
pub use read::read_cluster;
pub use selector::matches as selector_matches;
pub use served::is_served;
pub use verdict::{Answer, Party, evaluate};
