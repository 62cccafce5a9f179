//! kubeconfig files.
use super::pki::{Authority, Identity};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::Path;

/// Writes a kubeconfig with which one speaks to `server` as `identity`. It holds everything itself, so it can be copied.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(path: &Path, server: &str, authority: &Authority, identity: &Identity) -> Result<()> {
    let data = |text: &str| STANDARD.encode(text);
    let name = "ringfence";
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": server, "certificate-authority-data": data(&authority.certificate),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": data(&identity.certificate), "client-key-data": data(&identity.key),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    });
    std::fs::write(path, format!("{config:#}\n")).with_context(|| format!("writing {}", path.display()))
}
