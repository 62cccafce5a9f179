//! Policy rules by rtnetlink: only those that bear our protocol number are seen or touched.
use super::mesh_error::MeshApplyError;
use super::netlink::{PROTOCOL, errno};
use crate::mesh::spec::RuleSpec;
use futures::TryStreamExt;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use ringfence_keyring::Plane;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::RouteHeader;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Our rules of both families.
pub(super) async fn list(handle: &Handle) -> Result<BTreeSet<RuleSpec>, MeshApplyError> {
    let mut rules = BTreeSet::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        let found: Result<Vec<RuleMessage>, _> = handle.rule().get(version).execute().try_collect().await;
        let found = match found {
            Err(error) if errno(&error) == Some(Errno::EAFNOSUPPORT as i32) => continue,
            other => other.map_err(MeshApplyError::netlink("list", "rules"))?,
        };
        for message in found {
            let ours = |attribute: &RuleAttribute| *attribute == RuleAttribute::Protocol(PROTOCOL);
            if message.attributes.iter().any(ours) {
                rules.extend(observed(&message));
            }
        }
    }
    Ok(rules)
}

/// Adds the rule; one that is there already is no error.
pub(super) async fn add(handle: &Handle, rule: &RuleSpec) -> Result<(), MeshApplyError> {
    let mut request = handle.rule().add();
    *request.message_mut() = message(rule);
    match request.execute().await {
        Err(error) if errno(&error) != Some(Errno::EEXIST as i32) => {
            Err(MeshApplyError::netlink("add", describe(rule))(error))
        }
        _ => Ok(()),
    }
}

/// Removes the rule; one that is gone already is no error.
pub(super) async fn delete(handle: &Handle, rule: &RuleSpec) -> Result<(), MeshApplyError> {
    match handle.rule().del(message(rule)).execute().await {
        Err(error) if errno(&error) != Some(Errno::ENOENT as i32) => {
            Err(MeshApplyError::netlink("remove", describe(rule))(error))
        }
        _ => Ok(()),
    }
}

fn describe(rule: &RuleSpec) -> String {
    let device = rule.plane.map(|plane| format!(" iif {}", plane.device())).unwrap_or_default();
    let bound = rule.bound.map(|plane| format!(" oif {}", plane.device())).unwrap_or_default();
    format!("rule from {}{device}{bound} lookup {} (priority {})", rule.source, rule.table, rule.priority)
}

fn message(rule: &RuleSpec) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = if rule.source.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.action = RuleAction::ToTable;
    message.header.src_len = rule.source.prefix();
    message.header.table = u8::try_from(rule.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    if rule.source.prefix() > 0 {
        message.attributes.push(RuleAttribute::Source(rule.source.network()));
    }
    message.attributes.extend(rule.plane.map(|plane| RuleAttribute::Iifname(plane.device().to_owned())));
    message.attributes.extend(rule.bound.map(|plane| RuleAttribute::Oifname(plane.device().to_owned())));
    message.attributes.extend([
        RuleAttribute::Table(rule.table),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(PROTOCOL),
    ]);
    message
}

/// `None` for a rule that selects by anything but its source and planes' devices: none of ours does.
fn observed(message: &RuleMessage) -> Option<RuleSpec> {
    let (mut source, mut plane, mut bound) = (None, None, None);
    let (mut table, mut priority) = (u32::from(message.header.table), 0);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(from) => source = Some(*from),
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Iifname(name) => {
                plane = Some(Plane::ALL.into_iter().find(|plane| plane.device() == name)?);
            }
            RuleAttribute::Oifname(name) => {
                bound = Some(Plane::ALL.into_iter().find(|plane| plane.device() == name)?);
            }
            RuleAttribute::FwMark(_) => return None,
            _ => {}
        }
    }
    let any: IpAddr = match message.header.family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = IpNetwork::new(source.unwrap_or(any), message.header.src_len).ok()?;
    (message.header.action == RuleAction::ToTable).then_some(RuleSpec {
        source,
        plane,
        bound,
        table,
        priority,
    })
}
