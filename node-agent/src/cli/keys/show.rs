//! `ringfence keys status`.
use super::arguments::PlaceArguments;
use super::place::Place;
use crate::cli::arguments::OutputArguments;
use crate::model::{MESH, MeshEpoch};
use crate::status::{StatusReport, WaitingStatus, columns};
use crate::watch::directory::Loaded;
use ringfence_keyring::{Plane, Publication};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Whom a node waits for whose agent cannot be asked from here.
const UNKNOWN: &str = "(not known here; its own agent says)";

/// Every node's keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeysStatus {
    /// The mesh's epoch.
    pub(super) epoch: u64,
    /// The plane that carries its traffic.
    pub(super) plane: String,
    /// Nodes by name.
    pub(super) nodes: BTreeMap<String, NodeKeys>,
}

/// One node's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeKeys {
    /// `settled`, `rotating`, `revoked` or `no keys`.
    pub(super) state: &'static str,
    /// Epochs of its keys, by device.
    pub(super) epochs: BTreeMap<String, u64>,
    /// Fingerprints of its keys, by device.
    pub(super) keys: BTreeMap<String, String>,
    /// Age of its key on the mesh's plane, seconds; absent where its agent was not asked or does not know.
    pub(super) age_seconds: Option<u64>,
    /// Of the handshakes there the oldest, seconds; absent likewise.
    pub(super) oldest_handshake_seconds: Option<u64>,
    /// Whom it waits for; absent where its agent was not asked.
    pub(super) waiting: Option<Vec<WaitingStatus>>,
    /// Routes that its agent cannot make, and why; whatever rotates, rotates without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unmade: Vec<String>,
}

pub(super) fn run(place: &PlaceArguments, output: OutputArguments) -> anyhow::Result<ExitCode> {
    let place = Place::of(place)?;
    output.print(&gather(&place.read()?, &place.reports()?), table)?;
    Ok(ExitCode::SUCCESS)
}

/// The mesh's epoch, as its object says.
pub(super) fn mesh(loaded: &Loaded) -> MeshEpoch {
    loaded.mesh.get(MESH).map_or_else(MeshEpoch::default, |mesh| *mesh.value)
}

/// Whether nodes of this name are revoked, whatever Node object bears it now.
pub(super) fn is_revoked(loaded: &Loaded, name: &str) -> bool {
    loaded.revocations.get(name).is_some_and(|revocation| revocation.value.revoked)
}

/// What objects and agents say together.
pub(super) fn gather(loaded: &Loaded, reports: &BTreeMap<String, StatusReport>) -> KeysStatus {
    let mesh = mesh(loaded).epoch;
    let node = |name: &String| {
        let published = loaded.publications.get(name).map(|published| &*published.value);
        let settled = published.is_some_and(|published| published.published().is_settled(mesh));
        let report = reports.get(name);
        let plane = report
            .and_then(|report| report.mesh.planes.iter().find(|plane| plane.device == mesh.plane().device()));
        NodeKeys {
            state: match published {
                _ if is_revoked(loaded, name) => "revoked",
                None => "no keys",
                Some(_) if settled => "settled",
                Some(_) => "rotating",
            },
            epochs: by_device(published, |published, plane| published.plane(plane).epoch.get()),
            keys: by_device(published, |published, plane| published.plane(plane).public_key.fingerprint()),
            age_seconds: plane.and_then(|plane| plane.key_age_seconds),
            oldest_handshake_seconds: plane
                .and_then(|plane| plane.peers.iter().filter_map(|peer| peer.handshake_seconds).max()),
            waiting: report.map(|report| report.mesh.rotation.waiting.clone()),
            unmade: report.map(|report| report.mesh.rotation.unmade.clone()).unwrap_or_default(),
        }
    };
    KeysStatus {
        epoch: mesh.get(),
        plane: mesh.plane().to_string(),
        nodes: loaded.nodes.keys().map(|name| (name.clone(), node(name))).collect(),
    }
}

fn by_device<T>(
    published: Option<&Publication>,
    value: impl Fn(&Publication, Plane) -> T,
) -> BTreeMap<String, T> {
    let each = |published: &Publication| Plane::ALL.map(|plane| (plane.to_string(), value(published, plane)));
    published.map(each).into_iter().flatten().collect()
}

fn table(status: &KeysStatus) -> String {
    let mut text = format!("mesh at epoch {}, on {}\n\n", status.epoch, status.plane);
    let rows = status.nodes.iter().map(|(name, keys)| {
        let epoch = |plane: Plane| keys.epochs.get(plane.device()).map_or("-".to_owned(), u64::to_string);
        let key = keys.keys.get(&status.plane).cloned().unwrap_or_else(|| "-".to_owned());
        let seconds = |seconds: Option<u64>| seconds.map_or("-".to_owned(), span);
        let waiting = keys.waiting.iter().flatten();
        let mut waiting: Vec<String> =
            waiting.map(|w| format!("{} on {}: {}", w.node, w.plane, w.reason)).collect();
        waiting.sort();
        waiting.extend(keys.unmade.iter().cloned());
        vec![
            name.clone(),
            keys.state.to_owned(),
            epoch(Plane::Zero),
            epoch(Plane::One),
            key,
            seconds(keys.age_seconds),
            seconds(keys.oldest_handshake_seconds),
            if keys.waiting.is_none() { UNKNOWN.to_owned() } else { waiting.join("; ") },
        ]
    });
    let heading = ["NODE", "STATE", "RF-WG0", "RF-WG1", "KEY IN USE", "AGE", "OLDEST HANDSHAKE", "WAITS FOR"];
    // Writing to a String cannot fail.
    let _ = columns(&mut text, &heading, rows.collect());
    text
}

/// A span of time in its two largest units.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
