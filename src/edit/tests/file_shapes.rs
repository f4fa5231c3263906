//! Shapes of whole files: streams, lists, JSON, byte order marks, line endings, other kinds.

use super::{Assignment, EditRequest, FileOutcome, apply, check_file, file, plan, plan_file};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec: {}\n";

/// [`WEB`] with its annotations.
const EDITED: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    \
                      metadata:\n      annotations:\n        r/at: \"2026-11-20T09:00:00Z\"\n        r/for: \
                      \"s2\"\n    spec: {}\n";

#[track_caller]
fn check(before: &str, after: &str) {
    check_file("a.yaml", before, after);
}

#[test]
fn streams_keep_everything_around_their_documents() {
    check(
        &format!("# licence\n---\n# Source: x\n{WEB}---\nkind: Service\n--- # y\n{WEB}...\n---\n"),
        &format!(
            "# licence\n---\n# Source: x\n{EDITED}---\nkind: Service\n--- # y\n{EDITED}...\n---\n"
        ),
    );
    check(
        &format!("--- !!map\n{WEB}"),
        &format!("--- !!map\n{EDITED}"),
    );
    check(
        &format!("%YAML 1.2\n---\n{WEB}"),
        &format!("%YAML 1.2\n---\n{EDITED}"),
    );
    check(&format!("\u{feff}{WEB}"), &format!("\u{feff}{EDITED}"));
    check(
        &format!("{WEB}---\n\u{feff}{WEB}"),
        &format!("{EDITED}---\n\u{feff}{EDITED}"),
    );
}

#[test]
fn a_broken_document_does_not_stop_the_others() {
    let broken = "apiVersion: v1\nkind: Pod\nmetadata: [\n";
    check(
        &format!("{broken}---\n{WEB}---\n{broken}"),
        &format!("{broken}---\n{EDITED}---\n{broken}"),
    );
}

#[test]
fn a_missing_last_line_ending_stays_missing() {
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    metadata:";
    let added =
        "\n      annotations:\n        r/at: \"2026-11-20T09:00:00Z\"\n        r/for: \"s2\"";
    check(head, &format!("{head}{added}"));
    check(
        &head.replace('\n', "\r\n"),
        &format!("{head}{added}").replace('\n', "\r\n"),
    );
    let stamped = format!("{head}{added}").replace("s2", "s1");
    check(&stamped, &stamped.replace("s1", "s2"));
}

#[test]
fn mixed_line_endings_follow_the_line_before() {
    let before = WEB.replace("template:\n", "template:\r\n");
    let (head, tail) = before.split_once("    spec").expect("a spec");
    check(
        &before,
        &format!(
            "{head}    metadata:\r\n      annotations:\r\n        r/at: \"2026-11-20T09:00:00Z\"\r\n        \
             r/for: \"s2\"\r\n    spec{tail}"
        ),
    );
}

#[test]
fn very_long_lines_are_edited() {
    let long = format!("spec:\n  x: {}\n", "y".repeat(1_000_000));
    check(
        &WEB.replace("spec:\n", &long),
        &EDITED.replace("spec:\n", &long),
    );
}

#[test]
fn list_items_are_edited() {
    let item = |text: &str, first: &str, other: &str| -> String {
        text.lines()
            .enumerate()
            .map(|(number, line)| format!("{}{line}\n", if number == 0 { first } else { other }))
            .collect()
    };
    for (first, other) in [("- ", "  "), ("  -   ", "      ")] {
        let list = |text: &str| {
            let item = item(text, first, other);
            format!("apiVersion: v1\nkind: List\nitems:\n- kind: Service\n{item}{item}")
                .replace("- kind: Service", &format!("{first}kind: Service"))
        };
        check(&list(WEB), &list(EDITED));
    }
}

#[test]
fn json_stays_json() {
    let compact = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":{"spec":{}}}}"#;
    check_file(
        "a.json",
        compact,
        &compact.replace(
            r#"{"spec":{}}"#,
            r#"{"metadata":{"annotations":{"r/at":"2026-11-20T09:00:00Z","r/for":"s2"}},"spec":{}}"#,
        ),
    );
    for unit in ["  ", "    ", "\t"] {
        for ending in ["\n", "\r\n"] {
            let pretty = |text: &str| text.replace('>', unit).replace('\n', ending);
            let head = "{\n>\"kind\": \"Deployment\",\n>\"apiVersion\": \"apps/v1\",\n>\"metadata\": {\"name\": \
                        \"web\"},\n>\"spec\": {\n>>\"template\": {\n";
            let tail = "\n>>}\n>}\n}\n";
            for (before, after) in JSON_TEMPLATES {
                check_file(
                    "a.json",
                    &pretty(&format!("{head}{before}{tail}")),
                    &pretty(&format!("{head}{after}{tail}")),
                );
            }
        }
    }
}

/// Pretty JSON templates: before, after; `>` is one level of indentation.
const JSON_TEMPLATES: &[(&str, &str)] = &[
    (
        ">>>\"spec\": {}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"r/at\": \"2026-11-20T09:00:00Z\",\n>>>>>\"r/for\": \
         \"s2\"\n>>>>}\n>>>},\n>>>\"spec\": {}",
    ),
    (
        ">>>\"metadata\": {\n>>>>\"annotations\": {}\n>>>}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"r/at\": \"2026-11-20T09:00:00Z\",\n>>>>>\"r/for\": \
         \"s2\"\n>>>>}\n>>>}",
    ),
    (
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>}\n>>>}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"r/at\": \"2026-11-20T09:00:00Z\",\n>>>>>\"r/for\": \
         \"s2\"\n>>>>}\n>>>}",
    ),
    (
        ">>>\"metadata\": {\n>>>>\"annotations\": null\n>>>}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"r/at\": \"2026-11-20T09:00:00Z\",\n>>>>>\"r/for\": \
         \"s2\"\n>>>>}\n>>>}",
    ),
    (
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"a\": \"b\"\n>>>>}\n>>>}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"r/at\": \"2026-11-20T09:00:00Z\",\n>>>>>\"r/for\": \
         \"s2\",\n>>>>>\"a\": \"b\"\n>>>>}\n>>>}",
    ),
    (
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"a\": \"b\",\n>>>>>\"r/at\": \"x\"\n>>>>}\n>>>}",
        ">>>\"metadata\": {\n>>>>\"annotations\": {\n>>>>>\"a\": \"b\",\n>>>>>\"r/for\": \"s2\",\n>>>>>\"r/at\": \
         \"2026-11-20T09:00:00Z\"\n>>>>}\n>>>}",
    ),
];

#[test]
fn json_lists_are_edited() {
    let list = |web: &str| {
        format!("{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{web}, {web}]}}")
    };
    let web = "{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"web\"}}";
    let edited = web.replace(
        "{\"name\"",
        "{\"annotations\": {\"r/at\": \"2026-11-20T09:00:00Z\", \"r/for\": \"s2\"}, \"name\"",
    );
    check_file("a.json", &list(web), &list(&edited));
}

#[test]
fn other_kinds_have_their_template_elsewhere() {
    check(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec:\n  jobTemplate:\n    spec:\n      \
         template:\n        metadata: {}\n",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec:\n  jobTemplate:\n    spec:\n      \
         template:\n        metadata: {annotations: {r/at: \"2026-11-20T09:00:00Z\", r/for: \"s2\"}}\n",
    );
}

fn assign(path: &[&'static str], key: &str, value: &str) -> Assignment {
    Assignment {
        path: path.to_vec(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn a_rollout_is_stamped_on_itself_and_restarted_by_a_field() {
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: web\nspec:\n  replicas: 1\n  \
                   template: {}\n";
    let edit = |text: &str, time: &str| {
        let read = file("a.yaml", text);
        let assignments = vec![
            assign(&["metadata", "annotations"], "r/for", "s2"),
            assign(&["spec"], "restartAt", time),
        ];
        let request = EditRequest {
            object: &read.objects[0],
            assignments,
        };
        let (outcome, _) = plan_file(&read, &[request]);
        assert_eq!(outcome.refusals, []);
        apply(&read, &outcome)
    };
    let first = edit(rollout, "2026-11-20T09:00:00Z");
    assert_eq!(
        first,
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  annotations:\n    r/for: \"s2\"\n  name: \
         web\nspec:\n  restartAt: \"2026-11-20T09:00:00Z\"\n  replicas: 1\n  template: {}\n"
    );
    let second = edit(&first, "2026-11-21T09:00:00Z");
    assert_eq!(second, first.replace("11-20", "11-21"));
}

#[test]
fn edited_objects_have_their_line_in_the_new_file() {
    let read = file("a.yaml", &format!("{WEB}---\n{EDITED}---\n{WEB}"));
    let outcome = plan(&read);
    let edit = outcome.edit.as_ref().expect("an edit");
    let lines: Vec<_> = edit.objects.iter().map(|object| object.line).collect();
    assert_eq!(lines, [9, 33]);
    let new = apply(&read, &outcome);
    for line in lines {
        assert!(new.lines().nth(line - 1).expect("a line").contains("r/at"));
    }
}

#[test]
fn nothing_to_do_is_no_edit_and_no_refusal() {
    let read = file("a.yaml", WEB);
    assert_eq!(plan_file(&read, &[]).0, FileOutcome::default());
    assert_eq!(plan(&file("a.yaml", EDITED)), FileOutcome::default());
}

#[test]
fn an_anchor_name_given_twice_does_not_stop_the_edit() {
    let item = |spec: &str| {
        format!(
            "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {{name: web}}\n  spec:\n    base: &base {{x: \
             y}}\n    copy: {{<<: *base}}\n    template:\n{spec}"
        )
    };
    let added = "      metadata:\n        annotations:\n          r/at: \"2026-11-20T09:00:00Z\"\n          \
                 r/for: \"s2\"\n";
    let filled = "      metadata:\n        annotations: &free\n          r/at: \"2026-11-20T09:00:00Z\"\n          \
                  r/for: \"s2\"\n";
    let list = |one: &str, other: &str| {
        let spec = "      spec: {}\n";
        let one = item(&format!("{one}{spec}"));
        let other = item(&format!("{other}{spec}"));
        format!("apiVersion: v1\nkind: List\nitems:\n{one}{other}")
    };
    check(
        &list("", "      metadata:\n        annotations: &free\n"),
        &list(added, filled),
    );
}
