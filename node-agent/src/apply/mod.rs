//! The executor: the one place that touches the kernel. It decides nothing.

pub mod bpf;
