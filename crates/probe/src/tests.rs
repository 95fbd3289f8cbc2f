//! The probe against a server that speaks just enough of the Postgres protocol.

use std::time::Duration;

use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{ProbeError, answers};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn uri(port: u16) -> SecretString {
    let uri = format!(
        "postgresql://neondb_owner:npg_N67FDMtGvJke@127.0.0.1:{port}/neondb?channel_binding=require&sslmode=disable&options=endpoint%3Dep-a"
    );
    SecretString::from(uri)
}

/// Answers the start-up message with `first`, everything after it with "ready". Tells the start-up message.
async fn postgres(first: Vec<u8>) -> (u16, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let startup = read(&stream).await.unwrap();
        let _ = tell.send(String::from_utf8_lossy(&startup).replace('\0', " "));
        stream.try_write(&first).unwrap();
        while read(&stream).await.is_some() {
            let _ = stream.try_write(READY);
        }
    });
    (port, told)
}

async fn read(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut bytes) {
            Ok(0) => return None,
            Ok(n) => return Some(bytes[..n].to_vec()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

fn refusal(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    [b"E", &(fields.len() as u32 + 4).to_be_bytes()[..], fields.as_bytes()].concat()
}

#[tokio::test]
async fn a_database_that_answers_is_asked_as_its_uri_says() {
    let (port, startup) = postgres(WELCOME.to_vec()).await;
    assert_eq!(answers(&uri(port), ANSWER_TIMEOUT).await, Ok(()));
    let startup = startup.await.unwrap();
    for part in ["user neondb_owner ", "database neondb ", "application_name flotilla ", "options endpoint=ep-a "] {
        assert!(startup.contains(part), "{part} in {startup}");
    }
    assert!(!startup.contains("channel_binding") && !startup.contains("extra_float_digits"), "{startup}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_database_without_secrets() {
    let (port, _startup) = postgres(refusal("28P01", "password authentication failed for npg_N67FDMtGvJke")).await;
    let error = answers(&uri(port), ANSWER_TIMEOUT).await.unwrap_err();
    let message = String::from("password authentication failed for [hidden]");
    assert_eq!(error, ProbeError::Refused { code: String::from("28P01"), message });
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deadline = Duration::from_millis(100);
    let error = answers(&uri(listener.local_addr().unwrap().port()), deadline).await.unwrap_err();
    assert_eq!(error, ProbeError::TimedOut(deadline));
}

#[tokio::test]
async fn nobody_there_and_a_wrong_uri_are_told_without_the_password() {
    let gone = answers(&uri(1), ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(&gone, ProbeError::Failed(_)), "{gone:?}");
    let wrong = answers(&SecretString::from("npg_N67FDMtGvJke"), ANSWER_TIMEOUT).await.unwrap_err();
    assert!(matches!(&wrong, ProbeError::Uri(_)), "{wrong:?}");
    assert!(!format!("{gone} {gone:?} {wrong} {wrong:?}").contains("npg_"));
}
