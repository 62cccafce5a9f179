//! What filtering adds to a packet: the first three lines of the design's costs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ringfence::apply::bpf::Role;
use ringfence_abi::Counter;

use super::attach::attach;
use super::measure::{Contender, Spread, Turns};
use super::ours::FLOWS;
use super::report::{Must, Section, whole};
use super::rig::{Rig, answers, established, flows};
use super::{Effort, empty, nft, scenario};

/// Packets of a burst: some milliseconds.
const BURST: usize = 4096;
/// A flow table that the flows of two bursts fill.
const SMALL: u32 = 8192;

const NONE: &str = "no filter";
const AGAIN: &str = "no filter, a second rig: what the method cannot tell from 0";
const EMPTY: &str = "empty program at the same hooks";
const STATELESS: &str = "nftables: verdict map, no connection tracking";
const NFT: &str = "nftables: conntrack and verdict map, established";
const NFT_NEW: &str = "nftables: conntrack and verdict map, new flows";
const FREE: &str = "ringfence: pods that no policy selects";
const ONE: &str = "ringfence: isolated in one direction, established";
const BOTH: &str = "ringfence: both pods isolated in both, established";
const REPLY: &str = "ringfence: both pods isolated in both, replies";
const ONE_NEW: &str = "ringfence: isolated in one direction, new flows";
const BOTH_NEW: &str = "ringfence: both pods isolated in both, new flows";
const FULL_NEW: &str = "ringfence: the same, flow table full";
const NAMES: [&str; 13] =
    [NONE, AGAIN, EMPTY, STATELESS, NFT, NFT_NEW, FREE, ONE, BOTH, REPLY, ONE_NEW, BOTH_NEW, FULL_NEW];

/// Runs the bench.
///
/// # Errors
/// When something that must arrive does not.
pub(crate) fn run(effort: Effort, pins: &Path) -> Result<Section> {
    let (times, turns) = effort.of((2, 20), (6, 60));
    let taken = Turns::take(times, turns, || NAMES.iter().map(|name| contender(name, pins)).collect())?;
    let mut section = Section {
        title: "Packets",
        how: format!(
            "A 64-byte UDP flood A -> R -> B through veths, R forwarding and filtering, all on one core in bursts of {BURST} \
             packets; the contenders take turns ({times} times {turns}). Added is what a packet takes more than in the same \
             turn without a filter: the median, and where the middle half lies. Established: a thousand flows that were \
             answered. The cluster behind our tables has 10,000 pods and 1,000 policies; nftables' verdict map has {} \
             entries.",
            nft::ENTRIES
        ),
        columns: vec!["filter", "ns per packet", "added ns", "middle half", "against nftables"],
        ..Section::default()
    };
    let added = |name| taken.added(name, NONE);
    let against = |name: &str| if name.contains("new flows") || name == FULL_NEW { NFT_NEW } else { NFT };
    for name in NAMES {
        let Spread { low, median, high } = added(name);
        let ratio = median / added(against(name)).median;
        let ratio = if name.starts_with("ringfence") { format!("{ratio:.2} x") } else { String::new() };
        let half = format!("{low:.0} to {high:.0}");
        section.row([name.into(), whole(taken.of(name).median), whole(median), half, ratio]);
    }
    let ratio = |name, to| added(name).median / added(to).median;
    let nft = "nftables, established";
    section.musts = vec![
        Must::at_most("established flow, pod isolated in one direction", 0.45, nft, ratio(ONE, NFT)),
        Must::at_most("established flow, both pods isolated in both", 0.45, nft, ratio(BOTH, NFT)),
        Must::at_most("replies, both pods isolated in both", 0.45, nft, ratio(REPLY, NFT)),
        Must::at_most(
            "new flow, pod isolated in one direction",
            0.8,
            "nftables, new",
            ratio(ONE_NEW, NFT_NEW),
        ),
        Must::at_most("new flow, both pods isolated in both", 1.5, "nftables, new", ratio(BOTH_NEW, NFT_NEW)),
        Must::at_most("pod that no policy selects", 1.5, "an empty program", ratio(FREE, EMPTY)),
    ];
    Ok(section)
}

/// Runs one contender alone, to be looked at with a profiler.
///
/// # Errors
/// When there is none of that name, or as [`run`].
pub(crate) fn profile(part: &str, pins: &Path) -> Result<()> {
    let name = NAMES.iter().find(|name| name.contains(part)).context("no such contender")?;
    let mut contender = contender(name, pins)?;
    let began = Instant::now();
    let mut taken = Vec::new();
    while began.elapsed() < Duration::from_secs(10) {
        taken.push((contender.burst)()?.as_secs_f64() * 1e9 / BURST as f64);
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{name}: {:.0} ns per packet", Spread::of(taken).median);
    Ok(())
}

fn contender(name: &'static str, pins: &Path) -> Result<Contender> {
    let mut rig = Rig::new()?;
    let packets = established(BURST);
    let burst: Box<dyn FnMut() -> Result<Duration>> = match name {
        NONE | AGAIN => Box::new(move || rig.flood(&packets)),
        EMPTY => {
            let programs = empty::attach(&rig.router)?;
            Box::new(move || {
                let _attached = &programs;
                rig.flood(&packets)
            })
        }
        STATELESS => {
            rig.router.nft(&nft::verdict_map_alone())?;
            Box::new(move || rig.flood(&packets))
        }
        NFT => {
            rig.router.nft(&nft::conntrack_and_verdict_map())?;
            rig.flood(&packets)?;
            rig.answer(&answers(&packets))?;
            Box::new(move || rig.flood(&packets))
        }
        NFT_NEW => {
            rig.router.nft(&nft::conntrack_and_verdict_map())?;
            let mut fresh = Fresh::default();
            Box::new(move || {
                let took = rig.flood(&fresh.take())?;
                nft::forget_connections(&rig.router)?;
                Ok(took)
            })
        }
        _ => with_ours(name, rig, pins)?,
    };
    Ok(Contender { name, packets: BURST, burst })
}

fn with_ours(name: &str, mut rig: Rig, pins: &Path) -> Result<Box<dyn FnMut() -> Result<Duration>>> {
    let mut cluster = scenario::cluster()?;
    match name {
        FREE => {}
        ONE | ONE_NEW => {
            cluster.add_policy(scenario::policy("b", "b", Some(vec![scenario::the_other("a")]), None));
        }
        _ => {
            cluster.add_policy(scenario::default_deny());
            cluster.add_policy(scenario::policy("a", "a", None, Some(vec![scenario::the_other("b")])));
            cluster.add_policy(scenario::policy("b", "b", Some(vec![scenario::the_other("a")]), None));
        }
    }
    let flows = if name == FULL_NEW { SMALL } else { FLOWS };
    let pins = pins.join(NAMES.iter().position(|n| *n == name).unwrap_or(0).to_string());
    let ours = attach(&rig, &cluster, &pins, Role::Pod, flows)?;
    let packets = established(BURST);
    let mut fresh = Fresh::default();
    let inserted = Counter::FlowInserted as u32;
    Ok(match name {
        ONE_NEW | FULL_NEW => Box::new(move || {
            let _attached = &ours;
            rig.flood(&fresh.take())
        }),
        BOTH_NEW => Box::new(move || {
            let before = ours.counter(inserted)?;
            let took = rig.flood(&fresh.take())?;
            let made = ours.counter(inserted)? - before;
            ensure!(made == BURST as u64, "{made} flows were made of {BURST} packets");
            ours.forget_flows()?;
            Ok(took)
        }),
        REPLY => {
            let back = answers(&packets);
            rig.flood(&packets)?;
            Box::new(move || {
                let _attached = &ours;
                rig.answer(&back)
            })
        }
        _ => {
            rig.flood(&packets)?;
            if name == BOTH {
                rig.answer(&answers(&packets))?;
            }
            Box::new(move || {
                let _attached = &ours;
                rig.flood(&packets)
            })
        }
    })
}

/// Flows that nobody has seen before.
#[derive(Default)]
struct Fresh(usize);

impl Fresh {
    fn take(&mut self) -> Vec<super::frames::Frame> {
        let first = self.0;
        self.0 += BURST;
        flows(first, BURST)
    }
}
