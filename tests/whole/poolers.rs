//! A pooler before the ledger's PostgreSQL: by session it goes unnoticed, by transaction it is refused before anything is done.
//!
//! The pooler here does what PgBouncer does and matters: it refuses settings in the startup message that it does not know, and by transaction it gives
//! the server connection that was free last to whoever asks next.

use std::sync::{Arc, Mutex};

use clap::Parser;
use flotilla::{
    cli::Cli,
    start::{OlderLedger, OpenLedger},
};
use ledger::Ledger;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::support::postgres_url;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Session,
    Transaction,
}

/// What PgBouncer takes in a startup message.
const KNOWN: [&str; 7] =
    ["user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name"];
const SSL_REQUEST: u32 = 80_877_103;

/// A connection to PostgreSQL, and what has come of its next message.
struct Backend {
    stream: TcpStream,
    begun: Vec<u8>,
}

type Free = Arc<Mutex<Vec<Backend>>>;

/// A pooler before this database; its address as a URL.
async fn pooler(mode: Mode, database: &str) -> String {
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    let postgres = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    url.set_path(database);
    let free = Free::default();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(client, postgres.clone(), mode, free.clone()));
        }
    });
    url.to_string()
}

async fn serve(mut client: TcpStream, postgres: String, mode: Mode, free: Free) -> Option<()> {
    let startup = startup(&mut client).await?;
    let mut stream = TcpStream::connect(postgres).await.ok()?;
    stream.write_all(&startup).await.ok()?;
    if mode == Mode::Session {
        copy_bidirectional(&mut client, &mut stream).await.ok()?;
        return None;
    }
    let mut backend = Backend { stream, begun: Vec::new() };
    relay_until_idle(&mut client, &mut backend).await?;
    // As one that is opened when no other is free.
    free.lock().unwrap().insert(0, backend);
    let mut words = vec![0; 65_536];
    loop {
        let count = client.read(&mut words).await.ok()?;
        if count == 0 || words[0] == b'X' {
            return None;
        }
        let mut backend = free.lock().unwrap().pop()?;
        backend.stream.write_all(&words[..count]).await.ok()?;
        relay_until_idle(&mut client, &mut backend).await?;
        free.lock().unwrap().push(backend);
    }
}

/// The startup message, if it has nothing that is not known.
async fn startup(client: &mut TcpStream) -> Option<Vec<u8>> {
    loop {
        let length = client.read_u32().await.ok()?;
        let mut message = vec![0; length as usize - 4];
        client.read_exact(&mut message).await.ok()?;
        if message[..4] == SSL_REQUEST.to_be_bytes() {
            client.write_all(b"N").await.ok()?;
            continue;
        }
        let words: Vec<String> =
            message[4..].split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
        let unknown = words.chunks(2).find(|pair| !pair[0].is_empty() && !KNOWN.contains(&pair[0].as_str()));
        if let Some(pair) = unknown {
            let text = format!("SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {}\0\0", pair[0]);
            client.write_u8(b'E').await.ok()?;
            client.write_u32(text.len() as u32 + 4).await.ok()?;
            client.write_all(text.as_bytes()).await.ok()?;
            return None;
        }
        return Some([&length.to_be_bytes()[..], &message].concat());
    }
}

/// To and fro until PostgreSQL is ready and in no transaction.
async fn relay_until_idle(client: &mut TcpStream, backend: &mut Backend) -> Option<()> {
    let (mut from_client, mut from_backend) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            count = client.read(&mut from_client) => match count.ok()? {
                0 => return None,
                count => backend.stream.write_all(&from_client[..count]).await.ok()?,
            },
            count = backend.stream.read(&mut from_backend) => match count.ok()? {
                0 => return None,
                count => {
                    client.write_all(&from_backend[..count]).await.ok()?;
                    backend.begun.extend(&from_backend[..count]);
                    if is_idle(&mut backend.begun) {
                        return Some(());
                    }
                }
            },
        }
    }
}

/// Takes whole messages off; whether the last of them was ReadyForQuery outside of a transaction.
fn is_idle(begun: &mut Vec<u8>) -> bool {
    let mut is_idle = false;
    while begun.len() >= 5 {
        let end = 1 + u32::from_be_bytes(begun[1..5].try_into().unwrap()) as usize;
        if begun.len() < end {
            return false;
        }
        is_idle = begun[0] == b'Z' && begun[5] == b'I';
        begun.drain(..end);
    }
    is_idle && begun.is_empty()
}

async fn database() -> String {
    let name = format!("flotilla_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.unwrap();
    name
}

async fn open(url: &str) -> anyhow::Result<Ledger> {
    let mut config = Cli::try_parse_from(["flotilla", "migrate"]).unwrap().config;
    config.database_url = Some(url.into());
    Ok(OpenLedger::open(&config, OlderLedger::Migrate).await?.ledger)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_session_the_ledger_is_set_up_and_has_its_settings() {
    let database = database().await;
    let ledger = open(&pooler(Mode::Session, &database).await).await.unwrap();
    assert_eq!(ledger.violations().await.unwrap(), []);
    // No statement waits longer than five seconds for a lock.
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    url.set_path(&database);
    let mut other = PgConnection::connect(url.as_str()).await.unwrap();
    other.execute("BEGIN; LOCK TABLE operators IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let Err(error) = ledger.operators().await else { panic!("read a locked table") };
    assert!(error.to_string().contains("lock timeout"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_transaction_it_is_refused_in_a_sentence_and_nothing_is_done() {
    let database = database().await;
    let Err(error) = open(&pooler(Mode::Transaction, &database).await).await else { panic!("accepted") };
    assert!(error.to_string().contains("pooler in transaction mode"), "{error:#}");
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    url.set_path(&database);
    let mut straight = PgConnection::connect(url.as_str()).await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut straight)
        .await
        .unwrap();
    assert_eq!(tables, 0);
}
