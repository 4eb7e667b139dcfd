//! What a machine can hold better than a reviewer: stories on top of files, the edges between crates, names,
//! cited statements, and nothing left unfinished.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Longest a file of ours may be: beyond, it holds two things.
const MOST_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of ours with this ending, their paths from the root and their texts.
fn sources(ending: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for directory in ["crates", "tests", "benches"] {
        collect(&root().join(directory), ending, &mut found)?;
    }
    ensure!(!found.is_empty(), "no file that ends in {ending} was found");
    Ok(found)
}

fn collect(directory: &Path, ending: &str, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // Build output and corpora are not ours to read.
            if !matches!(name.as_str(), "target" | "corpus" | "crashes") {
                collect(&path, ending, found)?;
            }
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            found.push((shown, text));
        }
    }
    Ok(())
}

fn none(faults: Vec<String>) -> Result<()> {
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

#[test]
fn every_file_opens_with_its_story() -> Result<()> {
    let files = sources(".rs")?;
    none(
        files
            .into_iter()
            .filter(|(_, text)| !text.starts_with("//! "))
            .map(|(path, _)| format!("{path}: no `//!` on its first line"))
            .collect(),
    )
}

#[test]
fn no_file_holds_two_things() -> Result<()> {
    let files = sources(".rs")?;
    none(
        files
            .into_iter()
            .map(|(path, text)| (path, text.lines().count()))
            .filter(|(_, lines)| *lines > MOST_LINES)
            .map(|(path, lines)| format!("{path}: {lines} lines; split it"))
            .collect(),
    )
}

#[test]
fn nothing_has_a_name_without_a_meaning() -> Result<()> {
    let empty = ["util", "utils", "common", "misc", "helper", "helpers", "manager"];
    let files = sources(".rs")?;
    none(
        files
            .into_iter()
            .filter(|(path, _)| {
                let words = path.trim_end_matches(".rs").split(['/', '_', '-']);
                words.into_iter().any(|word| empty.contains(&word))
            })
            .map(|(path, _)| format!("{path}: say what it is, not that it is useful"))
            .collect(),
    )
}

/// Dependencies point only down; what is not listed is not allowed.
#[test]
fn crates_depend_only_downwards() -> Result<()> {
    let allowed: [(&str, &[&str]); 9] = [
        ("packet", &[]),
        ("broker", &["packet"]),
        ("connection", &["broker", "packet"]),
        ("raft-log", &[]),
        ("replica", &["broker", "packet", "raft-log"]),
        ("node", &["connection", "replica", "broker", "packet"]),
        ("sim", &["connection", "broker", "packet"]),
        ("tests", &[]),
        ("benches", &["packet"]),
    ];
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources("Cargo.toml")? {
        let name = path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default().to_owned();
        let Some((_, edges)) = allowed.iter().find(|(crate_name, _)| *crate_name == name) else {
            // Fuzz targets and the like stand outside the workspace, beside the crate that they belong to.
            continue;
        };
        seen.insert(name.clone());
        // A test may look further than the code may reach.
        let code = text.split("[dev-dependencies]").next().unwrap_or_default();
        for line in code.lines().filter(|line| line.starts_with("quartet-")) {
            let to = line.trim_start_matches("quartet-").split(['.', ' ', '=']).next().unwrap_or_default();
            if !edges.contains(&to) {
                faults.push(format!("{path}: {name} may not depend on {to}"));
            }
        }
    }
    ensure!(seen.len() == allowed.len(), "only {seen:?} were found");
    none(faults)
}

/// The first three crates cannot reach clocks, sockets, threads or random maps.
#[test]
fn the_core_crates_are_no_std() -> Result<()> {
    let mut faults = Vec::new();
    for name in ["packet", "broker", "connection"] {
        let path = root().join("crates").join(name).join("src/lib.rs");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        if !text.contains("#![no_std]") {
            faults.push(format!("crates/{name}/src/lib.rs: no `#![no_std]`"));
        }
    }
    none(faults)
}

/// Every cited statement exists: an identifier that was made up, or mistyped, is worse than none.
#[test]
fn every_cited_statement_exists() -> Result<()> {
    let list = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("statement-ids.txt"))?;
    let known: BTreeSet<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let mut faults = Vec::new();
    let mut cited = 0;
    for (path, text) in sources(".rs")? {
        for (number, line) in text.lines().enumerate() {
            for id in citations(line) {
                cited += 1;
                if !known.contains(id) {
                    faults.push(format!("{path}:{}: [{id}] is no statement of the standard", number + 1));
                }
            }
        }
    }
    ensure!(cited > 0, "no citation was found at all");
    none(faults)
}

/// What stands in brackets and begins like an identifier, from `MQTT-` or `MQTT3-` and a digit on.
fn citations(line: &str) -> impl Iterator<Item = &str> {
    line.split('[').skip(1).filter_map(|rest| {
        let id = rest.split(']').next()?;
        let number = id.strip_prefix("MQTT-").or_else(|| id.strip_prefix("MQTT3-"))?;
        number.starts_with(|first: char| first.is_ascii_digit()).then_some(id)
    })
}

#[test]
fn citations_are_found() {
    let line = "as [MQTT-4.3.3-2] says, and `[MQTT3-2.3.1-4]`, not [MQTT-…] or [other]";
    assert_eq!(citations(line).collect::<Vec<_>>(), ["MQTT-4.3.3-2", "MQTT3-2.3.1-4"]);
}

/// Nothing is left for later in the code, and no test is switched off.
#[test]
fn nothing_is_left_unfinished() -> Result<()> {
    // Put together here, so that this file does not find itself.
    let words = [
        ["FIX", "ME"],
        ["XX", "X "],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["#[ig", "nore"],
        ["TO", "DO:"],
    ];
    let words: Vec<String> = words.iter().map(|halves| halves.concat()).collect();
    let mut faults = Vec::new();
    for (path, text) in sources(".rs")? {
        for (number, line) in text.lines().enumerate() {
            faults.extend(
                words
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{path}:{}: {word}", number + 1)),
            );
        }
    }
    none(faults)
}

/// Every test file of this crate is run: with `autotests` off, one that is not listed never is.
#[test]
fn every_test_file_is_listed() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(here.join("Cargo.toml"))?;
    let mut faults = Vec::new();
    for entry in fs::read_dir(here)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = if path.join("main.rs").exists() { format!("{name}/main.rs") } else { name };
        if file.ends_with(".rs") && !manifest.contains(&format!("path = \"{file}\"")) {
            faults.push(format!("tests/{file} is not in tests/Cargo.toml"));
        }
    }
    none(faults)
}
