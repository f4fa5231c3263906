//! Reading ahead on every core gives what reading in one thread gives.

use std::fmt::Write as _;

use super::super::source::PIECE;
use super::{ReadOptions, input, read_with};

/// What comes of an input; `ahead` tells whether other threads may read ahead.
fn outcome(bytes: &[u8], ahead: bool) -> String {
    let options = ReadOptions {
        allow_partial: true,
        ..ReadOptions::default()
    };
    let read = || match read_with(vec![input("it", bytes)], &options) {
        Ok(read) => format!("{read:?}"),
        Err(error) => error.to_string(),
    };
    match ahead {
        true => read(),
        // In a job of the pool nothing is read ahead.
        false => rayon::scope(|_| read()),
    }
}

#[track_caller]
fn check(text: &str) -> String {
    check_bytes(text.as_bytes())
}

#[track_caller]
fn check_bytes(bytes: &[u8]) -> String {
    assert!(bytes.len() > 3 * PIECE, "{} bytes", bytes.len());
    let read = outcome(bytes, true);
    assert!(read == outcome(bytes, false), "it reads differently");
    read
}

/// Several pieces of pods; every third is of another template.
fn pods(head: &str, separator: &str) -> String {
    let padding = "é\\n\\\"".repeat(200);
    let mut text = String::new();
    for number in 0..3_000 {
        let image = number / 3;
        let separator = if number == 0 { "" } else { separator };
        write!(
            text,
            r#"{separator}{{{head}"metadata": {{"name": "pod-{number:05}", "labels": {{"app": "a-{image}"}}}},
    "spec": {{"containers": [{{"name": "istio-proxy", "image": "proxy:{image}",
        "volumeMounts": [{{"name": "token-{number}", "about": "{padding}"}}],
        "securityContext": {{"runAsUser": 1337, "capabilities": {{"drop": ["ALL"]}}}}}}],
        "tolerations": [1, -2.5e3, null, true, {{}}, []]}}}}"#
        )
        .expect("in memory");
    }
    text
}

const HEAD: &str = r#""apiVersion": "v1", "kind": "Pod", "#;

fn list(items: &str, tail: &str) -> String {
    format!(r#"{{"apiVersion": "v1", "items": [{items}], "kind": "List"}}{tail}"#)
}

#[test]
fn items_are_the_same_in_any_layout() {
    let read = check(&list(&pods(HEAD, ","), ""));
    assert_eq!(read.matches("pod-0").count(), 3_000);
    check(&list(&pods(HEAD, ",\n\t  "), "\n"));
    check(&format!("[{}]", pods(HEAD, ",\n")));
    check(&format!(
        r#"{{"kind": "PodList", "apiVersion": "v1", "items": [{}]}}"#,
        pods("", ",\n")
    ));
}

#[test]
fn kinds_may_stand_after_all_of_the_items() {
    let text = list(&pods("", ","), "").replace("\"List\"", "\"PodList\"");
    let read = check(&text);
    assert!(read.contains("pod-02999"), "{read}");
}

#[test]
fn what_only_looks_like_an_item_is_none() {
    let nested = format!(
        r#"{{{HEAD}"metadata": {{"name": "large"}}, "extra": [{}]}}"#,
        pods(HEAD, ",")
    );
    let read = check(&list(&format!("{},{nested}", pods(HEAD, ",")), ""));
    assert_eq!(read.matches("pod-0").count(), 3_000);
}

#[test]
fn faults_are_told_of_in_their_places() {
    let whole = list(&pods(HEAD, ",\n"), "");
    let place = whole.find("pod-02500").expect("inside");
    let cut = whole.get(..place).expect("a text");
    let read = check(cut);
    assert!(
        read.contains(&format!("too early at byte {place}")),
        "{read}"
    );
    for (broken, message) in [
        ("pod-\u{1}2500", "control character"),
        ("pod-\\x2500", "invalid escape"),
        ("pod-\"2500", "expected `,` or `}`"),
    ] {
        let read = check(&whole.replace("pod-02500", broken));
        assert!(read.contains(message), "{broken}");
        assert_eq!(read.matches("pod-0").count(), 2_500, "{broken}");
    }
    let of_whole = check(&whole);
    for (there, broken) in [
        ("pod-02500\"", "pod-02500\" x"),
        ("proxy:833\",", "proxy:833\" \"volumes\""),
        ("\"token-2500\"", "01"),
        ("\"token-2500\"", "- 1"),
        ("\"token-2500\"", "[1, ]"),
        ("\"token-2500\"", "{\"a\": 1, }"),
        ("\"token-2500\"", "nul"),
        ("\"token-2500\"", "\u{c} 1"),
        ("\"token-2500\", ", ""),
    ] {
        let text = whole.replace(there, broken);
        assert!(check(&text) != of_whole, "{broken}");
    }
    let mut latin = whole.into_bytes();
    if let Some(byte) = latin.get_mut(place) {
        *byte = 0xe9;
    }
    let read = check_bytes(&latin);
    assert!(
        read.contains(&format!("not UTF-8 at byte {place}")),
        "{read}"
    );
}
