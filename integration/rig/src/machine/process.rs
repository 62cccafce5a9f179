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
    /// When it started, in clock ticks since boot: another process that gets its number has another time.
    pub started: u64,
}

impl Process {
    /// The process with this number; one that never runs if there is none.
    pub fn of(pid: u32) -> Self {
        Self { pid, started: look(pid).map_or(0, |seen| seen.started) }
    }

    /// Whether it runs. A zombie does not.
    pub fn runs(self) -> bool {
        self.started != 0 && look(self.pid).is_some_and(|seen| seen.started == self.started && !seen.ended)
    }

    /// Sends it a signal, if it runs.
    pub fn signal(self, signal: Signal) {
        if let (true, Ok(pid)) = (self.runs(), i32::try_from(self.pid)) {
            // That it ended since is what is wanted.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Whether it ends within this time.
    pub fn ends_within(self, limit: Duration) -> bool {
        let began = Instant::now();
        while self.runs() {
            if began.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

struct Seen {
    started: u64,
    ended: bool,
}

/// What proc(5) says in `/proc/PID/stat`: the state is the field after the name in parentheses, the start time the 22nd.
fn look(pid: u32) -> Option<Seen> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ended = matches!(*fields.first()?, "Z" | "X");
    Some(Seen { started: fields.get(19)?.parse().ok()?, ended })
}

/// Processes whose arguments, the program's name first, are `wanted`.
pub(super) fn find(wanted: impl Fn(&[&str]) -> bool) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_wanted = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        wanted(&line.split('\0').collect::<Vec<_>>())
    };
    numbers.filter(is_wanted).map(Process::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_given_to_another_process_is_not_taken_for_the_first() {
        let own = Process::of(std::process::id());
        assert!(own.runs());
        assert!(!Process { started: own.started + 1, ..own }.runs());
    }

    #[test]
    fn a_process_that_ended_and_was_not_waited_for_does_not_run() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id());
        assert!(process.runs());
        process.signal(Signal::SIGKILL);
        assert!(process.ends_within(Duration::from_secs(10)));
        child.wait().unwrap();
    }
}
