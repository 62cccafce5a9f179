//! The two WireGuard devices of a node. Which of them carries the traffic is the [epoch](crate::epoch)'s to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// One of a node's two WireGuard devices. Text form, also in serde: the device's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Plane {
    /// `rf-wg0`, of the even epochs.
    Zero,
    /// `rf-wg1`, of the odd epochs.
    One,
}

/// A name that is neither `rf-wg0` nor `rf-wg1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no plane {name:?}, only rf-wg0 and rf-wg1")]
pub struct UnknownPlane {
    /// What was given instead.
    pub name: String,
}

impl Plane {
    /// Both, in order.
    pub const ALL: [Plane; 2] = [Plane::Zero, Plane::One];

    /// The name of the WireGuard device.
    #[must_use]
    pub const fn device(self) -> &'static str {
        match self {
            Plane::Zero => "rf-wg0",
            Plane::One => "rf-wg1",
        }
    }

    /// 0 or 1.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Plane::Zero => 0,
            Plane::One => 1,
        }
    }

    /// The UDP port its WireGuard listens on unless configured otherwise.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Plane::Zero => 51871,
            Plane::One => 51872,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Plane {
        match self {
            Plane::Zero => Plane::One,
            Plane::One => Plane::Zero,
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.device())
    }
}

impl FromStr for Plane {
    type Err = UnknownPlane;

    fn from_str(name: &str) -> Result<Plane, UnknownPlane> {
        let found = Plane::ALL.into_iter().find(|plane| plane.device() == name);
        found.ok_or_else(|| UnknownPlane { name: name.chars().take(64).collect() })
    }
}

impl TryFrom<String> for Plane {
    type Error = UnknownPlane;

    fn try_from(name: String) -> Result<Plane, UnknownPlane> {
        name.parse()
    }
}

impl From<Plane> for String {
    fn from(plane: Plane) -> String {
        plane.device().to_owned()
    }
}

/// A value for each plane. In serde an object whose fields bear the devices' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerPlane<T> {
    /// Of `rf-wg0`.
    #[serde(rename = "rf-wg0")]
    pub zero: T,
    /// Of `rf-wg1`.
    #[serde(rename = "rf-wg1")]
    pub one: T,
}

impl<T> PerPlane<T> {
    /// Makes both values.
    pub fn from_fn(mut make: impl FnMut(Plane) -> T) -> PerPlane<T> {
        PerPlane { zero: make(Plane::Zero), one: make(Plane::One) }
    }

    /// As [`PerPlane::from_fn`], stopping at the first error.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn try_from_fn<E>(mut make: impl FnMut(Plane) -> Result<T, E>) -> Result<PerPlane<T>, E> {
        Ok(PerPlane { zero: make(Plane::Zero)?, one: make(Plane::One)? })
    }

    /// The value of `plane`.
    pub const fn get(&self, plane: Plane) -> &T {
        match plane {
            Plane::Zero => &self.zero,
            Plane::One => &self.one,
        }
    }

    /// The value of `plane`, to change.
    pub const fn get_mut(&mut self, plane: Plane) -> &mut T {
        match plane {
            Plane::Zero => &mut self.zero,
            Plane::One => &mut self.one,
        }
    }

    /// Both, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Plane, &T)> {
        Plane::ALL.into_iter().map(|plane| (plane, self.get(plane)))
    }

    /// Another value for each.
    pub fn map<U>(self, mut change: impl FnMut(Plane, T) -> U) -> PerPlane<U> {
        PerPlane { zero: change(Plane::Zero, self.zero), one: change(Plane::One, self.one) }
    }
}

impl PerPlane<u16> {
    /// The UDP ports unless configured otherwise: 51871 and 51872.
    pub const DEFAULT_PORTS: PerPlane<u16> =
        PerPlane { zero: Plane::Zero.default_port(), one: Plane::One.default_port() };
}
