//! JSON, read fast: what kubectl and API servers print, and nothing that serde_json refuses.
//!
//! Two thirds of what kubectl prints are the blanks that lines begin with, and most of the rest is
//! of no interest, so that both are gone over in blocks of bytes. Whatever is rare is refused
//! without a word: serde_json reads it then, and says what is wrong with it.

mod blocks;
mod repeats;
mod values;

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error};

use self::blocks::{ordinary, spaces};
pub(super) use self::repeats::Repeats;

/// How deep values may lie in one another; serde_json takes 127.
const DEPTH: u32 = 64;

/// Reads the object or list at the start of a text, and tells how long it is; none where that is
/// left to serde_json.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(
    seed: S,
    text: &'de str,
    repeats: Option<&RefCell<Repeats>>,
) -> Option<(S::Value, usize)> {
    let mut repeats = repeats.and_then(|repeats| repeats.try_borrow_mut().ok());
    let mut repeats = repeats.as_deref_mut();
    if let Some(repeats) = &mut repeats {
        repeats.begin();
    }
    let mut scanner = Scanner {
        text,
        position: 0,
        depth: 0,
        repeats,
    };
    if !matches!(scanner.peek(), Ok(b'{' | b'[')) {
        return None;
    }
    let value = seed.deserialize(&mut scanner).ok()?;
    Some((value, scanner.position))
}

/// Left to serde_json.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("left to serde_json")
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Scanner<'r, 'de> {
    text: &'de str,
    position: usize,
    /// How many objects and lists are open.
    depth: u32,
    repeats: Option<&'r mut Repeats>,
}

/// A string between its quotes.
struct Quoted<'de> {
    text: &'de str,
    has_escapes: bool,
}

impl<'de> Scanner<'_, 'de> {
    fn rest(&self) -> &'de [u8] {
        self.text
            .as_bytes()
            .get(self.position..)
            .unwrap_or_default()
    }

    /// The next byte that is not blank, which stays unread.
    #[inline]
    fn peek(&mut self) -> Result<u8, Refused> {
        match self.text.as_bytes().get(self.position) {
            Some(byte) if *byte > b' ' => Ok(*byte),
            _ => self.peek_behind_blanks(),
        }
    }

    fn peek_behind_blanks(&mut self) -> Result<u8, Refused> {
        loop {
            match self.rest() {
                [b'\n', after @ ..] => self.position += 1 + spaces(after),
                [b' ' | b'\t' | b'\r', ..] => self.position += 1,
                [byte, ..] => return Ok(*byte),
                [] => return Err(Refused),
            }
        }
    }

    /// Takes a byte that must come next, after blanks.
    #[inline]
    fn take(&mut self, expected: u8) -> Result<(), Refused> {
        if self.peek()? != expected {
            return Err(Refused);
        }
        self.position += 1;
        Ok(())
    }

    /// Takes the string that begins here.
    fn string(&mut self) -> Result<Quoted<'de>, Refused> {
        let start = self.position + 1;
        let has_escapes = self.skip_string()?;
        let text = self.text.get(start..self.position - 1).ok_or(Refused)?;
        Ok(Quoted { text, has_escapes })
    }

    /// Takes the string that begins here; tells whether it has escapes.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, Refused> {
        self.take(b'"')?;
        self.position += ordinary(self.rest());
        let has_escapes = self.rest().first() != Some(&b'"');
        if has_escapes {
            self.skip_escapes()?;
        }
        self.position += 1;
        Ok(has_escapes)
    }

    /// Goes on to the quote that ends a string.
    fn skip_escapes(&mut self) -> Result<(), Refused> {
        loop {
            match self.rest() {
                [b'"', ..] => return Ok(()),
                [b'\\', b'u', digits @ ..] if are_hexadecimal(digits) => self.position += 6,
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    ..,
                ] => {
                    self.position += 2;
                }
                _ => return Err(Refused),
            }
            self.position += ordinary(self.rest());
        }
    }

    /// Takes the digits that come next; tells whether there are any.
    fn digits(&mut self) -> bool {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit());
        let count = digits.count();
        self.position += count;
        count > 0
    }

    /// Takes the number that begins here; tells whether it is an integer.
    fn number(&mut self) -> Result<bool, Refused> {
        if self.rest().starts_with(b"-") {
            self.position += 1;
        }
        if self.rest().starts_with(b"0") {
            self.position += 1;
        } else if !self.digits() {
            return Err(Refused);
        }
        let mut is_integer = true;
        if self.rest().starts_with(b".") {
            self.position += 1;
            is_integer = false;
            if !self.digits() {
                return Err(Refused);
            }
        }
        if let [b'e' | b'E', after @ ..] = self.rest() {
            self.position += 1 + usize::from(matches!(after, [b'+' | b'-', ..]));
            is_integer = false;
            if !self.digits() {
                return Err(Refused);
            }
        }
        Ok(is_integer)
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Refused> {
        if !self.rest().starts_with(literal) {
            return Err(Refused);
        }
        self.position += literal.len();
        Ok(())
    }

    /// Takes the value that comes next, whatever it is.
    fn pass_over(&mut self) -> Result<(), Refused> {
        if !matches!(self.peek()?, b'{' | b'[') {
            return self.skip();
        }
        let bytes = self.rest();
        let repeated = self.repeats.as_mut().and_then(|it| it.length(bytes));
        if let Some(length) = repeated {
            self.position += length;
            return Ok(());
        }
        let start = self.position;
        self.skip()?;
        if let Some(repeats) = &mut self.repeats {
            let value = bytes.get(..self.position - start);
            repeats.put(value.unwrap_or_default());
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), Refused> {
        // Of each open value one bit, which tells whether it is an object.
        let mut open = 0_u64;
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => drop(self.skip_string()?),
                b'{' | b'[' if depth == DEPTH => return Err(Refused),
                start @ (b'{' | b'[') => {
                    self.position += 1;
                    let is_object = start == b'{';
                    if self.peek()? == end_of(is_object) {
                        self.position += 1;
                    } else {
                        open = (open << 1) | u64::from(is_object);
                        depth += 1;
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => drop(self.number()?),
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = open & 1 == 1;
                let next = self.peek()?;
                self.position += 1;
                if next == b',' {
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                if next != end_of(is_object) {
                    return Err(Refused);
                }
                open >>= 1;
                depth -= 1;
            }
        }
    }

    /// Takes a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<(), Refused> {
        self.peek()?;
        self.skip_string()?;
        self.colon()
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Refused> {
        self.take(b':')?;
        if self.rest().starts_with(b" ") {
            self.position += 1;
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Refused> {
        self.position += 1;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Refused);
        }
        Ok(())
    }

    /// Leaves the object or list that was entered, whose items are all taken.
    fn leave(&mut self, end: u8) -> Result<(), Refused> {
        self.depth -= 1;
        self.take(end)
    }
}

fn end_of(is_object: bool) -> u8 {
    if is_object { b'}' } else { b']' }
}

fn are_hexadecimal(digits: &[u8]) -> bool {
    let digits = digits.first_chunk::<4>();
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests;
