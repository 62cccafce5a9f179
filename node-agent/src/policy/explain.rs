//! Which policies and rules stand behind an entry of the tables.
use super::compiler::Compiler;
use super::profiles::Vocabulary;
use crate::model::Protocol;
use crate::watch::queries::Decider;

impl Compiler {
    /// The rules by which `profile` lets `class` through to `port` (host order).
    pub fn deciders(&self, profile: u32, class: u32, protocol: Protocol, port: u16) -> Vec<Decider> {
        let words = Vocabulary { sets: &self.sets, features: &self.features };
        let (Some(profile), Some(class)) = (self.profiles.get(profile), self.classes.get(class)) else {
            return Vec::new();
        };
        let rules = profile.deciders(*class, (protocol, port), words);
        rules.into_iter().map(|(name, rule)| Decider::network_policy(&name, Some(rule))).collect()
    }

    /// The policies that isolate the pods of `profile`.
    pub fn isolating(&self, profile: u32) -> Vec<Decider> {
        let names = self.profiles.get(profile).map(|p| p.policies(&self.selections)).unwrap_or_default();
        names.into_iter().map(|name| Decider::network_policy(&name, None)).collect()
    }
}
