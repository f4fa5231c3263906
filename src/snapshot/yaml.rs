//! YAML inputs: as `kubectl get -o yaml` prints them, or the documents of a manifest file.
//!
//! Lines are cut into documents, and a List into its items, before anything is parsed: whatever
//! belongs to an item is indented deeper than the dash that begins it. Each piece then goes the
//! way of JSON. That is slower than JSON and takes no more memory.

use std::io::{BufRead as _, BufReader, Read};

use serde_json::Value;

use super::assembly::Assembly;
use super::document::ListMetadata;
use super::object::{self, Item, TypeMeta};
use super::window::Fault;

/// The largest document, or item of a List. The API server refuses objects of a few MiB.
const VALUE_LIMIT: usize = 8 << 20;

/// Reads every document of a YAML stream.
pub(super) fn read<R: Read>(reader: R, assembly: &mut Assembly) -> Result<ListMetadata, Fault> {
    let mut stream = Stream {
        lines: BufReader::with_capacity(1 << 16, reader),
        assembly,
        offset: 0,
        line: Vec::new(),
        piece: Piece::default(),
        list: None,
        metadata: ListMetadata::default(),
        found: false,
    };
    while stream.next_line()? {
        stream.line_read()?;
    }
    stream.end_document()?;
    if stream.found {
        Ok(stream.metadata)
    } else {
        Err(Fault::at(0, "no Kubernetes object in it"))
    }
}

/// Lines that are parsed together.
#[derive(Default)]
struct Piece {
    offset: u64,
    text: Vec<u8>,
}

/// A List whose items are being read.
struct List {
    /// How far its items' dashes are indented.
    indent: Option<usize>,
    /// Whether the lines of `items` are over.
    ended: bool,
    /// What stands before and after the items.
    envelope: Piece,
    untyped: Vec<(u64, String)>,
}

struct Stream<'s, R> {
    lines: BufReader<R>,
    assembly: &'s mut Assembly,
    offset: u64,
    line: Vec<u8>,
    piece: Piece,
    list: Option<List>,
    metadata: ListMetadata,
    found: bool,
}

impl<R: Read> Stream<'_, R> {
    fn next_line(&mut self) -> Result<bool, Fault> {
        self.offset += self.line.len() as u64;
        self.line.clear();
        let mut line = self.lines.by_ref().take(VALUE_LIMIT as u64);
        let count = line.read_until(b'\n', &mut self.line).map_err(Fault::Io)?;
        if count == VALUE_LIMIT {
            return Err(self.too_large());
        }
        Ok(count > 0)
    }

    fn too_large(&self) -> Fault {
        let message = format!("a value of more than {} MiB", VALUE_LIMIT >> 20);
        Fault::at(self.offset, message)
    }

    fn line_read(&mut self) -> Result<(), Fault> {
        let line = self.line.trim_ascii_end();
        if line == b"---" || line.starts_with(b"--- ") || line == b"..." {
            return self.end_document();
        }
        if let Some(list) = &mut self.list {
            return match list.place(line) {
                Place::Item => self.append(),
                Place::NextItem => self.end_item().and_then(|()| self.append()),
                Place::Envelope => self.end_item().and_then(|()| self.append_to_envelope()),
            };
        }
        if line == b"items:" || line == b"items: []" {
            self.list = Some(List {
                indent: None,
                ended: line.ends_with(b"]"),
                envelope: std::mem::take(&mut self.piece),
                untyped: Vec::new(),
            });
            return Ok(());
        }
        self.append()
    }

    fn append(&mut self) -> Result<(), Fault> {
        if self.piece.text.is_empty() {
            self.piece.offset = self.offset;
        }
        self.piece.text.extend_from_slice(&self.line);
        if self.piece.text.len() > VALUE_LIMIT {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn append_to_envelope(&mut self) -> Result<(), Fault> {
        if let Some(list) = &mut self.list {
            list.envelope.text.extend_from_slice(&self.line);
            if list.envelope.text.len() > VALUE_LIMIT {
                return Err(self.too_large());
            }
        }
        Ok(())
    }

    fn end_item(&mut self) -> Result<(), Fault> {
        let piece = std::mem::take(&mut self.piece);
        if is_blank(&piece.text) {
            return Ok(());
        }
        match to_json(&piece)? {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.object(piece.offset, item)),
            _ => Err(Fault::at(piece.offset, "an item that is no object")),
        }
    }

    fn end_document(&mut self) -> Result<(), Fault> {
        let Some(_) = &self.list else {
            let piece = std::mem::take(&mut self.piece);
            if is_blank(&piece.text) {
                return Ok(());
            }
            return match to_json(&piece)? {
                Value::Null => Ok(()),
                object => self.object(piece.offset, &object),
            };
        };
        self.end_item()?;
        match self.list.take() {
            Some(list) => self.end_list(list),
            None => Ok(()),
        }
    }

    fn end_list(&mut self, list: List) -> Result<(), Fault> {
        self.found = true;
        let envelope = to_json(&list.envelope)?;
        let text = |key: &str| {
            let value = envelope.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let type_meta = TypeMeta {
            api_version: text("apiVersion").into(),
            kind: text("kind").into(),
        };
        if let Some(metadata) = envelope.get("metadata") {
            self.metadata = serde_json::from_value(metadata.clone()).unwrap_or_default();
        }
        let typed = type_meta.item_type();
        if let Some(typed) = &typed {
            self.assembly.hold(typed);
        }
        for (offset, text) in list.untyped {
            let Some(typed) = &typed else {
                return Err(Fault::at(offset, "an item without a kind"));
            };
            let item = object::read(&text, Some(typed), self.assembly.context());
            let (item, _) = item.map_err(|refusal| Fault::at(offset, refusal.message))?;
            self.assembly.add(item);
        }
        Ok(())
    }

    fn object(&mut self, offset: u64, object: &Value) -> Result<(), Fault> {
        let text = object.to_string();
        let item = object::read(&text, None, self.assembly.context());
        let (item, _) = item.map_err(|refusal| Fault::at(offset, refusal.message))?;
        self.found = true;
        match (item, &mut self.list) {
            (Item::Untyped, Some(list)) => list.untyped.push((offset, text)),
            (Item::Untyped, None) => {
                return Err(Fault::at(offset, "an object without a kind"));
            }
            (item, _) => self.assembly.add(item),
        }
        Ok(())
    }
}

/// Where a line of a List belongs.
enum Place {
    Item,
    NextItem,
    Envelope,
}

impl List {
    fn place(&mut self, line: &[u8]) -> Place {
        if self.ended {
            return Place::Envelope;
        }
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let rest = line.get(indent..).unwrap_or_default();
        if rest.is_empty() || rest.starts_with(b"#") {
            return Place::Item;
        }
        let is_dash = rest == b"-" || rest.starts_with(b"- ");
        match self.indent {
            None if is_dash => {
                self.indent = Some(indent);
                Place::NextItem
            }
            Some(dash) if is_dash && indent == dash => Place::NextItem,
            Some(dash) if indent > dash => Place::Item,
            _ => {
                self.ended = true;
                Place::Envelope
            }
        }
    }
}

fn is_blank(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .all(|line| line.is_empty() || line.starts_with(b"#"))
}

fn to_json(piece: &Piece) -> Result<Value, Fault> {
    let text = std::str::from_utf8(&piece.text).map_err(|error| {
        let offset = piece.offset + error.valid_up_to() as u64;
        Fault::at(offset, "bytes that are not UTF-8")
    })?;
    serde_yaml::from_str(text).map_err(|error| {
        let within = error.location().map_or(0, |location| location.index());
        Fault::at(piece.offset + within as u64, message_of(&error))
    })
}

/// The parser's message without its own idea of the place, which is that of the piece.
fn message_of(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}
