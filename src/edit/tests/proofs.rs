//! The proof itself: what it lets pass and what it stops, each witness alone.

use crate::edit::proof::{self, Intent};
use crate::manifest::tree::{Origin, Tree};

fn intents() -> Vec<Intent> {
    vec![Intent {
        item: None,
        path: vec!["metadata", "annotations"],
        pairs: vec![("k".to_owned(), "v".to_owned())],
    }]
}

fn tree(text: &str) -> Tree<'_> {
    Tree::parse(text, Origin { offset: 0, line: 1 }).expect("YAML")
}

/// Whether the first and the second witness let a change pass.
fn verdicts(old: &str, new: &str) -> (bool, bool) {
    let old_tree = tree(old);
    let first = proof::trees(&old_tree, &tree(new), &intents());
    let second = proof::referee(&old_tree, old, new, &intents());
    (first.is_ok(), second.is_ok())
}

#[test]
fn the_intended_change_passes() {
    for (old, new) in [
        (
            "metadata: {a: b}\n",
            "metadata: {annotations: {k: \"v\"}, a: b}\n",
        ),
        ("a: b\n", "metadata: {annotations: {k: \"v\"}}\na: b\n"),
        (
            "metadata:\na: b\n",
            "metadata:\n  annotations:\n    k: \"v\"\na: b\n",
        ),
        (
            "metadata: {annotations: {k: x, l: m}}\n",
            "metadata: {annotations: {k: v, l: m}}\n",
        ),
        (
            "metadata: {annotations: {k: 7}}\n",
            "metadata: {annotations: {k: 'v'}}\n",
        ),
        // Comments and spacing are the bytes' concern, not the values'.
        (
            "metadata: {annotations: {}} # x\n",
            "metadata: {annotations:   {k: v}}\n",
        ),
    ] {
        assert_eq!(verdicts(old, new), (true, true), "{old}{new}");
    }
}

#[test]
fn every_other_change_is_stopped_by_both() {
    let old = "metadata:\n  annotations:\n    a: b\nx: [1, 2]\n";
    for new in [
        "metadata:\n  annotations:\n    a: b\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: other\n    a: b\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: true\n    a: b\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: v\n    a: c\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\n    l: m\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: v\nx: [1, 2]\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\nx: [1]\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\nx: [1, '2']\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\nx: [2, 1]\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\nx: [1, 2]\ny: z\n",
        "metadata:\n  annotations:\n    k: v\n    a: b\nx: {1: 2}\n",
        "metadata:\n  k: v\n  annotations:\n    a: b\nx: [1, 2]\n",
    ] {
        assert_eq!(verdicts(old, new), (false, false), "{new}");
    }
}

#[test]
fn the_first_witness_sees_what_values_do_not_tell() {
    for (old, new) in [
        ("a: 'b'\n", "metadata: {annotations: {k: v}}\na: b\n"),
        (
            "a: b\nc: d\n",
            "metadata: {annotations: {k: v}}\nc: d\na: b\n",
        ),
        ("a: [b]\n", "metadata: {annotations: {k: v}}\na:\n- b\n"),
        (
            "a: {b: c}\n",
            "metadata: {annotations: {k: v}}\na:\n  b: c\n",
        ),
        ("a: b\n", "metadata: {annotations: {k: v}}\na: &x b\n"),
        (
            "a: &x b\nc: *x\n",
            "metadata: {annotations: {k: v}}\na: &x b\nc: b\n",
        ),
        ("a: b\n", "metadata: {annotations: {k: v}}\na: !!str b\n"),
    ] {
        assert!(!verdicts(old, new).0, "{old}{new}");
    }
}

#[test]
fn a_created_level_may_hold_nothing_else() {
    for new in [
        "metadata: {annotations: {k: v, l: m}}\na: b\n",
        "metadata: {annotations: {k: v}, l: m}\na: b\n",
    ] {
        assert_eq!(verdicts("a: b\n", new), (false, false), "{new}");
    }
}

#[test]
fn aliases_that_would_change_are_stopped() {
    let old = "metadata: &m {annotations: {a: b}}\nx: *m\n";
    let new = "metadata: &m {annotations: {k: v, a: b}}\nx: *m\n";
    assert!(!verdicts(old, new).1);
}

#[test]
fn the_first_witness_decides_alone_where_the_second_cannot_read() {
    let old = "a: 1\na: 2\nmetadata: {annotations: {}}\n";
    let new = "a: 1\na: 2\nmetadata: {annotations: {k: v}}\n";
    assert_eq!(verdicts(old, new), (true, true));
    let broken = "a: 1\na: 3\nmetadata: {annotations: {k: v}}\n";
    assert_eq!(verdicts(old, broken), (false, true));
}

#[test]
fn json_must_stay_json() {
    let old = "{\"metadata\": {\"annotations\": {}}}";
    assert_eq!(
        verdicts(old, "{\"metadata\": {\"annotations\": {\"k\": \"v\"}}}"),
        (true, true)
    );
    assert!(!verdicts(old, "{\"metadata\": {\"annotations\": {k: v}}}").1);
}
