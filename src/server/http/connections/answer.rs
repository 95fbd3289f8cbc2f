//! One connection, from its first byte to its end.

use std::{net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{registry::Guest, stalled::Stalling};

/// Bytes of a request's header: its address has 8 KiB at most, and cookies and tokens are short.
const HEADER_BYTES: usize = 32 * 1024;

/// How long a client may take.
pub struct Patience {
    pub header: Duration,
    pub unread: Duration,
}

/// Answers the requests of this connection, until it ends or must make way.
pub async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    guest: Guest,
    router: Router,
    patience: Patience,
    shutdown: CancellationToken,
) {
    // Small answers must not wait for company.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection keeps its delay");
    }
    let connection = guest.connection.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    });
    let stream = TokioIo::new(Stalling::new(stream, patience.unread));
    let mut exchange = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.header)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(stream, service)
    );
    let orderly = async {
        tokio::select! {
            outcome = exchange.as_mut() => return outcome,
            () = shutdown.cancelled() => {}
        }
        exchange.as_mut().graceful_shutdown();
        exchange.await
    };
    if let Some(Err(error)) = guest.close.run_until_cancelled(orderly).await {
        tracing::trace!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
