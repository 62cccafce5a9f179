//! The task that follows an API server.
use super::health::Health;
use super::reflector::Reflector;
use super::server::Server;
use crate::watch::{Batch, Kind};
use futures::future::join_all;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Follows an API server until `stop`, or until nobody receives. Each kind ends its first list with `Synced`; whatever
/// goes wrong is said, and tried again.
///
/// # Errors
/// None.
pub async fn follow(
    server: Server,
    updates: mpsc::Sender<Batch>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let health = Arc::new(Health::new(server.name(), updates.clone()));
    let reflectors = Kind::ALL.map(|kind| {
        Reflector { server: server.clone(), kind, updates: updates.clone(), health: health.clone() }.run()
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ = join_all(reflectors) => {}
    }
    Ok(())
}
