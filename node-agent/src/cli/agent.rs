//! `ringfence agent`.
use super::arguments::{AgentArguments, AttachChoice, LogFormat};
use crate::app::{self, Config, ObjectSource};
use crate::apply::bpf::AttachMode;
use crate::watch::kube::Access;
use anyhow::{Context, bail};
use ringfence_keyring::PerPlane;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Worker threads: the agent waits far more than it computes.
const THREADS: usize = 2;
/// How long tasks may take to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long what cannot be interrupted may take after that.
const LINGER: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: Box<AgentArguments>) -> anyhow::Result<ExitCode> {
    log(arguments.log_format);
    // Private keys pass through this process: no core dumps, no ptrace by others of the same user.
    nix::sys::prctl::set_dumpable(false).context("cannot make the process not dumpable")?;
    let config = config(*arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(app::run(config));
    // A directory that does not answer (a file system over a network) must not keep the process from ending.
    runtime.shutdown_timeout(LINGER);
    result?;
    Ok(ExitCode::SUCCESS)
}

fn config(arguments: AgentArguments) -> anyhow::Result<Config> {
    let source = source(&arguments)?;
    let [zero, one] = arguments.ports[..] else {
        bail!("--ports takes two ports, one for each plane");
    };
    if zero == one || zero == 0 || one == 0 {
        bail!("--ports {zero} {one}: the two planes need two different ports");
    }
    Ok(Config {
        node: arguments.node,
        source,
        state_dir: arguments.state_dir,
        run_dir: arguments.run_dir,
        bpffs: arguments.bpffs,
        wireguard: arguments.wireguard,
        cluster_cidrs: arguments.cluster_cidrs.into_iter().flat_map(|named| named.0).collect(),
        node_cidrs: arguments.node_cidrs.into_iter().flat_map(|named| named.0).collect(),
        hold_departed: arguments.hold_departed,
        mark_shift: arguments.mark_shift,
        ports: PerPlane { zero, one },
        flow_entries: arguments.flow_entries,
        table_entries: arguments.table_entries,
        attach: match arguments.attach {
            AttachChoice::Auto => AttachMode::of_this_kernel(),
            AttachChoice::Tcx => AttachMode::Tcx,
            AttachChoice::Clsact => AttachMode::Clsact,
        },
        cni_conf_dir: arguments.cni_conf_dir,
        rotate_every: (!arguments.rotate_every.is_zero()).then_some(arguments.rotate_every),
        drain: DRAIN,
    })
}

fn source(arguments: &AgentArguments) -> anyhow::Result<ObjectSource> {
    let AgentArguments { source, kubeconfig, context, .. } = arguments;
    let access = Access { kubeconfig: kubeconfig.clone(), context: context.clone() };
    match (source.as_str(), source.strip_prefix("dir:")) {
        ("kube", _) => Ok(ObjectSource::Kube(access)),
        (_, Some(_)) if access != Access::default() => {
            bail!("--kubeconfig and --context say which API server: they need --source kube")
        }
        (_, Some(path)) => Ok(ObjectSource::Directory(PathBuf::from(path))),
        _ => bail!(
            "--source {source}: not known; it is kube, the API server, or dir:PATH, a directory of manifests"
        ),
    }
}

/// Logs to standard error: `info` and worse, unless RUST_LOG says otherwise.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
