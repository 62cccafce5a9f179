//! Who lives at an address: class, kind and owner.
use crate::maps::{RF_ADDRESSES, RF_PREFIXES, RF_SERVICES};
use crate::mistake::mistaken;
use crate::packet::Located;
use ringfence_abi::{Addr, AddressKind, ServiceKey};

/// What the tables say of an address.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Party {
    pub(crate) class: u32,
    pub(crate) owner: u32,
    /// An [`AddressKind`].
    pub(crate) kind: u32,
}

impl Party {
    pub(crate) const UNKNOWN: Self = Self { class: 0, owner: 0, kind: 0 };

    #[inline(always)]
    pub(crate) fn is(&self, kind: AddressKind) -> bool {
        self.kind == kind as u32
    }

    /// Whether only a pod, or a gateway that stands in for pods, may bear it.
    #[inline(always)]
    pub(crate) fn is_pods(&self) -> bool {
        self.is(AddressKind::LocalPod)
            || self.is(AddressKind::RemotePod)
            || self.is(AddressKind::RemoteTransit)
            || self.is(AddressKind::LocalPodRange)
            || self.is(AddressKind::RemotePodRange)
    }

    /// Whether it is reached over the mesh.
    #[inline(always)]
    pub(crate) fn is_remote(&self) -> bool {
        self.is(AddressKind::RemotePod)
            || self.is(AddressKind::RemotePodRange)
            || self.is(AddressKind::RemoteNode)
            || self.is(AddressKind::RemoteTransit)
    }
}

/// Looks an address up: its own entry, else the longest prefix, else nobody.
#[inline(always)]
pub(crate) fn locate(at: &Located) -> Party {
    // SAFETY: not preallocated and never written in place, see `maps::endpoint`.
    match unsafe { RF_ADDRESSES.get(&at.addr) } {
        Some(value) => Party { class: value.class, owner: value.owner, kind: u32::from(value.kind) },
        None => {
            // SAFETY: a reference is a valid pointer.
            let found = unsafe { rf_prefix(at) };
            Party { class: found as u32, owner: 0, kind: (found >> 32) as u32 }
        }
    }
}

/// Kind and class of the longest prefix, kind in the upper half.
///
/// # Safety
/// `at` is valid or null: the kernel verifies this function by itself, so it must ask.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_prefix(at: *const Located) -> u64 {
    // SAFETY: as above.
    let Some(at) = (unsafe { at.as_ref() }) else { return 0 };
    // Linux 6.1 takes keys from the stack, but not from what a function is given.
    let at = *at;
    match RF_PREFIXES.get(at.key()) {
        Some(value) => u64::from(value.class) | (u64::from(value.kind) << 32),
        None => 0,
    }
}

/// What `service` says: no such Service.
pub(crate) const NO_SERVICE: u64 = u64::MAX;

/// Class of a Service's backends that are not pods (0: there are none), or [`NO_SERVICE`].
#[inline(always)]
pub(crate) fn service(addr: &Addr, port: u32, protocol: u8) -> u64 {
    if mistaken!(ServicesUnknown) {
        return NO_SERVICE;
    }
    // SAFETY: a reference is a valid pointer.
    unsafe { rf_service(addr, port, u32::from(protocol)) }
}

/// See [`service`].
///
/// # Safety
/// As [`rf_prefix`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rf_service(addr: *const Addr, port: u32, protocol: u32) -> u64 {
    // SAFETY: as above.
    let Some(addr) = (unsafe { addr.as_ref() }) else { return NO_SERVICE };
    let key = ServiceKey { addr: *addr, port: port as u16, protocol: protocol as u8, pad: 0 };
    // SAFETY: as above.
    match unsafe { RF_SERVICES.get(&key) } {
        Some(value) => u64::from(value.class),
        None => NO_SERVICE,
    }
}
