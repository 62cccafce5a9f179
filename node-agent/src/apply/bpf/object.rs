//! The eBPF object that the build script made from `bpf/programs`.

/// The ELF file, aligned as its headers want it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringfence-programs.o"));

/// The same programs, able to make a mistake that a test plants: see `ringfence_abi::mistake`.
#[cfg(feature = "seeded-mistakes")]
pub static MISTAKEN: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringfence-programs-mistaken.o"));

#[cfg(test)]
mod tests {
    /// The name of the global by which a mistake is chosen, as it stands in a string table.
    fn can_be_mistaken(object: &[u8]) -> bool {
        object.windows(9).any(|bytes| bytes == b"\0MISTAKE\0")
    }

    #[test]
    fn no_mistake_can_be_planted_into_the_object_that_is_shipped() {
        assert!(!can_be_mistaken(super::OBJECT));
        #[cfg(feature = "seeded-mistakes")]
        assert!(can_be_mistaken(super::MISTAKEN));
    }
}
