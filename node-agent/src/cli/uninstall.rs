//! `ringfence uninstall`.
use super::arguments::UninstallArguments;
use crate::app::guard;
use crate::apply::bpf;
use crate::apply::devices::devices;
use crate::apply::mesh::{BackendChoice, MeshExecutor, MeshExecutorConfig, Programs};
use crate::cni::conflist;
use crate::control::{ControlError, Request, SOCKET, exchange};
use anyhow::{Context, bail};
use futures::future::BoxFuture;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// No device is made while everything is taken away.
struct NoPrograms;

impl Programs for NoPrograms {
    fn attach<'a>(
        &'a self,
        name: &'a str,
        _: u32,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(
            async move { Err(format!("{name}: nothing is attached while everything is removed").into()) },
        )
    }
}

pub(super) fn run(arguments: &UninstallArguments) -> anyhow::Result<ExitCode> {
    let socket = arguments.run_dir.join(SOCKET);
    if !matches!(
        exchange(&socket, &Request::CniStatus, Duration::from_secs(2)),
        Err(ControlError::Unreachable { .. })
    ) {
        bail!(
            "the agent still runs and would put everything back; stop it first (it listens on {})",
            socket.display()
        );
    }
    // CNI first: from here on no pod is attached that nobody would enforce policy for.
    if let Some(dir) = &arguments.cni_conf_dir {
        conflist::remove(dir)
            .with_context(|| format!("cannot remove our CNI configuration from {}", dir.display()))?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    guard::forget(&arguments.state_dir)?;
    runtime.block_on(take_away(arguments))?;
    remove(&arguments.run_dir)?;
    if arguments.purge {
        remove(&arguments.state_dir)?;
    }
    eprintln!("ringfence: gone from this node; pod traffic is neither encrypted nor filtered any more");
    Ok(ExitCode::SUCCESS)
}

async fn take_away(arguments: &UninstallArguments) -> anyhow::Result<()> {
    let config = MeshExecutorConfig {
        // What is there is removed whatever made it; nothing is made, so nothing needs to be tried.
        backend: BackendChoice::Userspace,
        state: arguments.run_dir.clone(),
        binary: PathBuf::from("/proc/self/exe"),
        nft: PathBuf::from("nft"),
    };
    MeshExecutor::new(config, Arc::new(NoPrograms)).await?.remove().await?;
    let (connection, netlink, _) = rtnetlink::new_connection().context("cannot open a netlink socket")?;
    tokio::spawn(connection);
    let indices: Vec<u32> = devices(&netlink).await?.into_keys().collect();
    Ok(bpf::uninstall(&arguments.bpffs, &netlink, &indices).await?)
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
