//! ipBlocks around addresses that matter.
use std::net::IpAddr;

use serde_json::{Value, json};

use super::World;
use crate::evaluator::cidr::Cidr;
use crate::evaluator::cluster::Family;

const LENGTHS_V4: [u32; 12] = [0, 1, 8, 12, 16, 23, 24, 25, 28, 30, 31, 32];
const LENGTHS_V6: [u32; 12] = [0, 1, 8, 16, 32, 48, 64, 112, 120, 126, 127, 128];

/// A block that holds an interesting address, with exceptions that are strictly inside it, as the API wants them.
pub(super) fn ip_block(world: &mut World) -> Value {
    let mut family = *world.dice.pick(&world.families);
    if world.dice.chance(10) {
        family = *world.dice.pick(&[Family::IPv4, Family::IPv6]);
    }
    let lengths = if family == Family::IPv4 { LENGTHS_V4 } else { LENGTHS_V6 };
    let address = world.interesting_address(family);
    let length = *world.dice.pick(&lengths);
    let cidr = written(world, address, length);
    let mut except = Vec::new();
    for _ in 0..world.dice.below(3) {
        let (inner, longer) = (world.interesting_address(family), *world.dice.pick(&lengths));
        let inside = Cidr::parse(&cidr).is_ok_and(|c| c.contains(inner));
        if inside && longer > length {
            except.push(written(world, inner, longer));
        }
    }
    match (except.is_empty(), world.dice.chance(30)) {
        (true, false) => json!({"cidr": cidr}),
        _ => json!({"cidr": cidr, "except": except}),
    }
}

/// With its host bits masked, mostly.
fn written(world: &mut World, address: IpAddr, length: u32) -> String {
    if world.dice.chance(25) {
        return format!("{address}/{length}");
    }
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("{}/{length}", std::net::Ipv4Addr::from(u32::from(a) & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            format!("{}/{length}", std::net::Ipv6Addr::from(u128::from(a) & mask))
        }
    }
}
