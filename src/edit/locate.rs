//! Places: where in a document's tree a key is or would be.

use super::obstacle::{Obstacle, ObstacleKind};
use crate::manifest::tree::{Content, NodeId, Tree};
use crate::manifest::value::{self, is_merge_key, key_of};

/// Levels that an edit may create; everything else must be there.
const CREATED: &[&str] = &["metadata", "annotations"];

/// Where a mapping of a path is, as far as it exists.
#[derive(Debug)]
pub(crate) struct Place {
    /// The deepest mapping of the path that exists.
    pub(crate) mapping: NodeId,
    /// The key under which it stands; none for the object itself.
    pub(crate) key: Option<NodeId>,
    /// Levels to create below it; none when the path is there in full.
    pub(crate) missing: Vec<&'static str>,
    /// Key and value of the first missing level, where it stands there without a value.
    pub(crate) null: Option<(NodeId, NodeId)>,
    /// The mapping that holds it.
    pub(crate) parent: Option<NodeId>,
    /// Columns by which the path's block mappings are indented below their keys.
    pub(crate) step: usize,
}

/// The object's node: the document itself or an item of its list.
///
/// # Errors
///
/// When it is not there, or anything above it is or is repeated by an alias.
pub(crate) fn object(
    tree: &Tree<'_>,
    line: usize,
    item: Option<usize>,
) -> Result<NodeId, Obstacle> {
    let gone = || Obstacle::new(line, ObstacleKind::Object);
    let root = tree.root().ok_or_else(gone)?;
    let Some(item) = item else {
        return Ok(root);
    };
    check_mapping(tree, root, "items")?;
    let (_, items) = find(tree, root, "items")?.ok_or_else(gone)?;
    check_shared(tree, items)?;
    let id = *tree.items(items).get(item).ok_or_else(gone)?;
    check_shared(tree, id)?;
    Ok(id)
}

/// Finds a path's mapping below an object, or how far it exists.
///
/// # Errors
///
/// When something on the path makes an edit unsafe (`spec/yaml.md` §2.1).
pub(crate) fn place(
    tree: &Tree<'_>,
    object: NodeId,
    path: &[&'static str],
) -> Result<Place, Obstacle> {
    let mut place = Place {
        mapping: object,
        key: None,
        missing: Vec::new(),
        null: None,
        parent: None,
        step: DEFAULT_STEP,
    };
    check_mapping(tree, object, "")?;
    for (depth, level) in path.iter().enumerate() {
        let found = find(tree, place.mapping, level)?;
        let is_null = found.is_some_and(|(_, value)| is_null(tree, value));
        let Some((key, value)) = found.filter(|_| !is_null) else {
            let line = tree.node(place.mapping).line;
            if !path[depth..].iter().all(|level| CREATED.contains(level)) {
                let kind = ObstacleKind::MissingLevel((*level).to_owned());
                return Err(Obstacle::new(line, kind));
            }
            if let Some((_, value)) = found {
                check_shared(tree, value)?;
                check_tag(tree, value, &[])?;
            }
            place.missing = path[depth..].to_vec();
            place.null = found;
            return Ok(place);
        };
        check_shared(tree, value)?;
        check_mapping(tree, value, level)?;
        place.step = step(tree, key, value).unwrap_or(place.step);
        place.parent = Some(place.mapping);
        place.mapping = value;
        place.key = Some(key);
    }
    Ok(place)
}

/// Indentation where the path shows none.
const DEFAULT_STEP: usize = 2;

/// Key and value of an entry, by the key as Kubernetes reads it.
///
/// # Errors
///
/// When the key stands there twice, or may come from a merged mapping.
pub(crate) fn find(
    tree: &Tree<'_>,
    mapping: NodeId,
    key: &str,
) -> Result<Option<(NodeId, NodeId)>, Obstacle> {
    let mut found = None;
    let mut merges = false;
    for (candidate, value) in tree.entries(mapping) {
        let line = tree.node(*candidate).line;
        merges |= is_merge_key(tree, *candidate);
        let text =
            key_of(tree, *candidate).map_err(|_| Obstacle::new(line, ObstacleKind::ComplexKey))?;
        if text == key && found.replace((*candidate, *value)).is_some() {
            let kind = ObstacleKind::DuplicateKey(key.to_owned());
            return Err(Obstacle::new(line, kind));
        }
    }
    if found.is_none() && merges {
        let line = tree.node(mapping).line;
        return Err(Obstacle::new(line, ObstacleKind::MergeKey));
    }
    Ok(found)
}

/// Whether a value is null, and so a level without anything in it.
pub(crate) fn is_null(tree: &Tree<'_>, id: NodeId) -> bool {
    matches!(tree.node(id).content, Content::Scalar { .. })
        && value::value_of(tree, id).is_ok_and(|value| value.is_null())
}

/// Refuses a node that an alias repeats, or that is one.
pub(crate) fn check_shared(tree: &Tree<'_>, id: NodeId) -> Result<(), Obstacle> {
    let node = tree.node(id);
    if matches!(node.content, Content::Alias(_)) {
        return Err(Obstacle::new(node.line, ObstacleKind::Alias));
    }
    if tree.is_aliased(id) {
        return Err(Obstacle::new(node.line, ObstacleKind::Anchor));
    }
    Ok(())
}

/// Refuses a node that is no plain mapping.
fn check_mapping(tree: &Tree<'_>, id: NodeId, level: &str) -> Result<(), Obstacle> {
    check_shared(tree, id)?;
    let node = tree.node(id);
    if !matches!(node.content, Content::Mapping { .. }) {
        let kind = ObstacleKind::NotAMapping(level.to_owned());
        return Err(Obstacle::new(node.line, kind));
    }
    check_tag(tree, id, &["tag:yaml.org,2002:map"])
}

/// Refuses a tag that is none of those that say nothing new.
pub(crate) fn check_tag(tree: &Tree<'_>, id: NodeId, allowed: &[&str]) -> Result<(), Obstacle> {
    let node = tree.node(id);
    match &node.tag {
        Some(tag) if !allowed.contains(&tag.as_str()) => {
            Err(Obstacle::new(node.line, ObstacleKind::Tag))
        }
        _ => Ok(()),
    }
}

/// By how much a block mapping's keys are indented below its own key.
fn step(tree: &Tree<'_>, key: NodeId, mapping: NodeId) -> Option<usize> {
    if tree.node(mapping).is_flow() {
        return None;
    }
    let (first, _) = tree.entries(mapping).first()?;
    tree.node(*first)
        .column
        .checked_sub(tree.node(key).column)
        .filter(|step| *step > 0)
}
