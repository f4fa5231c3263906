//! Labels and annotations: a sorted map of strings that is cheap to copy.
//!
//! Clusters have tens of thousands of pods whose labels and annotations are those of a few
//! templates. Equal maps can share one allocation; a map that is changed gets its own.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// Labels or annotations, sorted by key: a `BTreeMap<String, String>` that copies share.
#[derive(Clone, Default)]
pub struct StringMap(Option<Arc<BTreeMap<String, String>>>);

static EMPTY: BTreeMap<String, String> = BTreeMap::new();

impl StringMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are copies of it, or it is empty and needs no memory anyway.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.as_ref().is_none_or(|map| Arc::strong_count(map) > 1)
    }
}

impl Deref for StringMap {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for StringMap {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl From<BTreeMap<String, String>> for StringMap {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl<const N: usize> From<[(String, String); N]> for StringMap {
    fn from(pairs: [(String, String); N]) -> Self {
        Self::from(BTreeMap::from(pairs))
    }
}

impl FromIterator<(String, String)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self::from(BTreeMap::from_iter(pairs))
    }
}

impl IntoIterator for StringMap {
    type Item = (String, String);
    type IntoIter = btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        let map = self.0.map(Arc::unwrap_or_clone);
        map.unwrap_or_default().into_iter()
    }
}

impl<'a> IntoIterator for &'a StringMap {
    type Item = (&'a String, &'a String);
    type IntoIter = btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for StringMap {
    fn eq(&self, other: &Self) -> bool {
        let shared = match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        shared || **self == **other
    }
}

impl Eq for StringMap {}

impl PartialOrd for StringMap {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StringMap {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for StringMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for StringMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'de> Deserialize<'de> for StringMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::StringMap;

    fn map(pairs: &[(&str, &str)]) -> StringMap {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_copy_that_is_changed_leaves_the_original_alone() {
        let one = map(&[("a", "1")]);
        let mut other = one.clone();
        other.insert("b".to_owned(), "2".to_owned());
        assert_eq!(one, map(&[("a", "1")]));
        assert_eq!(other, map(&[("b", "2"), ("a", "1")]));
        assert_ne!(one, other);
    }

    #[test]
    fn an_emptied_map_equals_an_empty_one() {
        let mut emptied = map(&[("a", "1")]);
        emptied.clear();
        assert_eq!(emptied, StringMap::new());
        assert_eq!(emptied.into_iter().count(), 0);
    }
}
