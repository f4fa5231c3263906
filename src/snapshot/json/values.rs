//! Values that are looked at, as serde asks for them.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Refused, Scanner};

impl<'de> Deserializer<'de> for &mut Scanner<'_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.peek()? {
            b'"' => {
                let start = self.position;
                let quoted = self.string()?;
                if !quoted.has_escapes {
                    return visitor.visit_borrowed_str(quoted.text);
                }
                let with_quotes = self.text.get(start..self.position).ok_or(Refused)?;
                let text = serde_json::from_str(with_quotes).map_err(|_| Refused)?;
                visitor.visit_string(text)
            }
            b'{' => {
                self.enter()?;
                let value = visitor.visit_map(Items::new(self))?;
                self.leave(b'}')?;
                Ok(value)
            }
            b'[' => {
                self.enter()?;
                let value = visitor.visit_seq(Items::new(self))?;
                self.leave(b']')?;
                Ok(value)
            }
            b't' => self
                .literal(b"true")
                .and_then(|()| visitor.visit_bool(true)),
            b'f' => self
                .literal(b"false")
                .and_then(|()| visitor.visit_bool(false)),
            b'n' => self.literal(b"null").and_then(|()| visitor.visit_unit()),
            _ => {
                let start = self.position;
                if !self.number()? {
                    return Err(Refused);
                }
                let written = self.text.get(start..self.position).ok_or(Refused)?;
                match written.parse::<u64>() {
                    Ok(number) => visitor.visit_u64(number),
                    // A zero with a sign is a float, and so is what is too large.
                    Err(_) => match written.parse::<i64>() {
                        Ok(number) if number != 0 => visitor.visit_i64(number),
                        _ => Err(Refused),
                    },
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.peek()? == b'n' {
            self.literal(b"null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.pass_over()?;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Refused> {
        Err(Refused)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// What an object or a list that was entered holds.
struct Items<'s, 'r, 'de> {
    scanner: &'s mut Scanner<'r, 'de>,
    is_first: bool,
}

impl<'s, 'r, 'de> Items<'s, 'r, 'de> {
    fn new(scanner: &'s mut Scanner<'r, 'de>) -> Self {
        Self {
            scanner,
            is_first: true,
        }
    }

    /// Goes on to the next one; tells whether there is one.
    fn advance(&mut self, end: u8) -> Result<bool, Refused> {
        if self.scanner.peek()? == end {
            return Ok(false);
        }
        if !std::mem::replace(&mut self.is_first, false) {
            self.scanner.take(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_, 'de> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if !self.advance(b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.scanner).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_, '_, 'de> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if !self.advance(b'}')? {
            return Ok(None);
        }
        if self.scanner.peek()? != b'"' {
            return Err(Refused);
        }
        seed.deserialize(&mut *self.scanner).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        self.scanner.colon()?;
        seed.deserialize(&mut *self.scanner)
    }
}
