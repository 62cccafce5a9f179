//! The API server as a source: what it lists and watches, as the very updates that a directory gives.
//!
//! One reflector for each [`Kind`](crate::watch::Kind) lists it in pages and then watches it. A list that is taken again (the watch has
//! fallen too far behind: `410 Gone`) changes nothing by itself: objects are taken in as they come, and those that the
//! new list did not name go at its end. While the API server is away everything stays as it was last known, and
//! [`Update::Source`](crate::watch::Update::Source) says so.
//!
//! Lists are consistent reads (no `resourceVersion`): an older state of the cluster, out of some server's cache, could
//! give an address back to the pod that had it before.
//!
//! Sources: "Kubernetes API Concepts" (efficient detection of changes, watch bookmarks, retrieving large result sets in
//! chunks).

mod access;
mod backoff;
mod error;
mod event;
mod fallback;
mod fields;
mod health;
mod keep;
mod lines;
mod page;
mod reflector;
mod request;
mod server;
mod task;
#[cfg(test)]
mod tests;
mod write;

pub use access::Access;
pub use error::{AccessError, ApiError};
pub use fallback::Fallback;
pub use server::Server;
pub use task::follow;
pub use write::{publish, raise, report};
