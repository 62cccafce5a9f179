//! Named ports of egress rules: a destination is told apart by what the names resolve to on it.
use super::mistake::{Mistake, Seeded};
use super::sets::{EMPTY, Sets};
use crate::model::{Pod, Protocol};
use std::collections::{BTreeMap, HashMap};

/// "The port of this name and protocol is `p` on this pod", numbered.
#[derive(Debug, Default)]
pub(super) struct Features {
    /// Names that egress rules use, counted.
    names: BTreeMap<(Protocol, String), usize>,
    ids: HashMap<(Protocol, String, u16), u32>,
    by_id: BTreeMap<u32, (Protocol, String, u16)>,
    last: u32,
    changed: bool,
}

impl Features {
    pub(super) fn acquire(&mut self, protocol: Protocol, name: &str) {
        let users = self.names.entry((protocol, name.to_owned())).or_default();
        *users += 1;
        self.changed |= *users == 1;
    }

    pub(super) fn release(&mut self, protocol: Protocol, name: &str) {
        if let Some(users) = self.names.get_mut(&(protocol, name.to_owned())) {
            *users = users.saturating_sub(1);
        }
    }

    /// Whether other names are in use than when this was last asked.
    pub(super) fn settle(&mut self) -> bool {
        let before = self.names.len();
        self.names.retain(|_, users| *users > 0);
        let gone = self.names.len() != before;
        if gone {
            let names = &self.names;
            self.by_id.retain(|_, (protocol, name, _)| names.contains_key(&(*protocol, name.clone())));
            self.ids.retain(|(protocol, name, _), _| names.contains_key(&(*protocol, name.clone())));
        }
        std::mem::take(&mut self.changed) || gone
    }

    /// The number of the set of features of a pod.
    pub(super) fn set_of(&mut self, pod: &Pod, sets: &mut Sets, seeded: Seeded) -> u32 {
        if self.names.is_empty() {
            return EMPTY;
        }
        let names: Vec<_> = self.names.keys().cloned().collect();
        let mut ids = Vec::new();
        for (protocol, name) in names {
            for port in resolve(pod, protocol, &name, seeded) {
                ids.push(self.number(protocol, &name, port));
            }
        }
        sets.intern(ids)
    }

    fn number(&mut self, protocol: Protocol, name: &str, port: u16) -> u32 {
        let key = (protocol, name.to_owned(), port);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        self.last += 1;
        self.ids.insert(key.clone(), self.last);
        self.by_id.insert(self.last, key);
        self.last
    }

    /// What a feature says.
    pub(super) fn get(&self, id: u32) -> Option<&(Protocol, String, u16)> {
        self.by_id.get(&id)
    }
}

/// Every container port of this name and protocol: containers may repeat a name.
pub(super) fn resolve(
    pod: &Pod,
    protocol: Protocol,
    name: &str,
    seeded: Seeded,
) -> impl Iterator<Item = u16> {
    let same = move |p: &Protocol| *p == protocol || seeded.makes(Mistake::NamedPortIgnoresProtocol);
    let ports = pod.ports.iter().filter(move |p| p.name.as_deref() == Some(name) && same(&p.protocol));
    ports.map(|p| p.port)
}
