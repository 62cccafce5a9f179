//! The eBPF object that the build script made from `bpf/programs`.

/// The ELF file, aligned as its headers want it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringfence-programs.o"));
