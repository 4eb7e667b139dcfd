//! Golden scripts: what the core does, in words that a reader of the standard understands.
//!
//! Each file under `scripts/` is one story; its first line names the statement it shows. Commands stand above `---`,
//! what leaves the core below it; `tests/scripts/line.rs` tells the words. After each entry every invariant is checked,
//! and a frozen and thawed copy must be equal.
//!
//! `REWRITE_SCRIPTS=1 cargo test -p quartet-broker --test scripts` writes the output anew; review the difference.

#[path = "scripts/line.rs"]
mod line;
#[path = "scripts/show.rs"]
mod show;
#[path = "scripts/stage.rs"]
mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use stage::Stage;

#[test]
fn every_script_plays_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let rewrite = std::env::var_os("REWRITE_SCRIPTS").is_some();
    let scripts = scripts_under(&root);
    assert!(scripts.len() >= 40, "found only {} scripts", scripts.len());
    let mut different = Vec::new();
    for path in &scripts {
        let written = fs::read_to_string(path).expect("a script");
        let played = play(path, &written);
        if played == written {
            continue;
        }
        if rewrite {
            fs::write(path, &played).expect("the checkout can be written");
        } else {
            different.push(format!("{}:\n{}", path.display(), difference(&written, &played)));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// The script with the output it has now.
fn play(path: &Path, written: &str) -> String {
    let mut lines = written.lines();
    let first = lines.next().unwrap_or_default();
    assert!(
        first.starts_with("# [MQTT") || first.starts_with("# ("),
        "{}: the first line names the statement that is shown",
        path.display()
    );
    let mut stage = Stage::new();
    let mut played = format!("{first}\n");
    let mut output: Vec<String> = Vec::new();
    let mut skipping = false;
    for line in lines.chain([""]) {
        if skipping {
            skipping = !line.is_empty();
            if !skipping {
                played.push('\n');
            }
            continue;
        }
        if line == "---" {
            output.extend(stage.finish());
            played.push_str("---\n");
            if output.is_empty() {
                output.push("(nothing)".into());
            }
            for said in output.drain(..) {
                played.push_str(&said);
                played.push('\n');
            }
            skipping = true;
            continue;
        }
        played.push_str(line);
        played.push('\n');
        if !line.is_empty() && !line.starts_with('#') {
            let said = stage.play(line);
            output.extend(said.unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display())));
        }
    }
    assert!(output.is_empty(), "{}: commands after the last ---", path.display());
    played.trim_end().to_owned() + "\n"
}

fn scripts_under(root: &Path) -> Vec<PathBuf> {
    let mut open = vec![root.to_owned()];
    let mut scripts = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder of scripts") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                scripts.push(path);
            }
        }
    }
    scripts.sort();
    scripts
}

/// The first line that differs, with its neighbours.
fn difference(written: &str, played: &str) -> String {
    let (written, played): (Vec<_>, Vec<_>) = (written.lines().collect(), played.lines().collect());
    let same = written.iter().zip(&played).take_while(|(one, other)| one == other);
    let at = same.count();
    let from = at.saturating_sub(6);
    let excerpt = |lines: &[&str]| lines[from.min(lines.len())..(at + 6).min(lines.len())].join("\n");
    format!("line {}, written:\n{}\n\nplayed:\n{}\n", at + 1, excerpt(&written), excerpt(&played))
}
