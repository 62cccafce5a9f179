//! Looking at the wire.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::lab::{Lab, output};

/// A running tcpdump.
pub(super) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Starts one on a device of a machine of the lab; returns once it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start(lab: &Lab, target: &str, device: &str, file: PathBuf) -> Result<Self> {
        // Where the command starts inside is not where this process is.
        let file = std::path::absolute(&file).context("making the capture's path absolute")?;
        // An older capture would look as if this one had begun.
        let _ = std::fs::remove_file(&file);
        // It ends when its input does, also when this process is killed.
        let script = format!(
            "tcpdump -Z root -U -ni {device} -w '{}' 2>/dev/null & read -r line; kill -INT $!; wait",
            file.display()
        );
        let mut command = lab.exec(target, &["sh", "-c", &script]);
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("starting tcpdump")?;
        let capture = Self { child, file };
        let began = Instant::now();
        // The file's own header is written when it listens.
        while std::fs::metadata(&capture.file).map_or(0, |file| file.len()) == 0 {
            if began.elapsed() > Duration::from_secs(10) {
                bail!("tcpdump on {device} of {target} did not begin to listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(capture)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it does not end well.
    pub(super) fn stop(mut self) -> Result<Recording> {
        // What was sent last may still be under way.
        std::thread::sleep(Duration::from_millis(300));
        drop(self.child.stdin.take());
        self.child.wait().context("waiting for tcpdump")?;
        Ok(Recording { file: self.file })
    }
}

/// What was captured.
pub(super) struct Recording {
    file: PathBuf,
}

impl Recording {
    /// The packets that a filter (pcap-filter(7)) lets through, a line each.
    ///
    /// # Errors
    /// When tcpdump does not understand it.
    pub(super) fn packets(&self, filter: &str) -> Result<Vec<String>> {
        let text = output(Command::new("tcpdump").args(["-n", "-t", "-r"]).arg(&self.file).arg(filter))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// How often one of `words` stands in the packets that a filter lets through.
    ///
    /// # Errors
    /// As [`Self::packets`].
    pub(super) fn words(&self, filter: &str, words: &[String]) -> Result<usize> {
        let part = self.file.with_extension("part");
        output(Command::new("tcpdump").args(["-n", "-r"]).arg(&self.file).arg("-w").arg(&part).arg(filter))?;
        let count = found(&part, words);
        std::fs::remove_file(&part).with_context(|| format!("removing {}", part.display()))?;
        count
    }
}

fn found(file: &Path, words: &[String]) -> Result<usize> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let count = |word: &String| bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count();
    Ok(words.iter().map(count).sum())
}
