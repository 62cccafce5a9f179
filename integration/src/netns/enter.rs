//! Threads that live in a namespace.
use super::Netns;
use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::thread::{self, JoinHandle};

impl Netns {
    /// Starts a thread inside. Threads and processes that it starts are inside too.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let net = File::open(format!("/proc/{}/ns/net", self.pid())).context("network namespace")?;
        let mount = File::open(format!("/proc/{}/ns/mnt", self.pid())).context("mount namespace")?;
        let thread = thread::Builder::new().name(self.label.chars().take(15).collect());
        let handle = thread.spawn(move || {
            // Root and working directory are the process's until they are unshared; with them no mount namespace
            // can be entered.
            unshare(CloneFlags::CLONE_FS).context("unshare(CLONE_FS)")?;
            setns(&mount, CloneFlags::CLONE_NEWNS).context("setns(mount)")?;
            setns(&net, CloneFlags::CLONE_NEWNET).context("setns(net)")?;
            work()
        })?;
        Ok(handle)
    }

    /// Runs `work` on a thread inside and waits for it.
    ///
    /// # Errors
    /// Those of `work`; that it panicked.
    pub fn enter<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        self.spawn(work)?.join().map_err(|_| anyhow!("a thread in {} panicked", self.label))?
    }
}
