//! The stream: a file's documents, split at `---` lines before anything is parsed.
//!
//! Each document is parsed alone, as kubectl does, so that a broken one hides no other and a large
//! bundle costs only the documents that can matter (`spec/yaml.md` §0).

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

/// The mark with which some editors begin a UTF-8 file.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One document's place in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Zero-based number in the stream.
    pub(crate) index: usize,
    /// The text to parse: without the `---` line, unless text stands on it, and with the
    /// directives before it.
    pub(crate) span: Range<usize>,
    /// One-based line of the file on which the text starts.
    pub(crate) line: usize,
    /// Where the document's own comments can begin: the end of the previous document.
    pub(crate) head: usize,
}

/// Splits a file into its documents, in file order.
///
/// What stands before the first `---` is a document only if it is more than comments; directives
/// belong to the document that follows.
pub(crate) fn split(bytes: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut lines = Lines::new();
    let mut head = 0;
    let mut start = skip_mark(bytes, 0);
    let mut separated = false;
    for separator in separators(bytes) {
        let prologue = match separated {
            true => Prologue::None,
            false => prologue(&bytes[start..separator]),
        };
        if prologue == Prologue::Directives {
            // The `---` ends the directives and is part of the document's own text.
            separated = true;
            continue;
        }
        if prologue == Prologue::None {
            push(&mut chunks, head, start..separator, lines.at(bytes, start));
            head = separator;
        }
        start = after_separator(bytes, separator);
        separated = start == separator;
    }
    if separated || prologue(&bytes[start..]) == Prologue::None {
        push(
            &mut chunks,
            head,
            start..bytes.len(),
            lines.at(bytes, start),
        );
    }
    chunks
}

fn push(chunks: &mut Vec<Chunk>, head: usize, span: Range<usize>, line: usize) {
    chunks.push(Chunk {
        index: chunks.len(),
        span,
        line,
        head,
    });
}

/// Counts lines while going forward through a file.
pub(crate) struct Lines {
    offset: usize,
    line: usize,
}

impl Lines {
    /// From the start of the file.
    pub(crate) fn new() -> Self {
        Self { offset: 0, line: 1 }
    }

    /// The one-based line of a byte that is not before the last one asked for.
    pub(crate) fn at(&mut self, bytes: &[u8], offset: usize) -> usize {
        let passed = bytes.get(self.offset..offset).unwrap_or_default();
        self.line += memchr_iter(b'\n', passed).count();
        self.offset = offset.max(self.offset);
        self.line
    }
}

/// The offsets of all `---` lines: three dashes at the start of a line, then blank or the end.
fn separators(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let first = skip_mark(bytes, 0);
    let at_start = bytes[first..].starts_with(b"---").then_some(first);
    at_start
        .into_iter()
        .chain(memmem::find_iter(bytes, b"\n---").map(|newline| newline + 1))
        .filter(|&dashes| {
            matches!(
                bytes.get(dashes + 3),
                None | Some(b' ' | b'\t' | b'\r' | b'\n')
            )
        })
}

/// Where the text of the document starts that a `---` line opens: on the next line, or at the
/// dashes when more than a comment stands behind them.
fn after_separator(bytes: &[u8], separator: usize) -> usize {
    let rest = &bytes[separator..];
    let end = memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
    let behind = rest[3..end].trim_ascii();
    if behind.is_empty() || behind.starts_with(b"#") {
        skip_mark(bytes, separator + end)
    } else {
        separator
    }
}

fn skip_mark(bytes: &[u8], offset: usize) -> usize {
    match bytes[offset..].starts_with(BYTE_ORDER_MARK) {
        true => offset + BYTE_ORDER_MARK.len(),
        false => offset,
    }
}

/// What a piece of text is that a `---` line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prologue {
    /// A document of its own.
    None,
    /// Nothing but comments and empty lines, which introduce what follows.
    Comments,
    /// Directives, and possibly comments.
    Directives,
}

fn prologue(text: &[u8]) -> Prologue {
    let mut found = Prologue::Comments;
    for line in text.split(|byte| *byte == b'\n') {
        if line.starts_with(b"%") {
            found = Prologue::Directives;
            continue;
        }
        match line.trim_ascii_start().first() {
            None | Some(b'#') => {}
            Some(_) => return Prologue::None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::split;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let chunks = split(text.as_bytes());
        let found: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.line, &text[chunk.span.clone()]))
            .collect();
        assert_eq!(found, expected, "{text:?}");
        let numbers: Vec<_> = chunks.iter().map(|chunk| chunk.index).collect();
        assert_eq!(numbers, (0..chunks.len()).collect::<Vec<_>>());
    }

    #[test]
    fn documents_end_at_dashes() {
        check("a: 1\n", &[(1, "a: 1\n")]);
        check("a: 1\n---\nb: 2\n", &[(1, "a: 1\n"), (3, "b: 2\n")]);
        check("---\na: 1\n---\nb: 2", &[(2, "a: 1\n"), (4, "b: 2")]);
        check(
            "a: 1\r\n---\r\nb: 2\r\n",
            &[(1, "a: 1\r\n"), (3, "b: 2\r\n")],
        );
        check(
            "a: 1\n--- # Source: x\nb: 2\n",
            &[(1, "a: 1\n"), (3, "b: 2\n")],
        );
        check("a: 1\n----\n---b\n", &[(1, "a: 1\n----\n---b\n")]);
    }

    #[test]
    fn what_is_only_comments_is_no_document() {
        check("", &[]);
        check("# nothing\n\n", &[]);
        check("# licence\n---\na: 1\n", &[(3, "a: 1\n")]);
        check("a: 1\n---\n# end\n", &[(1, "a: 1\n")]);
        check("a: 1\n---\n\n---\nb: 2\n", &[(1, "a: 1\n"), (5, "b: 2\n")]);
    }

    #[test]
    fn text_on_the_line_of_the_dashes_belongs_to_the_document() {
        check("--- {a: 1}\n", &[(1, "--- {a: 1}\n")]);
        check(
            "a: 1\n--- !!map\nb: 2\n---\nc: 3\n",
            &[(1, "a: 1\n"), (2, "--- !!map\nb: 2\n"), (5, "c: 3\n")],
        );
    }

    #[test]
    fn directives_belong_to_the_document_that_follows() {
        check(
            "%YAML 1.2\n---\na: 1\n---\nb: 2\n",
            &[(1, "%YAML 1.2\n---\na: 1\n"), (5, "b: 2\n")],
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_document() {
        check("\u{feff}a: 1\n", &[(1, "a: 1\n")]);
        check("\u{feff}---\na: 1\n", &[(2, "a: 1\n")]);
        check("a: 1\n---\n\u{feff}b: 2\n", &[(1, "a: 1\n"), (3, "b: 2\n")]);
    }
}
