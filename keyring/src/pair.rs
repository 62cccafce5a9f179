//! How two nodes know each other's messages: by the keys that they have on a plane.
//!
//! The secret is X25519 of one node's private key there and the other's public one (RFC 7748 §6.1), which nobody else can
//! compute. HKDF-SHA256 (RFC 5869) makes of it one key for each direction:
//!
//! ```text
//! extract: salt "ringfence words 2", input the 32 bytes of X25519
//! expand:  info "way" ‖ epoch (8 bytes, big-endian) ‖ sender's public key (32) ‖ receiver's (32); 32 bytes
//! ```
//!
//! A tag is HMAC-SHA256 (RFC 2104) under the sender's key for that direction. So a tag of one plane, epoch, direction or pair is
//! none of another's, and goes with the keys when they are replaced. It does not count messages: what is told by them is true
//! however often it is told ([`rotation::Word`](crate::rotation::Word)).
#[cfg(test)]
mod tests;

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::store::PlaneKey;

/// Bytes in a tag.
pub const TAG_LEN: usize = 32;
/// Bytes in the name of a direction's key.
pub const NAME_LEN: usize = 8;

const SALT: &[u8] = b"ringfence words 2";

/// The keys of one pair of nodes on one plane, as one of the two has them. Wiped when dropped; `Debug` shows public keys only.
/// Two are equal when they are of the same public keys and epoch.
pub struct PairKey {
    epoch: Epoch,
    ours: PublicKey,
    theirs: PublicKey,
    /// What we say.
    out: Way,
    /// What they say.
    back: Way,
}

/// One direction.
struct Way {
    /// Public: tells messages of other keys from forged ones. It proves nothing.
    name: [u8; NAME_LEN],
    // On the heap, so that moving the owner leaves no copy in the old place.
    key: Box<[u8; TAG_LEN]>,
}

/// Why a message is not the other node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// It names other keys: it was sent before the two changed theirs, or by somebody who does not know them.
    #[error("it is of other keys")]
    OtherKeys,
    /// It names these keys, and whoever made it did not have them.
    #[error("it is forged")]
    Forged,
}

impl PairKey {
    /// Of our key on a plane and another node's there, which are of the same epoch.
    #[must_use]
    pub fn new(ours: &PlaneKey, theirs: PublicKey) -> PairKey {
        let pair = agree(ours, theirs);
        // What functions that have returned left on the stack: the arithmetic copies secrets about.
        wipe_stack();
        pair
    }

    /// Our public key.
    #[must_use]
    pub fn ours(&self) -> PublicKey {
        self.ours
    }

    /// The other node's.
    #[must_use]
    pub fn theirs(&self) -> PublicKey {
        self.theirs
    }

    /// The name of the key for what we say.
    #[must_use]
    pub fn name(&self) -> [u8; NAME_LEN] {
        self.out.name
    }

    /// The tag of what we say.
    #[must_use]
    pub fn tag(&self, message: &[&[u8]]) -> [u8; TAG_LEN] {
        mac(self.out.key.as_slice(), message).finalize().into_bytes().into()
    }

    /// Whether the other node said this, compared in constant time.
    ///
    /// # Errors
    /// [`Untrue`].
    pub fn check(&self, name: &[u8], tag: &[u8], message: &[&[u8]]) -> Result<(), Untrue> {
        if name != self.back.name {
            return Err(Untrue::OtherKeys);
        }
        mac(self.back.key.as_slice(), message).verify_slice(tag).map_err(|_| Untrue::Forged)
    }
}

/// In a frame of its own, of which nothing is left when the stack behind it is wiped.
#[inline(never)]
fn agree(ours: &PlaneKey, theirs: PublicKey) -> PairKey {
    let shared = ours.private().agree(theirs);
    let secret: Zeroizing<[u8; 32]> =
        Zeroizing::new(mac(SALT, &[shared.as_bytes()]).finalize().into_bytes().into());
    let (epoch, own) = (ours.epoch(), ours.public());
    let way = |sender: PublicKey, receiver: PublicKey| Way::of(&secret, epoch, (sender, receiver));
    PairKey { epoch, ours: own, theirs, out: way(own, theirs), back: way(theirs, own) }
}

impl Way {
    fn of(secret: &[u8; 32], epoch: Epoch, (sender, receiver): (PublicKey, PublicKey)) -> Way {
        let epoch = epoch.get().to_be_bytes();
        let about: [&[u8]; 4] = [b"way", &epoch, sender.as_bytes(), receiver.as_bytes()];
        let mut key = Box::new([0; TAG_LEN]);
        let mut expanded =
            mac(secret, &[about[0], about[1], about[2], about[3], &[1]]).finalize().into_bytes();
        key.copy_from_slice(&expanded);
        expanded.as_mut_slice().zeroize();
        Way { name: name(&about), key }
    }
}

/// The name of the key for what a sender says to a receiver, both known by their public keys of an epoch: the first bytes of
/// the SHA-256 of what the key is expanded with. Anybody can compute it.
#[must_use]
pub fn name_of(epoch: Epoch, sender: PublicKey, receiver: PublicKey) -> [u8; NAME_LEN] {
    name(&[b"way", &epoch.get().to_be_bytes(), sender.as_bytes(), receiver.as_bytes()])
}

fn name(about: &[&[u8]; 4]) -> [u8; NAME_LEN] {
    let mut digest = Sha256::new();
    about.iter().for_each(|part| digest.update(part));
    let mut name = [0; NAME_LEN];
    name.copy_from_slice(&digest.finalize()[..NAME_LEN]);
    name
}

/// Keys are at most a block (64 bytes) long: RFC 2104 fills them up with zeros.
fn mac(key: &[u8], message: &[&[u8]]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(block.as_slice().into());
    message.iter().for_each(|part| mac.update(part));
    mac
}

/// Overwrites what functions that have returned left on this thread's stack.
#[inline(never)]
fn wipe_stack() {
    let mut frame = [0_u8; 32 << 10];
    std::hint::black_box(&mut frame);
}

impl Drop for Way {
    fn drop(&mut self) {
        self.key.as_mut_slice().zeroize();
    }
}

impl ZeroizeOnDrop for Way {}

impl PartialEq for PairKey {
    fn eq(&self, other: &Self) -> bool {
        (self.epoch, self.ours, self.theirs) == (other.epoch, other.ours, other.theirs)
    }
}

impl Eq for PairKey {}

impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairKey({} and {}, epoch {})", self.ours, self.theirs, self.epoch)
    }
}
