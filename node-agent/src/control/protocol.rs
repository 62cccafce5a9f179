//! The messages.
use crate::model::ObjectName;
use crate::status::StatusReport;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Longest line either side accepts, bytes.
pub const MAX_LINE: usize = 16 << 20;

/// One network interface of one pod sandbox: what a CNI attachment is keyed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Sandbox {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

/// What CNI ADD (and CHECK) says of a pod.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddRequest {
    /// Which attachment.
    pub sandbox: Sandbox,
    /// Host side of its veth, by name.
    pub host_device: String,
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// `K8S_POD_NAMESPACE` and `K8S_POD_NAME`.
    pub pod: ObjectName,
    /// `K8S_POD_UID`, if the runtime says it.
    pub uid: Option<String>,
    /// Milliseconds after which nobody waits for the reply any more.
    pub deadline_ms: u64,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Request {
    /// Answered once the pod's policy is in force.
    CniAdd(AddRequest),
    /// Answered once nothing passes from or to the pod. An unknown sandbox is as good as a removed one.
    CniDel(Sandbox),
    /// Whether all that ADD did is still so.
    CniCheck(AddRequest),
    /// Whether the agent could serve an ADD.
    CniStatus,
    /// Removes every attachment but these.
    CniGc {
        /// The attachments that are still in use.
        keep: Vec<Sandbox>,
    },
    /// The whole [`StatusReport`].
    Status,
}

/// A reply.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done,
    /// To [`Request::Status`].
    Report(Box<StatusReport>),
    /// It is not done.
    Refused {
        /// What sort of refusal.
        kind: RefusalKind,
        /// Why, and what to do about it.
        message: String,
    },
}

/// Sorts of refusal; each has its CNI error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The request makes no sense.
    Invalid,
    /// No such attachment.
    Unknown,
    /// Not now: the same request may succeed later.
    TryLater,
    /// The kernel or the disk refused.
    Failed,
}
