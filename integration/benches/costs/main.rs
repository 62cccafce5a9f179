//! Bench.
#![allow(missing_docs)]
mod empty;
mod flood;
mod frames;
mod measure;
mod netns;
mod nft;
mod packets;
mod pin;
mod rig;

fn main() -> anyhow::Result<()> {
    pin::to_one_core()?;
    packets::run()
}
