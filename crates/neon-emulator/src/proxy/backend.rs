//! The connection to the backing server.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const TIME_LIMIT: Duration = Duration::from_secs(5);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects by TCP or by socket, as the emulator itself does. Within five seconds.
pub async fn connect(server: &PgConnectOptions) -> io::Result<Box<dyn Stream>> {
    match tokio::time::timeout(TIME_LIMIT, connect_to(server)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn connect_to(server: &PgConnectOptions) -> io::Result<Box<dyn Stream>> {
    let folder =
        server.get_socket().cloned().or_else(|| server.get_host().starts_with('/').then(|| server.get_host().into()));
    if let Some(folder) = folder {
        let path = folder.join(format!(".s.PGSQL.{}", server.get_port()));
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect((server.get_host(), server.get_port())).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
