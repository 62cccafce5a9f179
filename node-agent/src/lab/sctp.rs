//! As much of SCTP (RFC 9260) as it takes to see whether an association can be made and carries data, over raw sockets:
//! not every kernel has SCTP ones, but every one forwards, filters and translates its packets.

const HEADER: usize = 12;
/// Chunk types (section 3.2).
pub const DATA: u8 = 0;
/// Opens an association.
pub const INIT: u8 = 1;
/// Its answer, with a cookie.
pub const INIT_ACK: u8 = 2;
/// Acknowledges data.
pub const SACK: u8 = 3;
/// Asks whether the other is there.
pub const HEARTBEAT: u8 = 4;
/// It is.
pub const HEARTBEAT_ACK: u8 = 5;
/// Ends an association at once, also the answer where nobody listens.
pub const ABORT: u8 = 6;
/// Gives the cookie back.
pub const COOKIE_ECHO: u8 = 10;
/// The association stands.
pub const COOKIE_ACK: u8 = 11;
/// Parameter type of the state cookie (section 3.3.3.1).
const STATE_COOKIE: u16 = 7;
const WINDOW: u32 = 65_536;

/// A packet with its first chunk; what is behind that is not looked at. Numbers in host order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Sender's port.
    pub source: u16,
    /// Receiver's port.
    pub destination: u16,
    /// Verification tag.
    pub tag: u32,
    /// Chunk type.
    pub kind: u8,
    /// The chunk's value, after its 4-byte header.
    pub value: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet, from its common header on. `None` if it is cut short or its checksum is wrong.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, chunk) = bytes.split_at_checked(HEADER)?;
        let sum = u32::from_le_bytes(array(header, 8)?);
        let mut zeroed = bytes.to_vec();
        zeroed[8..12].fill(0);
        if crc32c(&zeroed) != sum {
            return None;
        }
        let length = usize::from(u16::from_be_bytes(array(chunk, 2)?));
        Some(Self {
            source: u16::from_be_bytes(array(header, 0)?),
            destination: u16::from_be_bytes(array(header, 2)?),
            tag: u32::from_be_bytes(array(header, 4)?),
            kind: *chunk.first()?,
            value: chunk.get(4..length)?,
        })
    }

    /// The packet's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 8 + self.value.len());
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        // A DATA chunk of ours is always a whole message: its first and last fragment (section 3.3.1).
        bytes.extend([self.kind, if self.kind == DATA { 3 } else { 0 }]);
        let length = u16::try_from(4 + self.value.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let sum = crc32c(&bytes).to_le_bytes();
        bytes[8..12].copy_from_slice(&sum);
        bytes
    }

    /// An answer to this packet, for the receiver that expects verification tag `tag`.
    pub fn answer(&self, tag: u32, kind: u8, value: &'a [u8]) -> Packet<'a> {
        Packet { source: self.destination, destination: self.source, tag, kind, value }
    }

    /// Of INIT and INIT ACK: the tag that their sender wants to see.
    pub fn initiate_tag(&self) -> Option<u32> {
        array(self.value, 0).map(u32::from_be_bytes)
    }

    /// Of INIT ACK: the state cookie.
    pub fn cookie(&self) -> Option<&'a [u8]> {
        let mut rest = self.value.get(16..)?;
        loop {
            let kind = u16::from_be_bytes(array(rest, 0)?);
            let length = usize::from(u16::from_be_bytes(array(rest, 2)?));
            if kind == STATE_COOKIE {
                return rest.get(4..length);
            }
            rest = rest.get(length.max(4).next_multiple_of(4)..)?;
        }
    }

    /// Of DATA and SACK: the transmission sequence number, or up to which one everything came.
    pub fn sequence(&self) -> Option<u32> {
        array(self.value, 0).map(u32::from_be_bytes)
    }
}

/// Value of an INIT that wants to see `tag`; its first data will be number `first`.
pub fn init(tag: u32, first: u32) -> Vec<u8> {
    let mut value = Vec::with_capacity(16);
    value.extend(tag.to_be_bytes());
    value.extend(WINDOW.to_be_bytes());
    // One stream out, one in.
    value.extend([0, 1, 0, 1]);
    value.extend(first.to_be_bytes());
    value
}

/// Value of an INIT ACK.
pub fn init_ack(tag: u32, first: u32, cookie: &[u8]) -> Vec<u8> {
    let mut value = init(tag, first);
    value.extend(STATE_COOKIE.to_be_bytes());
    value.extend(u16::try_from(4 + cookie.len()).unwrap_or(u16::MAX).to_be_bytes());
    value.extend(cookie);
    value
}

/// Value of a DATA chunk: number, stream 0, its sequence number there, no payload protocol, payload.
pub fn data(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = sequence.to_be_bytes().to_vec();
    value.extend([0; 8]);
    value.extend(payload);
    value
}

/// Value of a SACK without gaps.
pub fn sack(up_to: u32) -> Vec<u8> {
    let mut value = up_to.to_be_bytes().to_vec();
    value.extend(WINDOW.to_be_bytes());
    value.extend([0; 4]);
    value
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// CRC32c (Castagnoli), as RFC 9260 appendix A has it; goes onto the wire least significant byte first.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_literature() {
        // The check value of CRC-32C (CRC RevEng catalogue) and RFC 3720 B.4: 32 bytes of zeroes.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn what_was_written_is_read_and_a_flipped_bit_is_seen() {
        let value = init_ack(7, 9, b"shop/db");
        let packet = Packet { source: 4000, destination: 80, tag: 3, kind: INIT_ACK, value: &value };
        let mut bytes = packet.to_bytes();
        let read = Packet::parse(&bytes).unwrap();
        assert_eq!((read.source, read.destination, read.tag, read.kind), (4000, 80, 3, INIT_ACK));
        assert_eq!((read.initiate_tag(), read.cookie()), (Some(7), Some(&b"shop/db"[..])));
        bytes[20] ^= 1;
        assert_eq!(Packet::parse(&bytes), None);
    }

    #[test]
    fn nothing_short_is_read_out_of_bounds() {
        let value = init_ack(7, 9, b"cookie");
        let bytes = Packet { source: 1, destination: 2, tag: 3, kind: INIT_ACK, value: &value }.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Packet::parse(&bytes[..length]), None);
        }
    }
}
