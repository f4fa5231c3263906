//! Chunks: an input in pieces, checked to be UTF-8 and rid of its indentation.
//!
//! Most of what kubectl prints is indentation. It can be dropped without looking at anything else,
//! since JSON strings hold no line breaks, and that, like reading and unpacking, goes on beside
//! the parsing of the chunks before.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of one chunk: small enough to stay in the processor's cache until they are parsed, and
/// large enough to hold many values, since one that goes on in the next chunk is parsed twice.
pub(super) const CHUNK: usize = 1 << 20;

/// Chunks that may wait to be parsed.
const AHEAD: usize = 4;

/// Bytes of a line of what kubectl prints, about.
const LINE: usize = 32;

/// A piece of an input.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Offset of the first of its bytes in the input.
    offset: u64,
    /// Where indentation was taken out.
    gaps: Vec<Gap>,
    /// Length of [`Chunk::text`] when the chunk was cut.
    length: usize,
    /// The text without indentation.
    pub(super) text: String,
    /// Why the input does not go on after this chunk, where that is not its end.
    pub(super) failure: Option<Failure>,
}

/// Indentation that was taken out. A chunk has thousands, and is far smaller than 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// Index in the text of what followed it.
    at: u32,
    /// Bytes that were taken out of the chunk up to there.
    removed: u32,
}

/// Why an input does not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// Bytes that are not UTF-8 follow.
    NotUtf8,
    /// Reading failed.
    Io(io::Error),
}

impl Gap {
    fn new(at: usize, removed: usize) -> Self {
        const _: () = assert!(CHUNK <= u32::MAX as usize);
        let small = |count| u32::try_from(count).expect("internal: a chunk is small");
        Self {
            at: small(at),
            removed: small(removed),
        }
    }
}

impl Chunk {
    /// Offset in the input of the byte at this index of [`Chunk::text`].
    pub(super) fn offset_of(&self, index: usize) -> u64 {
        let index = index.min(self.length);
        let before = self.gaps.partition_point(|gap| gap.at as usize <= index);
        let gap = before.checked_sub(1).and_then(|last| self.gaps.get(last));
        let removed = gap.map_or(0, |gap| gap.removed);
        self.offset + index as u64 + u64::from(removed)
    }
}

/// Where the chunks of an input come from.
pub(super) enum Chunks {
    /// Each is cut when it is asked for.
    Idle(Box<Cutter>),
    /// They are cut ahead of their use.
    Ahead {
        chunks: Receiver<Chunk>,
        /// Where texts go back to when they are done with.
        spent: SyncSender<String>,
    },
    /// There are no more.
    Ended,
}

impl Chunks {
    /// The chunks of an input.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self::Idle(Box::new(Cutter {
            reader,
            raw: vec![0; CHUNK],
            filled: 0,
            offset: 0,
            in_indentation: false,
            ended: false,
            spent: None,
        }))
    }

    /// The next chunk; none at the end. After a chunk with a failure there is none.
    pub(super) fn next(&mut self) -> Option<Chunk> {
        match std::mem::replace(self, Self::Ended) {
            Self::Ended => None,
            Self::Ahead { chunks, spent } => {
                let chunk = chunks.recv().ok()?;
                *self = Self::Ahead { chunks, spent };
                Some(chunk)
            }
            Self::Idle(mut cutter) => {
                let chunk = cutter.next()?;
                *self = match cutter.ended {
                    true => Self::Ended,
                    // A job of the pool must not wait for another one, which may never start.
                    false if rayon::current_thread_index().is_some() => Self::Idle(cutter),
                    false => cutter.run_ahead(),
                };
                Some(chunk)
            }
        }
    }

    /// Gives a text back, so that the next chunk need not ask for memory again.
    pub(super) fn give_back(&self, text: String) {
        if let Self::Ahead { spent, .. } = self {
            // Where there is no room for it, or nobody left to take it, it is dropped.
            let _ = spent.try_send(text);
        }
    }
}

/// Cuts an input into chunks.
pub(super) struct Cutter {
    reader: Box<dyn Read + Send>,
    /// What was read. Always the same memory, so that it stays in the processor's cache: reading
    /// into new memory each time takes several times as long.
    raw: Vec<u8>,
    /// How much of `raw` holds bytes already: the beginning of a character that the last chunk
    /// ended in.
    filled: usize,
    offset: u64,
    in_indentation: bool,
    ended: bool,
    spent: Option<Receiver<String>>,
}

impl Cutter {
    /// Goes on in another thread, until the input ends or nobody takes its chunks any more.
    fn run_ahead(mut self: Box<Self>) -> Chunks {
        let (sender, chunks) = sync_channel(AHEAD);
        let (spent, receiver) = sync_channel(AHEAD);
        self.spent = Some(receiver);
        rayon::spawn(move || {
            while let Some(chunk) = self.next() {
                if sender.send(chunk).is_err() {
                    break;
                }
            }
        });
        Chunks::Ahead { chunks, spent }
    }

    fn next(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let mut failure = self.fill().err().map(Failure::Io);
        let mut raw = std::mem::take(&mut self.raw);
        let read = raw.get(..self.filled).unwrap_or_default();
        let (valid, is_cut_off) = match std::str::from_utf8(read) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = read.get(..error.valid_up_to()).unwrap_or_default();
                let is_cut_off = error.error_len().is_none();
                (std::str::from_utf8(valid).unwrap_or_default(), is_cut_off)
            }
        };
        let taken = valid.len();
        if taken < self.filled && (!is_cut_off || self.ended) {
            failure = failure.or(Some(Failure::NotUtf8));
        }
        self.ended |= failure.is_some();
        let mut chunk = self.strip(valid);
        chunk.failure = failure;
        self.offset += taken as u64;
        raw.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        self.raw = raw;
        Some(chunk)
    }

    /// Reads until the memory is full or the input ends.
    fn fill(&mut self) -> io::Result<()> {
        while let Some(room @ [_, ..]) = self.raw.get_mut(self.filled..) {
            match self.reader.read(room) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The chunk of a text: without the blanks that lines begin with.
    fn strip(&mut self, raw: &str) -> Chunk {
        let spent = self.spent.as_ref().and_then(|spent| spent.try_recv().ok());
        let mut text = spent.unwrap_or_default();
        text.clear();
        text.reserve(raw.len());
        let mut gaps = Vec::with_capacity(raw.len() / LINE);
        let mut removed = 0;
        let mut rest = raw;
        while !rest.is_empty() {
            if self.in_indentation {
                let width = indentation(rest.as_bytes());
                if width > 0 {
                    removed += width;
                    gaps.push(Gap::new(text.len(), removed));
                    rest = rest.get(width..).unwrap_or_default();
                }
                self.in_indentation = rest.is_empty();
            }
            let newline = memchr::memchr(b'\n', rest.as_bytes());
            let end = newline.map_or(rest.len(), |newline| newline + 1);
            let Some((line, after)) = rest.split_at_checked(end) else {
                break;
            };
            text.push_str(line);
            self.in_indentation |= newline.is_some();
            rest = after;
        }
        Chunk {
            offset: self.offset,
            gaps,
            length: text.len(),
            text,
            failure: None,
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
    fn every_byte_is_told_its_own_place() {
        for raw in [
            "  {\n   \"é\": 1,\n\n\t\t\n 2}\n    ",
            "{\n}",
            "\n\n  \n   x",
            " no line break",
        ] {
            let [chunk] = chunks(raw.as_bytes()).try_into().expect("one");
            for (index, byte) in chunk.text.bytes().enumerate() {
                let place = usize::try_from(chunk.offset_of(index)).expect("small");
                assert_eq!(raw.as_bytes()[place], byte, "{raw:?} at {index}");
            }
            let places: Vec<u64> = (0..chunk.text.len())
                .map(|at| chunk.offset_of(at))
                .collect();
            assert!(places.is_sorted_by(|one, next| one < next), "{raw:?}");
            assert_eq!(chunk.offset_of(usize::MAX), raw.len() as u64);
        }
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
