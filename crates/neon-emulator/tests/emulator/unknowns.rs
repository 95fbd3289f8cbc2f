//! The switches for what Neon documents nowhere: the program and the README name the same ones.

use std::process::Command;

use neon_emulator::Unknowns;

const README: &str = include_str!("../../README.md");

#[test]
fn every_switch_is_in_the_readme_and_in_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_neon-emulator")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let in_readme: Vec<&str> = README
        .lines()
        .filter_map(|line| line.rsplit_once("| `")?.1.split_once("` |").map(|(name, _)| name))
        .filter(|name| Unknowns::MEANINGS.iter().any(|(known, _)| name.replace('-', "_") == *known))
        .collect();
    for (name, meaning) in Unknowns::MEANINGS {
        let name = name.replace('_', "-");
        assert!(help.contains(&format!("{name}:")), "{name} is not in the help");
        assert!(in_readme.contains(&name.as_str()), "{name} is not in the README: {meaning}");
    }
    assert_eq!(in_readme.len(), Unknowns::MEANINGS.len());
}
