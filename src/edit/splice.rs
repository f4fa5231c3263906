//! Splices: the replacements that set keys in one mapping of a document.

use super::block;
use super::flow;
use super::locate::{self, Place};
use super::obstacle::{Obstacle, ObstacleKind};
use super::text::{double_quoted, insert, skip_blanks, value_like};
use super::text_edit::Replacement;
use crate::manifest::tree::{Content, NodeId, Tree};
use granit_parser::ScalarStyle;

/// A document under edit: the file's bytes and the document's tree, whose spans point into them.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'s, 'a> {
    /// The whole file.
    pub(crate) bytes: &'s [u8],
    /// The tree of one of its documents.
    pub(crate) tree: &'s Tree<'a>,
}

/// A key to set, and its value.
pub(crate) type Pair<'r> = (&'r str, &'r str);

/// What setting the keys of one mapping takes.
#[derive(Debug, Default)]
pub(crate) struct Splice {
    /// The replacements; none where every value already stands there.
    pub(crate) replacements: Vec<Replacement>,
    /// Which of the keys change.
    pub(crate) changed: Vec<String>,
}

/// Sets keys in the mapping at a path below an object.
///
/// # Errors
///
/// When something on the way makes an edit unsafe.
pub(crate) fn set(
    subject: Subject<'_, '_>,
    object: NodeId,
    path: &[&'static str],
    pairs: &[Pair<'_>],
) -> Result<Splice, Obstacle> {
    let place = locate::place(subject.tree, object, path)?;
    let mut splice = Splice::default();
    let mut new = Vec::new();
    let mut beside = None;
    for (key, value) in pairs {
        let found = match place.missing.is_empty() {
            true => locate::find(subject.tree, place.mapping, key)?,
            false => None,
        };
        let Some((key_node, value_node)) = found else {
            new.push((*key, *value));
            splice.changed.push((*key).to_owned());
            continue;
        };
        beside = Some((key_node, value_node));
        if let Some(replacement) = replace(subject, key, key_node, value_node, value)? {
            splice.replacements.push(replacement);
            splice.changed.push((*key).to_owned());
        }
    }
    if !new.is_empty() {
        splice
            .replacements
            .extend(add(subject, &place, &new, beside)?);
    }
    Ok(splice)
}

/// Adds keys that are not there, with the levels that are missing.
fn add(
    subject: Subject<'_, '_>,
    place: &Place,
    pairs: &[Pair<'_>],
    beside: Option<(NodeId, NodeId)>,
) -> Result<Vec<Replacement>, Obstacle> {
    if subject.tree.node(place.mapping).is_flow() {
        flow::add(subject, place, pairs, beside)
    } else {
        block::add(subject, place, pairs, beside)
    }
}

/// Replaces a value; nothing where it says the same already.
fn replace(
    subject: Subject<'_, '_>,
    name: &str,
    key: NodeId,
    id: NodeId,
    value: &str,
) -> Result<Option<Replacement>, Obstacle> {
    let tree = subject.tree;
    let node = tree.node(id);
    if says_the_same(tree, id, value) {
        return Ok(None);
    }
    if tree.is_aliased(id) {
        return Err(Obstacle::new(node.line, ObstacleKind::Anchor));
    }
    locate::check_tag(tree, id, &["tag:yaml.org,2002:str"])?;
    let refused = || Obstacle::new(node.line, ObstacleKind::Value(name.to_owned()));
    let (range, style) = match &node.content {
        Content::Alias(_) => (node.span.clone(), ScalarStyle::DoubleQuoted),
        Content::Scalar { .. } if node.span.is_empty() => {
            let colon = colon_after(subject, key)?;
            if node.anchor != 0 {
                return Err(refused());
            }
            return Ok(Some(insert(
                colon + 1,
                format!(" {}", double_quoted(value)),
            )));
        }
        Content::Scalar { style, .. } if is_block_scalar(*style) => {
            let range = block::scalar_range(subject, key, id).ok_or_else(refused)?;
            (range, ScalarStyle::DoubleQuoted)
        }
        Content::Scalar { style, .. } => (node.span.clone(), *style),
        Content::Mapping { .. } | Content::Sequence { .. } => return Err(refused()),
    };
    Ok(Some(Replacement {
        range,
        text: value_like(value, style),
    }))
}

fn is_block_scalar(style: ScalarStyle) -> bool {
    matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
}

/// Whether a value reads as the same string, or as the same instant.
fn says_the_same(tree: &Tree<'_>, id: NodeId, value: &str) -> bool {
    let Ok(serde_json::Value::String(text)) = crate::manifest::value::value_of(tree, id) else {
        return false;
    };
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
    text == value || instant(&text).is_some_and(|one| instant(value) == Some(one))
}

/// The offset of the colon behind a key.
///
/// # Errors
///
/// When there is none, as with an explicit `? key`.
pub(crate) fn colon_after(subject: Subject<'_, '_>, key: NodeId) -> Result<usize, Obstacle> {
    let node = subject.tree.node(key);
    let colon = skip_blanks(subject.bytes, node.span.end);
    match subject.bytes.get(colon) {
        Some(b':') => Ok(colon),
        _ => Err(Obstacle::new(node.line, ObstacleKind::ExplicitKey)),
    }
}
