//! Secrets: as they are, or in a file, as Docker and Kubernetes hand them out. One of the two: where both are given, nobody
//! knows which one counts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// Bytes of a file; whoever names a device by mistake is told so.
const LARGEST: u64 = 64 * 1024;

/// What is empty is not given.
pub fn given(text: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    match (text, file.filter(|path| !path.as_os_str().is_empty())) {
        (Some(_), Some(_)) => bail!("given twice, as a text and by a file: keep one of them"),
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(path)) => read(path).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(LARGEST + 1).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    match text.trim() {
        "" => bail!("{} is empty: put the secret into it", path.display()),
        _ if text.len() as u64 > LARGEST => bail!("{} has more than {LARGEST} bytes", path.display()),
        text => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("neon-emulator-{name}-{:016x}", rand::random::<u64>()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_secret_is_a_text_or_a_file_without_its_line_break() {
        let path = file("secret", "napi_1\r\n");
        assert_eq!(given(Some(" "), Some(Path::new(""))).unwrap(), None);
        assert_eq!(given(Some("napi_1\n"), None).unwrap().as_deref(), Some("napi_1"));
        assert_eq!(given(Some(""), Some(&path)).unwrap().as_deref(), Some("napi_1"));
        assert!(given(Some("napi_2"), Some(&path)).unwrap_err().to_string().contains("given twice"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_without_a_secret_is_named() {
        let empty = file("empty", " \n");
        for (path, why) in [
            (empty.as_path(), "is empty"),
            (Path::new("/none/here"), "No such file"),
            (Path::new("/dev/zero"), "65536"),
        ] {
            let told = format!("{:#}", given(None, Some(path)).unwrap_err());
            assert!(told.contains(why) && told.contains(path.to_str().unwrap()), "{told}");
        }
        std::fs::remove_file(empty).unwrap();
    }
}
