//! Chunks: an input in pieces, checked to be UTF-8 and rid of its indentation.
//!
//! Most of what kubectl prints is indentation. It can be dropped without looking at anything else,
//! since JSON strings hold no line breaks, and that, like reading and unpacking, goes on beside
//! the parsing of the chunks before.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};

/// Bytes of one chunk: small enough to stay in the processor's cache until they are parsed.
pub(super) const CHUNK: usize = 256 << 10;

/// Chunks that may wait to be parsed.
const AHEAD: usize = 4;

/// A piece of an input.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The bytes as they were, which tell where in the input something lies.
    raw: Vec<u8>,
    /// Offset of the first of them in the input.
    offset: u64,
    /// Whether the chunk starts inside of indentation.
    in_indentation: bool,
    /// The text without indentation.
    pub(super) text: String,
    /// Why the input does not go on after this chunk, where that is not its end.
    pub(super) failure: Option<Failure>,
}

/// Why an input does not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// Bytes that are not UTF-8 follow.
    NotUtf8,
    /// Reading failed.
    Io(io::Error),
}

impl Chunk {
    /// Offset in the input of the byte at this index of [`Chunk::text`].
    pub(super) fn offset_of(&self, index: usize) -> u64 {
        let mut left = index;
        let mut in_indentation = self.in_indentation;
        for (place, byte) in self.raw.iter().enumerate() {
            if in_indentation && is_indentation(*byte) {
                continue;
            }
            if left == 0 {
                return self.offset + place as u64;
            }
            left -= 1;
            in_indentation = *byte == b'\n';
        }
        self.offset + self.raw.len() as u64
    }
}

/// Where the chunks of an input come from.
pub(super) enum Chunks {
    /// Each is cut when it is asked for.
    Idle(Box<Cutter>),
    /// They are cut ahead of their use.
    Ahead(Receiver<Chunk>),
    /// There are no more.
    Ended,
}

impl Chunks {
    /// The chunks of an input.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self::Idle(Box::new(Cutter {
            reader,
            carry: Vec::new(),
            offset: 0,
            in_indentation: false,
            ended: false,
        }))
    }

    /// The next chunk; none at the end. After a chunk with a failure there is none.
    pub(super) fn next(&mut self) -> Option<Chunk> {
        match std::mem::replace(self, Self::Ended) {
            Self::Ended => None,
            Self::Ahead(receiver) => {
                let chunk = receiver.recv().ok()?;
                *self = Self::Ahead(receiver);
                Some(chunk)
            }
            Self::Idle(mut cutter) => {
                let chunk = cutter.next()?;
                *self = match cutter.ended {
                    true => Self::Ended,
                    // A job of the pool must not wait for another one, which may never start.
                    false if rayon::current_thread_index().is_some() => Self::Idle(cutter),
                    false => Self::Ahead(cutter.run_ahead()),
                };
                Some(chunk)
            }
        }
    }
}

/// Cuts an input into chunks.
pub(super) struct Cutter {
    reader: Box<dyn Read + Send>,
    /// The beginning of a character that the last chunk ended in.
    carry: Vec<u8>,
    offset: u64,
    in_indentation: bool,
    ended: bool,
}

impl Cutter {
    /// Goes on in another thread, until the input ends or nobody takes its chunks any more.
    fn run_ahead(mut self: Box<Self>) -> Receiver<Chunk> {
        let (sender, receiver) = sync_channel(AHEAD);
        rayon::spawn(move || {
            while let Some(chunk) = self.next() {
                if sender.send(chunk).is_err() {
                    break;
                }
            }
        });
        receiver
    }

    fn next(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let mut raw = Vec::with_capacity(CHUNK);
        raw.append(&mut self.carry);
        let wanted = CHUNK - raw.len();
        let mut failure = match self
            .reader
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut raw)
        {
            Ok(count) => {
                self.ended = count < wanted;
                None
            }
            Err(error) => Some(Failure::Io(error)),
        };
        let valid = match std::str::from_utf8(&raw) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        if valid < raw.len() {
            let rest = raw.split_off(valid);
            let is_cut_off = std::str::from_utf8(&rest).is_err_and(|it| it.error_len().is_none());
            if is_cut_off && !self.ended && failure.is_none() {
                self.carry = rest;
            } else {
                failure = failure.or(Some(Failure::NotUtf8));
            }
        }
        self.ended |= failure.is_some();
        let in_indentation = self.in_indentation;
        let text = self.strip(std::str::from_utf8(&raw).unwrap_or_default());
        let offset = self.offset;
        self.offset += raw.len() as u64;
        Some(Chunk {
            raw,
            offset,
            in_indentation,
            text,
            failure,
        })
    }

    /// The text without the blanks that lines begin with.
    fn strip(&mut self, raw: &str) -> String {
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw;
        loop {
            if self.in_indentation {
                rest = rest.get(indentation(rest.as_bytes())..).unwrap_or_default();
                if rest.is_empty() {
                    return text;
                }
                self.in_indentation = false;
            }
            let Some(newline) = memchr::memchr(b'\n', rest.as_bytes()) else {
                text.push_str(rest);
                return text;
            };
            let Some((line, after)) = rest.split_at_checked(newline + 1) else {
                return text;
            };
            text.push_str(line);
            rest = after;
            self.in_indentation = true;
        }
    }
}

fn is_indentation(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many blanks the bytes begin with.
fn indentation(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<8>();
    let blank = blocks.iter().take_while(|block| **block == [b' '; 8]);
    let whole = blank.count() * 8;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole
        + rest
            .iter()
            .take_while(|byte| is_indentation(**byte))
            .count()
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Chunk, Chunks, Failure};

    fn chunks(bytes: &[u8]) -> Vec<Chunk> {
        let mut chunks = Chunks::new(Box::new(std::io::Cursor::new(bytes.to_vec())));
        std::iter::from_fn(|| chunks.next()).collect()
    }

    #[test]
    fn indentation_goes_and_everything_else_stays() {
        let [chunk] = chunks(b"{\n    \"a b\": [\n\t  1 ,\n2\n]\n}\n")
            .try_into()
            .expect("one");
        assert_eq!(chunk.text, "{\n\"a b\": [\n1 ,\n2\n]\n}\n");
        assert_eq!(chunk.offset_of(2), 6);
        assert_eq!(chunk.offset_of(11), 18);
        assert_eq!(chunk.offset_of(1000), 28);
    }

    #[test]
    fn places_are_told_across_chunks() {
        let mut text = "x".repeat(CHUNK - 4).into_bytes();
        text.extend_from_slice(b"\n        y");
        let [first, second] = chunks(&text).try_into().expect("two");
        assert_eq!(second.text, "y");
        assert_eq!(second.offset_of(0), text.len() as u64 - 1);
        assert_eq!(first.offset_of(7), 7);
    }

    #[test]
    fn a_character_may_lie_on_a_border() {
        let text = format!("{}é{}", "x".repeat(CHUNK - 1), "y".repeat(CHUNK));
        let chunks = chunks(text.as_bytes());
        let joined: String = chunks.into_iter().map(|chunk| chunk.text).collect();
        assert_eq!(joined, text);
    }

    #[test]
    fn what_is_not_utf8_ends_the_input() {
        for text in [b"ab\xff cd".as_slice(), b"ab\xc3"] {
            let [chunk] = chunks(text).try_into().expect("one");
            assert!(matches!(chunk.failure, Some(Failure::NotUtf8)));
            assert_eq!(chunk.text, "ab");
        }
    }
}
