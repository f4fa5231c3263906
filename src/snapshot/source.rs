//! The source: an input that is read piece by piece, if possible of whole items.
//!
//! Where the items of a List begin can be guessed: each stands after a comma and begins like the
//! first one. A guess is enough, since nothing is taken to be an item before everything in front
//! of it has been parsed.

use std::io::{self, Read};

use memchr::memmem;

/// Bytes of one piece: small enough to stay in the processor's cache until they are parsed, and
/// large enough to hold many items.
pub(super) const PIECE: usize = 1 << 20;

/// The longest key that the first item of a List may begin with.
const KEY_LIMIT: usize = 64;

/// A piece of an input.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// Whether an item seems to begin with it.
    pub(super) begins_item: bool,
    /// Why the input does not go on after it, where that is not its end.
    pub(super) failure: Option<io::Error>,
}

/// An input that is read from its start to its end.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    /// What was read already and belongs to the next piece.
    tail: Vec<u8>,
    /// How items after the first one begin, comma and all.
    border: Option<Vec<u8>>,
    /// Whether the next piece begins with an item.
    begins_item: bool,
    has_begun: bool,
    has_ended: bool,
}

impl Source {
    /// An input of which nothing has been read.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            tail: Vec::new(),
            border: None,
            begins_item: false,
            has_begun: false,
            has_ended: false,
        }
    }

    /// Whether there are no more pieces.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Reads the next piece into memory that was used before; none at the end. After a piece with a
    /// failure there is none.
    ///
    /// Memory that is used again stays in the processor's cache: reading into new memory each time
    /// takes several times as long.
    pub(super) fn read(&mut self, mut bytes: Vec<u8>) -> Option<Piece> {
        if self.has_ended {
            return None;
        }
        if bytes.capacity() == 0 {
            // Zeroes of the system's, which cost nothing where a small input leaves them alone.
            bytes = vec![0; PIECE];
        }
        bytes.resize(PIECE, 0);
        let (start, _) = bytes.split_at_mut(self.tail.len());
        start.copy_from_slice(&self.tail);
        let (filled, failure) = self.fill(&mut bytes, self.tail.len());
        bytes.truncate(filled);
        if !std::mem::replace(&mut self.has_begun, true) {
            self.border = border(&bytes);
        }
        let (length, begins_item) = self.cut(&bytes);
        self.tail.clear();
        self.tail
            .extend_from_slice(bytes.get(length..).unwrap_or_default());
        bytes.truncate(length);
        Some(Piece {
            bytes,
            begins_item: std::mem::replace(&mut self.begins_item, begins_item),
            failure,
        })
    }

    /// Reads until the memory is full or the input ends; tells how much of it is full.
    fn fill(&mut self, bytes: &mut [u8], mut filled: usize) -> (usize, Option<io::Error>) {
        while let Some(room @ [_, ..]) = bytes.get_mut(filled..) {
            match self.reader.read(room) {
                Ok(0) => {
                    self.has_ended = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.has_ended = true;
                    return (filled, Some(error));
                }
            }
        }
        (filled, None)
    }

    /// How much of what was read is the next piece, and whether an item seems to follow.
    fn cut(&self, read: &[u8]) -> (usize, bool) {
        if self.has_ended {
            return (read.len(), false);
        }
        let begins = |comma: &usize| {
            let (border, rest) = (self.border.as_ref(), read.get(*comma..));
            border.is_some_and(|border| rest.is_some_and(|rest| rest.starts_with(border)))
        };
        match memchr::memrchr_iter(b',', read).find(begins) {
            Some(comma) => (comma + 1, true),
            None => (read.len() - cut_off(read), false),
        }
    }
}

/// How items after the first one begin, if they begin like it.
fn border(text: &[u8]) -> Option<Vec<u8>> {
    let key = b"\"items\"";
    let items = text.get(memmem::find(text, key)? + key.len()..)?;
    let list = after(items, b":").and_then(|value| after(value, b"["))?;
    let first = after(list, b"{").and_then(|item| after(item, b"\""))?;
    let length = memchr::memchr(b'"', first.get(..KEY_LIMIT).unwrap_or(first))?;
    let start = list.len() - first.len() + length + 1;
    Some([b",", list.get(..start)?].concat())
}

/// What follows a token that may have white space in front of it.
fn after<'b>(bytes: &'b [u8], token: &[u8]) -> Option<&'b [u8]> {
    bytes.trim_ascii_start().strip_prefix(token)
}

/// How many bytes at the end are the beginning of a character.
fn cut_off(bytes: &[u8]) -> usize {
    let ending = bytes.iter().rev().take(3).enumerate();
    for (index, byte) in ending {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if index + 1 < length { index + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{PIECE, Piece, Source, border};

    fn pieces(bytes: &[u8]) -> Vec<Piece> {
        let mut source = Source::new(Box::new(Cursor::new(bytes.to_vec())));
        std::iter::from_fn(|| source.read(Vec::new())).collect()
    }

    #[test]
    fn items_begin_like_the_first_one() {
        let check = |text: &str, expected: Option<&str>| {
            let border = border(text.as_bytes());
            assert_eq!(border.as_deref(), expected.map(str::as_bytes), "{text}");
        };
        check(
            "{\n    \"items\": [\n        {\n            \"kind\": 1",
            Some(",\n        {\n            \"kind\""),
        );
        check("{\"items\":[{\"a\":1},{\"a\":2}]}", Some(",{\"a\""));
        check("{\"items\":[]}", None);
        check("{\"items\":[{}]}", None);
        check("{\"items\":[{\"a", None);
        check("[{\"a\":1}]", None);
    }

    #[test]
    fn pieces_end_where_items_do() {
        let item = format!("{{\"a\":\"{}\"}}", "x".repeat(PIECE / 3));
        let text = format!("{{\"items\":[{item},{item},{item},{item},{item},{item}]}}");
        let pieces = pieces(text.as_bytes());
        let begins: Vec<bool> = pieces.iter().map(|piece| piece.begins_item).collect();
        assert_eq!(begins, [false, true, true]);
        let texts: Vec<&str> = pieces
            .iter()
            .map(|piece| std::str::from_utf8(&piece.bytes).expect("text"))
            .collect();
        assert_eq!(texts.concat(), text);
        assert!(texts.iter().skip(1).all(|text| text.starts_with("{\"a\"")));
    }

    #[test]
    fn a_character_is_never_cut() {
        for character in ["\u{e9}", "\u{20ac}", "\u{1f600}"] {
            for before in PIECE - 4..=PIECE {
                let text = format!("{}{character}{}", "x".repeat(before), "y".repeat(9));
                let pieces = pieces(text.as_bytes());
                assert_eq!(pieces.len(), 2);
                for piece in pieces {
                    assert!(std::str::from_utf8(&piece.bytes).is_ok(), "{before}");
                }
            }
        }
    }
}
