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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Item, those_that_matter};
    use crate::manifest::null_default;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Number(u8);

    impl Item for Number {
        fn matters(&self) -> bool {
            self.0 > 1
        }
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Filtered {
        #[serde(deserialize_with = "those_that_matter")]
        numbers: Vec<Number>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Whole {
        #[serde(deserialize_with = "null_default")]
        numbers: Vec<Number>,
    }

    /// What is refused is refused as it is without the filter.
    #[track_caller]
    fn check(text: &str, expected: Option<&[Number]>) {
        let whole = serde_json::from_str::<Whole>(text);
        match (serde_json::from_str::<Filtered>(text), whole) {
            (Ok(filtered), Ok(_)) => assert_eq!(Some(&*filtered.numbers), expected, "{text}"),
            (Err(error), Err(whole)) => {
                assert_eq!(error.to_string(), whole.to_string(), "{text}");
                assert_eq!(None, expected, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn items_that_do_not_matter_are_read_and_dropped() {
        check(r#"{"numbers": [3, 1, 2]}"#, Some(&[Number(3), Number(2)]));
        check(r#"{"numbers": null}"#, Some(&[]));
        check("{}", Some(&[]));
        check(r#"{"numbers": ["x"]}"#, None);
        check(r#"{"numbers": {}}"#, None);
        check(r#"{"numbers": [1, 2"#, None);
    }
}
