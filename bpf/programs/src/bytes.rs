//! Reading packet bytes: directly where they are linear, by helper where they may not be.
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_skb_pull_data};

/// The context of a classifier.
pub(crate) type Skb = *mut __sk_buff;

/// A word of the packet at a constant offset, if it lies in the linear part.
#[inline(always)]
pub(crate) fn direct<T>(skb: Skb, offset: usize) -> Option<*const T> {
    // SAFETY: `skb` is the program's context; both fields are readable.
    let (data, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    if data + offset + size_of::<T>() > end { None } else { Some((data + offset) as *const T) }
}

/// Copies `out` from the packet, linear or not. False if the packet ends before.
#[inline(always)]
pub(crate) fn copy<T>(skb: Skb, offset: u32, out: &mut T) -> bool {
    let to = core::ptr::from_mut(out);
    // SAFETY: the helper writes exactly `size_of::<T>()` bytes, or none and says so; `T` is integers only.
    unsafe { bpf_skb_load_bytes(skb.cast(), offset, to.cast(), size_of::<T>() as u32) == 0 }
}

/// Makes the first `want` bytes linear, as far as the packet has so many.
#[inline(always)]
pub(crate) fn linearize(skb: Skb, want: u32) {
    // SAFETY: as in `direct`.
    let (linear, len) = unsafe { ((*skb).data_end.wrapping_sub((*skb).data), (*skb).len) };
    if linear < want && linear < len {
        // SAFETY: `skb` is the program's context. Failure leaves the packet as it is, and `direct` then says no.
        let _ = unsafe { bpf_skb_pull_data(skb, if len < want { len } else { want }) };
    }
}

/// Length of the packet from its link header on.
#[inline(always)]
pub(crate) fn length(skb: Skb) -> u32 {
    // SAFETY: as in `direct`.
    unsafe { (*skb).len }
}
