//! One client, from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connections::OpenConnection;
use super::message::ErrorMessage;
use super::relay::{Aliases, relay};
use super::startup::{self, Request, Startup};
use super::{backend, reset, wake};
use crate::api::Context;
use crate::model::{Project, Refusal};

/// A client says within this time what it wants.
const STARTUP_LIMIT: Duration = Duration::from_secs(15);
/// How long the last words of a session may take that is cut.
const AFTER_CUT: Duration = Duration::from_millis(300);

/// Serves a client; without a place it learns that there are too many.
pub async fn serve(context: Arc<Context>, mut stream: TcpStream, place: Option<OwnedSemaphorePermit>) {
    let _ = stream.set_nodelay(true);
    let request = tokio::select! {
        () = context.faults.proxy_is_cut() => return reset(stream),
        () = context.connections.all_cut() => return,
        request = timeout(STARTUP_LIMIT, startup::read(&mut stream)) => request,
    };
    match request {
        Ok(Ok(request)) => answer(&context, &mut stream, request, place.is_some()).await,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            let _ = stream.write_all(&ErrorMessage::protocol(error.to_string()).bytes()).await;
        }
        // It hung up, or said nothing.
        Ok(Err(_)) | Err(_) => {}
    }
    if context.faults.is_cut().proxy {
        reset(stream);
    }
}

async fn answer(context: &Arc<Context>, stream: &mut TcpStream, request: Request, has_place: bool) {
    let refused = match request {
        Request::Cancel(packet) => return cancel(context, &packet).await,
        Request::Start(_) if !has_place => Some(ErrorMessage::too_many_connections()),
        Request::Start(startup) => connect(context, stream, &startup).await.err(),
    };
    // A network that is cut carries no message either.
    if let Some(message) = refused.filter(|_| !context.faults.is_cut().proxy) {
        let _ = stream.write_all(&message.bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// A request to cancel a query carries the backing server's own key, so it goes there as it is.
async fn cancel(context: &Context, packet: &[u8]) {
    if let Ok(mut server) = backend::connect(context.backing.server()).await {
        let _ = server.write_all(packet).await;
        let _ = server.shutdown().await;
    }
}

async fn connect(context: &Arc<Context>, stream: &mut TcpStream, startup: &Startup) -> Result<(), ErrorMessage> {
    let project = find(context, startup).await?;
    if startup.user() != project.role_name {
        return Err(ErrorMessage::wrong_password(startup.user()));
    }
    if startup.database() != project.database_name {
        return Err(ErrorMessage::unknown_database(startup.database()));
    }
    project.must_be_startable(context.clock.now())?;
    let connection = context.connections.open(&project.endpoint_id, &project.id);
    let served = serve_open(context, stream, startup, &project, &connection).await;
    let endpoint_id = connection.endpoint_id().to_owned();
    let sent = connection.take_sent();
    drop(connection);
    wake::let_go(context, &project.id, &endpoint_id, sent).await;
    served
}

async fn find(context: &Context, startup: &Startup) -> Result<Project, ErrorMessage> {
    let named = startup.endpoint().ok_or_else(ErrorMessage::no_endpoint)?;
    let project_id = context.store.project_of_endpoint(named).await?;
    match context.store.project(project_id.as_deref().unwrap_or(named), context.clock.now()).await {
        Err(Refusal::NotFound(_)) => Err(ErrorMessage::unknown_endpoint()),
        found => Ok(found?),
    }
}

/// How a connection ends that does not end by itself: the time for its last words.
async fn ended_from_outside(context: &Context, connection: &OpenConnection<'_>) -> Duration {
    tokio::select! {
        () = connection.cut().cancelled() => AFTER_CUT,
        () = context.faults.proxy_is_cut() => Duration::ZERO,
    }
}

/// Wakes the endpoint and passes the session through.
async fn serve_open(
    context: &Arc<Context>,
    stream: &mut TcpStream,
    startup: &Startup,
    project: &Project,
    connection: &OpenConnection<'_>,
) -> Result<(), ErrorMessage> {
    tokio::select! {
        _ = ended_from_outside(context, connection) => return Err(ErrorMessage::shutting_down()),
        ready = wake::make_ready(context, project) => { ready?; }
    }
    let names = context.backing.names(project);
    let no_backend = |error: io::Error| {
        tracing::error!(error = %error, "the backing server cannot be reached");
        ErrorMessage::internal()
    };
    let mut server = backend::connect(context.backing.server()).await.map_err(no_backend)?;
    server.write_all(&startup.rewritten(&names.role, &names.database)).await.map_err(no_backend)?;
    let aliases =
        Aliases(vec![(names.role, project.role_name.clone()), (names.database, project.database_name.clone())]);
    relay(stream, server, &aliases, connection.sent(), ended_from_outside(context, connection)).await;
    Ok(())
}
