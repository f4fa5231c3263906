//! Block style: new keys of indented mappings.
//!
//! New lines go directly after the line of the key that holds them: that place never depends on
//! where a value ends, and no comment changes the key that it stands above (`spec/yaml.md` §2.1).

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::locate::Place;
use super::obstacle::{Obstacle, ObstacleKind};
use super::splice::{Pair, Subject, colon_after};
use super::text::{
    KeyStyle, double_quoted, insert_after_line, insert_lines, is_comments, line_end, line_ending,
    line_start, skip_blanks,
};
use super::text_edit::Replacement;
use crate::manifest::tree::{Content, NodeId, Tree};

/// Adds keys to a block mapping, below the levels that are missing.
///
/// # Errors
///
/// When the place cannot be told.
pub(crate) fn add(
    subject: Subject<'_, '_>,
    place: &Place,
    pairs: &[Pair<'_>],
    beside: Option<(NodeId, NodeId)>,
) -> Result<Vec<Replacement>, Obstacle> {
    if let Some((key, value)) = place.null {
        return fill(subject, place, key, value, pairs);
    }
    let first = first_key(subject.tree, place.mapping)?;
    let node = subject.tree.node(first);
    let lines = lines(
        node.column,
        place.step,
        key_style(subject.tree, first),
        &place.missing,
        pairs,
    );
    if let Some((key, value)) = beside
        && is_one_line(subject, key, value)
    {
        let offset = subject.tree.node(value).span.end;
        return Ok(vec![insert_after_line(subject.bytes, offset, &lines)]);
    }
    let key = place
        .key
        .ok_or_else(|| Obstacle::new(node.line, ObstacleKind::Object))?;
    let colon = colon_after(subject, key)?;
    Ok(vec![after_key(subject, colon, node.span.start, &lines)])
}

/// Lines directly after a key's own line; after properties on lines of their own, if there are any.
fn after_key(
    subject: Subject<'_, '_>,
    colon: usize,
    first: usize,
    lines: &[String],
) -> Replacement {
    let end = line_end(subject.bytes, colon).unwrap_or(first);
    let first_line = line_start(subject.bytes, first);
    let between = subject.bytes.get(end..first_line).unwrap_or_default();
    if is_comments(between) {
        insert_after_line(subject.bytes, colon, lines)
    } else {
        insert_lines(first_line, lines, line_ending(subject.bytes, colon))
    }
}

/// Fills a level that stands there without a value: `annotations:`, or `annotations: null`.
fn fill(
    subject: Subject<'_, '_>,
    place: &Place,
    key: NodeId,
    value: NodeId,
    pairs: &[Pair<'_>],
) -> Result<Vec<Replacement>, Obstacle> {
    let colon = colon_after(subject, key)?;
    let column = subject.tree.node(key).column + place.step;
    let style = key_style(subject.tree, key);
    let levels = place.missing.get(1..).unwrap_or_default();
    let lines = lines(column, place.step, style, levels, pairs);
    let mut replacements = Vec::new();
    let span = subject.tree.node(value).span.clone();
    if !span.is_empty() {
        replacements.push(without_null(subject, colon, &span));
    }
    replacements.push(insert_after_line(subject.bytes, colon, &lines));
    Ok(replacements)
}

/// Takes out a written `null`, with the blanks before it.
fn without_null(subject: Subject<'_, '_>, colon: usize, span: &Range<usize>) -> Replacement {
    let blanks_only = skip_blanks(subject.bytes, colon + 1) == span.start;
    let start = if blanks_only { colon + 1 } else { span.start };
    Replacement {
        range: start..span.end,
        text: String::new(),
    }
}

/// The lines of new keys, below new levels.
fn lines(
    column: usize,
    step: usize,
    style: KeyStyle,
    levels: &[&str],
    pairs: &[Pair<'_>],
) -> Vec<String> {
    let indent = |depth: usize| " ".repeat(column + depth * step);
    let levels_text = levels
        .iter()
        .enumerate()
        .map(|(depth, level)| format!("{}{}:", indent(depth), style.key(level)));
    let pairs_text = pairs.iter().map(|(key, value)| {
        let indent = indent(levels.len());
        format!("{indent}{}: {}", style.key(key), double_quoted(value))
    });
    levels_text.chain(pairs_text).collect()
}

fn first_key(tree: &Tree<'_>, mapping: NodeId) -> Result<NodeId, Obstacle> {
    let line = tree.node(mapping).line;
    let first = tree.entries(mapping).first();
    first
        .map(|(key, _)| *key)
        .ok_or_else(|| Obstacle::new(line, ObstacleKind::Object))
}

fn key_style(tree: &Tree<'_>, key: NodeId) -> KeyStyle {
    match &tree.node(key).content {
        Content::Scalar { style, .. } => KeyStyle::of(*style),
        _ => KeyStyle::Plain,
    }
}

/// Whether key and value stand on one line, so that the next line is the next key's.
fn is_one_line(subject: Subject<'_, '_>, key: NodeId, value: NodeId) -> bool {
    let (key, value) = (subject.tree.node(key), subject.tree.node(value));
    let written = subject.bytes.get(key.span.start..value.span.end);
    let is_simple = match &value.content {
        Content::Scalar { style, .. } => {
            !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && !value.span.is_empty()
        }
        Content::Alias(_) => true,
        _ => false,
    };
    is_simple && written.is_some_and(|written| !written.contains(&b'\n'))
}

/// The bytes of a block scalar, from its `|` or `>` to the end of its last line with text.
///
/// None where its indentation cannot be told from its first line.
pub(crate) fn scalar_range(
    subject: Subject<'_, '_>,
    key: NodeId,
    value: NodeId,
) -> Option<Range<usize>> {
    let bytes = subject.bytes;
    let node = subject.tree.node(value);
    let start = skip_blanks(bytes, colon_after(subject, key).ok()? + 1);
    // An explicit indentation (`|2`), a tag or an anchor: not worth the risk.
    let header = bytes.get(start..line_end(bytes, start)?)?.trim_ascii_end();
    if !matches!(header, [b'|' | b'>'] | [b'|' | b'>', b'-' | b'+']) {
        return None;
    }
    let mut end = start + header.len();
    let mut indent = None;
    let mut offset = line_end(bytes, start)?;
    while offset < node.span.end.max(offset + 1) && offset < bytes.len() {
        let next = line_end(bytes, offset).unwrap_or(bytes.len());
        let line = bytes.get(offset..next)?;
        let text = line.trim_ascii_end();
        let column = line.iter().take_while(|byte| **byte == b' ').count();
        if !text.is_empty() {
            if column < *indent.get_or_insert(column) || column <= subject.tree.node(key).column {
                break;
            }
            end = offset + text.len();
        }
        offset = next;
    }
    Some(start..end)
}
