//! What the demonstration keeps beside its PostgreSQL: its key, its ports, and the settings for scripts. All of mode 600.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// Replaces the file as a whole, readable by its owner only.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        // A file left by an earlier, broken-off run would keep its mode.
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}: check that the folder exists and is yours", path.display()))
}

/// The text of the file, made by `make` the first time.
///
/// # Errors
/// When it can be neither read nor written.
pub fn kept(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = make()?;
            write_private(path, &text)?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A port that stays the same from run to run, because connection strings hold it.
///
/// # Errors
/// When there is no free port, or the file cannot be used.
pub fn kept_port(path: &Path, preferred: u16) -> anyhow::Result<u16> {
    let text = kept(path, || {
        let listener = TcpListener::bind(("127.0.0.1", preferred))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
            .context("no free port")?;
        Ok(listener.local_addr()?.port().to_string())
    })?;
    text.parse().with_context(|| format!("{} holds no port: delete it and start again", path.display()))
}

/// The value of `name` in a file of `NAME='value'` lines.
pub fn env_value(path: &PathBuf, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches('\'').to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn private_files_are_private_and_replaced_whole() {
        let folder = std::env::temp_dir().join(format!("flotilla-files-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("demo.env");
        write_private(&path, "A='1'\nB='two words'\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(env_value(&path, "B").as_deref(), Some("two words"));
        write_private(&path, "A='2'\n").unwrap();
        assert_eq!(env_value(&path, "A").as_deref(), Some("2"));
        assert_eq!(env_value(&path, "B"), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
