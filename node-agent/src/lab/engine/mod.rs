//! The engine `lab`: real packets through the real mesh.
//!
//! A question is tried from its source's own network. What was answered, or refused by the other end, is allowed; what
//! stays silent is tried again for longer, until no further try changes anything, so that a busy machine does not pass
//! for a policy. A Service is tried until every backend that it may lead to has answered.

mod judge;
mod prober;
mod question;

use super::probe::{Attempt, Outcome, Seen};
use super::{Lab, LabError, OUTSIDE, parallel, services};
use crate::watch::directory::Loaded;
use crate::watch::queries::{Answer, Party, Resolved, Verdict};
use judge::Judge;
use prober::Prober;
use question::Question;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

/// Networks that are probed from at once.
const AT_ONCE: usize = 12;
/// Tries of what was answered before, in each later round.
const CONTROLS: usize = 4;
/// Rounds, however busy the machine is.
const MOST: usize = 12;

/// Where probes start: a machine and a network namespace on it.
type Place = (String, Option<String>);

/// Answers questions about `cluster`, which the lab holds ([`Lab::become_cluster`]), in order.
///
/// # Errors
/// If a source is not up, or packets cannot be sent at all.
pub fn answers(lab: &Lab, cluster: &Loaded, questions: &[Resolved]) -> Result<Vec<Answer>, LabError> {
    let entries = services::entries(&cluster.snapshot());
    lend_addresses(lab, questions)?;
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    let mut places: BTreeMap<Place, Vec<(usize, Judge)>> = BTreeMap::new();
    for (i, resolved) in questions.iter().enumerate() {
        match Question::new(lab, cluster, &entries, resolved) {
            None => {
                let reason = Some("the Service has no address of this family".to_owned());
                answers[i] = Some(Answer { verdict: Verdict::Deny, egress: None, ingress: None, reason });
            }
            Some(question) => {
                places.entry(source(lab, resolved)?).or_default().push((i, Judge::new(question)));
            }
        }
    }
    let done = parallel::map(places.into_iter().collect(), AT_ONCE, |(place, asked)| ask(lab, &place, asked));
    for (i, answer) in LabError::all(done)?.into_iter().flatten() {
        answers[i] = Some(answer);
    }
    // Every question was put aside above or asked from its place.
    Ok(answers.into_iter().flatten().collect())
}

/// Asks everything that starts at one place.
fn ask(
    lab: &Lab,
    (machine, netns): &Place,
    mut asked: Vec<(usize, Judge)>,
) -> Result<Vec<(usize, Answer)>, LabError> {
    let mut prober = Prober::start(lab, machine, netns.as_deref())?;
    for round in 0..MOST {
        let pending = |judge: &Judge| judge.answer().is_none();
        let controls: Vec<Attempt> = if round == 0 {
            Vec::new()
        } else {
            asked.iter().filter_map(|(_, judge)| judge.control(round)).take(CONTROLS).collect()
        };
        let mut owners: Vec<Option<usize>> = vec![None; controls.len()];
        let mut attempts = controls;
        for (k, (_, judge)) in asked.iter().enumerate().filter(|(_, (_, judge))| pending(judge)) {
            let more = judge.attempts(round);
            owners.extend(std::iter::repeat_n(Some(k), more.len()));
            attempts.extend(more);
        }
        if !asked.iter().any(|(_, judge)| pending(judge)) {
            break;
        }
        let outcomes = prober.run(attempts)?;
        let mut by_question: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
        let mut busy = false;
        for (owner, outcome) in owners.into_iter().zip(outcomes) {
            match owner {
                Some(k) => by_question.entry(k).or_default().push(outcome),
                None => busy |= outcome.seen == Seen::Silent,
            }
        }
        let mut changed = false;
        for (k, outcomes) in by_question {
            changed |= asked[k].1.hear(&outcomes);
        }
        if round > 0 && !changed && !busy {
            break;
        }
    }
    asked.iter_mut().for_each(|(_, judge)| judge.close());
    Ok(asked.into_iter().filter_map(|(i, judge)| Some((i, judge.answer()?))).collect())
}

/// Where a question starts.
fn source(lab: &Lab, question: &Resolved) -> Result<Place, LabError> {
    let target = match &question.from {
        Party::Pod(name) => name.to_string(),
        Party::Node(name) => format!("node/{name}"),
        Party::Service(_) | Party::Outside => OUTSIDE.to_owned(),
    };
    let (machine, netns) = lab.place(&target)?;
    Ok((machine.name.clone(), netns.map(str::to_owned)))
}

/// Gives the outside every address that somebody asks from there.
fn lend_addresses(lab: &Lab, questions: &[Resolved]) -> Result<(), LabError> {
    let outside = questions.iter().filter(|q| matches!(q.from, Party::Outside | Party::Service(_)));
    let addresses: BTreeSet<IpAddr> = outside.map(|q| q.source).collect();
    let mut lines = String::new();
    for address in addresses {
        let length = if address.is_ipv4() { "32" } else { "128 nodad" };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "addr replace {address}/{length} dev eth0");
    }
    let lines = lines.replace(" nodad dev eth0", " dev eth0 nodad");
    lab.machine(OUTSIDE)?.ip(super::namespaces::Depth::Machine, &lines)
}
