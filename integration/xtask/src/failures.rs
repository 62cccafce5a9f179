//! What tests that failed said of it, to be repeated where a run ends: whoever reads only that knows what happened.

use std::fmt;

/// Lines kept of one failure.
const LINES: usize = 12;

/// A test that failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its name.
    name: String,
    /// Its error, or its panic, without backtrace.
    said: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}", self.name)?;
        self.said.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// Reads libtest's output line by line; each failure has a section "---- NAME stdout ----".
#[derive(Debug, Default)]
pub(crate) struct Failures {
    found: Vec<Failure>,
    reading: Reading,
}

/// Where in a section the next line is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Nothing,
    Output,
    Error,
}

impl Failures {
    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.found.push(Failure { name: name.to_owned(), said: Vec::new() });
            self.reading = Reading::Output;
            return;
        }
        if ends(line) {
            self.reading = Reading::Nothing;
        } else if self.reading == Reading::Output && begins(line) {
            self.reading = Reading::Error;
        }
        let Some(last) = self.found.last_mut().filter(|_| self.reading == Reading::Error) else { return };
        if !line.is_empty() && last.said.len() < LINES {
            last.said.push(line.to_owned());
        }
    }

    /// All of them.
    pub(crate) fn finish(self) -> Vec<Failure> {
        self.found
    }
}

fn begins(line: &str) -> bool {
    line.starts_with("Error: ") || (line.starts_with("thread ") && line.contains(" panicked at "))
}

fn ends(line: &str) -> bool {
    ["failures:", "Stack backtrace:", "stack backtrace:", "note: run with "]
        .iter()
        .any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_repeated_with_its_causes_and_without_its_backtrace() {
        let mut failures = Failures::default();
        let text = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nenter with: x\nError: outer\n\nCaused by:\n    inner\n\n\
                    Stack backtrace:\n   0: main\n\n---- b stdout ----\n\nthread 'b' (7) panicked at src/b.rs:1:2:\nodd\n\
                    note: run with `RUST_BACKTRACE=1`\n\nfailures:\n    a\n    b\n\ntest result: FAILED. 0 passed";
        text.lines().for_each(|line| failures.line(line));
        let said: Vec<String> = failures.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "failed: a\n    Error: outer\n    Caused by:\n        inner",
                "failed: b\n    thread 'b' (7) panicked at src/b.rs:1:2:\n    odd",
            ]
        );
    }
}
