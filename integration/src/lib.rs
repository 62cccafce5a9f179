//! Test harness, conformance data, the slow evaluator, tests and benches

pub mod api;
pub mod cluster;
pub mod effort;
pub mod evaluator;
pub mod kubernetes;
pub mod lab;
pub mod mesh_lab;
pub mod netns;
pub mod packets;
pub mod testrun;
