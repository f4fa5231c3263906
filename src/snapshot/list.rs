//! Lists of which only some items matter; the others are dropped as soon as they are read, so that
//! no memory is asked for on their account.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// An item of a list, of which something may be kept or nothing.
pub(super) trait Item {
    /// Whether something of it is kept.
    fn matters(&self) -> bool;
}

/// The items of a list that matter, in their order; none where it is `null`.
///
/// # Errors
///
/// When it is no list, or an item cannot be read.
pub(super) fn those_that_matter<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Item,
{
    let list = Option::<Filtered<T>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.0).unwrap_or_default())
}

struct Filtered<T>(Vec<T>);

impl<'de, T: Deserialize<'de> + Item> Deserialize<'de> for Filtered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = deserializer.deserialize_seq(FilteredVisitor(PhantomData))?;
        Ok(Self(items))
    }
}

struct FilteredVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Item> Visitor<'de> for FilteredVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<T>()? {
            if item.matters() {
                items.push(item);
            }
        }
        Ok(items)
    }
}
