//! The result of the plugin before us: where the pod's veth ends on this node, and which addresses it has.
use super::CniError;
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

#[derive(Deserialize)]
struct Previous {
    #[serde(default)]
    interfaces: Vec<Interface>,
    #[serde(default)]
    ips: Vec<Ip>,
}

#[derive(Deserialize)]
struct Interface {
    name: String,
    #[serde(default)]
    sandbox: Option<String>,
}

#[derive(Deserialize)]
struct Ip {
    address: IpNetwork,
    #[serde(default)]
    interface: Option<usize>,
}

/// What we need of a previous result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attachment {
    /// Host side of the veth, by name.
    pub host_device: String,
    /// The pod's addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
}

/// Reads a `prevResult` (CNI spec, section 5, "Success").
///
/// # Errors
/// [`CniError::CONFIG`] if there is none, or it is not that of a plugin that makes one veth per pod.
pub(super) fn read(previous: Option<&Value>) -> Result<Attachment, CniError> {
    let wrong = |message: &str, details: String| CniError::new(CniError::CONFIG, message, details);
    let Some(previous) = previous else {
        let advice = "ringfence is a chained plugin: in the list of plugins it comes after ptp".to_owned();
        return Err(wrong("there is no prevResult", advice));
    };
    let previous: Previous = serde_path_to_error::deserialize(previous)
        .map_err(|e| wrong(&format!("prevResult cannot be read at {}", e.path()), e.inner().to_string()))?;
    let in_sandbox = |i: &Interface| i.sandbox.as_deref().is_some_and(|s| !s.is_empty());
    let hosts: Vec<&Interface> = previous.interfaces.iter().filter(|i| !in_sandbox(i)).collect();
    let [host] = hosts.as_slice() else {
        let names: Vec<&str> = hosts.iter().map(|i| i.name.as_str()).collect();
        let details = format!("it names {}: [{}]; ringfence must follow ptp", hosts.len(), names.join(", "));
        return Err(wrong("prevResult does not name exactly one interface on the host", details));
    };
    let of_pod = |ip: &&Ip| ip.interface.and_then(|i| previous.interfaces.get(i)).is_none_or(in_sandbox);
    let addresses: Vec<IpAddr> = previous.ips.iter().filter(of_pod).map(|ip| ip.address.ip()).collect();
    let v4 = addresses.iter().filter(|a| a.is_ipv4()).count();
    if addresses.is_empty() || v4 > 1 || addresses.len() - v4 > 1 {
        let details = format!("they are {addresses:?}; a pod has one address of each family, or of one");
        return Err(wrong("prevResult has unusable addresses", details));
    }
    Ok(Attachment { host_device: host.name.clone(), addresses })
}
