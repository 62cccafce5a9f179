//! Routes by rtnetlink: only those that bear our protocol number are seen or touched.
use super::mesh_error::MeshApplyError;
use super::netlink::{PROTOCOL, errno};
use crate::mesh::spec::{RouteSpec, RouteVia};
use crate::plan::mesh::ObservedRoute;
use futures::TryStreamExt;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use ringfence_keyring::Plane;
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteScope, RouteType,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Our routes of both families; `planes` are the indexes of our devices.
pub(super) async fn list(
    handle: &Handle,
    planes: &BTreeMap<u32, Plane>,
) -> Result<BTreeSet<ObservedRoute>, MeshApplyError> {
    let mut routes = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.protocol = PROTOCOL;
        let mut stream = std::pin::pin!(handle.route().get(request).execute());
        let next = |error| match errno(&error) {
            // No IPv6 here.
            Some(errno) if errno == Errno::EAFNOSUPPORT as i32 => Ok(None),
            _ => Err(MeshApplyError::netlink("list", "routes")(error)),
        };
        while let Some(message) = stream.try_next().await.or_else(next)? {
            // Kernels that filter nothing send everything.
            if message.header.protocol == PROTOCOL {
                routes.extend(observed(&message, planes));
            }
        }
    }
    Ok(routes)
}

/// Adds the route, or puts it in the place of the one with the same table, destination and metric, in one step.
pub(super) async fn set(
    handle: &Handle,
    route: &RouteSpec,
    device: Option<u32>,
) -> Result<(), MeshApplyError> {
    let mut message = key(route.table, route.destination, route.metric);
    message.header.protocol = PROTOCOL;
    match (&route.via, device) {
        (RouteVia::Plane(_, source), Some(index)) => {
            message.header.kind = RouteType::Unicast;
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(index));
            message.attributes.extend(source.map(|source| RouteAttribute::PrefSource(address(source))));
        }
        (RouteVia::Blackhole, _) => message.header.kind = RouteType::BlackHole,
        (RouteVia::Plane(plane, _), None) => {
            let (operation, object) = ("set", describe(route.table, route.destination, route.metric));
            return Err(MeshApplyError::Netlink {
                operation,
                object,
                reason: format!("{plane} is not there"),
            });
        }
    }
    let object = describe(route.table, route.destination, route.metric);
    handle.route().add(message).replace().execute().await.map_err(MeshApplyError::netlink("set", object))
}

/// Removes one of our routes; one that is gone already is no error.
pub(super) async fn delete(handle: &Handle, route: &ObservedRoute) -> Result<(), MeshApplyError> {
    let mut message = key(route.table, route.destination, route.metric);
    message.header.protocol = PROTOCOL;
    message.header.scope = RouteScope::NoWhere;
    message.header.kind = match route.via {
        Some(RouteVia::Blackhole) => RouteType::BlackHole,
        Some(RouteVia::Plane(..)) => RouteType::Unicast,
        None => RouteType::Unspec,
    };
    match handle.route().del(message).execute().await {
        Err(error) if errno(&error) != Some(Errno::ESRCH as i32) => {
            let object = describe(route.table, route.destination, route.metric);
            Err(MeshApplyError::netlink("remove", object)(error))
        }
        _ => Ok(()),
    }
}

fn describe(table: u32, destination: IpNetwork, metric: u32) -> String {
    format!("route to {destination} (table {table}, metric {metric})")
}

fn key(table: u32, destination: IpNetwork, metric: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family =
        if destination.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = destination.prefix();
    message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RouteAttribute::Table(table));
    if destination.prefix() > 0 {
        message.attributes.push(RouteAttribute::Destination(address(destination.network())));
    }
    message.attributes.push(RouteAttribute::Priority(metric));
    message
}

fn address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

/// `None` for what is no route to a network (a cached clone of one, say).
fn observed(message: &RouteMessage, planes: &BTreeMap<u32, Plane>) -> Option<ObservedRoute> {
    let any = match message.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let (mut table, mut destination, mut metric) = (u32::from(message.header.table), any, 0);
    let (mut device, mut source, mut plain_hop) = (None, None, true);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(to) => destination = plain(to)?,
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Oif(index) => device = Some(*index),
            RouteAttribute::PrefSource(from) => source = plain(from),
            RouteAttribute::Gateway(_) | RouteAttribute::MultiPath(_) | RouteAttribute::Encap(_) => {
                plain_hop = false
            }
            _ => {}
        }
    }
    let via = match message.header.kind {
        RouteType::BlackHole => Some(RouteVia::Blackhole),
        RouteType::Unicast if plain_hop => {
            device.and_then(|index| planes.get(&index)).map(|plane| RouteVia::Plane(*plane, source))
        }
        _ => None,
    };
    let destination = IpNetwork::new(destination, message.header.destination_prefix_length).ok()?;
    Some(ObservedRoute { table, destination, metric, via })
}
