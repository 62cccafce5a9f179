//! Where the cluster is, and which agents can be asked.
use super::arguments::PlaceArguments;
use crate::control::{Reply, Request, SOCKET, exchange};
use crate::lab::Lab;
use crate::status::StatusReport;
use crate::watch::directory::{self, Loaded, Mode};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one agent is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster.
pub(super) struct Place {
    /// The directory that holds its objects.
    pub(super) source: PathBuf,
    agents: Agents,
}

enum Agents {
    /// All of a lab's.
    Lab { name: String, root: PathBuf },
    /// The one here, if it runs.
    Here(PathBuf),
}

impl Place {
    pub(super) fn of(arguments: &PlaceArguments) -> anyhow::Result<Self> {
        if let Some(name) = &arguments.lab {
            let source = Lab::open(&arguments.root, name)?.source();
            let agents = Agents::Lab { name: name.clone(), root: arguments.root.clone() };
            return Ok(Self { source, agents });
        }
        let agents = Agents::Here(arguments.run_dir.join(SOCKET));
        let named = match &arguments.source {
            Some(source) => source.clone(),
            None => {
                ask(&arguments.run_dir.join(SOCKET))
                    .context(
                        "no agent can be asked where objects are; name the place with --source or --lab",
                    )?
                    .source
            }
        };
        let Some(path) = named.strip_prefix("dir:") else {
            bail!(
                "--source {named}: keys are asked of a directory of manifests as yet, dir:PATH; of an API server: kubectl get ringfencenodes"
            );
        };
        Ok(Self { source: PathBuf::from(path), agents })
    }

    /// The objects as they are now.
    pub(super) fn read(&self) -> anyhow::Result<Loaded> {
        Ok(directory::read(&self.source, Mode::Watch)?)
    }

    /// What the agents that can be asked say of themselves, by node; of those of a lab that do not answer, nothing.
    pub(super) fn reports(&self) -> anyhow::Result<BTreeMap<String, StatusReport>> {
        Ok(match &self.agents {
            Agents::Lab { name, root } => {
                let lab = Lab::open(root, name)?;
                let running = lab.nodes.keys().filter(|node| lab.agent_runs(node));
                running.filter_map(|node| Some((node.clone(), lab.report(node).ok()?))).collect()
            }
            Agents::Here(socket) => {
                ask(socket).ok().map(|report| (report.node.clone(), report)).into_iter().collect()
            }
        })
    }
}

fn ask(socket: &Path) -> anyhow::Result<StatusReport> {
    match exchange(socket, &Request::Status, PATIENCE)? {
        Reply::Report(report) => Ok(*report),
        other => bail!("the agent answered {other:?}"),
    }
}
