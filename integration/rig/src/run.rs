//! Running commands to their end, and waiting for what others do.
use anyhow::{Context, Result, bail};
use ringfence_bootstrap::progress::show;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a command to its end; what it wrote on standard output.
///
/// # Errors
/// If it cannot be started or does not exit with 0; the error holds what it said.
pub fn output(command: &mut Command) -> Result<String> {
    input(command, "")
}

/// The same, with `text` on its standard input.
///
/// # Errors
/// As [`output`].
pub fn input(command: &mut Command, text: &str) -> Result<String> {
    let Output { status, stdout, stderr } = whole(command, text)?;
    if !status.success() {
        let said = format!("{}\n{}", String::from_utf8_lossy(&stderr), String::from_utf8_lossy(&stdout));
        bail!("`{}` failed ({status}): {}", show(command), said.trim());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Runs a command to its end, however it ends.
///
/// # Errors
/// If it cannot be started.
pub fn whole(command: &mut Command, text: &str) -> Result<Output> {
    let shown = show(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting `{shown}`"))?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // On a thread: a command may say more than a pipe holds before it has read everything.
        scope.spawn(move || {
            // A program that does not read its input closes the pipe; its exit status tells what matters.
            stdin.map(|mut stdin| stdin.write_all(text.as_bytes()))
        });
        child.wait_with_output().with_context(|| format!("waiting for `{shown}`"))
    })
}

/// Asks `met` until it says yes, for `seconds` times [`patience`].
///
/// # Errors
/// When the time is up: `what` was waited for, and what was missing at last.
pub fn until(what: &str, seconds: u64, mut met: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    let limit = Duration::from_secs(seconds) * patience();
    let began = Instant::now();
    loop {
        let missing = match met() {
            Ok(None) => return Ok(()),
            Ok(Some(missing)) => missing,
            Err(error) => format!("{error:#}"),
        };
        if began.elapsed() > limit {
            bail!("waited {} s for {what}: {missing}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What time limits are multiplied by: `RINGFENCE_LAB_PATIENCE`, as in labs a number from 1 on.
pub fn patience() -> u32 {
    let said = std::env::var("RINGFENCE_LAB_PATIENCE").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(1).max(1)
}
