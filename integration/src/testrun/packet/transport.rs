//! TCP, UDP and SCTP.
use super::{Packet, protocol};
use std::net::IpAddr;

impl Packet {
    /// A TCP segment with these flags.
    pub fn tcp(src: IpAddr, dst: IpAddr, ports: (u16, u16), flags: u8) -> Self {
        let mut header = ports_of(ports);
        header.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        header.extend([0x55; 12]);
        Self::new(src, dst, protocol::TCP, header)
    }

    /// A UDP datagram.
    pub fn udp(src: IpAddr, dst: IpAddr, ports: (u16, u16)) -> Self {
        let mut header = ports_of(ports);
        header.extend([0, 24, 0, 0]);
        header.extend([0x66; 16]);
        Self::new(src, dst, protocol::UDP, header)
    }

    /// An SCTP packet whose first chunk has this type.
    pub fn sctp(src: IpAddr, dst: IpAddr, ports: (u16, u16), chunk: u8) -> Self {
        let mut header = ports_of(ports);
        header.extend([0, 0, 0, 7, 0, 0, 0, 0, chunk, 0, 0, 16]);
        header.extend([0x77; 12]);
        Self::new(src, dst, protocol::SCTP, header)
    }
}

fn ports_of((src, dst): (u16, u16)) -> Vec<u8> {
    [src.to_be_bytes(), dst.to_be_bytes()].concat()
}
