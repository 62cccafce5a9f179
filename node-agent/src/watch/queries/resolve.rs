//! Who the ends of a query are.
use super::{Family, Query, QueryError};
use crate::desired::Snapshot;
use crate::model::{ObjectName, Pod, Protocol};
use std::collections::HashMap;
use std::net::IpAddr;

/// One end of a connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Party {
    /// A pod with addresses of its own.
    Pod(ObjectName),
    /// A node, which a host-network pod is.
    Node(String),
    /// A Service, by its name or one of its addresses; only as destination.
    Service(ObjectName),
    /// Any other address.
    Outside,
}

/// A query whose ends are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Who opens the connection.
    pub from: Party,
    /// From which address.
    pub source: IpAddr,
    /// To whom.
    pub to: Party,
    /// To which address, of the same family as `source`. `None`: a Service without one of it, where nothing answers.
    pub destination: Option<IpAddr>,
    /// The destination's own port.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

/// Finds the owners of names and addresses in a snapshot; made once for many queries.
#[derive(Debug)]
pub struct Resolver<'a> {
    snapshot: &'a Snapshot,
    owners: HashMap<IpAddr, Party>,
}

impl<'a> Resolver<'a> {
    /// Indexes a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut owners = HashMap::new();
        // Where two claim an address the first keeps it: nodes before pods, those before Services.
        for (name, node) in snapshot.nodes.iter() {
            node.addresses
                .iter()
                .for_each(|a| _ = owners.entry(*a).or_insert_with(|| Party::Node(name.clone())));
        }
        for (name, pod) in snapshot.pods.iter() {
            let party = || party_of(name, pod).unwrap_or(Party::Outside);
            pod.addresses.iter().for_each(|a| _ = owners.entry(*a).or_insert_with(party));
        }
        for (name, service) in snapshot.services.iter() {
            let addresses = service.cluster_ips.iter().chain(&service.external_ips);
            addresses.for_each(|a| _ = owners.entry(*a).or_insert_with(|| Party::Service(name.clone())));
        }
        Self { snapshot, owners }
    }

    /// Finds both ends of a query and the addresses used.
    ///
    /// The family is the one of an address literal, else the one asked for, else that of the first of the pods'
    /// addresses which both ends have.
    ///
    /// # Errors
    /// A [`QueryError`] for what does not exist, has no address, or none of the family.
    pub fn resolve(&self, query: &Query) -> Result<Resolved, QueryError> {
        let error = |field: &str, message: String| {
            Err(QueryError { file: query.file.clone(), line: query.line, field: field.to_owned(), message })
        };
        let (from, sources) = match self.end(&query.from) {
            Ok((Party::Service(_), sources)) => (Party::Outside, sources),
            Ok(found) => found,
            Err(message) => return error("from", message),
        };
        let (to, destinations) = match self.end(&query.to) {
            Ok(found) => found,
            Err(message) => return error("to", message),
        };
        let service_by_name = matches!(to, Party::Service(_)) && query.to.parse::<IpAddr>().is_err();
        let has = |list: &[IpAddr], family| list.iter().any(|a| Family::of(*a) == family);
        let literal = |text: &str| text.parse::<IpAddr>().ok().map(Family::of);
        let fixed = query.family.or_else(|| literal(&query.to)).or_else(|| literal(&query.from));
        let family = fixed.unwrap_or_else(|| {
            let own = sources.iter().map(|a| Family::of(*a));
            own.clone().find(|f| has(&destinations, *f)).or(own.clone().next()).unwrap_or(Family::IPv4)
        });
        let of_family = |list: &[IpAddr]| list.iter().find(|a| Family::of(**a) == family).copied();
        let Some(source) = of_family(&sources) else {
            return error("from", format!("{} has no {family} address", query.from));
        };
        let destination = of_family(&destinations);
        // A Service without an address of the family is a fact about the cluster, a literal of another a contradiction.
        if destination.is_none() && !service_by_name {
            return error("to", format!("{} has no {family} address", query.to));
        }
        Ok(Resolved { from, source, to, destination, port: query.port, protocol: query.protocol })
    }

    /// Who is meant, and its addresses in order of preference.
    fn end(&self, text: &str) -> Result<(Party, Vec<IpAddr>), String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            let owner = self.owners.get(&address).cloned().unwrap_or(Party::Outside);
            return Ok((owner, vec![address]));
        }
        if let Some(name) = text.strip_prefix("svc/").and_then(|rest| rest.split_once('/')) {
            let name = ObjectName::new(name.0, name.1);
            let service =
                self.snapshot.services.get(&name).ok_or_else(|| format!("there is no Service {name}"))?;
            return Ok((Party::Service(name), service.cluster_ips.clone()));
        }
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        let name = ObjectName::new(namespace, name);
        let pod = self.snapshot.pods.get(&name).ok_or_else(|| {
            format!("there is no pod {name} (pods of a workload are named NAME-0, NAME-1...; completed ones are gone)")
        })?;
        if pod.addresses.is_empty() {
            return Err(format!("pod {name} has no address: it is on no node"));
        }
        let party = party_of(&name, pod).ok_or_else(|| format!("host-network pod {name} is on no node"))?;
        Ok((party, pod.addresses.clone()))
    }
}

/// A host-network pod is its node.
fn party_of(name: &ObjectName, pod: &Pod) -> Option<Party> {
    if pod.host_network { pod.node.clone().map(Party::Node) } else { Some(Party::Pod(name.clone())) }
}
