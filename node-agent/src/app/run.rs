//! Constructing the agent.
use super::archive::Archive;
use super::board::Board;
use super::enforce::Enforcer;
use super::index::{self, Known};
use super::mesh::{Courier, MeshKeeper};
use super::pace::Pace;
use super::reconcile::{Inputs, Reconciler};
use super::troubles::Troubles;
use super::{AppError, Config, ObjectSource, kernel};
use crate::apply::bpf::{Datapath, Options, Sizes, object::OBJECT};
use crate::cni::Tombstones;
use crate::control;
use crate::endpoint::Registry;
use crate::readiness::Readiness;
use crate::task::Tasks;
use crate::watch::{directory, kube};
use crate::words::{self, Addressees, Refused};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::Instant;

/// What agents say to each other waits here, if it must; of a thousand peers each may have said a few things.
const WORDS: usize = 8192;

/// Runs the agent until SIGTERM or SIGINT. What is enforced stays enforced.
///
/// # Errors
/// [`AppError`]: it cannot start, or a task ended.
pub async fn run(config: Config) -> Result<(), AppError> {
    let config = Arc::new(config);
    directory(&config.state_dir, 0o700)?;
    directory(&config.run_dir, 0o755)?;
    let _lock = lock(&config.run_dir)?;
    let (connection, netlink, _) = rtnetlink::new_connection().map_err(system("open a netlink socket"))?;
    let asked = asked_to_stop()?;

    let mut tasks = Tasks::new();
    let stop = tasks.stop();
    tasks.spawn("netlink", async move {
        tokio::select! {
            // Both end the task for good, so nothing is lost that anybody would want.
            () = connection => Err(io::Error::other("the netlink socket has closed")),
            () = stop.cancelled() => Ok(()),
        }
    });
    let (send_batch, batches) = mpsc::channel(16);
    let (send_known, known) = watch::channel(Known::default());
    let board = match &config.source {
        ObjectSource::Directory(path) => {
            let source = directory::Source::new(path);
            tasks.spawn("source", directory::follow(source, send_batch, tasks.stop()));
            Board::Directory(path.clone())
        }
        ObjectSource::Kube(access) => {
            let server = access.server().await?;
            tracing::info!(server = server.name(), "objects come from the API server");
            let archive = Archive::of(&config.state_dir, &config.node);
            let archive = archive.map_err(system("learn which boot this is"))?;
            let fallback = archive.fallback();
            tasks.spawn("source", kube::follow(server.clone(), send_batch, fallback, tasks.stop()));
            tasks.spawn("archive", archive.keep(known.clone(), tasks.stop()));
            Board::api(server)
        }
    };
    tasks.spawn("index", index::run(batches, send_known, tasks.stop()));
    let changed = Arc::new(Notify::new());
    tasks.spawn("kernel", kernel::listen(changed.clone(), tasks.stop()));
    let (send_call, calls) = mpsc::channel(64);
    let (socket, stop) = (config.socket(), tasks.stop());
    tasks.spawn("control", async move { control::serve(&socket, send_call, stop).await });
    let (commands, said) = mpsc::channel(WORDS);
    let (book, addressees) = watch::channel(Arc::new(Addressees::default()));
    let (send_word, words) = mpsc::channel(WORDS);
    let (count, refused) = watch::channel(Refused::default());
    tasks.spawn("words", words::run(said, addressees, send_word, count, tasks.stop()));
    let courier = Courier { commands, book, heard: Vec::new(), refused };
    let reconciler = reconciler(config.clone(), netlink, courier, board).await?;
    let inputs = Inputs { known, calls, words, kernel: changed, stop: tasks.stop() };
    tasks.spawn("reconcile", reconciler.run(inputs));
    tracing::info!(node = config.node, version = env!("CARGO_PKG_VERSION"), "the agent runs");
    tasks.run(asked, config.drain).await?;
    tracing::info!("the agent has stopped; what it enforced stays enforced");
    Ok(())
}

async fn reconciler(
    config: Arc<Config>,
    netlink: rtnetlink::Handle,
    courier: Courier,
    board: Board,
) -> Result<Reconciler, AppError> {
    let options = Options {
        object: OBJECT,
        pins: config.bpffs.clone(),
        mark_shift: config.mark_shift,
        sizes: Sizes::initial(config.table_entries, config.flow_entries),
        mode: config.attach,
    };
    let datapath = Arc::new(Mutex::new(Datapath::open(options, netlink.clone())?));
    let enforcer = Enforcer::new(config.clone(), datapath.clone()).await?;
    let (mut registry, damaged) = Registry::open(&config.state_dir)?;
    registry.skip_to(enforcer.highest_endpoint());
    let mut troubles = Troubles::default();
    if !damaged.is_empty() {
        let all: Vec<String> = damaged.iter().map(ToString::to_string).collect();
        troubles.note("registry", Err::<(), _>(all.join("; ")));
    }
    Ok(Reconciler {
        mesh: MeshKeeper::new(config.clone(), datapath, courier, board).await?,
        tombstones: Tombstones::of(&config.state_dir),
        waiting: Vec::new(),
        readiness: Readiness::default(),
        known: Known::default(),
        devices: Default::default(),
        pace: Pace::new(Instant::now()),
        config,
        netlink,
        enforcer,
        registry,
        troubles,
    })
}

/// Makes a directory of the agent's, with this mode, unless it is there.
fn directory(path: &Path, mode: u32) -> Result<(), AppError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| AppError::Directory { operation: "make", path: path.to_path_buf(), source })
}

/// Sees to it that there is one agent per run directory, for as long as the lock is held.
fn lock(run_dir: &Path) -> Result<Flock<File>, AppError> {
    let path = run_dir.join("agent.lock");
    // Whoever can open the file can lock it, and keep the agent from starting.
    let options = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = options.map_err(|source| AppError::Directory { operation: "make", path, source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| AppError::AlreadyRuns { path: run_dir.to_path_buf() })
}

/// Done when SIGTERM or SIGINT comes.
fn asked_to_stop() -> Result<impl Future<Output = ()>, AppError> {
    let listen = |kind| signal(kind).map_err(system("listen to signals"));
    let mut terminate: Signal = listen(SignalKind::terminate())?;
    let mut interrupt: Signal = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            // Either will do, and nobody asks again.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn system(operation: &'static str) -> impl FnOnce(io::Error) -> AppError {
    move |source| AppError::System { operation, source }
}
