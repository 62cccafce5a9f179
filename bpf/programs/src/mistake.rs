//! Mistakes that tests plant, one at a time. Without the feature every question here is the constant `false`.
#[cfg(feature = "seeded-mistakes")]
pub(crate) use ringfence_abi::mistake::Mistake;

#[cfg(feature = "seeded-mistakes")]
#[unsafe(no_mangle)]
static MISTAKE: aya_ebpf::Global<u32> = aya_ebpf::Global::new(0);

/// Whether this mistake shall be made.
#[cfg(feature = "seeded-mistakes")]
macro_rules! mistaken {
    ($mistake:ident) => {
        crate::mistake::planted() == crate::mistake::Mistake::$mistake as u32
    };
}

/// Never.
#[cfg(not(feature = "seeded-mistakes"))]
macro_rules! mistaken {
    ($mistake:ident) => {
        false
    };
}

pub(crate) use mistaken;

/// Which one the loader chose.
#[cfg(feature = "seeded-mistakes")]
#[inline(always)]
pub(crate) fn planted() -> u32 {
    MISTAKE.load()
}
