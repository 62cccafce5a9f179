//! The task: sends what it is told to, answers probes by itself, and hands on what comes in.
use super::book::{Addressees, Due, Party, Probe, Probes};
use super::line::{Line, payload};
use super::message::{self, Message};
use super::refused::Refused;
use super::said::{Command, Incoming};
use ringfence_keyring::rotation::NodeName;
use ringfence_keyring::{PairKey, PerPlane, Plane};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Devices are looked at this often: one that was made anew needs other sockets.
const LOOK: Duration = Duration::from_secs(1);
/// Longest packet that is received, bytes.
const LONGEST: usize = 65_536;

struct Courier {
    book: watch::Receiver<Arc<Addressees>>,
    incoming: mpsc::Sender<Incoming>,
    lines: PerPlane<Option<Line>>,
    probes: Probes,
    /// Whose each node address is.
    nodes: HashMap<IpAddr, NodeName>,
    refused: watch::Sender<Refused>,
    seed: RandomState,
    counter: u64,
}

/// Sends and receives until `stop`. What is not believed is counted in `refused`.
///
/// # Errors
/// None: what is not sent is lost, as any packet may be.
pub async fn run(
    mut commands: mpsc::Receiver<Command>,
    book: watch::Receiver<Arc<Addressees>>,
    incoming: mpsc::Sender<Incoming>,
    refused: watch::Sender<Refused>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let (lines, probes, nodes) = (PerPlane::default(), Probes::default(), HashMap::new());
    let seed = RandomState::new();
    let mut courier = Courier { book, incoming, lines, probes, nodes, refused, seed, counter: 0 };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = vec![0; LONGEST];
    // The plane that is listened to first: each in its turn, so that a flood over one leaves room for the other.
    let mut first = Plane::Zero;
    loop {
        let due = courier.probes.next();
        tokio::select! {
            // Cancel-safe: a token stays cancelled.
            () = stop.cancelled() => return Ok(()),
            // Cancel-safe: a command that was not returned stays in the channel. The sender goes away when the agent stops.
            Some(command) = commands.recv() => courier.obey(command),
            // Cancel-safe: a packet that was not returned stays in its socket.
            (plane, length, from) = receive(&courier.lines, first, &mut buffer) => {
                first = plane.other();
                courier.take(plane, &buffer[..length], from).await;
            }
            // Cancel-safe: a change that was not seen stays unseen.
            Ok(()) = courier.book.changed() => courier.renew(),
            // Cancel-safe: a point in time.
            () = until(due) => courier.repeat().await,
            // Cancel-safe: a tick that was not returned comes again.
            _ = look.tick() => courier.renew(),
        }
    }
}

impl Courier {
    /// Opens sockets on devices that are new.
    fn renew(&mut self) {
        let book = self.book.borrow_and_update().clone();
        let from = &book.from;
        let of_node = |(name, party): (&NodeName, &Party)| {
            party.addresses.iter().map(|address| (*address, name.clone())).collect::<Vec<_>>()
        };
        self.nodes = book.nodes.iter().flat_map(of_node).collect();
        for plane in Plane::ALL {
            let line = self.lines.get_mut(plane);
            if line.as_ref().is_some_and(|line| line.still(from)) {
                continue;
            }
            // The old sockets must be gone before others can have their port.
            *line = None;
            *line = Line::open(plane, from);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Probe { node, plane, ours, theirs } => {
                self.counter += 1;
                let number = self.seed.hash_one(self.counter);
                self.probes.begin((node, plane), (ours, theirs), number, Instant::now());
            }
            Command::Tell { node, word } => {
                self.send(&node, word.on, Message::Word { word: Some(word), heard: None }, 0);
            }
            Command::Answer { node, heard, word } => {
                let plane = word.map_or(heard.on, |word| word.on);
                self.send(&node, plane, Message::Word { word, heard: Some(heard) }, 0);
            }
        }
    }

    /// Sends probes that are due again, and gives up those that nobody answers.
    async fn repeat(&mut self) {
        for due in self.probes.due(Instant::now()) {
            match due {
                Due::Send { node, plane, number } => {
                    let mtu = *self.book.borrow().mtu.get(plane);
                    self.send(&node, plane, Message::Probe { number }, mtu);
                }
                Due::GiveUp { node, plane } => self.tell(Incoming::ProbeUnanswered { node, plane }).await,
            }
        }
    }

    /// The keys that prove to a node what we say to it over a plane.
    fn pair(&self, node: &str, plane: Plane) -> Option<Arc<PairKey>> {
        self.book.borrow().nodes.get(node)?.keys.get(plane).clone()
    }

    /// Sends a message, in packets of `size` bytes at least.
    fn send(&mut self, node: &str, plane: Plane, message: Message, size: u32) {
        let Some(to) = self.book.borrow().address(node) else { return };
        let Some(key) = self.pair(node, plane) else { return };
        if self.lines.get(plane).is_none() {
            self.renew();
        }
        if let Some(line) = self.lines.get(plane) {
            line.send(to, &message::write(message, payload(size, to), &key));
        }
    }

    /// Takes a packet in. Only who has another node's key is listened to.
    async fn take(&mut self, plane: Plane, bytes: &[u8], from: SocketAddr) {
        let Some(node) = self.nodes.get(&from.ip()).cloned() else {
            // Few come so far: the kernel drops what is not from a node's address.
            self.refused.send_modify(|refused| refused.strangers += 1);
            return;
        };
        // The device has no such peer any more: sent before it went.
        let Some(key) = self.pair(&node, plane) else { return };
        let message = match message::read(bytes, &key) {
            Ok(message) => message,
            Err(why) => return self.refused.send_modify(|refused| refused.count(&node, plane, why)),
        };
        match message {
            Message::Probe { number } => {
                // As big as it came, but no bigger than goes back whole.
                let most = payload(*self.book.borrow().mtu.get(plane), from.ip());
                if let Some(line) = self.lines.get(plane) {
                    let answer = message::write(Message::Answer { number }, bytes.len().min(most), &key);
                    line.send(from.ip(), &answer);
                }
            }
            Message::Answer { number } => {
                if let Some(Probe { ours, theirs, .. }) = self.probes.answered(&node, plane, number) {
                    self.tell(Incoming::ProbeAnswered { node, plane, ours, theirs }).await;
                }
            }
            Message::Word { word, heard } => {
                if let Some(word) = heard {
                    self.tell(Incoming::Told { node: node.clone(), word }).await;
                }
                // A word is proven by the plane it came by.
                if let Some(word) = word.filter(|word| word.on == plane) {
                    self.tell(Incoming::Word { node, word, asks: heard.is_none() }).await;
                }
            }
        }
    }

    async fn tell(&self, incoming: Incoming) {
        // Nobody listens any more: the agent stops.
        let _ = self.incoming.send(incoming).await;
    }
}

/// The next packet off either plane, `first` before the other.
async fn receive(
    lines: &PerPlane<Option<Line>>,
    first: Plane,
    buffer: &mut [u8],
) -> (Plane, usize, SocketAddr) {
    poll_fn(|context| {
        for plane in [first, first.other()] {
            let line = lines.get(plane).as_ref();
            if let Some(Poll::Ready((length, from))) = line.map(|line| line.poll(context, buffer)) {
                return Poll::Ready((plane, length, from));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until then, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
