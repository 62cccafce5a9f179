//! CIDR blocks as `ipBlock` writes them.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};

/// An address block of one family. Bits beyond the prefix length are kept as written and ignored when matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u32,
}

impl Cidr {
    /// Reads `ADDRESS/LENGTH`. Fails on anything else and on a length the family does not have.
    pub fn parse(text: &str) -> Result<Self> {
        let (address, length) =
            text.split_once('/').with_context(|| format!("{text:?} has no prefix length"))?;
        let address: IpAddr = address.parse().with_context(|| format!("{text:?} is no CIDR"))?;
        let length: u32 = length.parse().with_context(|| format!("{text:?} has no numeric prefix length"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if length > bits {
            bail!("{text:?} has a prefix longer than {bits} bits");
        }
        Ok(Self { address, length })
    }

    /// Whether the block holds the address. A block says nothing about the other family.
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same_prefix(u128::from(u32::from(a)), u128::from(u32::from(b)), 32, self.length)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same_prefix(a.into(), b.into(), 128, self.length),
            _ => false,
        }
    }

    /// The block around this one that has at most so many bits of prefix.
    pub fn widened(&self, length: u32) -> Self {
        Self { length: self.length.min(length), ..*self }
    }

    /// The second address of the block, as written without host bits.
    pub fn second(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(a) => Ipv4Addr::from(u32::from(a).wrapping_add(1)).into(),
            IpAddr::V6(a) => Ipv6Addr::from(u128::from(a).wrapping_add(1)).into(),
        }
    }

    /// Whether the block holds every address of the given address's family.
    pub fn is_everything_like(&self, other: IpAddr) -> bool {
        self.length == 0 && self.address.is_ipv4() == other.is_ipv4()
    }
}

/// Compares bit by bit from the left, `length` bits of `bits`.
fn same_prefix(a: u128, b: u128, bits: u32, length: u32) -> bool {
    (0..length).all(|i| (a >> (bits - 1 - i)) & 1 == (b >> (bits - 1 - i)) & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(block: &str, address: &str) -> bool {
        Cidr::parse(block).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_no_neighbour() {
        assert!(holds("10.1.2.0/23", "10.1.2.0") && holds("10.1.2.0/23", "10.1.3.255"));
        assert!(!holds("10.1.2.0/23", "10.1.1.255") && !holds("10.1.2.0/23", "10.1.4.0"));
        assert!(holds("fd00::/127", "fd00::1") && !holds("fd00::/127", "fd00::2"));
    }

    #[test]
    fn host_bits_are_masked() {
        assert!(holds("10.1.2.77/24", "10.1.2.1"));
    }

    #[test]
    fn a_block_says_nothing_about_the_other_family() {
        assert!(!holds("0.0.0.0/0", "fd00::1") && !holds("::/0", "10.0.0.1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && holds("::/0", "::"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for bad in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "x/8", "10.0.0.0/-1"] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }
}
