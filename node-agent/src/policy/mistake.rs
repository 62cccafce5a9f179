//! Mistakes that can be planted into the compiler, to show that the tests which compare it with the slow evaluator
//! would find them. Only builds with the feature `seeded-mistakes` can plant one; in all others every question here is
//! the constant `false`.

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A typical misreading of the NetworkPolicy API.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Mistake { $($(#[$doc])* $name,)+ }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

mistakes! {
    /// The ports of one rule are allowed to the peers of another.
    CombineRules,
    /// An ipBlock says nothing about pods.
    BlockIgnoresPods,
    /// `except` has no effect.
    ExceptIgnored,
    /// What one ipBlock excepts is excepted from every ipBlock of the policy.
    ExceptDenies,
    /// `NotIn` needs the key.
    NotInNeedsKey,
    /// `DoesNotExist` does not match a pod or namespace without labels.
    DoesNotExistNeedsLabels,
    /// `matchLabels: {k: ""}` matches pods without the key.
    EmptyValueMatchesAbsent,
    /// `namespaceSelector: {}` matches external addresses too.
    AllNamespacesIsEverything,
    /// A bare podSelector selects pods of every namespace.
    BareSelectorEverywhere,
    /// A peer's two selectors are alternatives.
    SelectorsAreAlternatives,
    /// `endPort` itself is not allowed.
    EndPortExclusive,
    /// A named port matches whatever its protocol.
    NamedPortIgnoresProtocol,
    /// An egress rule's named port is looked up on the source.
    NamedPortOfSource,
    /// A rule for one protocol allows the same ports of all.
    ProtocolIgnored,
    /// A rule without ports covers TCP and UDP alone.
    PortlessLeavesOutSctp,
    /// A policy without rules does not isolate.
    NoRulesNoIsolation,
    /// A missing or empty peer list matches nothing.
    NoPeersMatchNothing,
    /// A missing or empty peer list matches pods alone.
    NoPeersMatchPodsOnly,
    /// 0.0.0.0/0 means IPv6 too.
    WholeIpv4MeansIpv6,
    /// Only the first policy that selects a pod counts.
    FirstPolicyOnly,
    /// A policy selects pods of every namespace.
    PolicySelectsEverywhere,
    /// A policy's ingress rules isolate egress as well.
    IngressIsolatesEgress,
    /// An ipBlock says nothing about nodes.
    BlockIgnoresNodes,
    /// A Service is judged as allowed if any backend is.
    AnyBackendSuffices,
}

/// What was planted.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Seeded(#[cfg(feature = "seeded-mistakes")] pub(super) Option<Mistake>);

impl Seeded {
    /// Whether this mistake shall be made.
    #[cfg(feature = "seeded-mistakes")]
    pub(super) fn makes(self, mistake: Mistake) -> bool {
        self.0 == Some(mistake)
    }

    /// Never.
    #[cfg(not(feature = "seeded-mistakes"))]
    pub(super) const fn makes(self, _: Mistake) -> bool {
        false
    }
}
