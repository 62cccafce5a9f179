//! The little that most packets are judged by, read in place: TCP and UDP in one piece. Anything else is read whole.
use super::{Ipv4, Ipv6, Tcp, Udp};
use crate::bytes::{Skb, direct};
use crate::packet::{protocol, tcp};
use ringfence_abi::Addr;

const ETHERNET: usize = 14;

/// What [`super::ipv4`] asks of a length before it reads ports where they lie.
const LEAST: usize = size_of::<Tcp>();

/// The ends of an IP packet in an Ethernet frame.
pub(crate) struct Ends {
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    /// The header, which lies wholly within the packet.
    header: *const u8,
}

/// The ends of a TCP connection, past its beginning and before its end, or of UDP.
pub(crate) struct Ports {
    /// Network byte order.
    pub(crate) src: u16,
    /// Network byte order.
    pub(crate) dst: u16,
    pub(crate) protocol: u8,
}

/// None: the packet must be read as a whole, if it can be.
#[inline(always)]
pub(crate) fn ends(skb: Skb, v6: bool) -> Option<Ends> {
    if v6 { ends_v6(skb) } else { ends_v4(skb) }
}

#[inline(always)]
fn ends_v4(skb: Skb) -> Option<Ends> {
    let at = direct::<Ipv4>(skb, ETHERNET)?;
    // SAFETY: `direct` has checked the bounds; BPF reads unaligned words.
    let header = unsafe { &*at };
    // 0.0.0.0 stands for "no address" in tables.
    if header.version_ihl >> 4 != 4 || header.src == 0 || header.dst == 0 {
        return None;
    }
    Some(Ends { src: Addr::from_v4_word(header.src), dst: Addr::from_v4_word(header.dst), header: at.cast() })
}

#[inline(always)]
fn ends_v6(skb: Skb) -> Option<Ends> {
    let at = direct::<Ipv6>(skb, ETHERNET)?;
    // SAFETY: as above.
    let header = unsafe { &*at };
    // Neither `::`, which stands for "no address", nor a mapped address, which would be somebody's IPv4 address.
    if header.version >> 4 != 6 || header.src[0] == 0 || header.dst[0] == 0 {
        return None;
    }
    Some(Ends { src: Addr { words: header.src }, dst: Addr { words: header.dst }, header: at.cast() })
}

impl Ends {
    /// The protocol, if TCP or UDP lies right behind the header, and all of it; else something else or 0.
    #[inline(always)]
    fn protocol(&self, v6: bool) -> u8 {
        if v6 {
            // SAFETY: `ends_v6` has checked the bounds.
            let header = unsafe { &*self.header.cast::<Ipv6>() };
            let whole = usize::from(u16::from_be(header.payload_length)) >= LEAST;
            return if whole { header.next_header } else { 0 };
        }
        // SAFETY: `ends_v4` has checked the bounds.
        let header = unsafe { &*self.header.cast::<Ipv4>() };
        let plain = header.version_ihl == 0x45
            && header.fragment & 0x3fffu16.to_be() == 0
            && usize::from(u16::from_be(header.total_length)) >= size_of::<Ipv4>() + LEAST;
        if plain { header.protocol } else { 0 }
    }
}

/// Whether it is UDP, or TCP that neither opens nor ends a connection; in one piece.
#[inline(always)]
pub(crate) fn goes_on(skb: Skb, v6: bool, ends: &Ends) -> bool {
    match ends.protocol(v6) {
        protocol::UDP => true,
        protocol::TCP => tcp_ports(skb, v6).is_some(),
        _ => false,
    }
}

/// None: neither TCP nor UDP, not in one piece, or a TCP packet that opens or ends a connection.
#[inline(always)]
pub(crate) fn ports_of(skb: Skb, v6: bool, ends: &Ends) -> Option<Ports> {
    match ends.protocol(v6) {
        protocol::UDP => {
            // SAFETY: as above.
            let header = unsafe { &*direct::<Udp>(skb, l4(v6))? };
            Some(Ports { src: header.src, dst: header.dst, protocol: protocol::UDP })
        }
        protocol::TCP => tcp_ports(skb, v6),
        _ => None,
    }
}

#[inline(always)]
fn tcp_ports(skb: Skb, v6: bool) -> Option<Ports> {
    // SAFETY: as above.
    let header = unsafe { &*direct::<Tcp>(skb, l4(v6))? };
    if header.flags & (tcp::SYN | tcp::FIN | tcp::RST) != 0 {
        return None;
    }
    Some(Ports { src: header.src, dst: header.dst, protocol: protocol::TCP })
}

/// Where the transport header lies.
#[inline(always)]
fn l4(v6: bool) -> usize {
    ETHERNET + if v6 { size_of::<Ipv6>() } else { size_of::<Ipv4>() }
}
