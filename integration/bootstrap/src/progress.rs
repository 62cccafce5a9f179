//! Running what takes long: its output goes to a log, the terminal sees how long it has run.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a running command is reported.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How many of a failed command's last lines are shown.
const SHOWN_LINES: usize = 40;

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Error {
    /// It could not be started, or its log not be written.
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ran and reported failure.
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines it printed.
        tail: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { command, source } => write!(f, "starting `{command}`: {source}"),
            Self::Failed { command, status, tail } => write!(f, "`{command}` failed ({status}):\n{tail}"),
        }
    }
}

impl std::error::Error for Error {}

/// Runs `command` without input and with its output in a log, printing `label` and the seconds so far every ten.
///
/// # Errors
/// [`Error::Start`] when it cannot be started, [`Error::Failed`] with its last lines when it does not exit with 0.
pub fn run(label: &str, command: &mut Command) -> Result<(), Error> {
    let shown = show(command);
    let start_error = |source| Error::Start { command: shown.clone(), source };
    let log = log_path();
    let file = File::create(&log).map_err(start_error)?;
    let other = file.try_clone().map_err(start_error)?;
    let started = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(file).stderr(other).spawn();
    let result = spawned.and_then(|mut child| {
        let mut reported = started;
        loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status);
            }
            std::thread::sleep(Duration::from_millis(50));
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                println!("  {label}: {} s so far", started.elapsed().as_secs());
            }
        }
    });
    let output = std::fs::read(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log); // a log left in the temporary directory harms nothing
    let status = result.map_err(start_error)?;
    if status.success() {
        println!("  {label}: done in {:.1} s", started.elapsed().as_secs_f32());
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    Err(Error::Failed { command: shown, status: status.to_string(), tail })
}

/// A command line as a person would type it, without the program's directory.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn log_path() -> PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("ringfence-xtask-{}-{number}.log", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_shows_its_last_lines_and_status() {
        let error =
            run("test", Command::new("sh").args(["-c", "echo first; echo broken >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("broken") && text.contains("exit status: 3"), "{text}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = run("test", &mut Command::new("/nonexistent/program")).unwrap_err();
        assert!(error.to_string().contains("`program`"), "{error}");
    }

    #[test]
    fn a_command_that_succeeds_is_no_error() {
        run("test", &mut Command::new("true")).unwrap();
    }
}
