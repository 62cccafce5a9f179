//! Programs that a lab runs on its machines.
use crate::lab::{probe, respond, stream};
use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Read;
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

pub(super) fn stream(options: stream::Options) -> anyhow::Result<()> {
    let (ended, end) = tokio::sync::oneshot::channel();
    // Standard input has no asynchronous reading that could be cancelled; this thread ends with the process.
    std::thread::spawn(move || {
        // Its end is the end, however it comes; nobody listens any more if the stream has broken.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let stop = async {
        // A sender that was dropped has ended too.
        let _ = end.await;
    };
    runtime()?.block_on(stream::run(options, stop, std::io::stdout())).context("lab stream")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// As many sockets as are allowed at all.
fn open_files() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("getrlimit")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("setrlimit")
}
