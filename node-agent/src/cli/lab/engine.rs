//! `ringfence policy verdicts --engine lab`.
use super::{LabSelection, up_options};
use crate::apply::mesh::BackendChoice;
use crate::cli::verdicts::Engine;
use crate::lab::{self, Lab};
use crate::watch::directory::Loaded;
use crate::watch::queries::{Answer, Resolved};
use std::path::PathBuf;

/// The engine: a lab of its own, or one that is up already.
pub(in crate::cli) struct LabEngine {
    pub(in crate::cli) cluster: Loaded,
    /// Name of a running lab.
    pub(in crate::cli) running: Option<String>,
    /// Directory that labs are kept in.
    pub(in crate::cli) root: PathBuf,
}

/// Takes a lab away, whatever has become of it.
struct Down(LabSelection);

impl Drop for Down {
    fn drop(&mut self) {
        if let Err(e) = lab::down(&self.0.root, &self.0.name) {
            eprintln!("{e}");
        }
    }
}

impl Engine for LabEngine {
    fn answer(&mut self, questions: &[Resolved]) -> anyhow::Result<Vec<Answer>> {
        if let Some(name) = &self.running {
            let _lock = Lab::lock(&self.root, name)?;
            let mut lab = Lab::open(&self.root, name)?;
            lab.become_cluster(&self.cluster)?;
            return Ok(lab::engine::answers(&lab, &self.cluster, questions)?);
        }
        let selection =
            LabSelection { name: format!("verdicts-{}", std::process::id()), root: self.root.clone() };
        let options = up_options(selection.clone(), BackendChoice::Auto, None, Vec::new())?;
        let _down = Down(selection);
        let lab = lab::up(options, &self.cluster, &|what| eprintln!("lab: {what}"))?;
        Ok(lab::engine::answers(&lab, &self.cluster, questions)?)
    }
}
