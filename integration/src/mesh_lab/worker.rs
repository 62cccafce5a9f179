//! A thread inside a node's namespaces that owns the node's executor.
use crate::netns::Netns;
use anyhow::{Context, Result, anyhow};
use futures::future::BoxFuture;
use ringfence::apply::mesh::{MeshExecutor, MeshExecutorConfig, Programs, Report, converge};
use ringfence::apply::observe_events::Events;
use ringfence::mesh::MeshSpec;
use ringfence_keyring::PlaneKeys;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;

type Job = Box<dyn FnOnce(&mut MeshExecutor, &Runtime) + Send>;

/// A device that was to get its programs: name, and whether it was up at that moment.
pub type Attached = (String, bool);

/// Notes which devices get programs, in the place of the datapath's loader: the mesh alone is under test.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Attached>>>);

impl Programs for Notes {
    fn attach<'a>(
        &'a self,
        name: &'a str,
        _: u32,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        let shown = std::process::Command::new("ip").args(["-o", "link", "show", "up", "dev", name]).output();
        let up = shown.is_ok_and(|shown| !shown.stdout.is_empty());
        if let Ok(mut notes) = self.0.lock() {
            notes.push((name.to_owned(), up));
        }
        Box::pin(async { Ok(()) })
    }
}

/// The thread.
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    keys: Arc<PlaneKeys>,
    notes: Notes,
    thread: JoinHandle<Result<()>>,
}

impl Worker {
    pub(super) fn start(netns: &Netns, config: MeshExecutorConfig, keys: Arc<PlaneKeys>) -> Result<Self> {
        let (jobs, received) = mpsc::channel::<Job>();
        let notes = Notes::default();
        let programs = Arc::new(notes.clone());
        let thread = netns.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut executor = runtime.block_on(MeshExecutor::new(config, programs))?;
            while let Ok(job) = received.recv() {
                job(&mut executor, &runtime);
            }
            // What a library left to tokio's blocking threads must not hold up the end.
            runtime.shutdown_background();
            Ok(())
        })?;
        Ok(Self { jobs, keys, notes, thread })
    }

    /// Runs `job` on the thread and waits for its result.
    ///
    /// # Errors
    /// If the thread has ended.
    pub fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut MeshExecutor, &Runtime) -> T + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = mpsc::channel();
        let job: Job = Box::new(move |executor, runtime| {
            let _ = sender.send(job(executor, runtime));
        });
        self.jobs.send(job).map_err(|_| self.ended())?;
        receiver.recv().map_err(|_| self.ended())
    }

    fn ended(&self) -> anyhow::Error {
        let running = if self.thread.is_finished() { "has ended" } else { "does not answer" };
        anyhow!("the executor's thread {running}: see its panic or run it alone")
    }

    /// Converges once.
    ///
    /// # Errors
    /// If the present state cannot be observed, or the thread has ended.
    pub fn converge(&self, spec: MeshSpec) -> Result<Report> {
        let keys = Arc::clone(&self.keys);
        let report =
            self.call(move |executor, runtime| runtime.block_on(converge(executor, &spec, &*keys)))?;
        Ok(report?)
    }

    /// Keeps the node converged, as the agent does: at every notification and every second, until the guard is dropped.
    ///
    /// # Errors
    /// If the thread has ended, or there can be no notifications.
    pub fn watch(&self, spec: MeshSpec) -> Result<Watching> {
        let keys = Arc::clone(&self.keys);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, ready) = mpsc::channel();
        let job: Job = Box::new(move |executor, runtime| {
            runtime.block_on(async {
                let events = Events::subscribe();
                let _ = sender.send(events.as_ref().map(drop).map_err(ToString::to_string));
                let Ok(mut events) = events else { return };
                while !stopped.load(Ordering::Relaxed) {
                    if let Err(error) = converge(executor, &spec, &*keys).await {
                        eprintln!("{error}");
                    }
                    let _ = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
                }
            });
        });
        self.jobs.send(job).map_err(|_| self.ended())?;
        ready.recv().map_err(|_| self.ended())?.map_err(|error| anyhow!(error)).context("notifications")?;
        Ok(Watching(stop))
    }

    /// Devices that got their programs, in order, and whether each was up already.
    #[must_use]
    pub fn attached(&self) -> Vec<Attached> {
        self.notes.0.lock().map(|notes| notes.clone()).unwrap_or_default()
    }
}

/// While it lives the node is kept converged; the next job waits for the end of that, at most a second.
#[must_use]
pub struct Watching(Arc<AtomicBool>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
