//! The task that follows an API server.
use super::fallback::{Fallback, First};
use super::health::Health;
use super::reflector::Reflector;
use super::server::Server;
use crate::watch::{Batch, Kind};
use futures::future::{join, join_all};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Follows an API server until `stop`, or until nobody receives. Each kind ends its first list with `Synced`; whatever
/// goes wrong is said, and tried again. `fallback` is what there is to start from if it is not heard of in time.
///
/// # Errors
/// None.
pub async fn follow(
    server: Server,
    updates: mpsc::Sender<Batch>,
    fallback: Option<Fallback>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let health = Arc::new(Health::new(server.name(), updates.clone()));
    let first = Arc::new(First::default());
    let reflectors = Kind::ALL.map(|kind| {
        let (server, updates) = (server.clone(), updates.clone());
        Reflector { server, kind, updates, health: health.clone(), first: first.clone() }.run()
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ = join(join_all(reflectors), first.or_else(fallback, updates.clone())) => {}
    }
    Ok(())
}
