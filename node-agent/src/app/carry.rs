//! The rotation's actions, carried out: what changes kernel and keys, in order; what others are to read or hear.
//!
//! The actions about peers and routes change what the mesh is compiled from; plan and executor do the rest by
//! difference, in an order in which nothing is lost. Before anything else is done that rests on them, they must have
//! succeeded.
use super::clock;
use super::guard;
use super::mesh::{MeshKeeper, MeshTrouble, Round};
use super::mortality;
use super::rotation::Rotation;
use super::traits::{Rests, Traits, concerns_keys, traits};
use crate::apply::mesh::{MeshApplyError, Report, converge};
use crate::mesh::{LocalKeysView, compile};
use crate::model::MeshEpoch;
use crate::plan::mesh::Action as Step;
use crate::watch::directory::Raised;
use crate::words::Command;
use ringfence_keyring::rotation::{Action, Moment, Published};
use ringfence_keyring::{Epoch, Publication};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What was written so short a time ago may not have been read back yet.
const ECHO: Duration = Duration::from_secs(3);

impl MeshKeeper {
    /// Does all that is to be done, and brings the kernel to where it shall be.
    pub(super) async fn carry_out(&mut self, round: &Round<'_>) -> Result<(), MeshTrouble> {
        while let Some(action) = self.rotation.as_mut().and_then(Rotation::next) {
            let Traits { name, rests, changes } = traits(&action);
            let stands = self.rotation.as_ref().is_some_and(|rotation| rotation.stands);
            if rests == Rests::Always || rests == Rests::IfBehind && !stands {
                mortality::may_die("converge");
                self.bring(round).await?;
                mortality::may_die("converge done");
            }
            mortality::may_die(name);
            let Some(rotation) = &mut self.rotation else { break };
            rotation.stands &= !changes;
            match action {
                // The mesh is compiled from it.
                Action::ConfigurePeer { .. }
                | Action::ReplaceRoute { .. }
                | Action::RemoveRoute { .. }
                | Action::RemovePeer { .. } => {}
                Action::Persist => {
                    if let Err(error) = rotation.persist() {
                        self.cut(round).await;
                        return Err(error.into());
                    }
                }
                Action::Retire { plane, public } => rotation.retire(plane, public)?,
                Action::MakeKey { plane, epoch } => rotation.make(plane, epoch)?,
                Action::Tell { peer: node, word } => self.say(Command::Tell { node, word }),
                Action::Probe { peer: node, plane, ours, theirs } => {
                    self.say(Command::Probe { node, plane, ours, theirs });
                }
                Action::Publish(published) => self.publish(round, &published).await,
                Action::RaiseEpoch { from, to } => self.raise(from, to).await,
                Action::Report(report) => rotation.report(report),
            }
            mortality::may_die(&format!("{name} done"));
        }
        let behind = self.rotation.as_ref().is_some_and(|rotation| !rotation.stands);
        if behind {
            mortality::may_die("converge");
        }
        let unfinished = self.bring(round).await?;
        if behind {
            mortality::may_die("converge done");
        }
        let replies = self.rotation.as_mut().map(Rotation::replies).unwrap_or_default();
        replies.into_iter().for_each(|reply| self.say(reply));
        self.mend(round).await;
        if let Some(trouble) = self.rotation.as_ref().and_then(|rotation| rotation.journal.trouble()) {
            self.unwritten.insert("audit", Err(trouble.to_string()));
        } else {
            self.unwritten.insert("audit", Ok(()));
        }
        if unfinished.is_empty() { Ok(()) } else { Err(MeshTrouble::Unfinished(unfinished)) }
    }

    /// What was decided cannot be put on disk, so nothing new may rest on it. But who is revoked is cut off, and all else stays,
    /// or is made again, as the kernel was brought to last.
    async fn cut(&mut self, round: &Round<'_>) {
        let Some(rotation) = &self.rotation else { return };
        let Some(view) = rotation.remaining() else { return };
        if let Err(error) = self.bring_to(round, view).await {
            tracing::warn!(%error, "while nothing can be written");
        }
    }

    /// Brings the kernel to where snapshot and rotation want it. What could not be done and does not matter to the
    /// rotation is returned.
    async fn bring(&mut self, round: &Round<'_>) -> Result<Vec<String>, MeshTrouble> {
        let Some(rotation) = &self.rotation else { return Ok(Vec::new()) };
        let view = rotation.view();
        self.bring_to(round, view).await
    }

    async fn bring_to(&mut self, round: &Round<'_>, view: LocalKeysView) -> Result<Vec<String>, MeshTrouble> {
        self.spec = compile(&self.input(round, &view))?;
        // What a later start is to know. That it cannot be told keeps nothing open now that could be closed.
        let guarded = guard::note(&self.config.state_dir, &self.spec).map_err(|error| error.to_string());
        let learned = self.remembered.learn(&self.spec).map_err(|error| error.to_string());
        let unnoted: Vec<String> = [guarded, learned].into_iter().filter_map(Result::err).collect();
        // Why it could not be read at the start is told once as well.
        self.unwritten.entry("nodes").or_insert(Ok(()));
        let Some(rotation) = &mut self.rotation else { return Ok(Vec::new()) };
        rotation.brought = Some(view);
        let Report { done, failed, received, unmade } =
            converge(&mut self.executor, &self.spec, &rotation.keys).await?;
        for action in &done {
            tracing::info!(?action, "mesh");
        }
        let Some(rotation) = &mut self.rotation else { return Ok(Vec::new()) };
        let book = rotation.addressees(round.underlay, &self.spec);
        // A device that is new needs other sockets, before anybody says anything by it.
        let new = done.iter().any(|step| matches!(step, Step::CreateDevice { .. }));
        self.courier.book.send_if_modified(|known| {
            let differs = new || **known != book;
            if differs {
                *known = Arc::new(book);
            }
            differs
        });
        rotation.take_counters(received);
        let matters = failed.iter().any(|(step, _)| concerns_keys(step, &unmade));
        rotation.stands = !matters;
        let cannot = |(step, error): &(Step, Option<MeshApplyError>)| match step {
            Step::SetRoute(route) if unmade.contains(route) => error.as_ref().map(ToString::to_string),
            _ => None,
        };
        rotation.unmade = failed.iter().filter_map(cannot).collect();
        let failed = failed.iter().filter_map(|(_, error)| error.as_ref()).map(ToString::to_string);
        let failed: Vec<String> = failed.chain(unnoted).collect();
        if matters { Err(MeshTrouble::Steps(failed)) } else { Ok(failed) }
    }

    /// Hands a message to the task that sends it. If it has no room, the message is lost, as any packet may be.
    fn say(&self, command: Command) {
        if let Err(error) = self.courier.commands.try_send(command) {
            tracing::warn!(%error, "too much to say to other agents");
        }
    }

    async fn publish(&mut self, round: &Round<'_>, published: &Published) {
        let written = match self.publication(round, published) {
            Ok(publication) => self.write(publication).await,
            Err(error) => Err(error),
        };
        if written.is_ok()
            && let Some(rotation) = &mut self.rotation
        {
            rotation.published(published);
        }
        self.unwritten.insert("publication", written);
    }

    async fn write(&mut self, publication: Publication) -> Result<(), String> {
        self.board.publish(&publication).await.map_err(|error| error.to_string())?;
        if let Some(rotation) = &mut self.rotation {
            rotation.written = Some((publication, clock::moment()));
        }
        Ok(())
    }

    fn publication(&self, round: &Round<'_>, published: &Published) -> Result<Publication, String> {
        let endpoints: Vec<IpAddr> = round.underlay.addresses.iter().map(|own| own.address).collect();
        let node = &self.config.node;
        if endpoints.is_empty() {
            let addresses = round.snapshot.nodes.get(node).map(|own| own.addresses.clone());
            let addresses = addresses.unwrap_or_default();
            return Err(format!(
                "Node {node}: this machine has none of its addresses {addresses:?}; mend status.addresses"
            ));
        }
        let head = self.rotation.as_ref().and_then(|rotation| rotation.journal.head());
        Publication::of(published, self.config.ports, &endpoints, head)
            .map_err(|error| format!("cannot publish for Node {node}: {error}"))
    }

    async fn raise(&mut self, from: Epoch, to: Epoch) {
        let raised = self.board.raise(from, MeshEpoch { epoch: to, since: clock::unix() }).await;
        match &raised {
            Ok(Raised::Done) => tracing::info!(%from, %to, "the mesh's epoch is raised"),
            Ok(Raised::Names(epoch)) => tracing::debug!(%from, %epoch, "somebody else has raised the epoch"),
            Err(_) => {}
        }
        self.unwritten.insert("epoch", raised.map(drop).map_err(|error| error.to_string()));
    }

    /// Writes our publication again if it is gone, or tells of other addresses or ports than we have.
    async fn mend(&mut self, round: &Round<'_>) {
        let Some(rotation) = &self.rotation else { return };
        let Some(published) = rotation.state.published() else { return };
        let there = round.snapshot.publications.get(&self.config.node);
        let wanted = self.publication(round, &published);
        let same = |wanted: &Publication, other: &Publication| {
            (wanted.endpoints(), wanted.planes()) == (other.endpoints(), other.planes())
        };
        let mended = match wanted {
            // Of other keys the protocol takes care.
            Ok(wanted) => match there.filter(|there| there.published() == *published) {
                Some(there) if same(&wanted, there) => return,
                None if there.is_some() => return,
                _ if rotation
                    .written
                    .as_ref()
                    .is_some_and(|(written, at)| is_echo(*at) && same(&wanted, written)) =>
                {
                    return;
                }
                _ => self.write(wanted).await,
            },
            Err(error) => Err(error),
        };
        self.unwritten.insert("publication", mended);
    }
}

fn is_echo(written: Moment) -> bool {
    clock::moment().since(written) < ECHO
}
