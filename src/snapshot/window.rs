//! The window: the part of an input that is in memory, and the JSON values pulled out of it.
//!
//! Values are parsed where they lie. When one does not end inside the window, more bytes are read
//! and it is parsed again from its start: with a window of many values that happens once in a
//! while, and it saves the separate pass that would find the value's end first.

use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::SnapshotError;

/// Bytes that one read asks for.
const CHUNK: usize = 1 << 20;

/// The largest single value. The API server refuses objects of a few MiB; what is larger is no
/// object, and holding it would break the bound on memory.
pub(super) const VALUE_LIMIT: usize = 32 << 20;

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
pub(super) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where in the buffer the next unread byte lies.
    position: usize,
    /// Offset of the buffer's first byte in the input.
    base: u64,
    /// How much of the buffer is known to be UTF-8.
    checked: usize,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// A window at the start of an input.
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            position: 0,
            base: 0,
            checked: 0,
            ended: false,
        }
    }

    /// Offset of the next unread byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// The bytes that are in memory and not yet taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.position..).unwrap_or_default()
    }

    /// Goes back to an offset that has not left the window.
    pub(super) fn rewind(&mut self, offset: u64) {
        let position = offset.saturating_sub(self.base);
        self.position = usize::try_from(position).unwrap_or(self.position);
    }

    /// Moves past bytes that were looked at through [`Window::unread`].
    pub(super) fn advance(&mut self, count: usize) {
        self.position = self.buffer.len().min(self.position + count);
    }

    /// Reads more, dropping what lies before `keep_from`; tells whether there was more.
    pub(super) fn fill(&mut self, keep_from: u64) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        self.forget(keep_from);
        if self.buffer.len() > VALUE_LIMIT {
            let message = format!("a value of more than {} MiB", VALUE_LIMIT >> 20);
            return Err(Fault::at(self.base, message));
        }
        // Doubling keeps the cost of parsing a large value again linear.
        let wanted = CHUNK.max(self.buffer.len());
        let before = self.buffer.len();
        let mut more = self.reader.by_ref().take(wanted as u64);
        let count = more.read_to_end(&mut self.buffer).map_err(Fault::Io)?;
        self.ended = count < wanted;
        self.check_utf8()?;
        Ok(self.buffer.len() > before)
    }

    fn forget(&mut self, keep_from: u64) {
        let keep = usize::try_from(keep_from.saturating_sub(self.base)).unwrap_or(0);
        let gone = keep.min(self.position);
        self.buffer.drain(..gone);
        self.position -= gone;
        self.checked = self.checked.saturating_sub(gone);
        self.base += gone as u64;
    }

    /// Refuses what is not UTF-8 anywhere in the input, also where no value is used.
    fn check_utf8(&mut self) -> Result<(), Fault> {
        let tail = self.buffer.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(tail) {
            Ok(_) => self.checked = self.buffer.len(),
            Err(error) if error.error_len().is_none() && !self.ended => {
                self.checked += error.valid_up_to();
            }
            Err(error) => {
                let offset = self.base + (self.checked + error.valid_up_to()) as u64;
                return Err(Fault::at(offset, "bytes that are not UTF-8"));
            }
        }
        Ok(())
    }

    /// Skips the mark that some programs write before UTF-8.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), Fault> {
        self.fill(0)?;
        if self.unread().starts_with(b"\xef\xbb\xbf") {
            self.advance(3);
        }
        Ok(())
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
            if let Some(ahead) = unread.iter().position(|byte| !blank(byte)) {
                let byte = unread.get(ahead).copied();
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
            Some(_) => Err(Fault::at(
                self.offset(),
                format!("expected `{}`", char::from(expected)),
            )),
            None => Err(Fault::at(self.offset(), "the input ends too early")),
        }
    }

    /// Pulls the next JSON value: `parse` gets the bytes from its start on, more of them each time
    /// that it finds the value cut off, and tells how many it took.
    pub(super) fn value<T>(
        &mut self,
        keep_from: u64,
        mut parse: impl FnMut(&[u8]) -> Result<(T, usize), Refusal>,
    ) -> Result<T, Fault> {
        if self.peek_keeping(keep_from)?.is_none() {
            return Err(Fault::at(self.offset(), "the input ends too early"));
        }
        loop {
            let unread = self.unread();
            let (refusal, length) = match parse(unread) {
                // A number at the very end may go on in the next chunk.
                Ok((_, taken)) if taken == unread.len() && !self.ended => (None, 0),
                Ok((value, taken)) => {
                    self.advance(taken);
                    return Ok(value);
                }
                Err(refusal) if refusal.cut_off && !self.ended => (None, 0),
                Err(refusal) => (Some(refusal), unread.len()),
            };
            if let Some(refusal) = refusal {
                let within = refusal.position.min(length) as u64;
                return Err(Fault::at(self.offset() + within, refusal.message));
            }
            let start = self.offset();
            self.fill(keep_from.min(start))?;
        }
    }

    /// Pulls the next JSON value, which is owned.
    pub(super) fn owned<T: serde::de::DeserializeOwned>(
        &mut self,
        keep_from: u64,
    ) -> Result<T, Fault> {
        self.value(keep_from, |bytes| one::<T>(bytes))
    }

    /// Skips the next JSON value.
    pub(super) fn skip(&mut self, keep_from: u64) -> Result<(), Fault> {
        self.value(keep_from, |bytes| one::<IgnoredAny>(bytes))
            .map(drop)
    }
}

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
    pub(super) fn json(error: &serde_json::Error, bytes: &[u8]) -> Self {
        let text = error.to_string();
        let place = text.rfind(" at line ").unwrap_or(text.len());
        let message = match text.get(..place).unwrap_or_default() {
            message if message.starts_with("EOF") => "the input ends too early",
            message => message,
        };
        Self {
            message: message.to_owned(),
            position: position(bytes, error.line(), error.column()),
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

/// Parses the value at the start of `bytes`, and tells how long it is.
pub(super) fn one<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, usize), Refusal> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok((value, values.byte_offset())),
        Some(Err(error)) => Err(Refusal::json(&error, bytes)),
        None => Err(Refusal {
            message: "the input ends too early".to_owned(),
            position: bytes.len(),
            cut_off: true,
        }),
    }
}

/// The rest of an input, for a reader that wants lines.
impl<R: Read> Read for Window<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.unread().is_empty() {
            return self.reader.read(out);
        }
        let count = out.len().min(self.unread().len());
        let (from, to) = (self.unread().get(..count), out.get_mut(..count));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
        self.advance(count);
        Ok(count)
    }
}
