//! The referee: another parser, to which a text must read as its tree says.
//!
//! The trees decide what an edit is, so a construct that their parser misreads would be edited
//! wrongly and proven with the same mistake. A second parser, written by others from another
//! grammar, follows each tree as it reads the text: the same mappings and sequences, the same keys
//! in the same order, the same text in every scalar, a string where one is quoted.

use granit_parser::ScalarStyle;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::obstacle::{Obstacle, ObstacleKind};
use crate::manifest::tree::{Content, NodeId, Tree};

/// A document: its tree and its text.
pub(crate) type Document<'d, 't> = (&'d Tree<'t>, &'d str);

/// Confirms that a document, as it becomes, says what its tree says; and so what it was, if the
/// edit takes any of its text out. Where the edit only adds, what was there is still there to be
/// read.
///
/// The referee rejects some input that Kubernetes accepts (`001:db8::` in a list), and mixes up
/// anchors where one name is given twice; where it cannot read the old text or not be trusted with
/// it, nothing is asked of it. A document that was JSON must also stay JSON.
///
/// # Errors
///
/// With what is read otherwise.
pub(crate) fn confirm(
    old: Document<'_, '_>,
    new: Document<'_, '_>,
    takes_out: bool,
) -> Result<(), Obstacle> {
    if old.0.redefines_anchors() {
        return Ok(());
    }
    if is_json(old.1) && !is_json(new.1) {
        return Err(unproven("the file would no longer be JSON"));
    }
    match reads_as(new) {
        true if !takes_out || reads_as(old) => Ok(()),
        false if reads_as(old) => Err(unproven("two parsers read the result differently")),
        _ if can_read(old.1) => Err(unproven("two parsers read the document differently")),
        _ => Ok(()),
    }
}

fn unproven(what: &'static str) -> Obstacle {
    Obstacle::new(1, ObstacleKind::Unproven(what))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether the referee reads the first document of a text as the tree says.
fn reads_as((tree, text): Document<'_, '_>) -> bool {
    let document = serde_yaml::Deserializer::from_str(text).next();
    match (document, tree.root()) {
        (Some(document), Some(id)) => Expected { tree, id }.deserialize(document).is_ok(),
        _ => false,
    }
}

/// Whether the referee can read the first document of a text at all.
fn can_read(text: &str) -> bool {
    let document = serde_yaml::Deserializer::from_str(text).next();
    document.is_some_and(|document| IgnoredAny::deserialize(document).is_ok())
}

/// What is to be read: a node of a tree. Anything else is an error.
#[derive(Clone, Copy)]
struct Expected<'t> {
    tree: &'t Tree<'t>,
    id: NodeId,
}

impl Expected<'_> {
    fn at(self, id: NodeId) -> Self {
        Self { id, ..self }
    }

    /// Whether it is a plain scalar that stands for null (YAML 1.2 core schema, which 1.1 shares).
    fn is_null(self) -> bool {
        let node = self.tree.node(self.id);
        match &node.content {
            Content::Scalar { text, style } => {
                *style == ScalarStyle::Plain
                    && node.tag.is_none()
                    && matches!(&**text, "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// Whether it is a scalar of this text. A block scalar that ends with its file is read with and
    /// without a final line break; a repaired scalar has more spaces than it was written with.
    fn is_text(self, found: &str) -> bool {
        match &self.tree.node(self.id).content {
            Content::Scalar { text, .. } if text == found => true,
            Content::Scalar { text, style } => match style {
                ScalarStyle::Literal | ScalarStyle::Folded => {
                    text.trim_end_matches('\n') == found.trim_end_matches('\n')
                }
                _ => self.tree.is_repaired() && words(text).eq(words(found)),
            },
            _ => false,
        }
    }
}

/// Depth is bounded by the parser, which follows no aliases into themselves and counts how often it
/// repeats what they name.
impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let expected = self.at(self.tree.resolve(self.id));
        let node = self.tree.node(expected.id);
        match &node.content {
            Content::Mapping { .. } => deserializer.deserialize_map(expected),
            Content::Sequence { .. } => deserializer.deserialize_seq(expected),
            // A plain scalar is read as its text, whatever it stands for, but for null, which has
            // none.
            Content::Scalar { style, .. }
                if expected.is_null() || (*style != ScalarStyle::Plain && node.tag.is_none()) =>
            {
                deserializer.deserialize_any(expected)
            }
            Content::Scalar { .. } => deserializer.deserialize_str(expected),
            Content::Alias(_) => Err(D::Error::custom("an alias of nothing")),
        }
    }
}

impl<'de> Visitor<'de> for Expected<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("what the tree says")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.is_text(text) && !self.is_null() {
            true => Ok(()),
            false => Err(E::custom("another text")),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.is_null() {
            true => Ok(()),
            false => Err(E::custom("no text")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        for (key, value) in self.tree.entries(self.id) {
            map.next_key_seed(self.at(*key))?
                .ok_or_else(|| A::Error::custom("fewer entries"))?;
            map.next_value_seed(self.at(*value))?;
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("more entries")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        for item in self.tree.items(self.id) {
            sequence
                .next_element_seed(self.at(*item))?
                .ok_or_else(|| A::Error::custom("fewer items"))?;
        }
        match sequence.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("more items")),
        }
    }
}

/// The words of a text, without the spaces between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}
