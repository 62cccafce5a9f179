//! Values that the loader sets once, before the programs are verified.
use aya_ebpf::Global;
use ringfence_abi::Mark;

#[unsafe(no_mangle)]
static MARK_SHIFT: Global<u32> = Global::new(Mark::SHIFT_DEFAULT);
#[unsafe(no_mangle)]
static WG_LINK_HEADER: Global<u32> = Global::new(0);

/// How far the mark's bits are shifted.
#[inline(always)]
pub(crate) fn mark_shift() -> u32 {
    MARK_SHIFT.load() & 31
}

/// Bytes of link header on WireGuard devices.
#[inline(always)]
pub(crate) fn wg_link_header() -> u32 {
    WG_LINK_HEADER.load()
}
