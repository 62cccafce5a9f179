//! Counting what WireGuard refuses because its source is none of the peer's AllowedIPs (P2).
//!
//! The library drops such packets and keeps no count, but tells of each in a log event (in builds with its debug
//! assertions, which the workspace's Cargo.toml turns on for it in every profile). So the events are counted, and kept
//! out of the log, which a hostile peer could fill otherwise.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Part of the event's text that is the same for every such packet.
const TEXT: &str = "is not allowed to send us packets from";

/// The number of packets refused since the process began.
#[derive(Clone, Default, Debug)]
pub(super) struct Refused(Arc<AtomicU64>);

impl Refused {
    /// The number.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Refused {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_candidate(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(false);
        event.record(&mut text);
        if text.0 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether an event may be one of those: decided once for each place in the source.
pub(super) fn is_candidate(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "gotatun::device" && *metadata.level() == Level::WARN
}

struct Text(bool);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}").contains(TEXT);
    }
}
