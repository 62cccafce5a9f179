//! When a flow was last seen, and how long it may be idle.
use crate::packet::{Packet, protocol, sctp, tcp};
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use ringfence_abi::config::timeout;
use ringfence_abi::{FlowKey, FlowValue};

/// Nanoseconds a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` to a tick, which is all that timeouts of seconds need.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: takes nothing, always succeeds.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Whether conntrack would have forgotten it.
#[inline(always)]
pub(super) fn idle(key: &FlowKey, value: &FlowValue, now: u64) -> bool {
    let confirmed = value.state & FlowValue::CONFIRMED != 0;
    let seconds = match key.protocol {
        protocol::TCP if value.state & FlowValue::CLOSING != 0 => timeout::TCP_CLOSING,
        protocol::TCP if confirmed => timeout::TCP,
        protocol::TCP => timeout::TCP_UNREPLIED,
        protocol::UDP if confirmed => timeout::UDP,
        protocol::UDP => timeout::UDP_UNREPLIED,
        protocol::SCTP if confirmed => timeout::SCTP,
        protocol::SCTP => timeout::SCTP_UNREPLIED,
        protocol::ICMP | protocol::ICMPV6 => timeout::ICMP,
        _ => timeout::OTHER,
    };
    now.saturating_sub(value.last_seen) > seconds * SECOND
}

/// Notes that a packet of the flow passed. Written seldom, so that CPUs do not fight for the cache line.
#[inline(always)]
pub(super) fn touch(value: *mut FlowValue, packet: &Packet, reply: bool, now: u64) {
    let ends = match packet.protocol {
        protocol::TCP => packet.kind & (tcp::FIN | tcp::RST) != 0,
        protocol::SCTP => matches!(packet.kind, sctp::ABORT | sctp::SHUTDOWN_COMPLETE),
        _ => false,
    };
    // SAFETY: a value of the flow table, live in this run. Another CPU may write the same fields: each is one store,
    // and either order is right.
    unsafe {
        let state = (*value).state;
        let next =
            state | if reply { FlowValue::CONFIRMED } else { 0 } | if ends { FlowValue::CLOSING } else { 0 };
        if next != state {
            (*value).state = next;
        }
        if now.saturating_sub((*value).last_seen) > SECOND {
            (*value).last_seen = now;
        }
    }
}
