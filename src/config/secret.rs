//! Secrets: from an environment variable, from a file that `…_FILE` or `--…-file` names (Docker, Kubernetes), or from a credential of systemd, which lies
//! under the variable's name in `$CREDENTIALS_DIRECTORY`. From one of them: where two are given, nobody knows which one counts.

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use secrecy::{SecretString, zeroize::Zeroizing};

use super::Config;

/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Bytes of a file; a key has less than a hundred, and whoever names a device by mistake is told so.
const LARGEST: u64 = 64 * 1024;

/// The value of an environment variable.
pub trait Environment: Fn(&str) -> Option<OsString> {}
impl<F: Fn(&str) -> Option<OsString>> Environment for F {}

impl Config {
    /// Reads the secrets, which are no arguments.
    ///
    /// # Errors
    /// With a text that says what to do, and tells nothing of a secret.
    pub fn read_secrets(&mut self, environment: &impl Environment) -> Result<(), String> {
        self.database_url = read("DATABASE_URL", self.database_url_file.as_deref(), environment)?;
        self.neon_api_key = read("NEON_API_KEY", self.neon_api_key_file.as_deref(), environment)?;
        self.secret_key = read("FLOTILLA_SECRET_KEY", self.secret_key_file.as_deref(), environment)?;
        let previous = read("FLOTILLA_PREVIOUS_SECRET_KEYS", self.previous_secret_keys_file.as_deref(), environment)?;
        self.previous_secret_keys = previous.iter().flat_map(several).collect();
        Ok(())
    }
}

/// Keys with commas or line breaks between.
fn several(keys: &SecretString) -> Vec<SecretString> {
    let keys = secrecy::ExposeSecret::expose_secret(keys);
    keys.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()).map(SecretString::from).collect()
}

enum Source {
    Variable(OsString),
    File(String, PathBuf),
}

impl Source {
    fn in_words(&self, name: &str) -> String {
        match self {
            Self::Variable(_) => format!("the variable {name}"),
            Self::File(by, path) => format!("{by} ({})", path.display()),
        }
    }
}

fn read(name: &str, file: Option<&Path>, environment: &impl Environment) -> Result<Option<SecretString>, String> {
    let mut sources = Vec::new();
    if let Some(text) = environment(name).filter(|text| !text.to_string_lossy().trim().is_empty()) {
        sources.push(Source::Variable(text));
    }
    if let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) {
        sources.push(Source::File(format!("{name}_FILE"), path.to_owned()));
    }
    let credential = environment(CREDENTIALS_DIRECTORY).map(|folder| Path::new(&folder).join(name));
    if let Some(path) = credential.filter(|path| path.exists() && Some(path.as_path()) != file) {
        sources.push(Source::File(format!("the credential {name}"), path));
    }
    if let [one, other, ..] = &sources[..] {
        let (one, other) = (one.in_words(name), other.in_words(name));
        return Err(format!("{name} is given twice, by {one} and by {other}: keep one of them"));
    }
    match sources.pop() {
        None => Ok(None),
        Some(Source::Variable(text)) => match text.into_string() {
            Ok(text) => Ok(Some(SecretString::from(Zeroizing::new(text).trim()))),
            Err(_) => Err(format!("{name} is no text: it holds bytes that are no UTF-8. Set it again")),
        },
        Some(Source::File(by, path)) => read_file(&path).map(Some).map_err(|why| {
            format!(
                "{by} names {}, {why}. Put the secret into this file, for the user who runs Flotilla to read",
                path.display()
            )
        }),
    }
}

/// The text of a file without the line break at its end.
fn read_file(path: &Path) -> Result<SecretString, String> {
    let mut text = Zeroizing::new(String::new());
    let outcome = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match outcome {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(String::from("which is no text")),
        Err(error) => Err(format!("which cannot be read: {error}")),
        Ok(_) if text.len() as u64 > LARGEST => Err(format!("which has more than {LARGEST} bytes")),
        Ok(_) if text.trim().is_empty() => Err(String::from("which is empty")),
        Ok(_) => Ok(SecretString::from(text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use secrecy::ExposeSecret;

    use super::*;

    const NAME: &str = "NEON_API_KEY";

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("flotilla-secrets-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    fn given(file: Option<&Path>, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let read = read(NAME, file, &|name: &str| variables.get(name).map(OsString::from))?;
        Ok(read.map(|secret| secret.expose_secret().to_owned()))
    }

    #[test]
    fn a_secret_comes_from_a_variable_a_file_or_a_credential_without_its_line_break() {
        let folder = folder();
        let file = folder.join(NAME);
        fs::write(&file, "napi_1\r\n").unwrap();
        let credentials = ("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
        assert_eq!(given(None, &[]).unwrap(), None);
        assert_eq!(given(None, &[(NAME, "napi_1\n")]).unwrap().as_deref(), Some("napi_1"));
        assert_eq!(given(Some(&file), &[]).unwrap().as_deref(), Some("napi_1"));
        assert_eq!(given(None, &[credentials]).unwrap().as_deref(), Some("napi_1"));
        // As a unit has it that names the credential's file itself.
        assert_eq!(given(Some(&file), &[credentials]).unwrap().as_deref(), Some("napi_1"));
        assert_eq!(given(Some(&file), &[(NAME, "")]).unwrap().as_deref(), Some("napi_1"), "an empty variable is none");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_secret_that_is_given_twice_is_refused_and_not_told() {
        let folder = folder();
        let file = folder.join("another");
        fs::write(&file, "napi_1").unwrap();
        fs::write(folder.join(NAME), "napi_2").unwrap();
        let credentials = ("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
        for refused in [
            given(Some(&file), &[(NAME, "napi_3")]),
            given(None, &[(NAME, "napi_3"), credentials]),
            given(Some(&file), &[credentials]),
        ] {
            let words = refused.unwrap_err();
            assert!(words.contains("NEON_API_KEY is given twice") && words.contains("keep one"), "{words}");
            assert!(!words.contains("napi_"), "{words}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_secret_is_named_with_what_is_wrong() {
        let folder = folder();
        let write = |name: &str, bytes: &[u8]| {
            fs::write(folder.join(name), bytes).unwrap();
            folder.join(name)
        };
        let cases = [
            (folder.join("none"), "cannot be read: No such file"),
            (folder.clone(), "cannot be read: Is a directory"),
            (write("empty", b" \n"), "is empty"),
            (write("binary", b"\xff\xfe"), "is no text"),
            (PathBuf::from("/dev/zero"), "more than 65536 bytes"),
        ];
        for (path, why) in cases {
            let words = given(Some(&path), &[]).unwrap_err();
            assert!(words.contains("NEON_API_KEY_FILE names") && words.contains(why), "{words}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
