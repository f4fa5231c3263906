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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use meshroll::diagnostic::{Code as _, DiagnosticCode};
use meshroll::edit::{Assignment, EditRequest, plan_file};
use meshroll::manifest::{self, ManifestFile, Object, RawFile, SIZE_LIMIT, Screen};
use serde::Deserialize as _;

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
    let files = raw.len();
    let (set, diagnostics) = manifest::parse(raw, &Screen::new());
    let mut tally = Tally {
        files,
        ..Tally::default()
    };
    for file in &set.files {
        edit(file, &mut tally);
    }
    print(&tally, &set, &diagnostics);
    let refused: usize = tally.refused.values().sum();
    let too_many = refused * 100 > tally.workloads;
    match tally.corrupted.is_empty() && !too_many {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
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
        .and_then(|new| check(file, &new, &changed, tally));
    if let Err(problem) = checked {
        tally.corrupted.push(format!("{}: {problem}", file.path));
    }
}

/// The restart of a workload with a template of its own.
fn assignments(object: &Object) -> Option<Vec<Assignment>> {
    let template = object.workload()?.template_path;
    let has_template = template
        .iter()
        .try_fold(&object.workload()?.spec, |spec, _| Some(spec))
        .is_some();
    let path = [template, &["metadata", "annotations"]].concat();
    (has_template && !object.workload()?.is_patch).then(|| {
        [RESTARTED_AT, RESTARTED_FOR]
            .map(|(key, value)| Assignment {
                path: path.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .to_vec()
    })
}

/// Checks a new file against the old one: values document by document, and lines.
fn check(
    file: &ManifestFile,
    new: &[u8],
    requests: &[&EditRequest<'_>],
    tally: &mut Tally,
) -> Result<(), String> {
    let old = std::str::from_utf8(&file.bytes).map_err(|error| error.to_string())?;
    let new = std::str::from_utf8(new).map_err(|error| error.to_string())?;
    check_lines(old, new, tally)?;
    check_values(old, new, requests, tally)?;
    check_again(file, new, requests)
}

/// Only lines of the restart may come or change.
fn check_lines(old: &str, new: &str, tally: &mut Tally) -> Result<(), String> {
    let is_ours = |line: &str| {
        let text = line.trim().trim_end_matches(['{', '}', ',', ' ']);
        line.contains(RESTARTED_AT.0)
            || line.contains(RESTARTED_FOR.0)
            || matches!(
                text.trim_matches(['"', '\'', ':'])
                    .trim_end_matches(['"', '\'']),
                "metadata" | "annotations" | ""
            )
    };
    let diff = similar::TextDiff::from_lines(old, new);
    let (mut added, mut removed) = (0, Vec::new());
    for change in diff.iter_all_changes() {
        let line = change.value();
        match change.tag() {
            similar::ChangeTag::Equal => {}
            similar::ChangeTag::Delete => removed.push(line.trim_end()),
            similar::ChangeTag::Insert if is_ours(line) => added += 1,
            // A last line that gets an end counts as changed.
            similar::ChangeTag::Insert if removed.contains(&line.trim_end()) => added += 1,
            similar::ChangeTag::Insert => return Err(format!("a line that is not ours: {line:?}")),
        }
    }
    let removed = removed.len();
    if added < removed {
        return Err("lines are lost".to_owned());
    }
    tally.added_lines += added - removed;
    tally.replaced_lines += removed;
    Ok(())
}

/// A second reading of both files gives the intended difference and no other.
fn check_values(
    old: &str,
    new: &str,
    requests: &[&EditRequest<'_>],
    tally: &mut Tally,
) -> Result<(), String> {
    let (Some(mut old), new) = (documents(old), documents(new)) else {
        tally.unchecked += 1;
        return Ok(());
    };
    let new = new.ok_or("the new file cannot be read")?;
    for request in requests {
        let name = &request.object.reference.name;
        let kind = &request.object.reference.kind;
        let mut objects = old.iter_mut().flat_map(objects_of);
        let object = objects
            .find(|object| {
                let field = |path: &[&str]| {
                    let mut value: &serde_yaml::Value = object;
                    for key in path {
                        value = value.get(*key)?;
                    }
                    value.as_str().map(str::to_owned)
                };
                let is_edited = get(object, &request.assignments[0].path)
                    .and_then(|annotations| annotations.get(RESTARTED_FOR.0))
                    .and_then(serde_yaml::Value::as_str)
                    == Some(RESTARTED_FOR.1);
                field(&["kind"]).as_ref() == Some(kind)
                    && field(&["metadata", "name"]).as_ref() == Some(name)
                    && !is_edited
            })
            .ok_or_else(|| format!("{kind} {name} is not found"))?;
        for assignment in &request.assignments {
            set(object, assignment).ok_or("no place for the annotations")?;
        }
    }
    match old == new {
        true => Ok(()),
        false => Err("values differ".to_owned()),
    }
}

fn documents(text: &str) -> Option<Vec<serde_yaml::Value>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_yaml::Value::deserialize(document).ok())
        .collect()
}

/// The document, or the items of a list.
fn objects_of(document: &mut serde_yaml::Value) -> Vec<&mut serde_yaml::Value> {
    let is_list = document
        .get("kind")
        .and_then(serde_yaml::Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if !is_list {
        return vec![document];
    }
    let items = document.get_mut("items");
    let items = items.and_then(serde_yaml::Value::as_sequence_mut);
    items
        .map(|items| items.iter_mut().collect())
        .unwrap_or_default()
}

fn get<'v>(value: &'v serde_yaml::Value, path: &[&str]) -> Option<&'v serde_yaml::Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

fn set(object: &mut serde_yaml::Value, assignment: &Assignment) -> Option<()> {
    let mut level = object;
    for key in &assignment.path {
        let mapping = level.as_mapping_mut()?;
        level = mapping
            .entry((*key).into())
            .or_insert(serde_yaml::Value::Null);
        if level.is_null() {
            *level = serde_yaml::Mapping::new().into();
        }
    }
    let key = assignment.key.as_str().into();
    level
        .as_mapping_mut()?
        .insert(key, assignment.value.as_str().into());
    Some(())
}

/// Editing the new file once more changes nothing.
fn check_again(
    file: &ManifestFile,
    new: &str,
    requests: &[&EditRequest<'_>],
) -> Result<(), String> {
    let raw = RawFile {
        path: file.path.clone(),
        bytes: new.as_bytes().to_vec(),
    };
    let (set, _) = manifest::parse(vec![raw], &Screen::new());
    let again = set.files.first().ok_or("the new file holds nothing")?;
    let requests: Vec<EditRequest<'_>> = file
        .objects
        .iter()
        .zip(&again.objects)
        .filter_map(|(old, object)| {
            let request = requests
                .iter()
                .find(|request| std::ptr::eq(request.object, old))?;
            let assignments = request.assignments.clone();
            Some(EditRequest {
                object,
                assignments,
            })
        })
        .collect();
    let (outcome, _) = plan_file(again, &requests);
    match outcome.edit.is_none() && outcome.refusals.is_empty() {
        true => Ok(()),
        false => Err(format!("a second edit changes it again: {outcome:?}")),
    }
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
