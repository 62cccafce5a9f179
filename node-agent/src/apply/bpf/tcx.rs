//! TCX links: one per device and direction, pinned, so that they outlive the agent and go with the device.
use super::DatapathError;
use super::hook::{Device, Direction};
use super::load::Programs;
use super::pins::Pins;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, SchedClassifierLinkId};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttach};
use ringfence_bpf_query::Tcx;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Ids of the programs attached to a device in a direction, in the order in which they run.
///
/// # Errors
/// [`DatapathError::Query`]; a device that is gone has none.
pub(super) fn attached(ifindex: u32, direction: Direction) -> Result<Vec<u32>, DatapathError> {
    let side = match direction {
        Direction::Ingress => Tcx::Ingress,
        Direction::Egress => Tcx::Egress,
    };
    match ringfence_bpf_query::attached(ifindex, side) {
        Err(e) if e.raw_os_error() == Some(nix::libc::ENODEV) => Ok(Vec::new()),
        other => other.map_err(|e| DatapathError::Query { ifindex, message: e.to_string() }),
    }
}

/// Puts the right program on a device: replaces the one of the pinned link atomically, or makes and pins a link in front
/// of all others, if there is none or somebody detached it.
///
/// # Errors
/// [`DatapathError::Attach`], [`DatapathError::Pin`].
pub(super) fn attach(
    pins: &Pins,
    programs: &mut Programs,
    device: &Device,
    direction: Direction,
) -> Result<(), DatapathError> {
    let name = device.role.program(direction);
    let refused = |source: ProgramError| DatapathError::Attach {
        program: name,
        device: device.name.clone(),
        ifindex: device.ifindex,
        source: Box::new(source),
    };
    let path = pin_path(pins, device.ifindex, direction);
    let program = programs.get(name)?;
    if let Ok(pinned) = PinnedLink::from_pin(&path) {
        let updated = SchedClassifierLink::try_from(FdLink::from(pinned))
            .map_err(ProgramError::from)
            .and_then(|link| program.attach_to_link(link));
        if let Ok(id) = updated {
            release(program, id).map_err(refused)?;
            return Ok(());
        }
        // Its device is gone (and its index used again), or somebody detached it: the link is dead for good.
    }
    remove_pin(&path)?;
    fs::create_dir_all(pins.links()).map_err(DatapathError::pin("make", &path))?;
    let order = LinkOrder::first();
    let id = program
        .attach(device.ifindex, TcAttach::Tcx { attach_type: direction.attach_type(), order })
        .map_err(refused)?;
    let link = release(program, id).map_err(refused)?;
    link.pin(&path).map_err(|e| DatapathError::pin("make", &path)(io::Error::other(chain(&e))))?;
    Ok(())
}

/// Takes the link out of aya's hands, which would detach it when dropped.
fn release(program: &mut SchedClassifier, id: SchedClassifierLinkId) -> Result<FdLink, ProgramError> {
    FdLink::try_from(program.take_link(id)?).map_err(|e: LinkError| e.into())
}

/// Removes the pins of both directions of a device, which detaches its programs.
///
/// # Errors
/// [`DatapathError::Pin`].
pub(super) fn detach(pins: &Pins, ifindex: u32) -> Result<(), DatapathError> {
    Direction::ALL.into_iter().try_for_each(|direction| remove_pin(&pin_path(pins, ifindex, direction)))
}

/// Indices of the devices that have pins.
///
/// # Errors
/// [`DatapathError::Pin`].
pub(super) fn pinned(pins: &Pins) -> Result<Vec<u32>, DatapathError> {
    let names = pins.link_names()?;
    Ok(names.iter().filter_map(|name| name.split_once('-')?.0.parse().ok()).collect())
}

/// Whether there is a pin for a hook of a device with this index.
pub(super) fn is_pinned(pins: &Pins, ifindex: u32, direction: Direction) -> bool {
    pin_path(pins, ifindex, direction).exists()
}

fn pin_path(pins: &Pins, ifindex: u32, direction: Direction) -> PathBuf {
    pins.links().join(format!("{ifindex}-{}", direction.name()))
}

fn remove_pin(path: &std::path::Path) -> Result<(), DatapathError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DatapathError::pin("remove", path)(e)),
        _ => Ok(()),
    }
}

/// An error with its sources on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
