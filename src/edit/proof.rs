//! The proof: old and new text mean the same but for the keys that were meant to change.
//!
//! It compares the trees of both texts node by node: text, quoting, tags, anchors and order of
//! everything but the intended entries. That the trees are what the texts say is
//! [`super::referee`]'s part.

use std::collections::BTreeSet;

use super::locate;
use super::obstacle::{Obstacle, ObstacleKind};
use crate::manifest::tree::{Content, Node, NodeId, Tree};
use crate::manifest::value::value_of;

/// The keys that one splice is to change.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// The list item that is edited, if the document is a list.
    pub(crate) item: Option<usize>,
    /// Path of the mapping.
    pub(crate) path: Vec<&'static str>,
    /// The keys that change, and their new values.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Proves that two trees differ in nothing but the intended keys, and returns the line of the
/// first of them in the new tree, for each intent.
///
/// # Errors
///
/// With what could not be shown.
pub(crate) fn trees(
    old: &Tree<'_>,
    new: &Tree<'_>,
    intents: &[Intent],
) -> Result<Vec<usize>, Obstacle> {
    let mut skip = Skip::default();
    let mut lines = Vec::new();
    for intent in intents {
        lines.push(skip.intent(old, new, intent)?);
    }
    let same = match (old.root(), new.root()) {
        (Some(one), Some(other)) => skip.same(old, one, new, other),
        _ => false,
    };
    match same {
        true => Ok(lines),
        false => Err(unproven("something else changes")),
    }
}

fn unproven(what: &'static str) -> Obstacle {
    Obstacle::new(1, ObstacleKind::Unproven(what))
}

/// The entries that are left out of the comparison, by their keys.
#[derive(Debug, Default)]
struct Skip {
    old: BTreeSet<NodeId>,
    new: BTreeSet<NodeId>,
}

impl Skip {
    /// Checks that an intent's keys stand in the new tree with their values, and leaves them out.
    fn intent(
        &mut self,
        old: &Tree<'_>,
        new: &Tree<'_>,
        intent: &Intent,
    ) -> Result<usize, Obstacle> {
        let mut before = Some(locate::object(old, 1, intent.item)?);
        let mut after = locate::object(new, 1, intent.item)?;
        locate::check_shared(new, after)?;
        let last = intent.path.len();
        for (depth, level) in intent.path.iter().enumerate() {
            let (key, value) = locate::find(new, after, level)?
                .ok_or_else(|| unproven("a level is missing afterwards"))?;
            let found = match before {
                Some(mapping) => locate::find(old, mapping, level)?,
                None => None,
            };
            let existing = found.filter(|(_, value)| !locate::is_null(old, *value));
            if before.is_some() && existing.is_none() {
                // Created here: nothing but the new keys may be below.
                self.new.insert(key);
                self.old.extend(found.map(|(key, _)| key));
            }
            before = existing.map(|(_, value)| value);
            let expected = if depth + 1 < last {
                1
            } else {
                intent.pairs.len()
            };
            if before.is_none() && new.entries(value).len() != expected {
                return Err(unproven("a new level holds something else"));
            }
            locate::check_shared(new, value)?;
            after = value;
        }
        self.pairs(old, before, new, after, intent)
    }

    fn pairs(
        &mut self,
        old: &Tree<'_>,
        before: Option<NodeId>,
        new: &Tree<'_>,
        after: NodeId,
        intent: &Intent,
    ) -> Result<usize, Obstacle> {
        let mut first_line = usize::MAX;
        for (name, wanted) in &intent.pairs {
            let (key, value) = locate::find(new, after, name)?
                .ok_or_else(|| unproven("a key is missing afterwards"))?;
            let reads = value_of(new, value).ok();
            if reads.as_ref().and_then(serde_json::Value::as_str) != Some(wanted) {
                return Err(unproven("a value reads differently"));
            }
            locate::check_shared(new, value)?;
            self.new.insert(key);
            if let Some(mapping) = before {
                let existing = locate::find(old, mapping, name)?;
                self.old.extend(existing.map(|(key, _)| key));
            }
            first_line = first_line.min(new.node(key).line);
        }
        Ok(first_line)
    }

    /// Whether two nodes are the same. Depth is bounded by that of a tree.
    fn same(&self, old: &Tree<'_>, one: NodeId, new: &Tree<'_>, other: NodeId) -> bool {
        let (node, changed) = (old.node(one), new.node(other));
        if !same_properties(node, changed) {
            return false;
        }
        match (&node.content, &changed.content) {
            (
                Content::Scalar { text, style },
                Content::Scalar {
                    text: new_text,
                    style: new_style,
                },
            ) => text == new_text && style == new_style,
            (Content::Alias(anchor), Content::Alias(new_anchor)) => anchor == new_anchor,
            (
                Content::Sequence { flow, items },
                Content::Sequence {
                    flow: new_flow,
                    items: new_items,
                },
            ) => {
                let mut pairs = items.iter().zip(new_items);
                flow == new_flow
                    && items.len() == new_items.len()
                    && pairs.all(|(one, other)| self.same(old, *one, new, *other))
            }
            (
                Content::Mapping { flow, entries },
                Content::Mapping {
                    flow: new_flow,
                    entries: new_entries,
                },
            ) => flow == new_flow && self.same_entries(old, entries, new, new_entries),
            _ => false,
        }
    }

    fn same_entries(
        &self,
        old: &Tree<'_>,
        entries: &[(NodeId, NodeId)],
        new: &Tree<'_>,
        new_entries: &[(NodeId, NodeId)],
    ) -> bool {
        let mut kept = entries.iter().filter(|(key, _)| !self.old.contains(key));
        let mut new_kept = new_entries
            .iter()
            .filter(|(key, _)| !self.new.contains(key));
        loop {
            match (kept.next(), new_kept.next()) {
                (None, None) => return true,
                (Some((key, value)), Some((new_key, new_value))) => {
                    let is_same = self.same(old, *key, new, *new_key)
                        && self.same(old, *value, new, *new_value);
                    if !is_same {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }
}

fn same_properties(one: &Node<'_>, other: &Node<'_>) -> bool {
    one.tag == other.tag && one.anchor == other.anchor
}
