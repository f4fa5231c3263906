//! Rules of the house that no compiler checks (the crate's documentation, *Invariants*).

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::project;

/// The stages in the order in which data flows; an import may only point back.
const ORDER: [&str; 15] = [
    "diagnostic",
    "reason",
    "config",
    "manifest",
    "snapshot",
    "mesh",
    "rollout",
    "gitops",
    "decision",
    "wave",
    "edit",
    "publish",
    "report",
    "edge",
    "run",
];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![project().join("src")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                let relative = path
                    .strip_prefix(project().join("src"))
                    .expect("inside")
                    .to_owned();
                found.push((relative, production(&text).to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// The text without its unit tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

fn room(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .expect("a component")
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    path.components().any(|part| part.as_os_str() == "tests")
        || ["tests", "testing", "real_data"].contains(&&*name)
        || name.ends_with("_tests")
}

#[test]
fn a_stage_uses_earlier_stages_only() {
    let position = |room: &str| ORDER.iter().position(|other| *other == room);
    for (path, text) in sources() {
        let Some(here) = position(&room(&path)).filter(|_| !is_test(&path)) else {
            continue;
        };
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                // What `error` and the command line know, `run` alone needs.
                let later = position(&used).is_some_and(|there| there > here);
                let upstairs = ["run", "cli", "error"].contains(&&*used) && room(&path) != "run";
                assert!(!later && !upstairs, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_core_does_no_input_or_output() {
    let forbidden = [
        "std::fs",
        "std::process",
        "std::env",
        "std::net::Tcp",
        "std::net::Udp",
        "thread::sleep",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "println!",
        "eprintln!",
        "tokio::",
        "rand::",
    ];
    for (path, text) in sources() {
        if ["edge", "main", "run", "cli"].contains(&&*room(&path)) || is_test(&path) {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in forbidden {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn only_reports_and_recordings_are_serialised() {
    for (path, text) in sources() {
        let owner = ["report", "snapshot"].contains(&&*room(&path));
        let serialises = text
            .lines()
            .any(|line| line.contains("derive(") && line.contains("Serialize"));
        // A fingerprint's canonical JSON is serialised too, and goes nowhere else.
        let fingerprint = path.ends_with("mesh/fingerprint.rs");
        assert!(owner || fingerprint || !serialises, "{}", path.display());
    }
}

#[test]
fn text_edits_know_bytes_and_ranges_only() {
    let text = fs::read_to_string(project().join("src/edit/text_edit.rs")).expect("readable");
    assert!(!production(&text).contains("crate::"));
}

#[test]
fn files_and_main_stay_small() {
    for (path, text) in sources().into_iter().filter(|(path, _)| !is_test(path)) {
        let limit = if path.ends_with("main.rs") && path.components().count() == 1 {
            40
        } else {
            600
        };
        let lines = text.lines().count();
        assert!(lines <= limit, "{}: {lines} lines", path.display());
    }
}
