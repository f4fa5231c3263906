//! Scenarios: every folder of `fixtures/scenarios` is a case, run end to end.
//!
//! `manifests/` is the repository, `snapshot.yaml` the cluster beside the shared control plane
//! (`control-plane.yaml`, unless the folder has its own), `meshroll.yaml` the configuration if there
//! is one. `plan.txt` is the expected answer of `meshroll plan -o wide`, and `expected/` holds the
//! files that `apply --to worktree` changes.

use std::fs;
use std::path::{Path, PathBuf};

use meshroll::diagnostic::Code as _;
use meshroll::reason::Verdict;

use crate::common::{Repository, golden, project};

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("fixtures/scenarios")).expect("scenarios");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

#[test]
fn every_scenario_gives_its_plan() {
    for folder in scenarios() {
        let repository = repository(&folder);
        let mut arguments = vec!["plan".to_owned(), "-o".into(), "wide".into()];
        arguments.extend(inputs(&folder));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let outcome = repository.meshroll(&arguments).run();
        assert_eq!(
            outcome.status,
            0,
            "{}: {}",
            folder.display(),
            outcome.stderr
        );
        golden(
            &folder.join("plan.txt"),
            &format!("{}{}", outcome.stderr, outcome.stdout),
        );
    }
}

#[test]
fn every_scenario_changes_the_expected_files_and_no_other() {
    for folder in scenarios() {
        let repository = repository(&folder);
        let mut arguments = vec![
            "apply".to_owned(),
            "--to".into(),
            "worktree".into(),
            "--allow-large".into(),
        ];
        arguments.extend(inputs(&folder));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        repository.meshroll(&arguments).succeed();
        let expected = folder.join("expected");
        let changed = repository.git(&["diff", "--name-only"]);
        for path in changed.lines() {
            let path_expected = expected.join(path);
            if std::env::var_os("MESHROLL_UPDATE_EXPECTED").is_some() {
                fs::create_dir_all(path_expected.parent().expect("a parent")).expect("a directory");
            }
            golden(&path_expected, &repository.read(path));
        }
        assert_eq!(
            files(&expected),
            changed.lines().count(),
            "{}",
            folder.display()
        );
    }
}

#[test]
fn every_verdict_has_a_scenario() {
    let plans: String = scenarios()
        .iter()
        .map(|folder| fs::read_to_string(folder.join("plan.txt")).expect("readable"))
        .collect();
    for verdict in Verdict::ALL {
        let word = format!(" {} ", verdict.code());
        assert!(plans.contains(&word), "no scenario ends with {verdict}");
    }
}

fn repository(folder: &Path) -> Repository {
    let repository = Repository::of(&folder.join("manifests"));
    let configuration = folder.join("meshroll.yaml");
    if configuration.exists() {
        fs::copy(configuration, repository.path().join("meshroll.yaml")).expect("copied");
        repository.commit("configuration");
    }
    repository
}

fn inputs(folder: &Path) -> Vec<String> {
    let own = folder.join("control-plane.yaml");
    let shared = folder.with_file_name("control-plane.yaml");
    let control_plane = if own.exists() { own } else { shared };
    let path = |path: PathBuf| format!("--snapshot={}", path.display());
    vec![
        path(control_plane),
        path(folder.join("snapshot.yaml")),
        "--now=2026-11-20T09:00:00Z".into(),
    ]
}

fn files(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}
