//! What became of a node's keys, as a file that cannot be changed afterwards without it showing.
//!
//! One JSON object a line, numbered from 1. Each line names the hash of the one before and ends in its own, over all
//! bytes before it. So an edited, removed or reordered line is found in the file alone. A file that was cut at its end, or
//! written anew as a whole, is consistent in itself: that shows only against *anchors*, the [`Head`]s (number and hash of
//! the last line) which the node published and its peers keep. Without them a log is *unanchored*, not intact.
//!
//! A log is a file, and so many older ones ([`Size`]) beside it: a new file begins with a line that says so and names the
//! hash of the last line of the one before. When there are too many the oldest goes, and the log *begins at* a greater number.
//! That it does not begin so for another reason shows by that line, and by how many files there are.
//!
//! Lines name fingerprints and epochs, never keys.
//!
//! | module | concern |
//! |---|---|
//! | `entry` | what is said, and its line |
//! | `verify` | what is wrong with a file |
//! | `log` | appending, synced; a line that a crash tore |
//! | `segments` | the files of one log |

mod entry;
mod log;
mod segments;
#[cfg(test)]
mod tests;
mod verify;

pub use entry::{Entry, Head, KeyEvent};
pub use log::{AuditError, AuditLog};
pub use segments::{Size, read};
pub use verify::{Anchor, Problem, Verdict, verify};
