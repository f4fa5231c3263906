//! The proof itself: what it lets pass and what it stops.

use crate::edit::proof::{self, Intent};
use crate::edit::referee;
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

/// Whether a change passes.
fn passes(old: &str, new: &str) -> bool {
    proof::trees(&tree(old), &tree(new), &intents()).is_ok()
}

/// Whether the referee confirms two texts under the trees of two others, if the edit takes
/// something out.
fn confirms(read_as: (&str, &str), texts: (&str, &str)) -> bool {
    confirms_if(read_as, texts, true)
}

fn confirms_if(read_as: (&str, &str), texts: (&str, &str), takes_out: bool) -> bool {
    let (old, new) = (tree(read_as.0), tree(read_as.1));
    referee::confirm((&old, texts.0), (&new, texts.1), takes_out).is_ok()
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
        assert!(passes(old, new), "{old}{new}");
        assert!(confirms((old, new), (old, new)), "{old}{new}");
    }
}

#[test]
fn every_other_change_is_stopped() {
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
        assert!(!passes(old, new), "{new}");
    }
}

#[test]
fn what_values_do_not_tell_is_seen() {
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
        assert!(!passes(old, new), "{old}{new}");
    }
}

#[test]
fn a_created_level_may_hold_nothing_else() {
    for new in [
        "metadata: {annotations: {k: v, l: m}}\na: b\n",
        "metadata: {annotations: {k: v}, l: m}\na: b\n",
    ] {
        assert!(!passes("a: b\n", new), "{new}");
    }
}

#[test]
fn aliases_that_would_change_are_stopped() {
    for (old, new) in [
        (
            "metadata: &m {annotations: {a: b}}\nx: *m\n",
            "metadata: &m {annotations: {k: v, a: b}}\nx: *m\n",
        ),
        (
            "metadata: {annotations: &a {a: b}}\nx: {<<: *a}\n",
            "metadata: {annotations: &a {k: v, a: b}}\nx: {<<: *a}\n",
        ),
        (
            "metadata: {annotations: {k: &k w}}\nx: *k\n",
            "metadata: {annotations: {k: &k v}}\nx: *k\n",
        ),
        (
            "&o\nmetadata: {annotations: {}}\nx: [*o]\n",
            "&o\nmetadata: {annotations: {k: v}}\nx: [*o]\n",
        ),
    ] {
        assert!(!passes(old, new), "{new}");
    }
    let alone = "metadata: &m {annotations: &a {k: &k v}}\n";
    assert!(passes("metadata: &m {annotations: &a {k: &k w}}\n", alone));
}

#[test]
fn the_referee_reads_what_the_trees_say() {
    for text in [
        "a: b\n",
        "{a: [1, 2.5, 0x1F, ~, null, true, yes, on], b: \"\", c: ''}",
        "a:\n- |\n  x\n  y\n- >-\n  folded\n  text\n- 'it''s'\n- \"\\u00e9\\n\"\n",
        "a: &x {b: c}\nd: *x\ne: {<<: *x}\n",
        "a: 1\na: 2\n",
        "? [a]\n: !!str 7\n",
        "{\"a\": {\"b\": [null, \"2026-11-20T09:00:00Z\"]}}",
        "a: !x {b: !y [c], d: !z e}\n",
    ] {
        assert!(confirms((text, text), (text, text)), "{text}");
    }
}

#[test]
fn the_referee_stops_what_is_read_otherwise() {
    for (tree, text) in [
        ("a: b\n", "a: c\n"),
        ("a: b\n", "b: b\n"),
        ("a: b\n", "a: b\nc: d\n"),
        ("a: b\nc: d\n", "a: b\n"),
        ("a: b\nc: d\n", "c: d\na: b\n"),
        ("a: [b]\n", "a: b\n"),
        ("a: [b]\n", "a: [b, c]\n"),
        ("a: [b, c]\n", "a: [b]\n"),
        ("a: [b]\n", "a: {b: c}\n"),
        ("a: {b: c}\n", "a: [b, c]\n"),
        ("a: ''\n", "a: ~\n"),
        ("a: ~\n", "a: '~'\n"),
        ("a: 'true'\n", "a: true\n"),
        ("a: \"1\"\n", "a: 1\n"),
    ] {
        assert!(!confirms((tree, "x: y\n"), (text, "x: y\n")), "{text}");
        for takes_out in [true, false] {
            let result = (("x: y\n", tree), ("x: y\n", text));
            assert!(!confirms_if(result.0, result.1, takes_out), "{text}");
        }
    }
}

#[test]
fn what_is_only_added_to_is_read_as_it_becomes() {
    let (read_as, texts) = (("a: b\n", "a: b\nc: d\n"), ("a: e\n", "a: b\nc: d\n"));
    assert!(confirms_if(read_as, texts, false));
    assert!(!confirms_if(read_as, texts, true));
}

#[test]
fn the_trees_decide_alone_where_the_referee_cannot_read() {
    // Addresses in a list, which go-yaml reads.
    let unreadable = "a: [001:db8::, 002:db8::]\n";
    assert!(confirms(("a: b\n", "a: b\n"), (unreadable, "a: c\n")));
    let twice = "a: &x 1\nb: &x 2\n";
    assert!(confirms((twice, twice), ("a: 1\n", "a: 2\n")));
    // What it could read before the edit, it must read afterwards.
    assert!(!confirms(("a: b\n", "a: b\n"), ("a: b\n", unreadable)));
}

#[test]
fn json_must_stay_json() {
    let old = "{\"metadata\": {\"annotations\": {}}}";
    let json = "{\"metadata\": {\"annotations\": {\"k\": \"v\"}}}";
    assert!(confirms((old, json), (old, json)));
    let yaml = "{\"metadata\": {\"annotations\": {k: v}}}";
    assert!(!confirms((old, yaml), (old, yaml)));
}
