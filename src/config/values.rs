//! What a setting may look like. An empty text counts as absent and is let through.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use ipnet::IpNet;
use reqwest::Url;

/// Networks in the notation 10.0.0.0/8; an address alone is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |text: &str| {
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                format!("“{text}” is no network. Write networks as 10.0.0.0/8 or 2001:db8::/32, with commas between")
            })
        };
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// An address on the web as such: nothing that only some part of a page would have.
///
/// # Errors
/// With a text that says what it should look like.
pub fn http_url(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    let wrong = |why: &str| format!("it {why}; write it as https://host or https://host:port/path");
    let url = Url::parse(trimmed).map_err(|_| wrong("is no URL"))?;
    // Of a slash too many a browser makes the first part of the path the host.
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) || trimmed.contains(":///")
    {
        return Err(wrong("has to begin with https:// or http:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("may hold neither a user nor a query"));
    }
    Ok(trimmed.to_owned())
}

/// Where browsers go: pages stand at the root.
///
/// # Errors
/// As [`http_url`].
pub fn public_url(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let text = http_url(text)?;
    match Url::parse(&text) {
        Ok(url) if url.path() == "/" => Ok(text),
        _ => Err(String::from(
            "pages stand at the root of a host; write it without a path, as https://fleet.example.com",
        )),
    }
}

/// `host:port`, with a port that somebody can be told.
///
/// # Errors
/// With a text that says what it should look like.
pub fn address_with_port(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_right = text.is_empty()
        || text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0)
        || text
            .rsplit_once(':')
            .is_some_and(|(host, port)| is_host_name(host) && port.parse().is_ok_and(|port: u16| port > 0));
    match is_right {
        true => Ok(text.to_owned()),
        false => Err(String::from("write an address of this machine and a port, as 10.0.0.5:9464 or [::1]:9464")),
    }
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// An id of Neon's.
///
/// # Errors
/// With a text that says where to find it.
pub fn id(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        true => Ok(text.to_owned()),
        false => Err(String::from(
            "an id holds letters, digits and hyphens; Neon's console shows it under the organisation's settings",
        )),
    }
}

/// An id of a key for sealing, as errors name it.
///
/// # Errors
/// With a text that says what it looks like.
pub fn key_id(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    match text.is_empty() || text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => {
            Err(String::from("the id of a key has 8 hexadecimal digits, as the refusal to start without it names them"))
        }
    }
}

/// A folder that is there.
///
/// # Errors
/// With a text that says so.
pub fn folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    match text.is_empty() || folder.is_dir() {
        true => Ok(folder),
        false => Err(String::from("there is no such folder; name one, or leave the setting out")),
    }
}
