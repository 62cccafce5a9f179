//! What the agent wants said, and what others said, as values.
use ringfence_keyring::rotation::{NodeName, Word};
use ringfence_keyring::{Plane, PublicKey};

/// What is to be said.
#[derive(Clone, Debug)]
pub enum Command {
    /// Packets of full MTU over a plane, which the node's agent answers likewise.
    Probe {
        /// Whom.
        node: NodeName,
        /// Over which.
        plane: Plane,
        /// Our key there; comes back.
        ours: PublicKey,
        /// The node's; comes back.
        theirs: PublicKey,
    },
    /// Our word, over the plane it speaks of.
    Tell {
        /// Whom.
        node: NodeName,
        /// What.
        word: Word,
    },
    /// The answer to a word: that it was taken in, and our own.
    Answer {
        /// Whom.
        node: NodeName,
        /// What was heard; it came over its own plane.
        heard: Word,
        /// Ours, if we can give one; it goes over its own plane.
        word: Option<Word>,
    },
}

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// There and back over this plane, in full size.
    ProbeAnswered {
        /// By whom.
        node: NodeName,
        /// Over which.
        plane: Plane,
        /// Our key when it was asked for.
        ours: PublicKey,
        /// The node's.
        theirs: PublicKey,
    },
    /// Nothing came back in time.
    ProbeUnanswered {
        /// From whom.
        node: NodeName,
        /// Over which.
        plane: Plane,
    },
    /// A word, by the plane it speaks of. It is to be answered, unless it is an answer.
    Word {
        /// Whose.
        node: NodeName,
        /// What.
        word: Word,
        /// Whether an answer is waited for.
        asks: bool,
    },
    /// Our word was taken in.
    Told {
        /// By whom.
        node: NodeName,
        /// What it was.
        word: Word,
    },
}
