//! The modules of each crate depend one way: of the files and folders that lie side by side, none needs another that
//! needs it, over however many steps. A file may use what the folder around it shares out, as that is found where it
//! comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// By path, as `api::projects`; the crate itself is the empty one.
type Modules = BTreeMap<String, Module>;
type Edges = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
struct Module {
    /// Names that it brings into its scope, with the paths that they come from.
    imports: BTreeMap<String, String>,
    paths: BTreeSet<String>,
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.into() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn read(folder: &Path, prefix: &str, modules: &mut Modules) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        match name {
            // Programs use the crate from outside.
            "main" | "bin" => {}
            _ if path.is_dir() => read(&path, &join(prefix, name), modules),
            "mod" | "lib" => drop(modules.insert(prefix.into(), parsed(&path))),
            name => drop(modules.insert(join(prefix, name), parsed(&path))),
        }
    }
}

/// What the code names outside of its tests.
fn parsed(path: &Path) -> Module {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join(" ");
    let mut module = Module::default();
    let mut rest = code.as_str();
    while let Some((before, used)) = rest.split_once("use ") {
        let begins = before.ends_with(|letter: char| letter.is_whitespace() || letter == ')') || before.is_empty();
        let (statement, after) = used.split_once(';').unwrap_or((used, ""));
        if begins {
            for path in expanded(statement.trim()) {
                let name = path.rsplit("::").next().unwrap().to_owned();
                module.paths.insert(path.clone());
                module.imports.insert(name, path);
            }
        }
        rest = if begins { after } else { used };
    }
    let is_of_a_path = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = code.split(|letter: char| !is_of_a_path(letter));
    module.paths.extend(words.filter(|word| word.contains("::")).map(|word| word.trim_matches(':').to_owned()));
    module
}

/// The single paths of a `use`, without their groups and renamings.
fn expanded(statement: &str) -> Vec<String> {
    let Some((start, group)) = statement.split_once('{') else {
        let path = statement.split(" as ").next().unwrap().trim().trim_end_matches("::self");
        return vec![path.to_owned()];
    };
    // The word in a text is no statement.
    let Some(group) = group.trim_end().strip_suffix('}') else { return Vec::new() };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in group.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            letter => parts.last_mut().unwrap().push(letter),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(&format!("{start}{}", part.trim()))).collect()
}

/// The module that a path leads to, seen from another; none outside of the crate.
fn resolved(modules: &Modules, from: &str, path: &str, depth: usize) -> Option<String> {
    let (mut at, mut words) = (from.to_owned(), path.split("::").peekable());
    match *words.peek()? {
        "crate" => at.clear(),
        "super" => parent(from).clone_into(&mut at),
        word if modules.contains_key(&join(from, word)) => at = join(from, word),
        word => {
            return modules[from]
                .imports
                .get(word)
                .filter(|_| path.contains("::") && depth < 9)
                .and_then(|origin| (origin != path).then(|| resolved(modules, from, origin, depth + 1)).flatten());
        }
    }
    words.next();
    for word in words {
        let inner = join(&at, word);
        if word == "super" {
            parent(&at.clone()).clone_into(&mut at);
        } else if modules.contains_key(&inner) {
            at = inner;
        } else if let Some(origin) = modules[&at].imports.get(word).filter(|_| depth < 9) {
            return resolved(modules, &at, origin, depth + 1).or(Some(at));
        } else {
            break;
        }
    }
    Some(at)
}

/// What lies side by side: each dependency counts where the ways to its two ends part.
fn dependencies(modules: &Modules) -> Edges {
    let mut edges = Edges::new();
    for (from, module) in modules {
        for to in module.paths.iter().filter_map(|path| resolved(modules, from, path, 0)) {
            let (mine, other): (Vec<_>, Vec<_>) = (from.split("::").collect(), to.split("::").collect());
            let shared = mine.iter().zip(&other).take_while(|(one, two)| one == two).count();
            // What surrounds a module, or lies in it, is no neighbour.
            if shared < mine.len() && shared < other.len() && !from.is_empty() && !to.is_empty() {
                edges.entry(mine[..=shared].join("::")).or_default().insert(other[..=shared].join("::"));
            }
        }
    }
    edges
}

/// A way from a module back to it, if there is one.
fn circle(edges: &Edges) -> Option<Vec<String>> {
    fn follow(edges: &Edges, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let at = way.last().unwrap().clone();
        for next in edges.get(&at).into_iter().flatten() {
            let is_on_the_way = way.contains(next);
            if !is_on_the_way && done.contains(next) {
                continue;
            }
            way.push(next.clone());
            if is_on_the_way || follow(edges, way, done) {
                return true;
            }
            way.pop();
        }
        done.insert(at);
        false
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        follow(edges, &mut way, &mut done).then_some(way)
    })
}

/// Every crate of the workspace by its name, the web application as `src`.
fn crates() -> BTreeMap<String, Modules> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let named = folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path.join("src")));
    let all = named.chain([("src".to_owned(), root.join("src"))]);
    all.map(|(name, folder)| {
        let mut modules = Modules::new();
        read(&folder, "", &mut modules);
        (name, modules)
    })
    .collect()
}

#[test]
fn modules_depend_one_way() {
    let crates = crates();
    assert!(crates.len() > 10, "the crates are not where they were");
    for (name, modules) in &crates {
        assert_eq!(circle(&dependencies(modules)), None, "in {name} these need each other");
    }
}

/// What is known to be there is seen, also where a folder shares it out; and so would be a circle.
#[test]
fn a_circle_would_be_seen() {
    let crates = crates();
    for (name, from, to) in [
        ("neon-emulator", "emulator", "store"),
        ("neon-emulator", "model::timing", "model::action"),
        ("ledger", "breaker", "creation"),
        ("src", "demo", "auth"),
        ("src", "http", "app"),
    ] {
        let mut edges = dependencies(&crates[name]);
        assert!(edges[from].contains(to), "{from} uses {to}: {:?}", edges[from]);
        edges.entry(to.into()).or_default().insert(from.into());
        assert!(circle(&edges).is_some(), "{from} ↔ {to}");
    }
}
