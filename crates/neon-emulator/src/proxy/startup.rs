//! The first messages of the Postgres protocol: what a client asks for before anything else.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// PostgreSQL itself accepts no longer ones.
const LONGEST_PACKET: usize = 10_000;
/// A client asks for encryption once for each kind.
const MOST_REQUESTS: usize = 3;

#[derive(Debug)]
pub enum Request {
    Start(Startup),
    /// To be passed on as it is: the backing server knows the key in it.
    Cancel(Vec<u8>),
}

/// A start-up message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    version: u32,
    parameters: Vec<(String, String)>,
}

/// Reads until the client says what it wants. Encryption is not offered.
pub async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<Request> {
    for _ in 0..=MOST_REQUESTS {
        let length = stream.read_u32().await? as usize;
        if !(8..=LONGEST_PACKET).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "invalid length of a start-up packet"));
        }
        let code = stream.read_u32().await?;
        let mut body = vec![0; length - 8];
        stream.read_exact(&mut body).await?;
        match code {
            SSL_REQUEST | GSSENC_REQUEST => stream.write_all(b"N").await?,
            CANCEL_REQUEST => return Ok(Request::Cancel(packet(code, &body))),
            version => return Startup::parse(version, &body).map(Request::Start),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many requests for encryption"))
}

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &code.to_be_bytes(), body].concat()
}

impl Startup {
    fn parse(version: u32, body: &[u8]) -> io::Result<Self> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "invalid start-up packet");
        if version >> 16 != 3 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "unsupported version of the protocol"));
        }
        let text = std::str::from_utf8(body).map_err(|_| invalid())?;
        let mut words = text.split('\0');
        let mut parameters = Vec::new();
        loop {
            match words.next() {
                Some("") => return Ok(Self { version, parameters }),
                Some(name) => parameters.push((name.into(), words.next().ok_or_else(invalid)?.into())),
                None => return Err(invalid()),
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn user(&self) -> &str {
        self.get("user").unwrap_or_default()
    }

    /// PostgreSQL takes the name of the user where none is given.
    pub fn database(&self) -> &str {
        self.get("database").filter(|name| !name.is_empty()).unwrap_or_else(|| self.user())
    }

    /// The endpoint that the options name, without `-pooler`. `project=` is the older word for it.
    pub fn endpoint(&self) -> Option<&str> {
        let named = self.get("options")?.split_ascii_whitespace().find_map(endpoint_in)?;
        Some(named.strip_suffix("-pooler").unwrap_or(named))
    }

    /// The message for the backing server: its names, and options without those that PostgreSQL does not know.
    pub fn rewritten(&self, user: &str, database: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let mut put = |name: &str, value: &str| {
            for text in [name, value] {
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
        };
        put("user", user);
        put("database", database);
        for (name, value) in &self.parameters {
            match name.as_str() {
                "user" | "database" => {}
                "options" => {
                    let kept: Vec<&str> =
                        value.split_ascii_whitespace().filter(|word| endpoint_in(word).is_none()).collect();
                    if !kept.is_empty() {
                        put("options", &kept.join(" "));
                    }
                }
                name => put(name, value),
            }
        }
        body.push(0);
        packet(self.version, &body)
    }
}

fn endpoint_in(word: &str) -> Option<&str> {
    word.strip_prefix("endpoint=").or_else(|| word.strip_prefix("project="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: u32 = 3 << 16;

    fn startup(text: &str) -> Startup {
        Startup::parse(VERSION, text.as_bytes()).unwrap()
    }

    #[test]
    fn the_endpoint_is_found_in_the_options() {
        let named = |options: &str| startup(&format!("user\0u\0options\0{options}\0\0")).endpoint().map(String::from);
        assert_eq!(named("endpoint=ep-a-b-1"), Some("ep-a-b-1".into()));
        assert_eq!(named("-c geqo=off endpoint=ep-a-b-1-pooler"), Some("ep-a-b-1".into()));
        assert_eq!(named("project=ep-a-b-1"), Some("ep-a-b-1".into()));
        assert_eq!(named("-c geqo=off"), None);
    }

    #[test]
    fn the_rewritten_message_has_other_names_and_no_endpoint() {
        let given = startup("user\0u\0database\0d\0options\0endpoint=ep-a -c geqo=off\0application_name\0psql\0\0");
        let packet = given.rewritten("U", "D");
        assert_eq!(packet.len(), u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize);
        let expected = startup("user\0U\0database\0D\0options\0-c geqo=off\0application_name\0psql\0\0");
        assert_eq!(Startup::parse(VERSION, &packet[8..]).unwrap(), expected);
    }

    #[test]
    fn the_database_defaults_to_the_user() {
        assert_eq!(startup("user\0u\0\0").database(), "u");
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        assert!(Startup::parse(VERSION, b"user\0u").is_err());
        assert!(Startup::parse(VERSION, b"user").is_err());
        assert!(Startup::parse(2 << 16, b"user\0u\0\0").is_err());
    }
}
