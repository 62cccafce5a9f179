//! Processes that outlive the command that started them, known by number and start time.
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number as the host sees it.
    pub pid: u32,
    /// Its start time (clock ticks since boot), so that another process with its number is not taken for it.
    pub started: u64,
}

impl Process {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Self {
        Self { pid, started: stat(pid).map_or(0, |stat| stat.started) }
    }

    /// Whether it still runs; one that ended and was not yet waited for does not.
    pub fn alive(&self) -> bool {
        self.started != 0 && stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if let (true, Ok(pid)) = (self.alive(), i32::try_from(self.pid)) {
            // It may have ended since: that is what was wanted, or the next look tells.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Whether it ends within `time`.
    pub fn ends_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.alive() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// The process that bears number `number` in the PID namespace of `init`, by the number that this system knows it by
/// (`NSpid` in proc(5), `/proc/PID/status`: its numbers in every namespace, the innermost last).
pub(super) fn in_namespace(init: u32, number: u32) -> Option<Process> {
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(init)?;
    let is = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().last() == Some(number.to_string().as_str())
            && namespace(*pid).as_ref() == Some(&wanted)
    };
    all().find(is).map(Process::of)
}

struct Stat {
    ended: bool,
    started: u64,
}

/// Fields 3 and 22 of `/proc/PID/stat` (proc(5)).
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    Some(Stat { ended, started: fields.nth(18)?.parse().ok()? })
}

/// Processes of this system whose arguments `wanted` accepts.
pub(super) fn find(wanted: impl Fn(&[&str]) -> bool) -> Vec<Process> {
    let matches = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        wanted(&line.split('\0').collect::<Vec<_>>())
    };
    all().filter(matches).map(Process::of).collect()
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_ended_is_not_alive_even_before_it_was_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id());
        assert!(process.alive());
        process.signal(Signal::SIGKILL);
        assert!(process.ends_within(Duration::from_secs(5)));
        child.wait().unwrap();
        assert!(!process.alive());
    }

    #[test]
    fn another_process_with_the_same_number_is_not_taken_for_it() {
        let own = Process::of(std::process::id());
        assert!(own.alive());
        assert!(!Process { started: own.started + 1, ..own }.alive());
    }
}
