//! Who says what of which key of the table of Services, so that a change touches only the keys it concerns.
use super::classes::Member;
use super::effort;
use crate::model::ObjectName;
use ringfence_abi::ServiceKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who has a say. Services come first: where a Service has a key, no host port does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Source {
    /// A Service.
    Service(ObjectName),
    /// A pod with host ports; of several at one key the first has it.
    HostPorts(ObjectName),
}

/// What one key shall say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    pub(super) members: BTreeSet<Member>,
    /// Also where there is no member: an address of another node, which would otherwise be judged as that node.
    pub(super) always: bool,
}

/// What one source says.
pub(super) type Share = BTreeMap<ServiceKey, Wanted>;

/// All shares.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_source: HashMap<Source, Share>,
    by_key: HashMap<ServiceKey, BTreeSet<Source>>,
}

impl Shares {
    /// Replaces what a source says. Adds the keys of which it says something else than before to `touched`.
    pub(super) fn set(&mut self, source: &Source, share: Share, touched: &mut BTreeSet<ServiceKey>) {
        effort::spend(share.len() + 1);
        let old = self.by_source.remove(source).unwrap_or_default();
        for key in old.keys().filter(|key| !share.contains_key(key)) {
            touched.insert(*key);
            if let Some(sources) = self.by_key.get_mut(key) {
                sources.remove(source);
                if sources.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        for (key, wanted) in &share {
            if old.get(key) != Some(wanted) {
                touched.insert(*key);
                self.by_key.entry(*key).or_default().insert(source.clone());
            }
        }
        if !share.is_empty() {
            self.by_source.insert(source.clone(), share);
        }
    }

    /// Every key that somebody wants.
    pub(super) fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        self.by_key.keys().copied()
    }

    /// What a key shall say; `None`: nobody wants it.
    pub(super) fn at(&self, key: &ServiceKey) -> Option<Wanted> {
        let sources = self.by_key.get(key)?;
        let mut whole: Option<Wanted> = None;
        for source in sources {
            effort::spend(1);
            let Some(wanted) = self.by_source.get(source).and_then(|share| share.get(key)) else { continue };
            match (&mut whole, source) {
                (Some(_), Source::HostPorts(_)) => break,
                (Some(whole), Source::Service(_)) => {
                    whole.members.extend(&wanted.members);
                    whole.always |= wanted.always;
                }
                (None, _) => whole = Some(wanted.clone()),
            }
        }
        whole
    }
}
