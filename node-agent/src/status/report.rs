//! The report as data; `-o json` prints exactly this. Fields are only added, never renamed.
use super::rotation::RotationStatus;
use crate::model::{ObjectName, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Everything about one node's agent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The node.
    pub node: String,
    /// Version of the agent.
    pub version: String,
    /// Where its objects come from, as it was told.
    #[serde(default)]
    pub source: String,
    /// Whether every watch has synced, tables are programmed and the mesh stands.
    pub ready: bool,
    /// What is missing until it is ready.
    pub waiting_for: Vec<String>,
    /// What is wanted and what is enforced.
    pub enforcement: Enforcement,
    /// The mesh as this node sees it.
    pub mesh: MeshStatus,
    /// Pods attached here.
    pub endpoints: Vec<EndpointStatus>,
    /// Packets dropped, by reason; all reasons are there.
    pub drops: BTreeMap<String, u64>,
    /// Other counters, by name.
    pub counters: BTreeMap<String, u64>,
    /// Packets that would have left in the clear, all dropped: the auditor's evidence, 0 unless routing failed.
    pub plaintext: u64,
    /// How full the tables are.
    pub tables: Vec<TableStatus>,
    /// Objects that could not be taken as written.
    pub problems: Vec<Problem>,
    /// What went wrong in the agent itself and has not come right since.
    pub errors: Vec<String>,
    /// Nodes that were refused, and why.
    pub refused_nodes: BTreeMap<String, String>,
}

/// What is wanted and what is enforced.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enforcement {
    /// Revision of the newest snapshot.
    pub wanted: u64,
    /// Revision of the snapshot that the kernel enforces.
    pub enforced: u64,
    /// The state of the source that the newest snapshot is all of, as `ringfence lab` computes it of its directory;
    /// absent while none was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_version: Option<String>,
    /// The state of the source that the kernel enforces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_version: Option<String>,
    /// Policy generation that established flows prove themselves against.
    pub generation: u32,
    /// `tcx` or `clsact`.
    pub hooks: String,
    /// Devices that bear programs.
    pub devices: usize,
}

/// Which WireGuard does the encrypting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendStatus {
    /// Not known yet.
    #[default]
    Unknown,
    /// The kernel's.
    Kernel,
    /// The embedded one, in a process of its own: slower, and a process that can die.
    Userspace,
}

/// The mesh as this node sees it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshStatus {
    /// Which WireGuard.
    pub backend: BackendStatus,
    /// The mesh's epoch.
    pub epoch: u64,
    /// Both planes.
    pub planes: Vec<PlaneStatus>,
    /// Nodes that have not published keys yet.
    pub waiting: Vec<String>,
    /// What an administrator should know about this node's own part.
    pub warnings: Vec<String>,
    /// How the rotation of keys stands.
    #[serde(default)]
    pub rotation: RotationStatus,
    /// There while the mesh is not as it shall be; why is in `errors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryStatus>,
}

/// How something that fails is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryStatus {
    /// Attempts in a row that failed.
    pub attempts: u32,
    /// Milliseconds until the next, unless something changes before.
    pub next_milliseconds: u64,
}

/// One WireGuard device.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaneStatus {
    /// `rf-wg0` or `rf-wg1`.
    pub device: String,
    /// Whether traffic uses it.
    pub active: bool,
    /// Epoch of its key.
    pub epoch: u64,
    /// Public key, base64.
    pub public_key: String,
    /// Seconds since it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_age_seconds: Option<u64>,
    /// UDP port.
    pub port: u16,
    /// Bytes.
    pub mtu: u32,
    /// Packets that WireGuard itself refused because their source is none of the peer's; absent if it does not say.
    pub refused_packets: Option<u64>,
    /// Peers by node.
    pub peers: Vec<PeerStatus>,
}

/// One peer of a device.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// The node that published the key.
    pub node: String,
    /// Where it was last heard.
    pub endpoint: Option<String>,
    /// Seconds since the last handshake; absent if there was none.
    pub handshake_seconds: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// AllowedIPs.
    pub allowed: Vec<String>,
}

/// One pod attached here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// The pod.
    pub pod: ObjectName,
    /// Number of its sandbox.
    pub id: u32,
    /// Host side of its veth.
    pub device: String,
    /// Index of that.
    pub ifindex: u32,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// `enforced`; `denied` while its policy is not known; `closing` after CNI DEL.
    pub state: String,
    /// Some policy selects it for ingress.
    pub ingress_isolated: bool,
    /// Some policy selects it for egress.
    pub egress_isolated: bool,
}

/// How full one table is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// Entries.
    pub used: u64,
    /// Entries it can hold; tables that grow do so at three quarters.
    pub capacity: u64,
}
