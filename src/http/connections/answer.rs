//! One connection, from its first byte to its end.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{registry::Guest, stalled::Stalling};
use crate::stop::Stop;

/// Bytes of a request's header: its address has 8 KiB at most, and cookies and tokens are short.
const HEADER_BYTES: usize = 32 * 1024;

/// How long a client may take.
pub struct Timeouts {
    pub header: Duration,
    pub unread: Duration,
}

/// Answers the requests of this connection, until it ends or must make way.
pub async fn answer(stream: TcpStream, peer: SocketAddr, guest: Guest, router: Router, timeouts: Timeouts, stop: Stop) {
    // Small answers must not wait for company.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection keeps its delay");
    }
    let (connection, unready) = (guest.connection.clone(), stop.unready.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(connection.clone());
        let (answer, unready) = (router.clone().oneshot(request), unready.clone());
        async move {
            let mut answer = answer.await?;
            if unready.is_cancelled() {
                // Whoever kept the connection would soon send a request into its end.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let stream = TokioIo::new(Stalling::new(stream, timeouts.unread));
    let mut exchange = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeouts.header)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(stream, service)
    );
    let orderly = async {
        tokio::select! {
            outcome = exchange.as_mut() => return outcome,
            () = stop.closing.cancelled() => {}
        }
        exchange.as_mut().graceful_shutdown();
        exchange.await
    };
    if let Some(Err(error)) = guest.close.run_until_cancelled(orderly).await {
        tracing::trace!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
