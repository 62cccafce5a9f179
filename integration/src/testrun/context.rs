//! The `__sk_buff` a test run is given (`include/uapi/linux/bpf.h`), as far as the kernel takes it from us.

/// Length of the part that is passed; the kernel wants what it does not take to be zero.
const LENGTH: usize = 192;
const MARK: usize = 8;
const INGRESS_IFINDEX: usize = 36;
const IFINDEX: usize = 40;

/// What a packet carries besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Context {
    /// `skb->mark`.
    pub mark: u32,
    /// The device it came in by (`skb->skb_iif`); 0: made on this node.
    pub ingress_ifindex: u32,
    /// The device it is at: one of the rig's namespace, or 0 for its loopback.
    pub ifindex: u32,
}

impl Context {
    pub(super) fn bytes(&self) -> [u8; LENGTH] {
        let mut out = [0; LENGTH];
        out[MARK..MARK + 4].copy_from_slice(&self.mark.to_ne_bytes());
        out[INGRESS_IFINDEX..INGRESS_IFINDEX + 4].copy_from_slice(&self.ingress_ifindex.to_ne_bytes());
        out[IFINDEX..IFINDEX + 4].copy_from_slice(&self.ifindex.to_ne_bytes());
        out
    }

    pub(super) fn mark_of(bytes: &[u8; LENGTH]) -> u32 {
        u32::from_ne_bytes([bytes[MARK], bytes[MARK + 1], bytes[MARK + 2], bytes[MARK + 3]])
    }
}
