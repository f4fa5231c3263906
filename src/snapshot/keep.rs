//! Kept fields: which parts of an object outlive reading it.
//!
//! A set of paths such as `spec/strategy` or `webhooks/name` is a tree. Deserialising through it
//! builds values for what it names and skips everything else unread, so that what is not
//! documented here is never in memory and can never be recorded.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A tree of paths; a node without children keeps all that is below it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    children: BTreeMap<&'static str, Self>,
}

impl Kept {
    /// The tree of these paths: keys joined by slashes. A key that holds a list stands for each of
    /// its items (`webhooks/name` keeps the name of every webhook); a key that ends in `*` stands
    /// for every key that starts like it.
    pub(super) fn new(paths: &[&'static str]) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for key in path.split('/') {
                node = node.children.entry(key).or_default();
            }
        }
        root
    }

    fn child(&self, key: &str) -> Option<&Self> {
        let starts = |pattern: &str| {
            let prefix = pattern.strip_suffix('*');
            prefix.is_some_and(|prefix| key.starts_with(prefix))
        };
        let by_prefix = || self.children.iter().find(|(pattern, _)| starts(pattern));
        self.children
            .get(key)
            .or_else(|| by_prefix().map(|(_, child)| child))
    }
}

impl<'de> DeserializeSeed<'de> for &Kept {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.children.is_empty() {
            return serde::Deserialize::deserialize(deserializer);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Kept {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match self.child(&key) {
                Some(child) => {
                    kept.insert(key, map.next_value_seed(child)?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = sequence.next_element_seed(self)? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
}
