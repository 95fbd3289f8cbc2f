//! The console's files: stylesheet, script, WebAssembly, icons. A release build holds them; any other reads the folder in which a build has left them, so
//! that they may change without it. Names of files under `pkg` hold a hash of their content, unless the build left the hashes out.

use std::{fs, path::PathBuf};

use include_dir::Dir;

use crate::entry_files::EntryFiles;

/// What a build calls the files that a page begins with: `flotilla.<hash>.css`.
pub const NAME: &str = "flotilla";

#[derive(Clone, Debug)]
pub enum Site {
    Embedded(&'static Dir<'static>),
    Folder(PathBuf),
}

impl Site {
    /// What every page loads.
    pub fn entry_files(&self) -> EntryFiles {
        let address = |kind| format!("/pkg/{}", self.file_name(kind));
        EntryFiles { style: address("css"), script: address("js"), wasm: address("wasm") }
    }

    /// Whether names change with content, so that a browser may keep a file for ever.
    pub fn is_hashed(&self) -> bool {
        self.file_name("wasm") != plain_name("wasm")
    }

    /// What is wrong if the console can have neither styles nor script.
    pub fn lack(&self) -> Option<String> {
        let is_there = match self {
            Self::Embedded(_) => self.embedded_name("wasm").is_some(),
            Self::Folder(folder) => folder.join("pkg").is_dir(),
        };
        (!is_there).then(|| match self {
            Self::Embedded(_) => String::from("This program was built without the console's files: build it again with `make build`. Until then pages have neither styles nor script"),
            Self::Folder(folder) => format!(
                "The console's files are not in {}: build them with `make build`, and start the program that it makes (target/release/flotilla). Until then pages have neither styles nor script",
                folder.display()
            ),
        })
    }

    fn file_name(&self, kind: &str) -> String {
        let hashed = match self {
            Self::Embedded(_) => self.embedded_name(kind).map(str::to_owned),
            // Read each time: a build that goes on beside the server changes it.
            Self::Folder(_) => hash_beside_program(kind).map(|hash| format!("{NAME}.{hash}.{kind}")),
        };
        hashed.unwrap_or_else(|| plain_name(kind))
    }

    fn embedded_name(&self, kind: &str) -> Option<&'static str> {
        let Self::Embedded(files) = self else { return None };
        let names = files.get_dir("pkg")?.files().filter_map(|file| file.path().file_name()?.to_str());
        names.into_iter().find(|name| is_entry(name, kind))
    }
}

fn plain_name(kind: &str) -> String {
    format!("{NAME}.{kind}")
}

/// `flotilla.css` or `flotilla.<hash>.css`; other files of the kind, as parts that are loaded later, have longer names.
fn is_entry(name: &str, kind: &str) -> bool {
    let middle =
        name.strip_prefix(NAME).and_then(|rest| rest.strip_suffix(kind)).and_then(|rest| rest.strip_suffix('.'));
    middle.is_some_and(|middle| middle.is_empty() || middle.strip_prefix('.').is_some_and(|hash| !hash.contains('.')))
}

/// A build writes `hash.txt` beside the program: a line `css: <hash>` for each kind.
fn hash_beside_program(kind: &str) -> Option<String> {
    let hashes = fs::read_to_string(std::env::current_exe().ok()?.with_file_name("hash.txt")).ok()?;
    hashes.lines().find_map(|line| Some(line.strip_prefix(kind)?.strip_prefix(':')?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use include_dir::{DirEntry, File};

    use super::*;

    static HASHED: [DirEntry<'_>; 5] = [
        DirEntry::File(File::new("pkg/flotilla.d.tJaa.ts", b"")),
        DirEntry::File(File::new("pkg/flotilla.uy1-u_B2.css", b"")),
        DirEntry::File(File::new("pkg/flotilla.bYbd.js", b"")),
        DirEntry::File(File::new("pkg/flotilla.3JLD.wasm", b"")),
        DirEntry::File(File::new("pkg/flotilla.3JLD.wasm.br", b"")),
    ];
    static PKG: [DirEntry<'_>; 1] = [DirEntry::Dir(Dir::new("pkg", &HASHED))];
    static BUILT: Dir<'_> = Dir::new("", &PKG);
    static EMPTY: Dir<'_> = Dir::new("", &[]);

    #[test]
    fn the_names_that_a_page_loads_are_those_of_the_files_in_the_program() {
        let site = Site::Embedded(&BUILT);
        let expected = EntryFiles {
            style: String::from("/pkg/flotilla.uy1-u_B2.css"),
            script: String::from("/pkg/flotilla.bYbd.js"),
            wasm: String::from("/pkg/flotilla.3JLD.wasm"),
        };
        assert_eq!(site.entry_files(), expected);
        assert!(site.is_hashed() && site.lack().is_none());
    }

    #[test]
    fn only_the_first_files_are_taken_for_what_a_page_begins_with() {
        assert!(is_entry("flotilla.css", "css") && is_entry("flotilla.a1.css", "css"));
        for other in [
            "flotilla.d.a1.ts",
            "flotilla.a1.wasm.br",
            "flotilla_split.a1.wasm",
            "flotilla.split.a1.wasm",
            "other.wasm",
            "flotillawasm",
        ] {
            assert!(!is_entry(other, "wasm"), "{other}");
        }
    }

    #[test]
    fn what_is_not_built_is_said_with_the_command_that_builds_it() {
        for site in [Site::Embedded(&EMPTY), Site::Folder(PathBuf::from("/nowhere/site"))] {
            assert!(!site.is_hashed());
            assert!(site.lack().is_some_and(|lack| lack.contains("`make build`")), "{site:?}");
        }
    }
}
