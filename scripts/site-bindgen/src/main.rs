//! `site-bindgen INPUT.wasm FOLDER NAME [--split]`: turns the WebAssembly that cargo built into `NAME.js`, `NAME_bg.wasm` and, if it is
//! to be split, a module for each lazy route, with `__wasm_split.js` to load them.
//!
//! The work is done by the libraries behind the programs `wasm-bindgen` and `cargo leptos --split`, which bring four hundred packages more.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::{Options, transform};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [input, folder, name] => bind(Path::new(input), Path::new(folder), name, false),
        [input, folder, name, "--split"] => bind(Path::new(input), Path::new(folder), name, true),
        _ => Err("usage: site-bindgen INPUT.wasm FOLDER NAME [--split]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("site-bindgen: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn bind(input: &Path, folder: &Path, name: &str, split: bool) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let mut module = fs::read(input)?;
    if split {
        module = main_part(&module, folder, name)?;
    }
    // What is split calls across modules by the linker's names.
    let mut bindgen = Bindgen::new();
    bindgen.input_bytes(name, module).out_name(name).web(true)?.typescript(false);
    bindgen.keep_lld_exports(split).demangle(!split).generate(folder)?;
    Ok(())
}

/// Writes the lazy parts into the folder, and returns what is loaded at once.
fn main_part(module: &[u8], folder: &Path, name: &str) -> Outcome<Vec<u8>> {
    let main = folder.join("main.wasm");
    let main_module = format!("./{name}.js");
    let mut options = Options::new(module);
    options.output_dir = folder;
    options.main_out_path = &main;
    options.main_module = &main_module;
    transform(options)?;
    let content = fs::read(&main)?;
    fs::remove_file(&main)?;
    Ok(content)
}
