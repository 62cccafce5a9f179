//! From what came back to a verdict.
use super::question::{Question, There};
use crate::lab::probe::{Attempt, Outcome, Seen};
use crate::watch::queries::{Answer, Verdict};
use std::collections::BTreeSet;

/// How long the first, the second and later rounds wait, in milliseconds.
const PATIENCE: [u32; 3] = [400, 1000, 3000];
/// Tries a backend and round.
const TRIES: usize = 4;
/// Rounds in which all is well but some backend is not met, until it counts as out of reach: with four tries a backend
/// and round, 1 in 50 is missed by each round.
const ROUNDS: usize = 8;

/// One question under way.
pub(super) struct Judge {
    question: Question,
    met: BTreeSet<String>,
    rounds: usize,
    last: String,
    answer: Option<Answer>,
}

impl Judge {
    pub(super) fn new(question: Question) -> Self {
        Self { question, met: BTreeSet::new(), rounds: 0, last: String::new(), answer: None }
    }

    /// The answer, once there is one.
    pub(super) fn answer(&self) -> Option<Answer> {
        self.answer.clone()
    }

    /// A try of what was answered before: if that stays silent now, it is the machine that is too busy.
    pub(super) fn control(&self, round: usize) -> Option<Attempt> {
        let allowed = self.answer.as_ref().is_some_and(|answer| answer.verdict == Verdict::Allow);
        allowed.then(|| self.attempt(round))
    }

    fn attempt(&self, round: usize) -> Attempt {
        Attempt {
            id: 0,
            to: self.question.to,
            protocol: self.question.protocol,
            source: self.question.source,
            timeout_ms: PATIENCE[round.min(PATIENCE.len() - 1)],
        }
    }

    /// What to try in this round.
    pub(super) fn attempts(&self, round: usize) -> Vec<Attempt> {
        let count = match &self.question.there {
            There::Backends(all) if all.len() > 1 => all.len() * TRIES,
            _ => 1,
        };
        vec![self.attempt(round); count]
    }

    /// Takes in what came of a round; whether that brought anything new.
    pub(super) fn hear(&mut self, outcomes: &[Outcome]) -> bool {
        self.rounds += 1;
        let missing = outcomes.iter().find(|o| !self.counts(o));
        if let Some(outcome) = missing {
            self.last = describe(outcome);
        }
        let before = self.met.len();
        let met: Vec<String> =
            outcomes.iter().filter(|o| self.counts(o)).filter_map(|o| o.name.clone()).collect();
        self.met.extend(met);
        let unmet: Vec<&String> = match &self.question.there {
            There::Backends(all) => all.difference(&self.met).collect(),
            _ => Vec::new(),
        };
        if missing.is_none() && unmet.is_empty() {
            let first = outcomes.first().map(describe).unwrap_or_default();
            self.answer = Some(answer(Verdict::Allow, first));
            return true;
        }
        if missing.is_none() && self.rounds >= ROUNDS {
            let reason = format!("every try was answered, but never by {}", unmet[0]);
            self.answer = Some(answer(Verdict::Deny, reason));
        }
        missing.is_none() || self.met.len() > before
    }

    /// No more tries: what is not answered is denied.
    pub(super) fn close(&mut self) {
        if self.answer.is_none() {
            self.answer = Some(answer(Verdict::Deny, self.last.clone()));
        }
    }

    /// Whether this shows that packets went both ways, between those who were meant.
    fn counts(&self, outcome: &Outcome) -> bool {
        match (&self.question.there, outcome.seen) {
            (There::Anybody, seen) => matches!(seen, Seen::Answered | Seen::Refused),
            (There::Pod(_), Seen::Refused) => true,
            (There::Pod(pod), Seen::Answered) => outcome.name.as_ref() == Some(pod),
            (There::Backends(all), Seen::Answered) => outcome.name.as_ref().is_some_and(|n| all.contains(n)),
            _ => false,
        }
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome.seen {
        Seen::Answered => {
            format!(
                "answered by {} in {} ms",
                outcome.name.as_deref().unwrap_or("nobody by name"),
                outcome.ms
            )
        }
        Seen::Refused => "refused: nobody listens there".to_owned(),
        Seen::Silent => format!("nothing came back within {} ms", outcome.ms),
        Seen::Failed => outcome.error.clone().unwrap_or_default(),
    }
}

fn answer(verdict: Verdict, reason: String) -> Answer {
    Answer { verdict, egress: None, ingress: None, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;

    fn judge(there: There) -> Judge {
        let to = "10.96.0.5:80".parse().unwrap();
        Judge::new(Question { to, protocol: Protocol::Tcp, source: None, there })
    }

    fn outcome(seen: Seen, name: Option<&str>) -> Outcome {
        Outcome { id: 0, seen, name: name.map(str::to_owned), error: None, ms: 1 }
    }

    fn verdict(judge: &Judge) -> Option<Verdict> {
        judge.answer().map(|answer| answer.verdict)
    }

    fn backends() -> There {
        There::Backends(BTreeSet::from(["a".to_owned(), "b".to_owned()]))
    }

    #[test]
    fn a_service_is_allowed_only_once_every_backend_has_answered() {
        let mut judge = judge(backends());
        judge.hear(&[outcome(Seen::Answered, Some("a")), outcome(Seen::Answered, Some("a"))]);
        assert_eq!(verdict(&judge), None);
        judge.hear(&[outcome(Seen::Answered, Some("a")), outcome(Seen::Answered, Some("b"))]);
        assert_eq!(verdict(&judge), Some(Verdict::Allow));
    }

    #[test]
    fn one_silent_backend_denies_a_service_in_the_end() {
        let mut judge = judge(backends());
        for _ in 0..2 {
            judge.hear(&[outcome(Seen::Answered, Some("a")), outcome(Seen::Silent, None)]);
            assert_eq!(verdict(&judge), None);
        }
        judge.close();
        assert_eq!(verdict(&judge), Some(Verdict::Deny));
    }

    #[test]
    fn silence_that_ends_was_only_a_busy_machine() {
        let mut judge = judge(There::Pod("shop/web".to_owned()));
        assert!(!judge.hear(&[outcome(Seen::Silent, None)]));
        assert!(judge.hear(&[outcome(Seen::Answered, Some("shop/web"))]));
        assert_eq!(verdict(&judge), Some(Verdict::Allow));
    }

    #[test]
    fn an_answer_by_somebody_else_is_none() {
        let mut judge = judge(There::Pod("shop/web".to_owned()));
        judge.hear(&[outcome(Seen::Answered, Some("shop/db"))]);
        judge.close();
        let answer = judge.answer().unwrap();
        assert_eq!(
            (answer.verdict, answer.reason.unwrap().as_str()),
            (Verdict::Deny, "answered by shop/db in 1 ms")
        );
    }

    #[test]
    fn a_service_that_refuses_is_denied_and_a_pod_that_refuses_is_reached() {
        let mut service = judge(backends());
        service.hear(&[outcome(Seen::Refused, None)]);
        service.close();
        assert_eq!(verdict(&service), Some(Verdict::Deny));
        let mut pod = judge(There::Pod("shop/web".to_owned()));
        pod.hear(&[outcome(Seen::Refused, None)]);
        assert_eq!(verdict(&pod), Some(Verdict::Allow));
    }
}
