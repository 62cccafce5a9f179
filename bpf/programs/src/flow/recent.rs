//! Flows that were just found, where they are found again without hashing five words and chasing three pointers.
//!
//! Each CPU has elements of its own, and programs of our kind do not interrupt each other on one CPU, so none is read
//! while it is written.
use crate::maps::{RF_RECENT, config, generation};
use crate::packet::{Packet, protocol, tcp};
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64};
use ringfence_abi::{Recent, RecentFlow};

/// Packets in one direction between two local pods' own addresses.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) sender: u32,
    pub(crate) receiver: u32,
    /// As [`Recent::ports`].
    pub(crate) ports: u32,
    /// As [`Recent::what`].
    pub(crate) what: u32,
}

impl Exchange {
    /// Of a packet that is in the middle of a connection; None: of no use here.
    #[inline(always)]
    pub(crate) fn of(packet: &Packet, sender: u32, receiver: u32, kind: u32) -> Option<Self> {
        let goes_on = match packet.protocol {
            protocol::TCP => packet.kind & (tcp::SYN | tcp::FIN | tcp::RST) == 0,
            protocol::UDP => true,
            _ => false,
        };
        if !goes_on || !packet.whole() || sender == 0 || receiver == 0 {
            return None;
        }
        let what = Self::what(packet.protocol, packet.v6 != 0, kind);
        Some(Self { sender, receiver, ports: Self::ports(packet.src_port, packet.dst_port), what })
    }

    #[inline(always)]
    pub(crate) fn what(protocol: u8, v6: bool, kind: u32) -> u32 {
        u32::from(protocol) | if v6 { Recent::V6 } else { 0 } | kind
    }

    #[inline(always)]
    pub(crate) fn ports(src: u16, dst: u16) -> u32 {
        u32::from(src) | (u32::from(dst) << 16)
    }

    /// Where it is remembered.
    #[inline(always)]
    fn place(&self) -> u32 {
        // SAFETY: takes nothing, always succeeds.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        let mixed = (self.ports ^ self.sender.rotate_left(16) ^ self.receiver ^ (self.what << 8))
            .wrapping_mul(0x9e37_79b1);
        // The upper bits are the ones that all bits below take part in.
        cpu * Recent::EACH + (mixed >> (32 - Recent::EACH.ilog2()))
    }

    #[inline(always)]
    fn is_at(&self, at: &RecentFlow) -> bool {
        at.sender == self.sender
            && at.receiver == self.receiver
            && at.ports == self.ports
            && at.what == self.what
    }
}

/// Jiffies, the lower half.
#[inline(always)]
fn jiffies() -> u32 {
    // SAFETY: takes nothing, always succeeds.
    unsafe { bpf_jiffies64() as u32 }
}

#[inline(always)]
fn element(place: u32) -> Option<&'static mut Recent> {
    // SAFETY: this CPU's own, see above.
    RF_RECENT.get_ptr_mut(place).map(|at| unsafe { &mut *at })
}

/// Whether a flow of these packets was found under the present policy not long ago.
#[inline(always)]
pub(crate) fn recent(exchange: &Exchange) -> bool {
    let Some(element) = element(exchange.place()) else { return false };
    let way = if exchange.is_at(&element.ways[0]) { &element.ways[0] } else { &element.ways[1] };
    exchange.is_at(way)
        && jiffies().wrapping_sub(way.found) <= Recent::LIFE
        && config().is_some_and(|config| generation(config) == way.generation)
}

/// Remembers that a flow was found under this generation, which was read before any table.
#[inline(always)]
pub(crate) fn remember(exchange: &Exchange, generation: u32) {
    let now = jiffies();
    let Some(element) = element(exchange.place()) else { return };
    let flow = RecentFlow {
        found: now,
        generation,
        sender: exchange.sender,
        receiver: exchange.receiver,
        ports: exchange.ports,
        what: exchange.what,
    };
    let [first, second] = &mut element.ways;
    let free = |way: &RecentFlow| exchange.is_at(way) || now.wrapping_sub(way.found) > Recent::LIFE;
    // Of two that are in use the older goes.
    let older = now.wrapping_sub(first.found) >= now.wrapping_sub(second.found);
    if exchange.is_at(first) || (!exchange.is_at(second) && (free(first) || (!free(second) && older))) {
        *first = flow;
    } else {
        *second = flow;
    }
}
