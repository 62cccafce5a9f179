//! A process that tries connections from one place, for as long as there is something to try.
use crate::lab::machine::command_error;
use crate::lab::namespaces::Depth;
use crate::lab::probe::{Attempt, Outcome};
use crate::lab::{Lab, LabError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Ends with its standard input, and is waited for when dropped.
pub(super) struct Prober {
    machine: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Prober {
    pub(super) fn start(lab: &Lab, machine: &str, netns: Option<&str>) -> Result<Self, LabError> {
        let binary = std::env::current_exe().map_err(LabError::file("find", Path::new("/proc/self/exe")))?;
        let log = lab.log(machine, "probe");
        let errors =
            File::options().create(true).append(true).open(&log).map_err(LabError::file("open", &log))?;
        let mut command = Command::new(binary);
        command.args(["lab", "probe"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let depth = netns.map_or(Depth::Machine, Depth::Netns);
        let mut child = lab.machine(machine)?.spawn(depth, &mut command)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let Some(output) = output.map(BufReader::new) else {
            let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            return Err(command_error(machine, "ringfence lab probe", status, "it has no output"));
        };
        Ok(Self { machine: machine.to_owned(), child, input, output })
    }

    /// Tries all of these at once; outcomes in their order.
    pub(super) fn run(&mut self, attempts: Vec<Attempt>) -> Result<Vec<Outcome>, LabError> {
        let failed = |e: io::Error| {
            command_error(&self.machine, "ringfence lab probe", "its pipes broke".to_owned(), &e.to_string())
        };
        let count = attempts.len();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; count];
        let (input, output) = (self.input.as_mut(), &mut self.output);
        std::thread::scope(|scope| {
            // Beside the reading, or both sides could wait for the other with full pipes.
            let writer = scope.spawn(move || -> io::Result<()> {
                let Some(input) = input else { return Ok(()) };
                let mut input = BufWriter::new(input);
                for (id, attempt) in (0..).zip(attempts) {
                    serde_json::to_writer(&mut input, &Attempt { id, ..attempt })?;
                    writeln!(input)?;
                }
                input.flush()
            });
            let mut line = String::new();
            for _ in 0..count {
                line.clear();
                if output.read_line(&mut line)? == 0 {
                    return Err(io::Error::other("it has ended; its log says why"));
                }
                let outcome: Outcome = serde_json::from_str(&line)?;
                if let Some(slot) = outcomes.get_mut(outcome.id as usize) {
                    *slot = Some(outcome);
                }
            }
            writer.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
        })
        .map_err(failed)?;
        Ok(outcomes.into_iter().flatten().collect())
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends by itself now that it has no input; nothing is left to do about an error.
        let _ = self.child.wait();
    }
}
