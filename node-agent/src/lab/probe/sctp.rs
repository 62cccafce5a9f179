//! SCTP: an INIT, and whatever comes back for its port and tag.
use super::{Seen, Tried, name};
use crate::lab::raw::{SctpSocket, random};
use crate::lab::sctp::{self, Packet};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often is asked until the time is up.
const TIMES: u32 = 3;
/// Source ports are taken in turn from here on.
const FIRST_PORT: u16 = 20_000;

/// Our source port and tag, where the answer goes.
type Waiting = Mutex<HashMap<(u16, u32), oneshot::Sender<(Seen, Option<String>)>>>;

/// Attempts under way, over one raw socket for each source address.
#[derive(Default)]
pub(super) struct Associations {
    sockets: Mutex<HashMap<IpAddr, Arc<SctpSocket>>>,
    waiting: Arc<Waiting>,
    ports: AtomicU16,
}

impl Associations {
    pub(super) async fn attempt(&self, to: SocketAddr, source: Option<IpAddr>, time: Duration) -> Tried {
        let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = self.socket(source.unwrap_or(any))?;
        let port = FIRST_PORT + self.ports.fetch_add(1, Ordering::Relaxed) % (u16::MAX - FIRST_PORT);
        let tag = random();
        let value = sctp::init(tag, 1);
        let init = Packet { source: port, destination: to.port(), tag: 0, kind: sctp::INIT, value: &value }
            .to_bytes();
        let (answer, mut answered) = oneshot::channel();
        lock(&self.waiting).insert((port, tag), answer);
        let _forget = Forget { waiting: self.waiting.clone(), key: (port, tag) };
        loop {
            socket.send(&init, to.ip()).await?;
            match tokio::time::timeout(time / TIMES, &mut answered).await {
                Ok(answer) => return answer.map_err(io::Error::other),
                Err(_) => continue,
            }
        }
    }

    fn socket(&self, local: IpAddr) -> io::Result<Arc<SctpSocket>> {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.get(&local) {
            return Ok(socket.clone());
        }
        let socket = Arc::new(SctpSocket::new(local)?);
        sockets.insert(local, socket.clone());
        tokio::spawn(receive(socket.clone(), self.waiting.clone()));
        Ok(socket)
    }
}

/// Hands answers to those who wait for them. The sender's address is not looked at: nobody else knows the tag.
async fn receive(socket: Arc<SctpSocket>, waiting: Arc<Waiting>) {
    let mut buffer = vec![0; 65_536];
    while let Ok((bytes, _)) = socket.receive(&mut buffer).await {
        let Some(packet) = Packet::parse(bytes) else { continue };
        let answer = match packet.kind {
            // Our responders put a tag of 4 bytes before their name.
            sctp::INIT_ACK => (Seen::Answered, packet.cookie().and_then(|c| c.get(4..)).and_then(name)),
            sctp::ABORT => (Seen::Refused, None),
            _ => continue,
        };
        if let Some(waits) = lock(&waiting).remove(&(packet.destination, packet.tag)) {
            // Its time is up already.
            let _ = waits.send(answer);
        }
    }
}

struct Forget {
    waiting: Arc<Waiting>,
    key: (u16, u32),
}

impl Drop for Forget {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.key);
    }
}

/// No code here panics with the lock held; if it did, the map would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
