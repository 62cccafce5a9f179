//! Addresses and CIDRs as the API takes them.
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv6Addr};

/// Parses an address.
///
/// Leading zeros (which some read as octal) and IPv4-mapped IPv6 addresses are refused, as newer API servers do: what
/// they mean differs between implementations, and a policy must not.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn address(text: &str) -> Result<IpAddr, &'static str> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if mapped(v6) => Err("it is an IPv4-mapped IPv6 address: write it as IPv4"),
        Ok(address) => Ok(address),
        Err(_) => Err("it is no IP address, e.g. 10.0.0.7 or fd00::7 (without leading zeros in IPv4)"),
    }
}

/// Parses a CIDR and masks its host bits.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn cidr(text: &str) -> Result<IpNetwork, &'static str> {
    const FORM: &str = "it is no CIDR, e.g. 10.0.0.0/8 or fd00::/64 (without leading zeros in IPv4)";
    let (base, prefix) =
        text.split_once('/').ok_or("it is no CIDR: the prefix length is missing, e.g. /32 or /128")?;
    // u8 alone would take "+8".
    if prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FORM);
    }
    let (base, prefix): (IpAddr, u8) = (base.parse().map_err(|_| FORM)?, prefix.parse().map_err(|_| FORM)?);
    if let IpAddr::V6(v6) = base
        && mapped(v6)
        && prefix >= 96
    {
        return Err("it is an IPv4-mapped IPv6 CIDR: write it as IPv4");
    }
    let longest = if base.is_ipv4() { 32 } else { 128 };
    let network = IpNetwork::new(base, prefix.min(longest)).map_err(|_| FORM)?;
    if prefix > longest {
        return Err("its prefix is longer than an address of its family (32 for IPv4, 128 for IPv6)");
    }
    Ok(masked(network))
}

/// The network with its host bits cleared.
pub(crate) fn masked(network: IpNetwork) -> IpNetwork {
    match network {
        IpNetwork::V4(v4) => {
            ipnetwork::Ipv4Network::new(v4.network(), v4.prefix()).map_or(network, IpNetwork::V4)
        }
        IpNetwork::V6(v6) => {
            ipnetwork::Ipv6Network::new(v6.network(), v6.prefix()).map_or(network, IpNetwork::V6)
        }
    }
}

/// Whether two networks have an address in common.
pub(crate) fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    a.is_ipv4() == b.is_ipv4() && (a.contains(b.ip()) || b.contains(a.ip()))
}

fn mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}
