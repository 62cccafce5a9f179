//! Running a test command: its output passes through to the terminal and is counted on the way.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use ringfence_bootstrap::progress::show;

use crate::summary::{Counts, Libtest};

/// Runs a command that prints libtest's output on its standard output.
///
/// # Errors
/// When it cannot be started or its output not be read.
pub(crate) fn tests(command: &mut Command) -> Result<Counts> {
    println!("$ {}", show(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {}", show(command)))?;
    let stdout = child.stdout.take().context("the command's output was not piped")?;
    let mut libtest = Libtest::default();
    let passed_on = pass_on(stdout, |line| libtest.line(line));
    let status = child.wait().context("waiting for the tests")?;
    passed_on?;
    let (counts, note) = libtest.finish(status.success());
    if let Some(note) = note {
        eprintln!("error: {note} ({status})");
    }
    Ok(counts)
}

/// Copies `output` line by line to the terminal; what `each` says about a line is printed as an error.
///
/// # Errors
/// When reading or writing fails.
pub(crate) fn pass_on(output: impl Read, mut each: impl FnMut(&str) -> Option<String>) -> Result<()> {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).context("reading output")? == 0 {
            return Ok(());
        }
        let mut terminal = std::io::stdout().lock();
        terminal.write_all(&line).and_then(|()| terminal.flush()).context("writing output")?;
        if let Some(note) = each(&String::from_utf8_lossy(&line)) {
            eprintln!("error: {note}");
        }
    }
}

/// Runs one check whose exit status is its result: one passed or one failed.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn check(what: &str, command: &mut Command) -> Result<Counts> {
    println!("$ {}", show(command));
    let status = command.status().with_context(|| format!("starting {}", show(command)))?;
    let counts = if status.success() { Counts::SUCCESS } else { Counts::FAILURE };
    println!("check {what} ... {}", if status.success() { "ok" } else { "FAILED" });
    Ok(counts)
}
