//! A network namespace of the run's own, with devices that stand for pods' veths.
//!
//! BPF_PROG_TEST_RUN wants every `ifindex` above 1 to exist in the caller's network namespace
//! (`bpf_prog_test_run_skb`, net/bpf/test_run.c); `ingress_ifindex` is only a number to it. No device is ever up.
use super::TestRunError;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use rtnetlink::LinkVeth;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkInfo, LinkMessage};
use std::io;
use std::ops::Range;

/// Indexes of the other ends, which nobody uses.
const PEERS: u32 = 1_000_000;

/// Runs `body` on a thread of its own in a fresh network namespace that has a device for every index in `ifindexes`. The
/// namespace goes with the thread.
///
/// # Errors
/// [`TestRunError::NotRoot`], [`TestRunError::Namespace`], [`TestRunError::Device`], and those of `body`.
pub fn in_private_namespace<R: Send>(
    ifindexes: Range<u32>,
    body: impl FnOnce() -> Result<R, TestRunError> + Send,
) -> Result<R, TestRunError> {
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
            Errno::EPERM => TestRunError::NotRoot,
            errno => TestRunError::Namespace { source: errno.into() },
        })?;
        make_devices(ifindexes)?;
        body()
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

fn make_devices(ifindexes: Range<u32>) -> Result<(), TestRunError> {
    let io = |source: io::Error| TestRunError::Namespace { source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(io)?;
        tokio::spawn(connection);
        for ifindex in ifindexes {
            let device = format!("pod{ifindex}");
            let failed =
                |e: rtnetlink::Error| TestRunError::Device { device: device.clone(), message: e.to_string() };
            handle.link().add(veth(&device, ifindex)).execute().await.map_err(failed)?;
        }
        Ok(())
    })
}

/// A pair whose first end has the index.
fn veth(name: &str, ifindex: u32) -> LinkMessage {
    let mut message = LinkVeth::new(name, &format!("{name}p")).build();
    message.header.index = ifindex;
    for attribute in &mut message.attributes {
        let LinkAttribute::LinkInfo(infos) = attribute else { continue };
        for info in infos {
            if let LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) = info {
                peer.header.index = PEERS + ifindex;
            }
        }
    }
    message
}
