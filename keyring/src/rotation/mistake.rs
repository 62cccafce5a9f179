//! Mistakes that can be planted into the protocol, to show that the model checker would find them. Only builds with the
//! feature `seeded-mistakes` can plant one; in all others every question here is the constant `false`.

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A mistake one could make in this protocol.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mistake { $($(#[$doc])* $name,)+ }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

mistakes! {
    /// A plane is retired at the last word, without waiting for what is on its way.
    NoLinger,
    /// A plane is retired once the node itself has moved, whatever its peers say.
    RetireWithoutWords,
    /// Traffic moves as soon as the epoch is raised.
    SwitchBeforeProbe,
    /// Only those who were there when the epoch was raised are waited for.
    ForgetLateJoiner,
    /// What is written to disk is written after everything else.
    PersistLast,
    /// The mesh's epoch is whatever its object says now.
    EpochGoesBack,
    /// Words are never taken.
    IgnoreWords,
    /// Words are taken whatever they say.
    AnyWordCounts,
    /// Whoever has not moved in time is given up, heard or not.
    CutHeardPeer,
    /// The publication read last holds, whatever its serial.
    OldPublication,
    /// What peers published is forgotten in a restart.
    ForgetSerials,
    /// The next epoch is begun without looking whether the last one's rotation has ended.
    EpochMeanwhile,
    /// Keys found on disk are used, whatever the object says.
    UseOldDisk,
    /// Two nodes that leave opposite planes wait for each other.
    NoTieBreak,
    /// A node leaves a plane although a peer is leaving the other.
    LeaveOpposite,
    /// Peers whose publication has not been read since the restart are not waited for.
    ForgetUnread,
    /// A revocation lasts until the next restart.
    ForgetRevocation,
}

/// What was planted.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seeded(#[cfg(feature = "seeded-mistakes")] pub(super) Option<Mistake>);

impl Seeded {
    /// Whether this mistake shall be made.
    #[cfg(feature = "seeded-mistakes")]
    pub(super) fn makes(self, mistake: Mistake) -> bool {
        self.0 == Some(mistake)
    }

    /// Never.
    #[cfg(not(feature = "seeded-mistakes"))]
    #[allow(clippy::unused_self, reason = "the same call in both builds")]
    pub(super) const fn makes(self, _: Mistake) -> bool {
        false
    }
}
