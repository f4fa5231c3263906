//! Edits every workload of every manifest below some directories, in memory, and checks the result
//! independently of the editor's own proof.
//!
//! `cargo run --example corpus -- DIR…` prints what was found, edited and refused; it fails on any
//! corruption, and when more than one in a hundred of the workloads that were read is refused.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that prints its findings"
)]

mod check;
mod suite;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use meshroll::diagnostic::{Code as _, DiagnosticCode};
use meshroll::edit::{Assignment, EditRequest, plan_file};
use meshroll::manifest::{self, ManifestFile, Object, RawFile, SIZE_LIMIT, Screen};

const RESTARTED_AT: (&str, &str) = ("kubectl.kubernetes.io/restartedAt", "2026-11-20T09:00:00Z");
const RESTARTED_FOR: (&str, &str) = ("meshroll.dev/restarted-for", "1.27.3/default/1.9f2c41");

/// What was counted.
#[derive(Debug, Default)]
struct Tally {
    files: usize,
    workloads: usize,
    edited: usize,
    unchanged: usize,
    added_lines: usize,
    replaced_lines: usize,
    unchecked: usize,
    refused: BTreeMap<String, usize>,
    corrupted: Vec<String>,
}

fn main() -> ExitCode {
    let roots: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if roots.is_empty() {
        eprintln!("usage: corpus DIR…");
        return ExitCode::from(64);
    }
    let mut paths = Vec::new();
    for root in &roots {
        collect(root, &mut paths);
    }
    paths.sort();
    let raw: Vec<RawFile> = paths.iter().filter_map(|path| read(path)).collect();
    let cases: Vec<RawFile> = raw.iter().flat_map(suite::manifests).collect();
    let manifests_hold = run("manifests", raw);
    // Cases are there to be odd: only corruption counts.
    let suite_holds = cases.is_empty() || run("test suite", cases).0;
    match manifests_hold == (true, true) && suite_holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Edits all files, and prints what became of them: whether nothing is corrupted, and whether no
/// more than one workload in a hundred is refused.
fn run(what: &str, raw: Vec<RawFile>) -> (bool, bool) {
    let mut tally = Tally {
        files: raw.len(),
        ..Tally::default()
    };
    let (set, diagnostics) = manifest::parse(raw, &Screen::new());
    for file in &set.files {
        edit(file, &mut tally);
    }
    println!("{what}");
    print(&tally, &set, &diagnostics);
    let refused: usize = tally.refused.values().sum();
    (tally.corrupted.is_empty(), refused * 100 <= tally.workloads)
}

/// Every manifest below a directory, without following links.
fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, paths),
            Ok(kind) if kind.is_file() && manifest::is_manifest_path(&path.to_string_lossy()) => {
                paths.push(path);
            }
            _ => {}
        }
    }
}

fn read(path: &Path) -> Option<RawFile> {
    let is_small = std::fs::metadata(path).is_ok_and(|data| data.len() <= SIZE_LIMIT);
    let bytes = is_small.then(|| std::fs::read(path).ok())??;
    let path = path.to_string_lossy().into_owned();
    Some(RawFile { path, bytes })
}

/// Edits all workloads of a file together.
fn edit(file: &ManifestFile, tally: &mut Tally) {
    let requests: Vec<EditRequest<'_>> = file
        .objects
        .iter()
        .filter_map(|object| {
            let assignments = assignments(object)?;
            Some(EditRequest {
                object,
                assignments,
            })
        })
        .collect();
    tally.workloads += requests.len();
    let (outcome, _) = plan_file(file, &requests);
    for refusal in &outcome.refusals {
        let message = &refusal.reason.message;
        let what = message.splitn(3, ':').last().unwrap_or(message).trim();
        let what = format!("{}: {what}", refusal.reason.code);
        *tally.refused.entry(what).or_default() += 1;
    }
    let Some(edit) = &outcome.edit else {
        tally.unchanged += requests.len() - outcome.refusals.len();
        return;
    };
    tally.edited += edit.objects.len();
    let changed: Vec<&EditRequest<'_>> = requests
        .iter()
        .enumerate()
        .filter(|(number, _)| {
            let is_refused = |refusal: &meshroll::edit::Refusal| refusal.request == *number;
            !outcome.refusals.iter().any(is_refused)
        })
        .map(|(_, request)| request)
        .collect();
    let new = edit.edit.apply(&file.bytes);
    let checked = new
        .map_err(|error| error.to_string())
        .and_then(|new| check::check(file, &new, &changed, tally));
    if let Err(problem) = checked {
        tally.corrupted.push(format!("{}: {problem}", file.path));
    }
}

/// The restart of a workload with a template.
fn assignments(object: &Object) -> Option<Vec<Assignment>> {
    let workload = object.workload().filter(|workload| !workload.is_patch)?;
    let path = [workload.template_path, &["metadata", "annotations"]].concat();
    let assignments = [RESTARTED_AT, RESTARTED_FOR].map(|(key, value)| Assignment {
        path: path.clone(),
        key: key.to_owned(),
        value: value.to_owned(),
    });
    Some(assignments.to_vec())
}

fn print(
    tally: &Tally,
    set: &manifest::ManifestSet,
    diagnostics: &[meshroll::diagnostic::Diagnostic],
) {
    let count = |code: DiagnosticCode| {
        let of_code = diagnostics.iter().filter(|one| one.code == code);
        of_code.count()
    };
    println!("files       {:>7}", tally.files);
    println!(
        "templated   {:>7}  ({} workloads recognised)",
        count(DiagnosticCode::ManifestTemplated),
        set.templates.len()
    );
    println!(
        "unparsable  {:>7}",
        count(DiagnosticCode::ManifestUnparsable)
    );
    println!("workloads   {:>7}", tally.workloads);
    println!(
        "edited      {:>7}  (+{} lines, {} replaced)",
        tally.edited, tally.added_lines, tally.replaced_lines
    );
    println!("unchanged   {:>7}", tally.unchanged);
    println!(
        "unchecked   {:>7}  (files that the second reader cannot read)",
        tally.unchecked
    );
    for (what, count) in &tally.refused {
        println!("refused     {count:>7}  {what}");
    }
    for problem in &tally.corrupted {
        println!("CORRUPTED   {problem}");
    }
    if std::env::var_os("CORPUS_VERBOSE").is_some() {
        for one in diagnostics {
            let place = one.location.as_ref().map(ToString::to_string);
            println!(
                "{} {} {}",
                one.code.code(),
                place.unwrap_or_default(),
                one.message
            );
        }
    }
    let refused: usize = tally.refused.values().sum();
    let share = 100.0 * refused as f64 / tally.workloads.max(1) as f64;
    println!("refused share of what was read: {share:.2} %");
}
