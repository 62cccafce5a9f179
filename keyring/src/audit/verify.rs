//! What is wrong with a log.

use std::collections::BTreeMap;

use super::entry::{Head, KeyEvent, Line, NOTHING, read};
use super::segments::Size;

/// A head of the log, as somebody else keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Who keeps it.
    pub by: String,
    /// What the node published.
    pub head: Head,
}

/// Something wrong. `line` counts lines of the file from 1; `number` is what a line says of itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not a line of a log at all.
    #[error("line {line} is no line of a log: it was edited")]
    NoLine {
        /// Of the file.
        line: usize,
    },
    /// Its bytes do not give the hash it ends in.
    #[error("line {line} (number {number}) was edited: its hash is not that of its text")]
    Edited {
        /// Of the file.
        line: usize,
        /// What it says of itself.
        number: u64,
    },
    /// It is consistent in itself, but the next line followed another.
    #[error("line {line} (number {number}) was rewritten: the line after it followed another")]
    Rewritten {
        /// Of the file.
        line: usize,
        /// What it says of itself.
        number: u64,
    },
    /// Numbers that are nowhere in the file.
    #[error("numbers {first} to {last} were removed, before line {line}")]
    Removed {
        /// Of the file: where they should be.
        line: usize,
        /// The first that is missing.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A number that should stand elsewhere, or stands twice.
    #[error("line {line} (number {number}) is not in its place: lines were reordered or repeated")]
    OutOfPlace {
        /// Of the file.
        line: usize,
        /// What it says of itself.
        number: u64,
    },
    /// The last line has no end.
    #[error("line {line} is torn: the agent was stopped while writing it, or the file was cut there")]
    Torn {
        /// Of the file.
        line: usize,
    },
    /// A log that does not begin at 1 was seen before it begins, and then by nobody for half of the files that are kept: so
    /// looks one that was written anew under numbers that nobody has seen.
    #[error(
        "nobody has seen the log between number {before}, which is not kept, and {next}: what it says in between may be written anew"
    )]
    Unseen {
        /// The last number that was seen before the log begins.
        before: u64,
        /// The first that was seen after, or that of the last line.
        next: u64,
    },
    /// Lines that others know of are not there.
    #[error("the log was cut: it ends with number {last}, and {by} has seen number {seen}")]
    Cut {
        /// Of the last line; 0 if there is none.
        last: u64,
        /// What the anchor names.
        seen: u64,
        /// Whose anchor.
        by: String,
    },
    /// A line is not the one that others know of.
    #[error("line {line} (number {number}) is not the one that {by} has seen: the log was written anew")]
    Contradicted {
        /// Of the file.
        line: usize,
        /// What it says of itself.
        number: u64,
        /// Whose anchor.
        by: String,
    },
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The number it begins at: 1, or what follows files that were removed because there were too many.
    pub begins: u64,
    /// Where the log ends, as far as it can be read.
    pub head: Head,
    /// What is wrong, in the order of the file, then of the anchors.
    pub problems: Vec<Problem>,
    /// The greatest number that an anchor confirms: up to there the log is what it was. `None`: unanchored, whatever
    /// comes after a cut would not be missed.
    pub anchored: Option<u64>,
    /// Anchors of lines before `begins`, which say nothing of what is left.
    pub unchecked: usize,
}

impl Verdict {
    /// Nothing wrong, and confirmed by somebody else.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty() && self.anchored.is_some()
    }
}

struct Read {
    line: usize,
    number: u64,
    previous: String,
    hash: String,
    /// Bytes, with its line feed.
    bytes: u64,
    /// It begins a file after so many others.
    continues: Option<u64>,
}

/// Looks at the whole text of a log ([`read`](super::read)) of which `size` says how much is kept, and at what others keep
/// of it.
#[must_use]
pub fn verify(text: &[u8], size: Size, anchors: &[Anchor]) -> Verdict {
    let mut problems = Vec::new();
    let lines = lines(text, &mut problems);
    let places: BTreeMap<u64, usize> = lines.iter().map(|read| (read.number, read.line)).collect();
    let begins =
        if has_lost_files_only(&lines, size) { lines.first().map_or(1, |first| first.number) } else { 1 };
    let mut expected = begins;
    let mut before: Option<&Read> = None;
    for read in &lines {
        if read.number > expected && !(expected..read.number).any(|number| places.contains_key(&number)) {
            problems.push(Problem::Removed { line: read.line, first: expected, last: read.number - 1 });
        } else if read.number != expected {
            problems.push(Problem::OutOfPlace { line: read.line, number: read.number });
        } else if before.is_none() && begins > 1 {
            // What it followed is gone.
        } else if read.previous != before.map_or(NOTHING, |before| &before.hash) {
            // An edit that shows by itself is not called a second time.
            match before {
                Some(Read { line, number, .. }) if !named(&problems, *line) => {
                    problems.push(Problem::Rewritten { line: *line, number: *number });
                }
                Some(_) => {}
                None => problems.push(Problem::Rewritten { line: read.line, number: read.number }),
            }
        }
        expected = read.number.saturating_add(1);
        before = Some(read);
    }
    let head =
        lines.last().map_or_else(Head::empty, |last| Head { number: last.number, hash: last.hash.clone() });
    problems.sort_by_key(place);
    let anchored = compare(&lines, &head, anchors, &mut problems);
    let unchecked = anchors.iter().filter(|anchor| (1..begins).contains(&anchor.head.number)).count();
    problems.extend(unseen(&lines, begins, size, anchors));
    Verdict { begins, head, problems, anchored, unchecked }
}

/// Whether a log that does not begin at 1 begins as one does whose oldest files were removed: with a file, and with as many
/// full ones as are kept, each of which has the next number and is full. (Lines that lack in the middle are named by themselves.)
fn has_lost_files_only(lines: &[Read], size: Size) -> bool {
    let files: Vec<&[Read]> = lines.chunk_by(|_, next| next.continues.is_none()).collect();
    let number = |file: &[Read]| file.first().and_then(|first| first.continues);
    let is_full = |file: &[Read]| file.iter().map(|read| read.bytes).sum::<u64>() >= size.bytes;
    let follow = |file: &[Read], next: &[Read]| {
        let end = file.last().and_then(|last| last.number.checked_add(1));
        let is_next = number(file).and_then(|number| number.checked_add(1)) == number(next);
        end != next.first().map(|first| first.number) || is_next && is_full(file)
    };
    let [Some(first), Some(last)] = [files.first(), files.last()].map(|file| number(file?)) else {
        return false;
    };
    last.saturating_sub(first) >= size.files as u64 && files.windows(2).all(|two| follow(two[0], two[1]))
}

/// Where a log was seen before it begins, and then not until its files are half gone by: each file of an honest one was
/// published about, for a rotation that fills it publishes.
fn unseen(lines: &[Read], begins: u64, size: Size, anchors: &[Anchor]) -> Option<Problem> {
    let before = anchors.iter().map(|anchor| anchor.head.number).filter(|number| *number < begins).max();
    let before = before.filter(|number| *number > 0)?;
    let half = lines.iter().filter(|read| read.continues.is_some()).nth(size.files.div_ceil(2))?.number;
    let last = lines.last().map_or(begins, |last| last.number);
    let next = anchors.iter().map(|anchor| anchor.head.number).filter(|number| *number >= begins).min();
    let next = next.unwrap_or(last);
    (next >= half).then_some(Problem::Unseen { before, next })
}

fn lines(text: &[u8], problems: &mut Vec<Problem>) -> Vec<Read> {
    let mut lines = Vec::new();
    for (index, part) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let Some(part) = part.strip_suffix(b"\n") else {
            problems.push(Problem::Torn { line });
            break;
        };
        let Some((Line { number, previous, entry }, hash, sound)) = read(part) else {
            problems.push(Problem::NoLine { line });
            continue;
        };
        if !sound {
            problems.push(Problem::Edited { line, number });
        }
        let continues = match entry.event {
            KeyEvent::Continued { before } => Some(before),
            _ => None,
        };
        let bytes = part.len() as u64 + 1;
        lines.push(Read { line, number, previous, hash, bytes, continues });
    }
    lines
}

fn compare(lines: &[Read], head: &Head, anchors: &[Anchor], problems: &mut Vec<Problem>) -> Option<u64> {
    let mut anchored = None;
    for Anchor { by, head: seen } in anchors.iter().filter(|anchor| anchor.head.number > 0) {
        match lines.iter().find(|read| read.number == seen.number) {
            Some(read) if read.hash == seen.hash => anchored = anchored.max(Some(seen.number)),
            Some(read) => {
                let (line, number) = (read.line, read.number);
                problems.push(Problem::Contradicted { line, number, by: by.clone() });
            }
            None if seen.number > head.number => {
                problems.push(Problem::Cut { last: head.number, seen: seen.number, by: by.clone() });
            }
            None => {}
        }
    }
    anchored
}

fn place(problem: &Problem) -> usize {
    match problem {
        Problem::NoLine { line }
        | Problem::Edited { line, .. }
        | Problem::Rewritten { line, .. }
        | Problem::Removed { line, .. }
        | Problem::OutOfPlace { line, .. }
        | Problem::Torn { line }
        | Problem::Contradicted { line, .. } => *line,
        Problem::Cut { .. } | Problem::Unseen { .. } => usize::MAX,
    }
}

fn named(problems: &[Problem], line: usize) -> bool {
    problems.iter().any(|problem| place(problem) == line)
}
