//! What filtering adds to a packet.

use std::rc::Rc;
use std::cell::RefCell;

use anyhow::Result;

use super::measure::{Contender, Turns};
use super::rig::{Rig, answers, established, flows};
use super::{empty, nft};

/// Packets of a burst: a few milliseconds.
const BURST: usize = 4096;

pub(crate) fn run() -> Result<()> {
    let turns = Turns::take(3, 60, contenders)?;
    for c in NAMES {
        println!("{c:40} {:?} {:?}", turns.of(c), turns.added(c, NAMES[0]));
    }
    Ok(())
}
const NAMES: [&str; 6] = ["none", "none again", "empty", "nft map", "nft est", "nft new"];

fn contenders() -> Result<Vec<Contender>> {
    let mut all = Vec::new();
    let est = established(BURST);
    for name in NAMES {
        let mut rig = Rig::new()?;
        let keep = if name == "empty" { Some(empty::attach(&rig.router)?) } else { None };
        if name == "nft map" { rig.router.nft(&nft::verdict_map_alone())?; }
        if name == "nft est" || name == "nft new" {
            rig.router.nft(&nft::conntrack_and_verdict_map())?;
        }
        if name == "nft est" {
            rig.flood(&est)?;
            rig.answer(&answers(&est))?;
        }
        let est = est.clone();
        let mut next = 0;
        all.push(Contender { name, packets: BURST, burst: Box::new(move || {
            let _ = &keep;
            if name == "nft new" {
                let f = flows(next, BURST);
                next += BURST;
                let t = rig.flood(&f)?;
                nft::forget_connections(&rig.router)?;
                Ok(t)
            } else { rig.flood(&est) }
        })});
    }
    let _ = Rc::new(RefCell::new(0));
    Ok(all)
}
