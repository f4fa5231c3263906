//! What is refused, and that it takes nothing else with it.

use super::{apply, check_refused, file, plan};
use crate::diagnostic::DiagnosticCode;
use crate::edit::{EditRequest, plan_file};
use crate::reason::ReasonCode::{TemplatedManifest, UneditableManifest};

#[test]
fn uneditable_manifest() {
    for (text, part) in [
        (
            "x: &t\n  metadata: {}\nspec:\n  template: *t\n",
            "an alias stands",
        ),
        (
            "spec:\n  template: &t\n    spec: {}\nother: *t\n",
            "an alias repeats",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations: &a {a: b}\nother: *a\n",
            "an alias repeats",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations: &a\nother: *a\n",
            "an alias repeats",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: &a x\nother: *a\n",
            "an alias repeats",
        ),
        (
            "x: &m {annotations: {a: b}}\nspec:\n  template:\n    metadata:\n      <<: *m\n",
            "a merge key",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations: {a: b}\n      annotations: {c: d}\n",
            "`annotations` stands here twice",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: a\n        \"r/at\": b\n",
            "`r/at` stands here twice",
        ),
        (
            "spec:\n  template:\n    ? metadata\n    : labels: {}\n",
            "written with `?`",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations: [a]\n",
            "`annotations` is no mapping",
        ),
        ("spec:\n  template: !x\n    spec: {}\n", "a tag"),
        (
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: !x y\n",
            "a tag",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: [x]\n",
            "the value of `r/at`",
        ),
        (
            "spec:\n  template:\n    metadata:\n      annotations:\n        r/at: |2\n            x\n",
            "the value of `r/at`",
        ),
        ("spec:\n  replicas: 1\n", "`template` is missing"),
        ("spec:\n  template:\n", "`template` is missing"),
    ] {
        check_refused(text, UneditableManifest, part);
    }
}

#[test]
fn templated_manifest() {
    // Reading already tells most templates; this one comes between reading and editing.
    let text = WEB.replace("template: {}", "template: {x: {q: r}}");
    let old = file("a.yaml", &text);
    let mut read = old.clone();
    read.bytes = text.replace("x: {q: r}", "{q: r}: x").into_bytes();
    let request = EditRequest {
        object: &old.objects[0],
        assignments: super::assignments(&old.objects[0]),
    };
    let (outcome, _) = plan_file(&read, &[request]);
    assert_eq!(outcome.edit, None);
    assert_eq!(outcome.refusals[0].reason.code, TemplatedManifest);
}

const WEB: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template: {}\n";

#[test]
fn edit_refused() {
    let bad = WEB.replace("template: {}", "template: !x {}");
    let read = file("a.yaml", &format!("{WEB}---\n{bad}---\n{WEB}"));
    let requests: Vec<_> = read
        .objects
        .iter()
        .map(|object| EditRequest {
            object,
            assignments: super::assignments(object),
        })
        .collect();
    let (outcome, diagnostics) = plan_file(&read, &requests);
    assert_eq!(outcome.edit.expect("an edit").objects.len(), 2);
    assert_eq!(outcome.refusals.len(), 1);
    assert_eq!(outcome.refusals[0].request, 1);
    assert_eq!(
        outcome.refusals[0].reason.message.split(": ").next(),
        Some("a.yaml:11")
    );
    assert_eq!(diagnostics[0].code, DiagnosticCode::EditRefused);
}

#[test]
fn a_refused_item_leaves_the_other_items_of_its_list() {
    let items = "- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: !x {name: \
                 b}}\n- {apiVersion: v1, kind: Pod, metadata: {name: c}}\n";
    let read = file(
        "a.yaml",
        &format!("apiVersion: v1\nkind: List\nitems:\n{items}"),
    );
    let outcome = plan(&read);
    assert_eq!(outcome.refusals.len(), 1);
    assert_eq!(apply(&read, &outcome).matches("r/for").count(), 2);
}

#[test]
fn what_only_the_proof_can_tell_is_refused_alone() {
    // The braces would go between the colon and the anchor, which no parser takes.
    let item = |number: usize| match number {
        1 => "- {apiVersion: v1, kind: Pod, metadata: {name: p, annotations: &x }}\n",
        _ => "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p\n",
    };
    let items: String = (0..4).map(item).collect();
    let read = file(
        "a.yaml",
        &format!("apiVersion: v1\nkind: List\nitems:\n{items}"),
    );
    let outcome = plan(&read);
    assert_eq!(outcome.refusals.len(), 1);
    assert_eq!(outcome.refusals[0].request, 1);
    let message = &outcome.refusals[0].reason.message;
    assert!(
        message.starts_with("a.yaml:8: the edit could not be proven"),
        "{message}"
    );
    let new = apply(&read, &outcome);
    assert_eq!(new.matches("r/for").count(), 3);
    // Lines are those of the file with all edits that were proven.
    let objects = outcome.edit.expect("an edit").objects;
    assert_eq!(objects.len(), 3);
    for object in objects {
        let line = new.lines().nth(object.line - 1);
        assert!(line.is_some_and(|line| line.contains("r/at")), "{line:?}");
    }
}

#[test]
fn an_object_that_is_no_longer_there_is_refused() {
    let mut read = file("a.yaml", WEB);
    let old = file("a.yaml", WEB);
    read.bytes.splice(0..0, *b"# x\n");
    let request = EditRequest {
        object: &old.objects[0],
        assignments: super::assignments(&old.objects[0]),
    };
    let (outcome, _) = plan_file(&read, &[request]);
    assert_eq!(outcome.edit, None);
    assert!(
        outcome.refusals[0]
            .reason
            .message
            .contains("not where it was read")
    );
}
