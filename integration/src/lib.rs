//! Test harness, conformance data, the slow evaluator, tests and benches

pub mod evaluator;
pub mod testrun;
