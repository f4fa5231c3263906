//! Borrowed pieces of JSON: text, and maps of text, that stay in the window until they are kept.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// A string, or nothing where it is absent or `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, empty where there is none.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text; none where it is absent.
    pub(super) fn as_option(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The text as a value of its own; none where it is absent.
    pub(super) fn to_option(&self) -> Option<String> {
        self.as_option().map(str::to_owned)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(value))))
    }

    fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(value.to_owned()))))
    }

    fn visit_string<E>(self, value: String) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(value))))
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A quantity: a string, or a bare number, which counts as its own text.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantity<'a>(Text<'a>);

impl Quantity<'_> {
    /// The text; none where it is absent.
    pub(super) fn as_option(&self) -> Option<&str> {
        self.0.as_option()
    }

    /// The text as a value of its own; none where it is absent.
    pub(super) fn to_option(&self) -> Option<String> {
        self.0.to_option()
    }
}

struct QuantityVisitor;

fn written<'a, E>(value: impl fmt::Display) -> Result<Quantity<'a>, E> {
    Ok(Quantity(Text(Some(Cow::Owned(value.to_string())))))
}

impl<'de> Visitor<'de> for QuantityVisitor {
    type Value = Quantity<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Quantity<'de>, E> {
        TextVisitor.visit_borrowed_str(value).map(Quantity)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Quantity<'de>, E> {
        TextVisitor.visit_str(value).map(Quantity)
    }

    fn visit_unit<E: Error>(self) -> Result<Quantity<'de>, E> {
        TextVisitor.visit_unit().map(Quantity)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Quantity<'de>, E> {
        written(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Quantity<'de>, E> {
        written(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Quantity<'de>, E> {
        written(value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Quantity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

/// A map of text, in the order in which it is written; empty where it is absent or `null`.
#[derive(Debug, Clone)]
pub(super) struct Pairs<'a, V = Text<'a>>(pub(super) Vec<(Text<'a>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct PairsVisitor<V>(std::marker::PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<'de, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E>(self) -> Result<Pairs<'de, V>, E> {
        Ok(Pairs::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de, V>, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor(std::marker::PhantomData))
    }
}
