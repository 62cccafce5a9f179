//! Counting passed and failed tests from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

use crate::failures::{Failure, Failures};

/// Tests that passed and failed. What was ignored counts as failed: nothing is skipped silently.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests, or checks of the lint tier, that passed.
    pub(crate) passed: u64,
    /// Those that failed, were ignored, or never reported.
    pub(crate) failed: u64,
    /// What those said that said anything.
    pub(crate) failures: Vec<Failure>,
}

impl Counts {
    /// One that failed.
    pub(crate) const FAILURE: Self = Self { passed: 0, failed: 1, failures: Vec::new() };
    /// One that passed.
    pub(crate) const SUCCESS: Self = Self { passed: 1, failed: 0, failures: Vec::new() };

    /// Something ran, and all of it passed.
    pub(crate) fn is_success(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Reads the output of libtest line by line: "running N tests" opens a test binary's part, "test result: ..." ends it.
#[derive(Debug, Default)]
pub(crate) struct Libtest {
    counts: Counts,
    failures: Failures,
    /// A binary has begun and not yet reported.
    open: bool,
}

impl Libtest {
    /// Takes the next line; says what is wrong with it, if it means that tests did not run.
    pub(crate) fn line(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end();
        self.failures.line(line);
        if is_opening(line) {
            return self.begin();
        }
        let result = parse_result(line)?;
        self.open = false;
        self.counts.passed += result.passed;
        self.counts.failed += result.failed + result.ignored;
        (result.ignored > 0)
            .then(|| format!("{} ignored tests count as failed: nothing is skipped", result.ignored))
    }

    /// The sums; `exited_well` is whether the runner itself reported success.
    pub(crate) fn finish(mut self, exited_well: bool) -> (Counts, Option<String>) {
        self.counts.failures = self.failures.finish();
        if self.open {
            self.counts.failed += 1;
            return (
                self.counts,
                Some("a test binary ended without a result (crash or time-out)".to_owned()),
            );
        }
        if !exited_well && self.counts.failed == 0 {
            self.counts.failed += 1;
            return (self.counts, Some("the runner failed before or beside its tests".to_owned()));
        }
        (self.counts, None)
    }

    fn begin(&mut self) -> Option<String> {
        let unfinished = std::mem::replace(&mut self.open, true);
        unfinished.then(|| {
            self.counts.failed += 1;
            "a test binary ended without a result (crash)".to_owned()
        })
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct BinaryResult {
    passed: u64,
    failed: u64,
    ignored: u64,
}

fn is_opening(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("running ") else { return false };
    let count = rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"));
    count.is_some_and(|count| count.parse::<u64>().is_ok())
}

/// "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s"
fn parse_result(line: &str) -> Option<BinaryResult> {
    let (_verdict, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut result = BinaryResult::default();
    for part in rest.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let field = match what {
            "passed" => &mut result.passed,
            "failed" => &mut result.failed,
            "ignored" => &mut result.ignored,
            _ => continue,
        };
        *field = number.parse().ok()?;
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str =
        "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s";

    fn counts(passed: u64, failed: u64) -> Counts {
        Counts { passed, failed, failures: Vec::new() }
    }

    fn read(lines: &[&str], exited_well: bool) -> (Counts, Option<String>) {
        let mut libtest = Libtest::default();
        for line in lines {
            libtest.line(line);
        }
        libtest.finish(exited_well)
    }

    #[test]
    fn results_of_several_binaries_are_summed() {
        let failed = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.2s";
        let (sums, _) = read(&["running 5 tests", OK, "", "running 3 tests", failed], false);
        assert_eq!(sums, counts(6, 2));
    }

    #[test]
    fn a_binary_that_crashes_counts_as_failed() {
        let (sums, note) = read(&["running 5 tests", OK, "running 3 tests", "test a ... ok"], false);
        assert_eq!(sums, counts(5, 1));
        assert!(note.is_some());
        let (sums, _) = read(&["running 3 tests", "running 5 tests", OK], false);
        assert_eq!(sums, counts(5, 1));
    }

    #[test]
    fn a_build_that_fails_counts_as_failed() {
        assert_eq!(read(&[], false).0, Counts::FAILURE);
        assert_eq!(read(&["running 5 tests", OK], false).0, counts(5, 1));
    }

    #[test]
    fn ignored_tests_count_as_failed() {
        let ignored =
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(read(&["running 5 tests", ignored], true).0, counts(4, 1));
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(!read(&[], true).0.is_success());
        assert!(read(&["running 5 tests", OK], true).0.is_success());
    }

    #[test]
    fn a_line_that_only_resembles_a_result_is_not_one() {
        assert_eq!(parse_result("test result is good"), None);
        assert!(!is_opening("running away from 5 tests"));
        assert!(is_opening("running 1 test"));
    }
}
