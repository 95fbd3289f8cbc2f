//! The connection proxy: one port for all endpoints. It reads a client's start-up, finds the endpoint, wakes it,
//! makes role and database where they are missing, and passes bytes through to the backing server, which checks the
//! password itself.

mod backend;
mod message;
mod relay;
mod session;
mod startup;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;

/// Accepts clients until it is stopped; then cuts those that are there.
pub async fn run(context: Arc<Context>, listener: TcpListener, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(context.config.proxy_max_connections));
    let sessions = TaskTracker::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let place = places.clone().try_acquire_owned().ok();
                    sessions.spawn(session::serve(context.clone(), stream, place));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a connection to the proxy could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    context.connections.cut_all();
    sessions.close();
    sessions.wait().await;
}

/// Drops a connection so that its peer sees a reset.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}
