//! One client, from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::message::ErrorMessage;
use super::relay::{Aliases, relay};
use super::startup::{self, Request, Startup};
use super::{backend, reset, wake};
use crate::connections::OpenConnection;
use crate::context::Context;
use crate::model::{Objects, Project};
use crate::store::Place;

/// A client says within this time what it wants.
const STARTUP_LIMIT: Duration = Duration::from_secs(15);
/// How long the backing server may take to carry out a cancel request.
const CANCEL_LIMIT: Duration = Duration::from_secs(10);
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

/// A request to cancel a query carries the backing server's own key, so it goes there as it is. Clients take the end of
/// their connection for "done" and send the next query: so it ends after that server's has, which is when its session
/// has been signalled.
async fn cancel(context: &Context, packet: &[u8]) {
    let Ok(mut server) = backend::connect(context.backing.server()).await else { return };
    if server.write_all(packet).await.is_ok() {
        let _ = timeout(CANCEL_LIMIT, server.read_to_end(&mut Vec::new())).await;
    }
}

async fn connect(context: &Arc<Context>, stream: &mut TcpStream, startup: &Startup) -> Result<(), ErrorMessage> {
    let project = find(context, startup).await?;
    let names = Names::of(context, &project, &context.store.objects(&project).await?, startup)?;
    project.must_be_startable(context.clock.now())?;
    let connection = context.connections.open(&project.endpoint_id, &project.id);
    let served = serve_open(context, stream, &names, &project, &connection).await;
    let endpoint_id = connection.endpoint_id().to_owned();
    let sent = connection.take_sent();
    drop(connection);
    wake::let_go(context, &project.id, &endpoint_id, sent).await;
    served
}

/// By its endpoint, or by itself, which leads to its default branch.
async fn find(context: &Context, startup: &Startup) -> Result<Project, ErrorMessage> {
    let named = startup.endpoint().ok_or_else(ErrorMessage::no_endpoint)?;
    let now = context.clock.now();
    if let Some(project) = context.store.view_of_endpoint(named, now).await? {
        return Ok(project);
    }
    let project = context.store.view(named, Place::DefaultBranch, now).await?;
    if project.has_endpoint { Ok(project) } else { Err(ErrorMessage::unknown_endpoint()) }
}

/// A start-up message for the backing server, and what its names are to the client.
struct Names {
    startup: Vec<u8>,
    aliases: Aliases,
}

impl Names {
    fn of(context: &Context, project: &Project, objects: &Objects, startup: &Startup) -> Result<Self, ErrorMessage> {
        let (user, database) = (startup.user(), startup.database());
        objects.role(user).map_err(|_| ErrorMessage::wrong_password(user))?;
        let known = objects.database(database).map_err(|_| ErrorMessage::unknown_database(database))?;
        let backing = (context.backing.role(project, user), context.backing.database(project, known));
        Ok(Self {
            startup: startup.rewritten(&backing.0, &backing.1),
            // The longer name first: the one of a role may be its beginning.
            aliases: Aliases(vec![(backing.1, database.into()), (backing.0, user.into())]),
        })
    }
}

/// How a connection ends that does not end by itself: the time for its last words.
async fn ended_from_outside(context: &Context, connection: &OpenConnection<'_>) -> Duration {
    tokio::select! {
        () = connection.cut().cancelled_owned() => AFTER_CUT,
        () = context.faults.proxy_is_cut() => Duration::ZERO,
    }
}

/// Wakes the endpoint and passes the session through.
async fn serve_open(
    context: &Arc<Context>,
    stream: &mut TcpStream,
    names: &Names,
    project: &Project,
    connection: &OpenConnection<'_>,
) -> Result<(), ErrorMessage> {
    tokio::select! {
        _ = ended_from_outside(context, connection) => return Err(ErrorMessage::shutting_down()),
        ready = wake::make_ready(context, project, connection) => { ready?; }
    }
    // Its compute was stopped after it had begun.
    if connection.cut().is_cancelled() {
        return Err(ErrorMessage::shutting_down());
    }
    let no_backend = |error: io::Error| {
        tracing::error!(error = %error, "the backing server cannot be reached");
        ErrorMessage::internal()
    };
    let mut server = backend::connect(context.backing.server()).await.map_err(no_backend)?;
    server.write_all(&names.startup).await.map_err(no_backend)?;
    relay(stream, server, &names.aliases, connection.sent(), ended_from_outside(context, connection)).await;
    Ok(())
}
