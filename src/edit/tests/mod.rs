//! Edits of whole files; the tables of shapes are in the modules below.

mod file_shapes;
mod proofs;
mod properties;
mod refusals;
mod shapes;

use super::{Assignment, EditRequest, FileOutcome, plan_file};
use crate::manifest::{ManifestFile, Object, RawFile, Screen, parse};
use crate::reason::ReasonCode;

/// Reads one file that has something to edit.
pub(super) fn file(path: &str, text: &str) -> ManifestFile {
    let raw = RawFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let (set, diagnostics) = parse(vec![raw], &Screen::new());
    let found = set.files.into_iter().next();
    found.unwrap_or_else(|| panic!("no object in {text}\n{diagnostics:?}"))
}

/// Two annotations for an object's pod template.
pub(super) fn assignments(object: &Object) -> Vec<Assignment> {
    let template = object.workload().expect("a workload").template_path;
    let path = [template, &["metadata", "annotations"]].concat();
    let assignment = |key: &str, value: &str| Assignment {
        path: path.clone(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    vec![
        assignment("r/at", "2026-11-20T09:00:00Z"),
        assignment("r/for", "s2"),
    ]
}

pub(super) fn plan(file: &ManifestFile) -> FileOutcome {
    let requests: Vec<_> = file
        .objects
        .iter()
        .filter(|object| object.workload().is_some())
        .map(|object| EditRequest {
            object,
            assignments: assignments(object),
        })
        .collect();
    plan_file(file, &requests).0
}

pub(super) fn apply(file: &ManifestFile, outcome: &FileOutcome) -> String {
    let bytes = match &outcome.edit {
        Some(edit) => edit.edit.apply(&file.bytes).expect("an edit of this file"),
        None => file.bytes.clone(),
    };
    String::from_utf8(bytes).expect("text")
}

#[track_caller]
fn check_file(path: &str, before: &str, after: &str) {
    let read = file(path, before);
    let outcome = plan(&read);
    assert_eq!(outcome.refusals, [], "{before}");
    let edited = apply(&read, &outcome);
    assert_eq!(
        edited, after,
        "\n--- got:\n{edited}\n--- expected:\n{after}"
    );
    // A second edit changes nothing.
    let again = plan(&file(path, after));
    assert_eq!(again, FileOutcome::default(), "{after}");
}

const HEAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";

/// Checks the edit of a Deployment's `spec`, which the texts give.
#[track_caller]
fn check(before: &str, after: &str) {
    check_file(
        "a.yaml",
        &format!("{HEAD}{before}"),
        &format!("{HEAD}{after}"),
    );
    // The same with the other line ending.
    let crlf = |text: &str| format!("{HEAD}{text}").replace('\n', "\r\n");
    check_file("a.yaml", &crlf(before), &crlf(after));
}

#[track_caller]
fn check_refused(before: &str, code: ReasonCode, part: &str) {
    let read = file("a.yaml", &format!("{HEAD}{before}"));
    let outcome = plan(&read);
    assert_eq!(outcome.edit, None, "{before}");
    assert_eq!(outcome.refusals.len(), 1);
    let reason = &outcome.refusals[0].reason;
    assert_eq!(reason.code, code, "{reason:?}");
    assert!(reason.message.contains(part), "{}", reason.message);
}

#[test]
fn missing_levels_are_created() {
    check(
        "spec:\n  template:\n    spec:\n      containers: []\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: \"2026-11-20T09:00:00Z\"\n        \
         r/for: \"s2\"\n    spec:\n      containers: []\n",
    );
    check(
        "spec:\n  template:\n    metadata: # who\n      labels: {a: b}\n    spec: {}\n",
        "spec:\n  template:\n    metadata: # who\n      annotations:\n        r/at: \"2026-11-20T09:00:00Z\"\n        \
         r/for: \"s2\"\n      labels: {a: b}\n    spec: {}\n",
    );
}

#[test]
fn indentation_is_the_files_own() {
    for width in 1..=8 {
        let indented = |text: &str| text.replace('\t', &" ".repeat(width));
        check(
            &indented("spec:\n\ttemplate:\n\t\tmetadata:\n\t\t\tlabels: {a: b}\n\t\tspec: {}\n"),
            &indented(
                "spec:\n\ttemplate:\n\t\tmetadata:\n\t\t\tannotations:\n\t\t\t\tr/at: \
                 \"2026-11-20T09:00:00Z\"\n\t\t\t\tr/for: \"s2\"\n\t\t\tlabels: {a: b}\n\t\tspec: {}\n",
            ),
        );
    }
}

#[test]
fn existing_annotations_get_new_ones_first() {
    check(
        "spec:\n  template:\n    metadata:\n      annotations:\n        # why\n        a: b\n\n    spec: {}\n",
        "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: \"2026-11-20T09:00:00Z\"\n        \
         r/for: \"s2\"\n        # why\n        a: b\n\n    spec: {}\n",
    );
}
