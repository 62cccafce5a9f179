//! Network devices by rtnetlink.
use super::mesh_error::MeshApplyError;
use super::netlink::errno;
use crate::plan::mesh::DeviceKind;
use futures::TryStreamExt;
use nix::errno::Errno;
use ringfence_keyring::Plane;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, LinkWireguard};

/// A device as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) kind: DeviceKind,
    pub(super) up: bool,
    /// Bytes.
    pub(super) mtu: u32,
    /// Received frames that were no good: with WireGuard, those whose source is not the peer's.
    pub(super) frame_errors: u64,
}

impl From<&LinkMessage> for Link {
    fn from(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            kind: DeviceKind::Other("a plain device".to_owned()),
            up: message.header.flags.contains(LinkFlags::Up),
            mtu: 0,
            frame_errors: 0,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Stats64(stats) => link.frame_errors = stats.rx_frame_errors,
                LinkAttribute::LinkInfo(infos) => {
                    if let Some(kind) = infos.iter().find_map(kind) {
                        link.kind = kind;
                    }
                }
                _ => {}
            }
        }
        link
    }
}

fn kind(info: &LinkInfo) -> Option<DeviceKind> {
    match info {
        LinkInfo::Kind(InfoKind::Wireguard) => Some(DeviceKind::Kernel),
        LinkInfo::Kind(InfoKind::Tun) => Some(DeviceKind::Userspace),
        LinkInfo::Kind(other) => Some(DeviceKind::Other(other.to_string())),
        _ => None,
    }
}

/// The device of that name, if there is one.
pub(super) async fn find(handle: &Handle, name: &str) -> Result<Option<Link>, MeshApplyError> {
    match handle.link().get().match_name(name).execute().try_next().await {
        Ok(found) => Ok(found.as_ref().map(Link::from)),
        Err(error) if errno(&error) == Some(Errno::ENODEV as i32) => Ok(None),
        Err(error) => Err(MeshApplyError::netlink("look up", name)(error)),
    }
}

/// Index and MTU of every device that is not one of ours: those stand on the others.
pub(super) async fn mtus(handle: &Handle) -> Result<Vec<(u32, u32)>, MeshApplyError> {
    let all: Vec<LinkMessage> = handle
        .link()
        .get()
        .execute()
        .try_collect()
        .await
        .map_err(MeshApplyError::netlink("list", "devices"))?;
    let ours = |attribute: &LinkAttribute| match attribute {
        LinkAttribute::IfName(name) => Plane::ALL.iter().any(|plane| plane.device() == name),
        _ => false,
    };
    let others = all.iter().filter(|message| !message.attributes.iter().any(ours));
    Ok(others.map(Link::from).map(|link| (link.index, link.mtu)).collect())
}

/// Makes a device of the kernel's WireGuard. `Ok(false)`: the kernel has none.
pub(super) async fn create_wireguard(handle: &Handle, name: &str) -> Result<bool, MeshApplyError> {
    match handle.link().add(LinkWireguard::new(name).build()).execute().await {
        Ok(()) => Ok(true),
        Err(error) if errno(&error) == Some(Errno::EOPNOTSUPP as i32) => Ok(false),
        Err(error) => Err(MeshApplyError::netlink("make the device", name)(error)),
    }
}

/// Removes a device; one that is gone already is no error.
pub(super) async fn delete(handle: &Handle, name: &str) -> Result<(), MeshApplyError> {
    let Some(link) = find(handle, name).await? else { return Ok(()) };
    match handle.link().del(link.index).execute().await {
        Err(error) if errno(&error) != Some(Errno::ENODEV as i32) => {
            Err(MeshApplyError::netlink("remove the device", name)(error))
        }
        _ => Ok(()),
    }
}

/// Sets the MTU in bytes.
pub(super) async fn set_mtu(handle: &Handle, name: &str, mtu: u32) -> Result<(), MeshApplyError> {
    let change = LinkUnspec::new_with_name(name).mtu(mtu).build();
    let object = format!("MTU {mtu} of {name}");
    handle.link().set(change).execute().await.map_err(MeshApplyError::netlink("set", object))
}

/// Brings the device up.
pub(super) async fn up(handle: &Handle, name: &str) -> Result<(), MeshApplyError> {
    let change = LinkUnspec::new_with_name(name).up().build();
    handle.link().set(change).execute().await.map_err(MeshApplyError::netlink("bring up", name))
}
