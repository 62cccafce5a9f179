//! Working inside namespaces: a thread of its own goes there, so that the rest of the process stays where it is.
//! Programs started from such a thread begin life inside.
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;

/// All namespaces that a machine has of its own.
const OWN: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWPID);

/// How much of a machine is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth<'a> {
    /// Everything: its files, processes and network.
    Machine,
    /// Everything, and the network of `/run/netns/NAME` there.
    Netns(&'a str),
    /// Its network alone: process numbers and files are still the host's.
    Network,
}

/// Runs `work` in new namespaces of every kind. The first program started from there is PID 1.
pub(super) fn in_new<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    on_thread(|| {
        unshare(OWN)?;
        work()
    })
}

/// Runs `work` in the namespaces of process `pid`. `still` is asked once they are held: whether `pid` is who we mean.
pub(super) fn inside<T: Send>(
    pid: u32,
    depth: Depth<'_>,
    still: impl FnOnce() -> bool,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
    let net = open("net")?;
    let others = match depth {
        Depth::Network => None,
        // The mount namespace last: the others were opened before, but `/run/netns` is looked up behind it.
        _ => Some([open("uts")?, open("ipc")?, open("pid")?, open("mnt")?]),
    };
    if !still() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has ended"));
    }
    on_thread(move || {
        // What clone(2) shares between threads by default, and setns(2) wants unshared.
        unshare(CloneFlags::CLONE_FS)?;
        setns(&net, CloneFlags::CLONE_NEWNET)?;
        for namespace in others.iter().flatten() {
            setns(namespace, CloneFlags::empty())?;
        }
        if let Depth::Netns(name) = depth {
            setns(File::open(format!("/run/netns/{name}"))?, CloneFlags::CLONE_NEWNET)?;
        }
        work()
    })
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let joined = scope.spawn(work).join();
        joined.unwrap_or_else(|_| Err(io::Error::other("the thread that entered it panicked")))
    })
}
