//! Flow style: new keys of mappings in braces, YAML's and JSON's.
//!
//! New keys go before the first entry, or beside a key that they belong with, so that no comma is
//! ever missing; spacing, quoting and lines are those of what stands there (`spec/yaml.md` §2.1).

use granit_parser::ScalarStyle;

use super::locate::Place;
use super::obstacle::{Obstacle, ObstacleKind};
use super::splice::{Pair, Subject};
use super::text::{
    KeyStyle, double_quoted, insert, is_comments, line_end, line_ending, line_start, skip_blanks,
};
use super::text_edit::Replacement;
use crate::manifest::tree::{Content, Node, NodeId};

/// How a mapping in braces is written.
#[derive(Debug)]
struct Style {
    key: KeyStyle,
    /// What stands between key and value.
    colon: String,
    /// What stands between entries of one line.
    comma: String,
    /// Indentation of its entries, where they stand on lines of their own.
    indent: Option<String>,
    /// What one more level is indented by.
    unit: String,
    ending: &'static str,
}

/// Adds keys to a mapping in braces, below the levels that are missing.
///
/// # Errors
///
/// When the mapping has no braces, as `[a: b]` has none.
pub(crate) fn add(
    subject: Subject<'_, '_>,
    place: &Place,
    pairs: &[Pair<'_>],
    beside: Option<(NodeId, NodeId)>,
) -> Result<Vec<Replacement>, Obstacle> {
    let node = subject.tree.node(place.mapping);
    if subject.bytes.get(node.span.start) != Some(&b'{') {
        return Err(Obstacle::new(
            node.line,
            ObstacleKind::NotAMapping(String::new()),
        ));
    }
    let style = style(subject, place);
    if let Some((key, value)) = place.null {
        let levels = place.missing.get(1..).unwrap_or_default();
        let braces = style.braces(levels, pairs, style.indent.as_deref());
        return Ok(vec![fill(subject, key, value, &braces)]);
    }
    let replacement = match subject.tree.entries(place.mapping).first() {
        None => into_empty(subject, place, &style, pairs),
        Some((first, _)) => {
            let before = beside.map_or(*first, |(key, _)| key);
            before_entry(subject, place, &style, pairs, *first, before)
        }
    };
    Ok(vec![replacement])
}

/// Fills a level without a value: `annotations: null`, `annotations:`, or `annotations` alone.
fn fill(subject: Subject<'_, '_>, key: NodeId, value: NodeId, braces: &str) -> Replacement {
    let span = subject.tree.node(value).span.clone();
    if !span.is_empty() {
        return Replacement {
            range: span,
            text: braces.to_owned(),
        };
    }
    let end = subject.tree.node(key).span.end;
    let colon = skip_blanks(subject.bytes, end);
    match subject.bytes.get(colon) {
        Some(b':') => insert(colon + 1, format!(" {braces}")),
        _ => insert(end, format!(": {braces}")),
    }
}

/// Puts the first keys into `{}`.
fn into_empty(
    subject: Subject<'_, '_>,
    place: &Place,
    style: &Style,
    pairs: &[Pair<'_>],
) -> Replacement {
    let span = subject.tree.node(place.mapping).span.clone();
    let inside = subject
        .bytes
        .get(span.start + 1..span.end.saturating_sub(1))
        .unwrap_or_default();
    let own_line = line_start(subject.bytes, span.start);
    let outer = &subject.bytes[own_line..skip_blanks(subject.bytes, own_line)];
    let outer = String::from_utf8_lossy(outer).into_owned();
    let is_pretty =
        style.indent.is_some() && style.key == KeyStyle::Double && is_in_flow(subject, place);
    let text = if is_pretty {
        // Pretty JSON: the braces open up.
        let inner = format!("{outer}{}", style.unit);
        let entries = style.entries(&place.missing, pairs, Some(&inner));
        let close = if inside.is_empty() { &*outer } else { "" };
        let ending = style.ending;
        match inside.contains(&b'\n') {
            true => format!("{ending}{inner}{entries}"),
            false => format!("{ending}{inner}{entries}{ending}{close}"),
        }
    } else if inside.contains(&b'\n') {
        let inner = format!("{outer}{}", style.unit);
        let entries = style.entries(&place.missing, pairs, Some(&inner));
        format!("{}{inner}{entries}", style.ending)
    } else {
        let blank = if inside.is_empty() { "" } else { " " };
        let entries = style.entries(&place.missing, pairs, None);
        format!("{blank}{entries}")
    };
    insert(span.start + 1, text)
}

/// Puts keys before an entry: on lines of their own where the entries have them.
fn before_entry(
    subject: Subject<'_, '_>,
    place: &Place,
    style: &Style,
    pairs: &[Pair<'_>],
    first: NodeId,
    before: NodeId,
) -> Replacement {
    let offset = |id: NodeId| subject.tree.node(id).span.start;
    let entries = style.entries(&place.missing, pairs, style.indent.as_deref());
    let Some(indent) = &style.indent else {
        return insert(offset(before), format!("{entries}{}", style.comma));
    };
    let lines = format!("{indent}{entries},{}", style.ending);
    let start = line_start(subject.bytes, offset(before));
    let is_first_on_line = skip_blanks(subject.bytes, start) == offset(before);
    let previous = start.saturating_sub(1);
    let above = &subject.bytes[line_start(subject.bytes, previous)..previous];
    let is_below_comment = above.trim_ascii_start().starts_with(b"#");
    if before != first && is_first_on_line && !is_below_comment {
        return insert(start, lines);
    }
    // Directly after the brace's own line, so that no comment changes its key.
    let brace = subject.tree.node(place.mapping).span.start;
    let end = line_end(subject.bytes, brace).unwrap_or(offset(first));
    let between = subject.bytes.get(end..offset(first)).unwrap_or_default();
    match is_comments(between) {
        true => insert(end, lines),
        false => insert(offset(first), format!("{entries},{}{indent}", style.ending)),
    }
}

impl Style {
    /// `key: {…}` for each missing level, then the pairs.
    fn entries(&self, levels: &[&str], pairs: &[Pair<'_>], indent: Option<&str>) -> String {
        if let Some((level, deeper)) = levels.split_first() {
            let braces = self.braces(deeper, pairs, indent);
            return format!("{}{}{braces}", self.key.key(level), self.colon);
        }
        let separator = match indent {
            Some(indent) => format!(",{}{indent}", self.ending),
            None => self.comma.clone(),
        };
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| {
                let key = self.key.key(key);
                format!("{key}{}{}", self.colon, double_quoted(value))
            })
            .collect();
        pairs.join(&separator)
    }

    /// The entries in braces; on lines of their own in pretty JSON.
    fn braces(&self, levels: &[&str], pairs: &[Pair<'_>], indent: Option<&str>) -> String {
        match indent {
            Some(indent) if self.key == KeyStyle::Double => {
                let inner = format!("{indent}{}", self.unit);
                let entries = self.entries(levels, pairs, Some(&inner));
                let ending = self.ending;
                format!("{{{ending}{inner}{entries}{ending}{indent}}}")
            }
            _ => format!("{{{}}}", self.entries(levels, pairs, None)),
        }
    }
}

/// Reads how a mapping is written off its entries; an empty one is like what holds it.
fn style(subject: Subject<'_, '_>, place: &Place) -> Style {
    let tree = subject.tree;
    let entries = tree.entries(place.mapping);
    let example = entries
        .first()
        .copied()
        .or_else(|| place.key.map(|key| (key, place.mapping)));
    let brace = tree.node(place.mapping).span.start;
    let key = example.map_or(KeyStyle::Plain, |(key, _)| match &tree.node(key).content {
        Content::Scalar { style, .. } => KeyStyle::of(*style),
        _ => KeyStyle::Plain,
    });
    let colon = example.and_then(|(key, value)| colon(subject, key, value));
    let colon = colon.filter(|colon| key == KeyStyle::Double || colon.ends_with(' '));
    let colon = colon.unwrap_or_else(|| ": ".to_owned());
    let first = example.map_or(brace, |(key, _)| tree.node(key).span.start);
    Style {
        key,
        comma: comma(subject, entries).unwrap_or_else(|| match colon.ends_with(' ') {
            true => ", ".to_owned(),
            false => ",".to_owned(),
        }),
        colon,
        indent: indent(subject, place, first),
        unit: unit(subject, place, first),
        ending: line_ending(subject.bytes, brace),
    }
}

/// What stands between a key and its value, if it is only a colon and blanks.
fn colon(subject: Subject<'_, '_>, key: NodeId, value: NodeId) -> Option<String> {
    let value = subject.tree.node(value);
    if matches!(value.content, Content::Scalar { style, .. } if style == ScalarStyle::Literal) {
        return None;
    }
    let between = subject.tree.node(key).span.end..value.span.start;
    between_tokens(subject, between, ':')
}

fn comma(subject: Subject<'_, '_>, entries: &[(NodeId, NodeId)]) -> Option<String> {
    let [(_, first), (second, _), ..] = entries else {
        return None;
    };
    let between = subject.tree.node(*first).span.end..subject.tree.node(*second).span.start;
    between_tokens(subject, between, ',')
}

fn between_tokens(
    subject: Subject<'_, '_>,
    range: std::ops::Range<usize>,
    token: char,
) -> Option<String> {
    let text = std::str::from_utf8(subject.bytes.get(range)?).ok()?;
    let is_token = text.trim_matches(' ').chars().eq([token]);
    is_token.then(|| text.to_owned())
}

/// The indentation of entries that stand on lines of their own.
///
/// An empty mapping counts as its own key does: in pretty JSON that begins a line.
fn indent(subject: Subject<'_, '_>, place: &Place, first: usize) -> Option<String> {
    let start = line_start(subject.bytes, first);
    let brace = subject.tree.node(place.mapping).span.start;
    let is_empty = subject.tree.entries(place.mapping).is_empty();
    let is_own_line = skip_blanks(subject.bytes, start) == first && (is_empty || start > brace);
    let indent = subject.bytes.get(start..first)?;
    is_own_line.then(|| String::from_utf8_lossy(indent).into_owned())
}

fn is_in_flow(subject: Subject<'_, '_>, place: &Place) -> bool {
    let parent = place.parent.map(|parent| subject.tree.node(parent));
    parent.is_some_and(Node::is_flow)
}

/// What one level is indented by: the difference between the entries and what holds them.
fn unit(subject: Subject<'_, '_>, place: &Place, first: usize) -> String {
    let indent_of = |offset: usize| {
        let start = line_start(subject.bytes, offset);
        &subject.bytes[start..skip_blanks(subject.bytes, start)]
    };
    let holder = match (subject.tree.entries(place.mapping), place.parent) {
        ([], Some(parent)) => parent,
        _ => place.mapping,
    };
    let inner = indent_of(first);
    let outer = indent_of(subject.tree.node(holder).span.start);
    let unit = inner.strip_prefix(outer).unwrap_or_default();
    match (unit.is_empty(), inner.first()) {
        (false, _) => String::from_utf8_lossy(unit).into_owned(),
        (true, Some(b'\t')) => "\t".to_owned(),
        (true, _) => " ".repeat(place.step),
    }
}
