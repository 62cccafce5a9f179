//! Connections to Services, as kube-proxy carries them.
//!
//! The verdict is about the real ends: every ready backend must be reachable at its own port. Where kube-proxy must
//! masquerade, the backend's node cannot tell who opened the connection.
use std::net::IpAddr;

use anyhow::Result;

use super::cluster::{Cluster, Family, Node, Service, ServicePort};
use super::verdict::{Answer, Party, judge};

/// The kind of address that was dialled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// The ClusterIP: translated on the client's own node.
    ClusterIp,
    /// An external IP or a load balancer's: translated on the client's own node too.
    External,
    /// A node port at this node: translated there.
    NodePort(&'a Node),
}

/// The Service that has the address, and its port entry if the port is one of its ports.
pub(super) fn find_by_address<'a>(
    cluster: &'a Cluster,
    address: IpAddr,
    port: u16,
    protocol: &str,
) -> Option<(&'a Service, Way<'a>, Option<&'a ServicePort>)> {
    let owners = || {
        cluster
            .services
            .iter()
            .filter(|s| s.cluster_ips.contains(&address) || s.external_ips.contains(&address))
    };
    let entry = |s: &'a Service| s.ports.iter().find(|p| p.port == port && p.protocol == protocol);
    // Several Services may share an external address; the one with the port is meant.
    let service = owners().find(|s| entry(s).is_some()).or_else(|| owners().next())?;
    let way = if service.cluster_ips.contains(&address) { Way::ClusterIp } else { Way::External };
    Some((service, way, entry(service)))
}

/// The Service with this node port.
pub(super) fn find_by_node_port<'a>(
    cluster: &'a Cluster,
    port: u16,
    protocol: &str,
) -> Option<(&'a Service, &'a ServicePort)> {
    cluster.services.iter().find_map(|service| {
        let entry = service.ports.iter().find(|p| p.node_port == Some(port) && p.protocol == protocol)?;
        Some((service, entry))
    })
}

/// A node that dials another node's address does so outside the mesh, where nobody vouches for its own.
pub(super) fn unproven(from: Party<'_>) -> bool {
    matches!(from, Party::Node(..))
}

/// Whether every backend that this client could be sent to may be reached. No backend: nothing answers, so deny.
pub(super) fn judge_service(
    cluster: &Cluster,
    from: Party<'_>,
    service: &Service,
    entry: &ServicePort,
    way: Way<'_>,
    family: Family,
) -> Result<Answer> {
    let mut answer: Option<Answer> = None;
    for backend in entry.backends.iter().filter(|b| Family::of(b.address) == family) {
        let to = Party::at(cluster, backend.address);
        let masqueraded = match (way, from) {
            (Way::ClusterIp, _) if service.internal_local && to.node() != from.node() => continue,
            // What comes from outside is masqueraded wherever the backend is, unless the Service is Local.
            (Way::ClusterIp | Way::External, Party::Outside(_)) => !service.local,
            (Way::ClusterIp | Way::External, _) => false,
            // On the client's own node the client is known.
            (Way::NodePort(node), _) if from.node() == Some(node.name.as_str()) => false,
            // Local: only that node's backends are used, and the source is kept.
            (Way::NodePort(node), _) if service.local => {
                if to.node() != Some(node.name.as_str()) {
                    continue;
                }
                unproven(from)
            }
            (Way::NodePort(_), Party::Outside(_)) => true,
            // A pod's address crosses the mesh once; forwarded to a third node it is masqueraded.
            (Way::NodePort(node), _) => unproven(from) || to.node() != Some(node.name.as_str()),
        };
        let verdict = judge(cluster, from, to, backend.port, &entry.protocol, masqueraded)?;
        answer = Some(match answer {
            Some(earlier) => earlier.and(verdict),
            None => verdict,
        });
    }
    let name = format!("{}/{}", service.namespace, service.name);
    Ok(answer.unwrap_or_else(|| Answer::new(false, format!("{name} has no backend here: nothing answers"))))
}
