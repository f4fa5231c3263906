//! Properties: what holds for every manifest, however it is written.

use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::{prop_oneof, sample};
use serde::Deserialize as _;

use super::{apply, assignments, plan};
use crate::edit::{EditRequest, FileOutcome, Replacement, plan_file};
use crate::manifest::{ManifestFile, RawFile, Screen, parse};

/// How a level of the path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Missing,
    Null(&'static str),
    Empty(&'static str),
    Flow,
    Block,
}

/// How one manifest is written.
#[derive(Debug, Clone)]
struct Shape {
    step: usize,
    quote: &'static str,
    template: Level,
    metadata: Level,
    annotations: Level,
    existing: Option<&'static str>,
    comment: &'static str,
    before: &'static str,
    after: &'static str,
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        Just(Level::Missing),
        sample::select(vec!["", " null", " ~", " # none", " null # none", " &free"])
            .prop_map(Level::Null),
        sample::select(vec!["{}", "{ }"]).prop_map(Level::Empty),
        Just(Level::Flow),
        Just(Level::Block),
        Just(Level::Block),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let around = vec![
        "",
        "# comment\n",
        "note: |\n  text: {{ x }}\n  # no comment\n\n",
        "note: |+\n  text\n\n\n",
        "note: >-\n    a\n\n   \n    b\n",
        "list:\n- a: b\n  c: d\n- e\n",
        "list:\n  - 'it''s'\n  - \"a\\tb\"\n",
        "long: \"a\n  b\"\n",
        "größe: ü # ✓\n",
        "map: {a: [b, c], d: \"e\"}\n",
        "base: &base {x: y}\ncopy: {<<: *base}\n",
        "empty:\n",
    ];
    let existing = vec![
        "\"old\"",
        "'old'",
        "old",
        "|\n    old",
        "2025-01-01T00:00:00Z",
        "~",
    ];
    (
        1..=8_usize,
        sample::select(vec!["", "'", "\""]),
        prop_oneof![Just(Level::Block), Just(Level::Block), Just(Level::Flow)],
        level(),
        level(),
        proptest::option::of(sample::select(existing)),
        sample::select(vec!["", " # comment", "\t# comment"]),
        sample::select(around.clone()),
        sample::select(around),
    )
        .prop_map(
            |(step, quote, template, metadata, annotations, existing, comment, before, after)| {
                Shape {
                    step,
                    quote,
                    template,
                    metadata,
                    annotations,
                    existing,
                    comment,
                    before,
                    after,
                }
            },
        )
}

impl Shape {
    fn key(&self, key: &str) -> String {
        format!("{0}{key}{0}", self.quote)
    }

    fn indent(&self, text: &str) -> String {
        let indent = " ".repeat(self.step);
        let line = |line: &str| match line.is_empty() {
            true => "\n".to_owned(),
            false => format!("{indent}{line}\n"),
        };
        text.lines().map(line).collect()
    }

    /// A level in block style, holding what is in it in block style and in flow style.
    fn level(&self, key: &str, level: Level, block: &str, flow: &str) -> String {
        let key = self.key(key);
        match level {
            Level::Missing => String::new(),
            Level::Null(null) => format!("{key}:{null}\n"),
            Level::Empty(braces) => format!("{key}: {braces}{}\n", self.comment),
            Level::Flow => format!("{key}: {{{flow}}}{}\n", self.comment),
            Level::Block => format!("{key}:{}\n{}", self.comment, self.indent(block)),
        }
    }

    /// The same in flow style.
    fn flow_level(&self, key: &str, level: Level, flow: &str) -> Option<String> {
        let key = self.key(key);
        match level {
            Level::Missing => None,
            Level::Null(_) => Some(format!("{key}: null")),
            Level::Empty(braces) => Some(format!("{key}: {braces}")),
            Level::Flow | Level::Block => Some(format!("{key}: {{{flow}}}")),
        }
    }

    fn document(&self, number: usize) -> String {
        let own = match self.existing {
            Some(value) => format!("a: b\n# why\n{}: {value}\nc: d\n", self.key("r/at")),
            None => format!("# why\n{}: b\n", self.key("a")),
        };
        let own_flow = match self.existing {
            Some(value) if !value.starts_with(['|', '~']) => {
                format!("a: b, {}: {value}", self.key("r/at"))
            }
            _ => format!("{}: b", self.key("a")),
        };
        let annotations = self.level("annotations", self.annotations, &own, &own_flow);
        let labels = format!("{}: {{a: b}}\n", self.key("labels"));
        let metadata = self.level(
            "metadata",
            self.metadata,
            &format!("{annotations}{labels}"),
            &self.metadata_flow(&own_flow),
        );
        let template_flow =
            self.flow_level("metadata", self.metadata, &self.metadata_flow(&own_flow));
        let spec = format!("{}: {{}}", self.key("spec"));
        let template_flow = [template_flow.unwrap_or_default(), spec.clone()];
        let template_flow = template_flow.join(", ");
        let template = self.level(
            "template",
            self.template,
            &format!("{metadata}{spec}\n"),
            template_flow.trim_start_matches(", "),
        );
        let after = self.after.replace("base", "tail");
        let spec = format!("{}{template}{after}", self.before);
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:{}\n{}",
            self.comment,
            self.indent(&spec)
        );
        ["base", "tail", "free"].iter().fold(text, |text, name| {
            text.replace(name, &format!("{name}{number}"))
        })
    }

    fn metadata_flow(&self, own: &str) -> String {
        let annotations = self.flow_level("annotations", self.annotations, own);
        let labels = format!("{}: {{a: b}}", self.key("labels"));
        let parts = [annotations, Some(labels)];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

/// A whole file: documents or a list, and its bytes' own ways.
fn text() -> impl Strategy<Value = String> {
    (
        vec(shape(), 1..4),
        any::<[bool; 4]>(),
        sample::select(vec![("- ", "  "), ("  - ", "    "), ("-   ", "    ")]),
    )
        .prop_map(|(shapes, [list, crlf, mark, no_end], (first, other))| {
            let documents: Vec<_> = shapes
                .iter()
                .enumerate()
                .map(|(number, shape)| shape.document(number))
                .collect();
            let mut text = match list {
                false => documents.join("---\n"),
                true => documents.iter().fold(
                    "apiVersion: v1\nkind: List\nitems:\n".to_owned(),
                    |text, document| text + &item(document, first, other),
                ),
            };
            if no_end {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            match mark {
                true => format!("\u{feff}{text}"),
                false => text,
            }
        })
}

fn item(document: &str, first: &str, other: &str) -> String {
    let line = |(number, line): (usize, &str)| match (number, line) {
        (_, "") => "\n".to_owned(),
        (0, line) => format!("{first}{line}\n"),
        (_, line) => format!("{other}{line}\n"),
    };
    document.lines().enumerate().map(line).collect()
}

fn read(text: &str) -> Option<ManifestFile> {
    let raw = RawFile {
        path: "a.yaml".to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let (set, _) = parse(vec![raw], &Screen::new());
    set.files.into_iter().next()
}

/// The new text with the old bytes put back in place of the new ones.
fn undo(old: &str, new: &str, replacements: &[Replacement]) -> String {
    let mut text = String::new();
    let (mut old_at, mut new_at) = (0, 0);
    for one in replacements {
        let kept = one.range.start - old_at;
        text += &new[new_at..new_at + kept];
        text += &old[one.range.clone()];
        old_at = one.range.end;
        new_at += kept + one.text.len();
    }
    text + &new[new_at..]
}

/// What the second parser reads, without our keys and the levels that hold nothing else.
///
/// None where an anchor name stands twice, which that parser mixes up.
fn without_ours(text: &str) -> Option<Vec<serde_json::Value>> {
    let mut anchors = std::collections::BTreeSet::new();
    let names = text.split('&').skip(1);
    let mut names = names.map(|rest| rest.split_whitespace().next());
    if !names.all(|name| anchors.insert(name)) {
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\n---\n\u{feff}", "\n---\n");
    let documents: Result<Vec<_>, _> = serde_yaml::Deserializer::from_str(&text)
        .map(serde_json::Value::deserialize)
        .collect();
    let mut documents = documents.ok()?;
    for document in &mut documents {
        strip(document);
    }
    Some(documents)
}

fn strip(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.remove("r/at");
            map.remove("r/for");
            for value in map.values_mut() {
                strip(value);
            }
            for level in ["annotations", "metadata"] {
                let is_empty = |value: &serde_json::Value| {
                    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
                };
                if map.get(level).is_some_and(is_empty) {
                    map.remove(level);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_generated_manifest_is_edited_and_nothing_else_changes(text in text()) {
        let file = read(&text);
        prop_assert!(file.is_some(), "{}", text);
        let file = file.expect("checked");
        let outcome = plan(&file);
        prop_assert_eq!(&outcome.refusals, &[], "{}", text);
        let Some(edit) = &outcome.edit else {
            return Err(proptest::test_runner::TestCaseError::fail("no edit"));
        };
        prop_assert_eq!(edit.objects.len(), file.objects.len());
        let new = apply(&file, &outcome);
        prop_assert_eq!(new.matches("r/for").count(), file.objects.len(), "{}", new);
        let added_ends = new.matches('\n').count() - text.matches('\n').count();
        let added_returns = new.matches('\r').count() - text.matches('\r').count();
        prop_assert!(added_returns == 0 || added_returns == added_ends, "{:?}", new);
        prop_assert_eq!(undo(&text, &new, edit.edit.replacements()), text.clone());
        prop_assert_eq!(without_ours(&text), without_ours(&new), "{}\n---- new\n{}", text, new);
        let again = plan(&read(&new).expect("still a manifest"));
        prop_assert_eq!(again, FileOutcome::default(), "{}", new);
    }

    #[test]
    fn no_mutation_of_a_manifest_is_corrupted(
        text in text(),
        mutations in vec((any::<sample::Index>(), 0..3_usize, sample::select(MUTATIONS.to_vec())), 1..4),
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, kind, character) in mutations {
            let place = place.index(characters.len());
            match kind {
                0 => characters.insert(place, character),
                1 => characters[place] = character,
                _ => { characters.remove(place); }
            }
        }
        let text: String = characters.into_iter().collect();
        if let Some(file) = read(&text) {
            let outcome = plan(&file);
            let new = apply(&file, &outcome);
            if let (Some(old), Some(_)) = (without_ours(&text), &outcome.edit) {
                prop_assert_eq!(Some(old), without_ours(&new), "{}\n---- new\n{}", text, new);
            }
            if let Some(again) = read(&new) {
                prop_assert_eq!(plan(&again).edit, None, "{}", new);
            }
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(---\n|kind: Pod\n|metadata: \\{name: a\\}\n|[-a: {}\\[\\]&*!|>'\"#%@\n\r\t,?.]){0,60}") {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\n{text}");
        if let Some(file) = read(&text) {
            let requests: Vec<_> = file.objects.iter().filter(|object| object.workload().is_some())
                .map(|object| EditRequest { object, assignments: assignments(object) }).collect();
            let _ = plan_file(&file, &requests);
        }
    }
}

/// Characters that mean something to YAML.
const MUTATIONS: &[char] = &[
    ' ', '\n', '\r', '\t', ':', '-', '#', '{', '}', '[', ']', ',', '&', '*', '!', '|', '>', '\'',
    '"', '%', '?', '@', 'a', '~', '<', '\u{feff}', '\u{85}', '\u{2028}', 'ü',
];
