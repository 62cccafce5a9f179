//! Programs that a lab runs on its machines.
use crate::lab::{probe, respond};
use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{BufReader, BufWriter};
use std::net::IpAddr;

pub(super) fn respond(addresses: &[IpAddr], ports: &[respond::Port]) -> anyhow::Result<()> {
    open_files()?;
    runtime()?.block_on(respond::run(addresses, ports)).context("lab respond")
}

pub(super) fn probe(at_once: usize) -> anyhow::Result<()> {
    open_files()?;
    let input = BufReader::new(std::io::stdin());
    let output = BufWriter::new(std::io::stdout());
    runtime()?.block_on(probe::run(input, output, at_once)).context("lab probe")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// As many sockets as are allowed at all.
fn open_files() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("getrlimit")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("setrlimit")
}
