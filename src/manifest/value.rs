//! Values: what a tree means to Kubernetes, as JSON.
//!
//! Aliases are expanded within a budget, merge keys are merged, keys become strings, and the last
//! of duplicate keys wins, as with `sigs.k8s.io/yaml` (`spec/yaml.md` §1.1).

use serde_json::{Map, Value};

use super::scalar;
use super::tree::{Content, DEPTH_LIMIT, NodeId, Tree};

/// How many nodes aliases may add to a document's own (`spec/threats.md` T8).
const EXPANSION_LIMIT: usize = 100_000;

/// How many merged mappings are looked at for one key.
const MERGE_LIMIT: usize = 64;

/// Why a tree has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// A key is a mapping or a sequence.
    #[error("a key is a mapping or a sequence")]
    ComplexKey(usize),
    /// Aliases make the document too large or too deep.
    #[error("aliases expand the document beyond what is read")]
    Expansion(usize),
}

impl ValueError {
    /// The one-based line of the node at fault.
    pub(crate) fn line(self) -> usize {
        match self {
            Self::ComplexKey(line) | Self::Expansion(line) => line,
        }
    }
}

/// The value of a node.
///
/// # Errors
///
/// When a key is no scalar, or aliases expand beyond the limits.
pub(crate) fn value_of(tree: &Tree<'_>, id: NodeId) -> Result<Value, ValueError> {
    let mut reader = Reader {
        tree,
        budget: tree.len().saturating_add(EXPANSION_LIMIT),
    };
    reader.value(id, 0)
}

/// The text of a key, as Kubernetes sees it: `y` is the key `true`.
///
/// # Errors
///
/// When the key is no scalar.
pub(crate) fn key_of(tree: &Tree<'_>, id: NodeId) -> Result<String, ValueError> {
    let node = tree.node(tree.resolve(id));
    match &node.content {
        Content::Scalar { text, style } => {
            Ok(match scalar::resolve(text, *style, node.tag.as_deref()) {
                Value::String(text) => text,
                other => other.to_string(),
            })
        }
        _ => Err(ValueError::ComplexKey(node.line)),
    }
}

/// Whether a key merges another mapping into its own: a plain `<<`.
pub(crate) fn is_merge_key(tree: &Tree<'_>, id: NodeId) -> bool {
    let node = tree.node(id);
    match &node.content {
        Content::Scalar { text, style } => {
            text == "<<" && *style == granit_parser::ScalarStyle::Plain
        }
        _ => false,
    }
}

/// The value of a key of a mapping, its own or merged into it; aliases followed.
pub(crate) fn lookup(tree: &Tree<'_>, id: NodeId, key: &str) -> Option<NodeId> {
    let mut mappings = vec![id];
    // A merged mapping may merge others in turn; each is looked at once, and not endlessly.
    for _ in 0..MERGE_LIMIT {
        let mapping = mappings.pop()?;
        if let Some(value) = tree.get(mapping, key) {
            return Some(value);
        }
        for (merge, source) in tree.entries(mapping) {
            if is_merge_key(tree, *merge) {
                let source = tree.resolve(*source);
                mappings.push(source);
                mappings.extend(tree.items(source).iter().rev().map(|id| tree.resolve(*id)));
            }
        }
    }
    None
}

struct Reader<'t, 'a> {
    tree: &'t Tree<'a>,
    budget: usize,
}

impl Reader<'_, '_> {
    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, ValueError> {
        let node = self.tree.node(id);
        self.budget = match self.budget.checked_sub(1) {
            Some(budget) if depth <= DEPTH_LIMIT => budget,
            _ => return Err(ValueError::Expansion(node.line)),
        };
        match &node.content {
            Content::Scalar { text, style } => {
                Ok(scalar::resolve(text, *style, node.tag.as_deref()))
            }
            Content::Sequence { items, .. } => items
                .iter()
                .map(|item| self.value(*item, depth + 1))
                .collect(),
            Content::Mapping { entries, .. } => self.mapping(entries, depth),
            Content::Alias(anchor) => match self.tree.anchored(*anchor) {
                Some(target) => self.value(target, depth + 1),
                None => Ok(Value::Null),
            },
        }
    }

    fn mapping(&mut self, entries: &[(NodeId, NodeId)], depth: usize) -> Result<Value, ValueError> {
        let mut map = Map::new();
        for (key, value) in entries {
            if is_merge_key(self.tree, *key) {
                self.merge(*value, &mut map, depth)?;
            }
        }
        for (key, value) in entries {
            if !is_merge_key(self.tree, *key) {
                let key = key_of(self.tree, *key)?;
                let value = self.value(*value, depth + 1)?;
                map.insert(key, value);
            }
        }
        Ok(Value::Object(map))
    }

    /// Merges a mapping, or each of a sequence of them, of which the first wins.
    fn merge(
        &mut self,
        id: NodeId,
        map: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), ValueError> {
        let sources = match self.value(id, depth + 1)? {
            Value::Array(sources) => sources,
            source => vec![source],
        };
        for source in sources {
            if let Value::Object(source) = source {
                for (key, value) in source {
                    map.entry(key).or_insert(value);
                }
            }
        }
        Ok(())
    }
}
