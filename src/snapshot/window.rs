//! The window: the part of an input that is in memory, and the JSON values pulled out of it.
//!
//! Values are parsed where they lie. When one does not end inside the window, more bytes are read
//! and it is parsed again from its start: with a window of many values that happens once in a
//! while, and it saves the separate pass that would find the value's end first.

use std::cell::RefCell;
use std::io::Read;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::SnapshotError;
use super::chunk::{Chunk, Chunks, Failure};
use super::items::ItemReader;
use super::json::{self, Repeats};
use super::object::Item;

/// The largest single value. The API server refuses objects of a few MiB, which are several times
/// as large with indentation; what is larger is no object, and holding it would break the bound on
/// memory.
pub(super) const VALUE_LIMIT: usize = 24 << 20;

/// What is wrong with an input, and where.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes are not what they should be.
    Syntax {
        /// What is wrong: lower case, no trailing period.
        message: String,
        /// Byte offset from the start of the (decompressed) input.
        offset: u64,
    },
    /// Reading failed.
    Io(std::io::Error),
}

impl Fault {
    /// A fault at an offset.
    pub(super) fn at(offset: u64, message: impl Into<String>) -> Self {
        Self::Syntax {
            message: message.into(),
            offset,
        }
    }

    /// The error that a caller gets, with the input's name.
    pub(super) fn named(self, name: &str) -> SnapshotError {
        let name = name.to_owned();
        match self {
            Self::Syntax { message, offset } => SnapshotError::Unparsable {
                name,
                message,
                offset,
            },
            Self::Io(source) => SnapshotError::Io { name, source },
        }
    }
}

/// A bounded view of an input that moves forward only.
pub(super) struct Window {
    chunks: Chunks,
    buffer: String,
    /// Where in the buffer the next unread byte lies.
    position: usize,
    /// Offset in the input of the buffer's first byte.
    base: u64,
    failure: Option<Failure>,
    ended: bool,
}

impl Window {
    /// A window at the start of an input.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            chunks: Chunks::new(reader),
            buffer: String::new(),
            position: 0,
            base: 0,
            failure: None,
            ended: false,
        }
    }

    /// Offset in the input of the next unread byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// A fault at the next unread byte.
    pub(super) fn fault_here(&self, message: impl Into<String>) -> Fault {
        Fault::at(self.offset(), message)
    }

    /// Goes back to an offset that has not left the window.
    pub(super) fn rewind(&mut self, offset: u64) {
        let position = offset.saturating_sub(self.base);
        self.position = usize::try_from(position).unwrap_or(self.position);
    }

    fn unread(&self) -> &str {
        self.buffer.get(self.position..).unwrap_or_default()
    }

    /// Reads more, dropping what lies before `keep_from`; tells whether there was more.
    fn fill(&mut self, keep_from: u64) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        self.forget(keep_from);
        if self.buffer.len() > VALUE_LIMIT {
            let message = format!("a value of more than {} MiB", VALUE_LIMIT >> 20);
            return Err(Fault::at(self.base, message));
        }
        // Doubling keeps the cost of parsing a large value again linear.
        let before = self.buffer.len();
        while self.buffer.len() <= 2 * before {
            if !self.fill_once()? {
                break;
            }
        }
        Ok(self.buffer.len() > before)
    }

    fn fill_once(&mut self) -> Result<bool, Fault> {
        let chunk = self.next_chunk()?;
        let is_more = chunk.is_some();
        if let Some(chunk) = chunk {
            self.append(chunk, 0);
        }
        Ok(is_more)
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        match self.failure.take() {
            Some(Failure::Io(error)) => return Err(Fault::Io(error)),
            Some(Failure::NotUtf8) => {
                let end = self.base + self.buffer.len() as u64;
                return Err(Fault::at(end, "bytes that are not UTF-8"));
            }
            None => {}
        }
        let chunk = self.chunks.next();
        self.ended = chunk.is_none();
        Ok(chunk)
    }

    /// Goes on with a chunk, but for the beginning of its text.
    fn append(&mut self, chunk: Chunk, from: usize) {
        self.failure = chunk.failure;
        let rest = chunk.text.get(from..).unwrap_or_default();
        self.buffer.push_str(rest);
        self.chunks.give_back(chunk.text);
    }

    /// Begins to read items ahead of their use: the next value is one of them.
    pub(super) fn read_ahead(&mut self, items: &ItemReader) {
        self.chunks.read_ahead(items);
    }

    /// The items that come next, where they have been read already. The next value is an item, and
    /// so is what comes after these: each of them had a comma after it.
    pub(super) fn take_items(&mut self) -> Result<Vec<Item>, Fault> {
        let blank = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if self.ended || !self.unread().bytes().all(blank) {
            return Ok(Vec::new());
        }
        let Some(mut chunk) = self.next_chunk()? else {
            return Ok(Vec::new());
        };
        let items = std::mem::take(&mut chunk.items);
        if items.length > 0 {
            self.base += (self.buffer.len() + items.length) as u64;
            self.position = 0;
            self.buffer.clear();
        }
        self.append(chunk, items.length);
        Ok(items.found)
    }

    fn forget(&mut self, keep_from: u64) {
        let keep = usize::try_from(keep_from.saturating_sub(self.base)).unwrap_or(0);
        let gone = keep.min(self.position);
        if !self.buffer.is_char_boundary(gone) {
            return;
        }
        self.buffer.drain(..gone);
        self.position -= gone;
        self.base += gone as u64;
    }

    /// The next byte that is no white space, which stays unread; none at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        let keep_from = self.offset();
        self.peek_keeping(keep_from)
    }

    /// As [`Window::peek`], without dropping anything from `keep_from` on.
    pub(super) fn peek_keeping(&mut self, keep_from: u64) -> Result<Option<u8>, Fault> {
        loop {
            let unread = self.unread();
            let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
            if let Some(ahead) = unread.bytes().position(|byte| !blank(&byte)) {
                let byte = unread.as_bytes().get(ahead).copied();
                self.position += ahead;
                return Ok(byte);
            }
            self.position = self.buffer.len();
            if !self.fill(keep_from.min(self.offset()))? {
                return Ok(None);
            }
        }
    }

    /// Takes one byte that must come next.
    pub(super) fn take(&mut self, expected: u8, keep_from: u64) -> Result<(), Fault> {
        match self.peek_keeping(keep_from)? {
            Some(byte) if byte == expected => {
                self.position += 1;
                Ok(())
            }
            Some(_) => Err(self.fault_here(format!("expected `{}`", char::from(expected)))),
            None => Err(self.fault_here(TOO_EARLY)),
        }
    }

    /// Pulls the next JSON value: `parse` gets the text from its start on, more of them each time
    /// that it finds the value cut off, and tells how many it took.
    pub(super) fn value<T>(
        &mut self,
        keep_from: u64,
        mut parse: impl FnMut(&str) -> Result<(T, usize), Refusal>,
    ) -> Result<T, Fault> {
        if self.peek_keeping(keep_from)?.is_none() {
            return Err(self.fault_here(TOO_EARLY));
        }
        loop {
            let unread = self.unread();
            match parse(unread) {
                // A number at the very end may go on in the next chunk.
                Ok((_, taken)) if taken == unread.len() && !self.ended => {}
                Ok((value, taken)) => {
                    self.position += taken;
                    return Ok(value);
                }
                Err(refusal) if refusal.cut_off && !self.ended => {}
                Err(refusal) => {
                    let offset = self.offset() + refusal.position as u64;
                    return Err(Fault::at(offset, refusal.message));
                }
            }
            let start = self.offset();
            self.fill(keep_from.min(start))?;
        }
    }

    /// Pulls the next JSON value, which is owned.
    pub(super) fn owned<T: DeserializeOwned>(&mut self, keep_from: u64) -> Result<T, Fault> {
        self.value(keep_from, |text| one::<T>(text))
    }

    /// Skips the next JSON value.
    pub(super) fn skip(&mut self, keep_from: u64) -> Result<(), Fault> {
        self.value(keep_from, |text| one::<IgnoredAny>(text))
            .map(drop)
    }
}

const TOO_EARLY: &str = "the input ends too early";

/// Why a value could not be used.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong: lower case, no trailing period.
    pub(super) message: String,
    /// Where, in bytes from the value's start.
    pub(super) position: usize,
    /// Whether the bytes ended inside the value.
    pub(super) cut_off: bool,
}

impl Refusal {
    /// A value that is well formed and cannot be used.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            position: 0,
            cut_off: false,
        }
    }

    /// A parser's error about the value that starts `bytes`.
    pub(super) fn json(error: &serde_json::Error, text: &str) -> Self {
        let said = error.to_string();
        let place = said.rfind(" at line ").unwrap_or(said.len());
        let message = match said.get(..place).unwrap_or_default() {
            message if message.starts_with("EOF") => TOO_EARLY,
            message => message,
        };
        Self {
            message: message.to_owned(),
            position: match error.is_eof() {
                true => text.len(),
                false => position(text.as_bytes(), error.line(), error.column()),
            },
            cut_off: error.is_eof(),
        }
    }
}

/// The index of a parser's one-based line and column.
fn position(bytes: &[u8], line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(newline) => memchr::memchr_iter(b'\n', bytes)
            .nth(newline)
            .map_or(bytes.len(), |index| index + 1),
    };
    start + column.saturating_sub(1)
}

/// Parses the value at the start of `text`, and tells how long it is.
pub(super) fn one<'a, T: Deserialize<'a>>(text: &'a str) -> Result<(T, usize), Refusal> {
    one_like(text, None)
}

/// As [`one`], for a value that may be much like others before it.
pub(super) fn one_like<'a, T: Deserialize<'a>>(
    text: &'a str,
    repeats: Option<&RefCell<Repeats>>,
) -> Result<(T, usize), Refusal> {
    if let Some(read) = json::read(PhantomData::<T>, text, repeats) {
        return Ok(read);
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok((value, values.byte_offset())),
        Some(Err(error)) => Err(Refusal::json(&error, text)),
        None => Err(Refusal {
            message: TOO_EARLY.to_owned(),
            position: text.len(),
            cut_off: true,
        }),
    }
}
