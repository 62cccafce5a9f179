//! The third lock on plaintext: an nftables table of its own, which stands whatever becomes of the agent.
mod script;

use super::mesh_error::MeshApplyError;
use super::nft::Table;
use crate::mesh::spec::LockSpec;
use std::path::PathBuf;

/// Name of the table, of family `inet`.
const TABLE: &str = "ringfence-lock";
/// Name of the counter in it: packets that were dropped. It is kept as long as the table is.
const COUNTER: &str = "plaintext";

/// The table, as far as this process knows it.
#[derive(Debug)]
pub(super) struct Lock(Table<LockSpec>);

impl Lock {
    pub(super) fn new(program: PathBuf) -> Self {
        Self(Table::new(program, TABLE))
    }

    /// What the table locks; `None` if it is not there, or not as this process made it.
    pub(super) async fn observe(&mut self) -> Result<Option<LockSpec>, MeshApplyError> {
        self.0.observe().await
    }

    /// Locks what `lock` says, and nothing else.
    pub(super) async fn replace(&mut self, lock: &LockSpec) -> Result<(), MeshApplyError> {
        if self.0.replace(lock, &script::script(lock, false)).await.is_ok() {
            return Ok(());
        }
        self.0.replace(lock, &script::script(lock, true)).await
    }

    /// Removes the table.
    pub(super) async fn remove(&mut self) -> Result<(), MeshApplyError> {
        self.0.remove().await
    }

    /// Packets that were dropped.
    pub(super) async fn caught(&self) -> Result<u64, MeshApplyError> {
        self.0.counted(COUNTER).await
    }
}
