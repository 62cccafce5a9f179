//! Keys made and destroyed, the record, and what is noted of it.
use super::{Rotation, RotationError, clock};
use ringfence_keyring::audit::KeyEvent;
use ringfence_keyring::rotation::{Action, Event, NodeName, OwnKey, Published, Refusal, Remake, Report};
use ringfence_keyring::{Epoch, Plane, PublicKey};

impl Rotation {
    /// Writes the record, unless it is on disk as it is. Those that were to be written later are newer by nothing.
    pub(in crate::app) fn persist(&mut self) -> Result<(), RotationError> {
        self.file.write(self.state.record())?;
        self.queue.retain(|action| *action != Action::Persist);
        Ok(())
    }

    /// Makes a key; one that the plane still has is destroyed first.
    pub(in crate::app) fn make(&mut self, plane: Plane, epoch: Epoch) -> Result<(), RotationError> {
        if let Some(old) = self.keys.get(plane) {
            self.retire(plane, old.public())?;
        }
        let made = self.store.create(plane, epoch)?;
        let key = OwnKey { epoch, public: made.public() };
        *self.keys.get_mut(plane) = Some(made);
        self.journal.note(KeyEvent::Made { plane, epoch, key: key.public.fingerprint() });
        self.answer(Event::KeyMade { plane, key });
        Ok(())
    }

    /// Destroys a key, in memory and on disk. The device has lost it before.
    pub(in crate::app) fn retire(&mut self, plane: Plane, public: PublicKey) -> Result<(), RotationError> {
        // Dropped, it wipes itself.
        let epoch = self.keys.get_mut(plane).take().map(|key| key.epoch());
        if self.store.retire(plane)?
            && let Some(epoch) = epoch
        {
            self.journal.note(KeyEvent::Retired { plane, epoch, key: public.fingerprint() });
        }
        Ok(())
    }

    /// What was published is there.
    pub(in crate::app) fn published(&mut self, published: &Published) {
        let keys = Plane::ALL.map(|plane| published.planes.get(plane).public.fingerprint());
        self.journal.note(KeyEvent::Published { serial: published.serial, keys });
        self.answer(Event::Published(published.serial));
    }

    /// Notes which key all traffic goes by, once it does, and the ends of peers' logs.
    pub(in crate::app) fn note(&mut self) {
        let routes: Vec<Plane> =
            self.state.members().filter_map(|(name, _)| self.state.route(name)).collect();
        if let Some(plane) = routes.first().copied().filter(|plane| routes.iter().all(|other| other == plane))
            && let Some(OwnKey { epoch, public }) = self.state.key(plane)
            && self.in_use != Some(public)
        {
            self.in_use = Some(public);
            self.journal.note(KeyEvent::InUse { plane, epoch, key: public.fingerprint() });
        }
        let (now, mut seen) = (clock::moment(), Vec::new());
        for (name, published) in &self.fed.publications {
            let name: NodeName = name.as_str().into();
            // Of ourselves nothing is believed, nor of who is revoked or refused.
            let believed = self.state.believed(&name).map(|believed| believed.serial);
            let is_believed =
                believed == Some(published.progress().serial) && !self.refusals.contains_key(&name);
            if let Some(head) = published.progress().head.as_ref().filter(|_| is_believed)
                && self.heads.entry(name.clone()).or_default().admits(now, head)
            {
                seen.push((name, published.uid().to_owned(), head.clone()));
            }
        }
        for (name, uid, head) in seen {
            self.journal.note(KeyEvent::HeadSeen { peer: name.to_string(), uid, head });
        }
    }

    /// Tells people.
    pub(in crate::app) fn report(&mut self, report: Report) {
        match report {
            // Shown by the status, for as long as it lasts.
            Report::Waiting(_) => {}
            Report::GaveUp(node) => {
                tracing::warn!(%node, "not heard for three minutes: its keys are waited for no longer");
            }
            Report::Refused { node, why } => self.refuse(node, why),
            Report::Remade(Remake::NoRecord) => tracing::info!("keys are made"),
            Report::Remade(why) => tracing::warn!(%why, "both keys are made anew"),
            Report::Revoked(node) => {
                tracing::warn!(%node, "revoked: it is cut off");
                let (peer, uid) = self.judged(&node);
                self.journal.note(KeyEvent::Revoked { peer, uid });
            }
            Report::Admitted(node) => {
                tracing::warn!(%node, "admitted again");
                let (peer, uid) = self.judged(&node);
                self.journal.note(KeyEvent::Admitted { peer, uid });
            }
            Report::Doubted { by, seen } => {
                tracing::warn!(
                    ?by,
                    seen,
                    "they say they saw newer keys of this node, and most peers do not: its keys stay; \
                     if it was restored from a backup: ringfence keys rotate --node"
                );
            }
            Report::EpochWentBack { named, known } => {
                tracing::warn!(%named, %known, "the mesh's epoch went back: it is raised again");
            }
        }
    }

    fn refuse(&mut self, node: NodeName, why: Refusal) {
        // That a node is not believed is told where it is judged.
        if matches!(why, Refusal::NotAMember { .. }) {
            return;
        }
        if self.refusals.get(&node) != Some(&why) {
            tracing::warn!(%node, %why, "what it publishes is refused");
        }
        self.refusals.insert(node, why);
    }

    fn judged(&self, node: &NodeName) -> (String, String) {
        let last = self.state.record().last_judgement(node);
        (node.to_string(), last.map_or_else(String::new, |(uid, _)| uid.to_string()))
    }
}
