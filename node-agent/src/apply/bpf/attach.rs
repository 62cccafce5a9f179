//! Keeping the programs on their hooks.
use super::hook::{AttachMode, Device, Direction};
use super::{Datapath, DatapathError, Pins, clsact, tcx};
use rtnetlink::Handle;
use std::collections::HashSet;
use std::path::Path;

/// What [`Datapath::ensure_hooks`] did.
#[derive(Debug, Default)]
pub struct Attached {
    /// Hooks that got a program, or another one.
    pub changed: usize,
    /// Hooks that should have one and do not.
    pub errors: Vec<DatapathError>,
}

impl Datapath {
    /// Sees to it that exactly these devices bear programs, the present ones: attaches, replaces atomically, puts back
    /// what somebody took away, and forgets devices that are gone. `devices` is every device of the node but loopback.
    ///
    /// # Errors
    /// None as a whole: one device must not keep the others from getting theirs; see [`Attached::errors`].
    pub async fn ensure_hooks(&mut self, devices: &[Device]) -> Attached {
        let mut done = Attached::default();
        for device in devices {
            self.ensure_device(device, &mut done).await;
        }
        let present: HashSet<u32> = devices.iter().map(|d| d.ifindex).collect();
        self.attached.retain(|(ifindex, _), _| present.contains(ifindex));
        for tidied in [self.pin_again(), self.forget_gone(&present)] {
            done.errors.extend(tidied.err());
        }
        done
    }

    /// The same for one device, leaving all others alone: before it is brought up, or before a pod may use it.
    pub async fn ensure_device(&mut self, device: &Device, done: &mut Attached) {
        for direction in Direction::ALL {
            match self.ensure_hook(device, direction).await {
                Ok(changed) => done.changed += usize::from(changed),
                Err(e) => done.errors.push(e),
            }
        }
    }

    async fn ensure_hook(&mut self, device: &Device, direction: Direction) -> Result<bool, DatapathError> {
        let key = (device.ifindex, direction);
        let id = self.programs.id(device.role.program(direction));
        if self.attached.get(&key) == Some(&id) && self.is_attached(device.ifindex, direction, id).await? {
            return Ok(false);
        }
        let older = self.building && !self.attached.contains_key(&key);
        if older && self.bears_older(device.ifindex, direction).await? {
            return Ok(false);
        }
        match self.options.mode {
            AttachMode::Tcx => tcx::attach(&self.pins, &mut self.programs, device, direction)?,
            AttachMode::Clsact => clsact::attach(&mut self.programs, device, direction)?,
        }
        self.attached.insert(key, id);
        Ok(true)
    }

    async fn is_attached(&self, ifindex: u32, direction: Direction, id: u32) -> Result<bool, DatapathError> {
        Ok(match self.options.mode {
            AttachMode::Tcx => tcx::attached(ifindex, direction)?.contains(&id),
            AttachMode::Clsact => clsact::attached(&self.netlink, ifindex, direction).await? == Some(id),
        })
    }

    /// Whether the last agent's program is there. It goes on with its tables until the new ones are complete.
    async fn bears_older(&self, ifindex: u32, direction: Direction) -> Result<bool, DatapathError> {
        Ok(match self.options.mode {
            AttachMode::Tcx => {
                tcx::is_pinned(&self.pins, ifindex, direction)
                    && !tcx::attached(ifindex, direction)?.is_empty()
            }
            AttachMode::Clsact => clsact::attached(&self.netlink, ifindex, direction).await?.is_some(),
        })
    }

    /// Removes pins of devices that are gone and, once every hook has this agent's programs, the sets they replaced.
    fn forget_gone(&mut self, present: &HashSet<u32>) -> Result<(), DatapathError> {
        for ifindex in tcx::pinned(&self.pins)?.into_iter().filter(|i| !present.contains(i)) {
            tcx::detach(&self.pins, ifindex)?;
        }
        let complete = present
            .iter()
            .all(|ifindex| Direction::ALL.iter().all(|d| self.attached.contains_key(&(*ifindex, *d))));
        match self.pins.sets()?.as_slice() {
            [_older, .., newest] if complete && !self.building => self.pins.keep_only(*newest),
            _ => Ok(()),
        }
    }
}

/// Takes every program, link and table away: of the devices of this network namespace, and of the pin directory.
///
/// # Errors
/// [`DatapathError::Pin`], [`DatapathError::Query`].
pub async fn uninstall(root: &Path, netlink: &Handle, devices: &[u32]) -> Result<(), DatapathError> {
    for ifindex in devices {
        clsact::detach(netlink, *ifindex).await?;
    }
    match Pins::existing(root) {
        Some(pins) => pins.remove_all(),
        None => Ok(()),
    }
}
