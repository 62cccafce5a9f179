//! The audit log as the agent keeps it. It is evidence, no condition: a log that cannot be written is named in the status,
//! and keys rotate on.
use super::super::clock;
use ringfence_keyring::audit::{AuditError, AuditLog, Entry, Head, KeyEvent, Size};
use std::path::Path;

/// Its name in the state directory.
pub const AUDIT_LOG: &str = "audit.jsonl";

/// The log, or why there is none.
#[derive(Debug)]
pub(in crate::app) struct Journal {
    node: String,
    log: Result<AuditLog, AuditError>,
    failed: Option<AuditError>,
}

impl Journal {
    pub(super) fn open(state_dir: &Path, node: &str) -> Self {
        let log =
            AuditLog::open(&state_dir.join(AUDIT_LOG), Size::AGENT, node, &clock::rfc3339(clock::unix()));
        Self { node: node.to_owned(), log, failed: None }
    }

    /// Notes what happened.
    pub(super) fn note(&mut self, event: KeyEvent) {
        tracing::info!(event = ?event, "keys");
        let entry = Entry { at: clock::rfc3339(clock::unix()), node: self.node.clone(), event };
        if let Ok(log) = &mut self.log {
            self.failed = log.append(&entry).err();
        }
    }

    /// Where it ends, for the next publication.
    pub(in crate::app) fn head(&self) -> Option<Head> {
        let head = self.log.as_ref().ok()?.head();
        (head.number > 0).then(|| head.clone())
    }

    /// Why it is not complete.
    pub(in crate::app) fn trouble(&self) -> Option<&AuditError> {
        self.log.as_ref().err().or(self.failed.as_ref())
    }
}
