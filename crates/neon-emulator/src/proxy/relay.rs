//! Passes bytes through both ways with bounded buffers, and counts those to the client.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::backend::Stream;
use super::message::framed;

const BUFFER: usize = 16 * 1024;
/// Messages before the first ReadyForQuery are short.
const LONGEST_GREETING: usize = 64 * 1024;
/// How long the backing server may still answer after its client has gone.
const AFTER_CLIENT: Duration = Duration::from_secs(10);

/// Names in the backing server and what the client knows them as.
pub struct Aliases(pub Vec<(String, String)>);

impl Aliases {
    fn translate(&self, body: Vec<u8>) -> Vec<u8> {
        let Ok(mut text) = String::from_utf8(body.clone()) else { return body };
        for (backing, public) in &self.0 {
            text = text.replace(backing.as_str(), public);
        }
        text.into_bytes()
    }
}

/// Runs until one side ends, or `ended` says how long the last words may take. The bytes to the client are added to `sent`.
pub async fn relay<C, F>(client: &mut C, backend: Box<dyn Stream>, aliases: &Aliases, sent: &AtomicU64, ended: F)
where
    F: Future<Output = Duration> + Send,
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (client_reader, client_writer) = split(client);
    let (backend_reader, backend_writer) = split(backend);
    let mut to_client = pin!(to_client(backend_reader, client_writer, aliases, sent));
    let mut to_backend = pin!(pump(client_reader, backend_writer, None));
    let grace = tokio::select! {
        _ = &mut to_client => None,
        _ = &mut to_backend => Some(AFTER_CLIENT),
        last_words = ended => Some(last_words),
    };
    if let Some(grace) = grace {
        let _ = tokio::time::timeout(grace, to_client).await;
    }
}

async fn to_client<R, W>(mut reader: R, mut writer: W, aliases: &Aliases, sent: &AtomicU64) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    greet(&mut reader, &mut writer, aliases).await?;
    pump(reader, writer, Some(sent)).await
}

/// Until the session is ready, or refused: message by message, so that refusals speak of names that the client knows.
async fn greet<R, W>(reader: &mut R, writer: &mut W, aliases: &Aliases) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let kind = reader.read_u8().await?;
        let length = reader.read_u32().await? as usize;
        if !(4..=LONGEST_GREETING).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length - 4];
        reader.read_exact(&mut body).await?;
        if kind == b'E' {
            body = aliases.translate(body);
        }
        writer.write_all(&framed(kind, &body)).await?;
        if kind == b'Z' {
            return Ok(());
        }
    }
}

async fn pump<R, W>(mut reader: R, mut writer: W, counter: Option<&AtomicU64>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            return writer.shutdown().await;
        }
        writer.write_all(&buffer[..length]).await?;
        if let Some(counter) = counter {
            counter.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
}
