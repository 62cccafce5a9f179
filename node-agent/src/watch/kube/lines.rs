//! A stream of bytes into lines, of which the last may still be incomplete.

/// The longest event that is taken: etcd stores no object of more than 1.5 MB by default, its JSON is not much longer.
const LONGEST: usize = 32 << 20;

/// What has come and is no whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

/// A line that does not end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an event of more than {LONGEST} bytes")]
pub(super) struct TooLong;

impl Lines {
    /// Takes bytes in and gives out every line that they complete, without its line feed; empty ones are left out.
    ///
    /// # Errors
    /// [`TooLong`]: what has come since the last line feed is longer than any event.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(&rest[..end]);
            if !line.is_empty() {
                lines.push(line);
            }
            rest = &rest[end + 1..];
        }
        self.rest.extend_from_slice(rest);
        if self.rest.len() > LONGEST { Err(TooLong) } else { Ok(lines) }
    }
}
