//! Test harness, conformance data, the slow evaluator, tests and benches

pub mod cluster;
pub mod evaluator;
pub mod mesh_lab;
pub mod netns;
pub mod testrun;
