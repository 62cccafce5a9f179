//! One attachment as it is kept.
use crate::control::{AddRequest, Sandbox};
use crate::model::ObjectName;
use crate::policy::tables::LocalEndpoint;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One pod sandbox's attachment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Never used again on this node.
    pub id: u32,
    /// What CNI knows it by.
    pub sandbox: Sandbox,
    /// Host side of its veth, by name.
    pub host_device: String,
    /// And by index. Both must fit for a device to be the one that was attached.
    pub ifindex: u32,
    /// The pod.
    pub pod: ObjectName,
    /// Its UID, if the runtime said it.
    pub uid: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// CNI DEL has begun.
    pub closing: bool,
}

impl Record {
    /// For a new attachment.
    pub fn new(id: u32, ifindex: u32, request: &AddRequest) -> Self {
        Self {
            id,
            sandbox: request.sandbox.clone(),
            host_device: request.host_device.clone(),
            ifindex,
            pod: request.pod.clone(),
            uid: request.uid.clone(),
            addresses: request.addresses.clone(),
            closing: false,
        }
    }

    /// Whether it is what this request asks for.
    pub fn fits(&self, request: &AddRequest, ifindex: u32) -> bool {
        *self == Self { id: self.id, ..Self::new(self.id, ifindex, request) }
    }

    /// As the compiler wants it.
    pub fn to_local(&self) -> LocalEndpoint {
        LocalEndpoint {
            id: self.id,
            ifindex: self.ifindex,
            pod: self.pod.clone(),
            uid: self.uid.clone(),
            addresses: self.addresses.clone(),
            closing: self.closing,
        }
    }
}
