//! Traffic that goes on while something happens: what came back of it, what was lost, and when it fell silent.
use super::Lab;
use anyhow::{Context, Result, bail, ensure};
use ringfence::lab::patience;
use ringfence::lab::stream::Counts;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time between the messages of a [`Talk`], milliseconds.
const EVERY: u64 = 20;
/// How long the first answer may take, and the last line after the end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who talks, or listens, or knocks, until finished or dropped.
pub struct Talk {
    what: String,
    child: Child,
    counts: Arc<Mutex<Counts>>,
    reader: Option<JoinHandle<()>>,
}

impl Lab {
    /// From a pod to what answers at `to`, over `TCP`, `UDP` or `SCTP`: a message every 20 ms, each answered. Does not wait
    /// for the first: [`Talk::goes`] does.
    pub fn talk(&self, from: &str, protocol: &str, to: SocketAddr) -> Result<Talk> {
        self.stream(from, protocol, to, &EVERY.to_string(), false)
    }

    /// The same with a message every `seconds`.
    pub fn talk_seldom(&self, from: &str, protocol: &str, to: SocketAddr, seconds: u64) -> Result<Talk> {
        self.stream(from, protocol, to, &(seconds * 1000).to_string(), false)
    }

    /// A pod that asks `to` to talk to it, every 40 ms, and from then on says nothing (but what TCP itself must).
    pub fn listen(&self, from: &str, protocol: &str, to: SocketAddr) -> Result<Talk> {
        self.stream(from, protocol, to, "40", true)
    }

    /// The same, talked to every `seconds`.
    pub fn listen_seldom(&self, from: &str, protocol: &str, to: SocketAddr, seconds: u64) -> Result<Talk> {
        self.stream(from, protocol, to, &(seconds * 1000).to_string(), true)
    }

    fn stream(&self, from: &str, protocol: &str, to: SocketAddr, every: &str, listen: bool) -> Result<Talk> {
        let (binary, at) = (self.binary.to_string_lossy().into_owned(), to.to_string());
        let mut command =
            vec![&*binary, "lab", "stream", "--to", &at, "--protocol", protocol, "--interval-ms", every];
        let kind = if listen { "hears" } else { "talks to" };
        command.extend(listen.then_some("--listen"));
        self.going(format!("{from} {kind} {to} over {protocol}"), from, &command, json)
    }

    /// Echo requests, one every 20 ms.
    pub fn ping(&self, from: &str, to: IpAddr) -> Result<Talk> {
        // The shell's standard input is the test's hand on it; ping itself ends, and sums up, on SIGINT.
        let script = format!("ping -n -i 0.02 {to} & p=$!; read -r x; kill -INT $p; wait $p");
        let mut heard = BTreeSet::new();
        let read = move |line: &str, counts: &mut Counts| ping(line, &mut heard, counts);
        self.going(format!("{from} pings {to}"), from, &["sh", "-c", &script], read)
    }

    /// New TCP connections, one after the other, each given up after a fifth of a second: how many were made.
    pub fn knock(&self, from: &str, to: SocketAddr) -> Result<Talk> {
        let open = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
        // `read` fails with 1 at the end of its input, with more when its time is up.
        let script = format!(
            "while :; do timeout 0.2 bash -c '{open}' 2>/dev/null && echo in || echo out; read -r -t 0.2 x; \
             [ $? = 1 ] && exit; done"
        );
        let read = |line: &str, counts: &mut Counts| {
            counts.sent += 1;
            counts.answered += u64::from(line == "in");
        };
        self.going(format!("{from} knocks at {to}"), from, &["bash", "-c", &script], read)
    }

    fn going(
        &self,
        what: String,
        from: &str,
        command: &[&str],
        mut read: impl FnMut(&str, &mut Counts) + Send + 'static,
    ) -> Result<Talk> {
        let mut child = self
            .exec(from, command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let counts = Arc::new(Mutex::new(Counts::default()));
        let shared = counts.clone();
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                read(&line, &mut lock(&shared));
            }
        });
        Ok(Talk { what, child, counts, reader: Some(reader) })
    }

    /// When the agents' source got its present version of an object: `edited("networkpolicy", "shop/db")`.
    pub fn edited(&self, kind: &str, name: &str) -> Result<SystemTime> {
        let file = format!("{kind}.{}.json", name.replace('/', "."));
        let path = self.state()?.source.join(file);
        Ok(std::fs::metadata(&path).with_context(|| path.display().to_string())?.modified()?)
    }
}

fn json(line: &str, counts: &mut Counts) {
    if let Ok(now) = serde_json::from_str(line) {
        *counts = now;
    }
}

/// A line of iputils' ping.
fn ping(line: &str, heard: &mut BTreeSet<u64>, counts: &mut Counts) {
    let number = || line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok();
    if line.contains(" bytes from ")
        && let Some(number) = number()
    {
        heard.insert(number);
        counts.answered = heard.len() as u64;
        counts.last_unix_ms = unix_ms(SystemTime::now());
    } else if let Some((sent, _)) = line.split_once(" packets transmitted") {
        counts.sent = sent.parse().unwrap_or(0);
        let last = heard.last().copied().unwrap_or(0);
        // What was sent in the last half second may still be under way.
        let end = if last + 25 < counts.sent { counts.sent } else { last };
        counts.missing = (1..=end).filter(|n| !heard.contains(n)).take(100).collect();
        counts.done = true;
    }
}

/// Milliseconds since the Unix epoch.
pub fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

impl Talk {
    /// Who talks to whom.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What is known so far.
    pub fn so_far(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Waits until something has come back that was not there before.
    pub fn goes(&mut self) -> Result<()> {
        let (before, until) = (self.so_far().answered, Instant::now() + patience(PATIENCE));
        while self.so_far().answered <= before {
            if self.child.try_wait()?.is_some() || Instant::now() > until {
                let complaint = self.complaint();
                bail!("{}: no answer: {:?} {complaint}", self.what, self.so_far());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn complaint(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    /// Tells it to end; does not wait.
    fn stop(&mut self) {
        drop(self.child.stdin.take());
    }

    fn end(&mut self) -> Result<Counts> {
        self.stop();
        let until = Instant::now() + patience(PATIENCE);
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "{} does not end", self.what);
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Some(reader) = self.reader.take() {
            // It ends with the pipe; a panic there is a count that is missing, which the caller looks at.
            let _ = reader.join();
        }
        Ok(self.so_far())
    }
}

/// Ends all of these at once: who talked to whom, and all that can be said of it.
pub fn finish(mut talks: Vec<Talk>) -> Result<Vec<(String, Counts)>> {
    talks.iter_mut().for_each(Talk::stop);
    talks.into_iter().map(|mut talk| Ok((talk.what.clone(), talk.end()?))).collect()
}

/// Ends all of these; an error unless each went on to the end, was answered at least so often, and nothing was lost.
pub fn all_whole(talks: Vec<Talk>, least: u64) -> Result<()> {
    for (what, counts) in finish(talks)? {
        let whole = counts.error.is_none() && counts.missing.is_empty() && counts.done;
        ensure!(whole && counts.answered >= least, "{what}: {counts:?}");
    }
    Ok(())
}

/// Ends all of these; an error unless each tried to the end and was never answered.
pub fn none_answered(talks: Vec<Talk>) -> Result<()> {
    for (what, counts) in finish(talks)? {
        let tried = counts.sent > 10 && counts.error.is_none();
        ensure!(tried && counts.answered == 0, "{what}: {counts:?}");
    }
    Ok(())
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No code here panics with the lock held; if it did, the counts would still be whole.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
