//! What a publication says of rotation, beside the keys themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Publication, PublicationError, PublishedPlane};
use crate::audit::Head;
use crate::epoch::Epoch;
use crate::plane::{PerPlane, Plane};
use crate::rotation::{Published, PublishedKey};

/// How far a node has come with its keys. The default is what a publication says in which all of this is absent, as it is
/// in those of agents that did not rotate yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Progress {
    /// Grows with every publication of other keys; at most [`Epoch::MAX`]'s number.
    pub serial: u64,
    /// The planes whose key is about to be replaced by another of the same epoch.
    pub leaving: PerPlane<bool>,
    /// How many rotations of this node alone it has begun.
    pub turns: u64,
    /// The mesh's epoch at which the idle key was made anew by request.
    pub fresh: Option<Epoch>,
    /// Nodes of which this one has seen a newer publication than the present one, with the serial of that.
    pub outdated: BTreeMap<String, u64>,
    /// The end of the node's audit log when it published.
    pub head: Option<Head>,
}

impl Publication {
    /// The publication of what the rotation protocol publishes, with what it knows nothing of: UDP ports, addresses on the
    /// underlay, the end of the audit log.
    ///
    /// # Errors
    /// [`PublicationError`] as [`Publication::new`].
    pub fn of(
        published: &Published,
        ports: PerPlane<u16>,
        endpoints: &[IpAddr],
        head: Option<Head>,
    ) -> Result<Publication, PublicationError> {
        let planes = PerPlane::from_fn(|plane| {
            let PublishedKey { public, epoch, .. } = *published.planes.get(plane);
            PublishedPlane { public_key: public, epoch, port: *ports.get(plane) }
        });
        let progress = Progress {
            serial: published.serial,
            leaving: PerPlane::from_fn(|plane| published.planes.get(plane).leaving),
            turns: published.turns,
            fresh: published.fresh,
            outdated: published.outdated.iter().map(|(node, serial)| (node.to_string(), *serial)).collect(),
            head,
        };
        let epoch = taken_up(planes);
        Publication::new(&published.node, &published.uid, epoch, planes, endpoints)?.with(progress)
    }

    /// The same with this progress.
    ///
    /// # Errors
    /// [`PublicationError`] naming the field that cannot be.
    pub fn with(mut self, progress: Progress) -> Result<Publication, PublicationError> {
        self.progress = progress;
        super::check::all(&self)?;
        Ok(self)
    }

    /// How far the node has come.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The part that the rotation protocol lives on.
    #[must_use]
    pub fn published(&self) -> Published {
        let Progress { serial, leaving, turns, fresh, outdated, .. } = &self.progress;
        Published {
            node: self.node.as_str().into(),
            uid: self.uid.as_str().into(),
            serial: *serial,
            planes: PerPlane::from_fn(|plane| {
                let PublishedPlane { public_key, epoch, .. } = *self.plane(plane);
                PublishedKey { public: public_key, epoch, leaving: *leaving.get(plane) }
            }),
            turns: *turns,
            fresh: *fresh,
            outdated: outdated.iter().map(|(node, serial)| (Arc::from(node.as_str()), *serial)).collect(),
        }
    }
}

/// The epoch that a node with such keys has taken up. In the middle of a rotation both of its keys' epochs
/// [admit](Epoch::admits) them, at rest the lower one is the mesh's.
fn taken_up(planes: PerPlane<PublishedPlane>) -> Epoch {
    let [zero, one] = Plane::ALL.map(|plane| planes.get(plane).epoch);
    zero.min(one)
}
