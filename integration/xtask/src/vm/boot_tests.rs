//! How a machine's output is read.

use super::*;

fn follow(lines: &[&str], limit: Duration) -> (Option<Outcome>, Vec<String>) {
    let (sender, receiver) = channel();
    for line in lines {
        sender.send((*line).to_owned()).unwrap();
    }
    if !limit.is_zero() {
        drop(sender); // the machine is gone
    }
    let mut seen = Vec::new();
    let mut each = |line: &str| {
        seen.push(line.to_owned());
        None
    };
    let outcome =
        Watch { token: "T1", started: Instant::now(), limit, label: "" }.follow(&receiver, &mut each);
    (outcome, seen)
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_exit_status_is_the_jobs() {
    let (outcome, seen) = follow(&["T1 up", "hello", "", "T1 exit 7"], LONG);
    assert_eq!(outcome, Some(Outcome::Exited(7)));
    assert_eq!(seen, ["hello", ""]);
}

#[test]
fn a_machine_that_stops_during_the_job_died() {
    assert_eq!(follow(&["T1 up", "hello"], LONG).0, Some(Outcome::Died));
}

#[test]
fn a_machine_that_stops_before_the_job_may_be_booted_again() {
    assert_eq!(follow(&[], LONG).0, None);
}

#[test]
fn a_job_that_takes_too_long_is_stopped() {
    assert_eq!(follow(&["T1 up", "hello"], Duration::ZERO).0, Some(Outcome::TimedOut));
}

#[test]
fn what_the_job_prints_cannot_end_it() {
    assert_eq!(follow(&["T1 up", "T2 exit 0", "exit 0"], LONG).0, Some(Outcome::Died));
}
