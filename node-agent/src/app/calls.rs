//! What CNI asks of the agent, and who still waits for an answer.
use crate::control::{AddRequest, RefusalKind, Reply, Sandbox};
use crate::policy::tables::Tables;
use ringfence_abi::EndpointValue;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// So much before the asker gives up he is told why he still waits.
const MARGIN: Duration = Duration::from_millis(300);

/// Nobody is waited for longer than this, whatever he asks for.
const LONGEST: Duration = Duration::from_secs(600);

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string() }
    }
}

impl From<Result<(), Refusal>> for Reply {
    fn from(result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(Refusal { kind, message }) => Self::Refused { kind, message },
        }
    }
}

/// An ADD or a DEL that is answered once the kernel is as it should be.
#[derive(Debug)]
pub(super) struct Waiting {
    sandbox: Sandbox,
    ifindex: u32,
    what: What,
    deadline: Instant,
    reply: oneshot::Sender<Reply>,
}

#[derive(Debug)]
enum What {
    /// The endpoint's own policy must be in force.
    Add(Box<AddRequest>),
    /// Nothing may pass any more.
    Del,
}

impl Waiting {
    pub(super) fn add(request: AddRequest, ifindex: u32, reply: oneshot::Sender<Reply>) -> Self {
        let patience = Duration::from_millis(request.deadline_ms).min(LONGEST).saturating_sub(MARGIN);
        Self {
            sandbox: request.sandbox.clone(),
            ifindex,
            deadline: Instant::now() + patience,
            what: What::Add(Box::new(request)),
            reply,
        }
    }

    pub(super) fn del(sandbox: Sandbox, ifindex: u32, reply: oneshot::Sender<Reply>) -> Self {
        // The plugin waits no longer than this by default, and then leaves a note instead.
        let deadline = Instant::now() + Duration::from_secs(5);
        Self { sandbox, ifindex, what: What::Del, deadline, reply }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn is_for(&self, sandbox: &Sandbox) -> bool {
        self.sandbox == *sandbox
    }

    /// Answers if `enforced` is what was waited for, or if there is no time left; else goes on waiting. `trouble` is what
    /// keeps the agent from enforcing anything newer, if something does.
    pub(super) fn settle(self, enforced: &Tables, trouble: Option<&str>) -> Option<Self> {
        let entry = enforced.endpoints.get(&self.ifindex);
        let denied = entry.is_none_or(|e| e.flags & EndpointValue::DENY_ALL != 0);
        let met = match &self.what {
            What::Add(_) => !denied,
            What::Del => denied,
        };
        if !met && Instant::now() < self.deadline && !self.reply.is_closed() {
            return Some(self);
        }
        let reply = if met { Ok(()) } else { Err(self.refusal(trouble)) };
        // Nobody minds an asker who has gone.
        let _ = self.reply.send(reply.into());
        None
    }

    /// Answers that it will not be done.
    pub(super) fn refuse(self, refusal: Refusal) {
        let _ = self.reply.send(Err(refusal).into());
    }

    fn refusal(&self, trouble: Option<&str>) -> Refusal {
        let why = match (&self.what, trouble) {
            (_, Some(trouble)) => format!("policy cannot be programmed: {trouble}"),
            (What::Add(request), None) => format!(
                "pod {} is not known to this node's agent (yet): the source of objects does not have it, has it on another \
                 node, or under another UID",
                request.pod
            ),
            (What::Del, None) => "the kernel still holds its endpoint".to_owned(),
        };
        Refusal::new(RefusalKind::TryLater, why)
    }
}
