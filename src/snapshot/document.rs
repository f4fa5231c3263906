//! One JSON input: a List whose items are streamed, a bare array of them, or a single object.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::assembly::Assembly;
use super::object::{self, Item, TypeMeta};
use super::window::{Fault, VALUE_LIMIT, Window};
use crate::manifest::null_default;

/// `metadata` of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMetadata {
    #[serde(deserialize_with = "null_default")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Where the next page begins, for a page of a list.
    #[serde(rename = "continue", deserialize_with = "null_default")]
    pub(super) next: String,
}

/// Reads one JSON document, which must be all there is.
pub(super) fn read(window: &mut Window, assembly: &mut Assembly) -> Result<ListMetadata, Fault> {
    let mut document = Document {
        window,
        assembly,
        type_meta: TypeMeta::default(),
        metadata: ListMetadata::default(),
        untyped: Untyped::default(),
    };
    match document.window.peek()? {
        Some(b'[') => document.items()?,
        Some(b'{') => document.object()?,
        _ => {
            return Err(document.window.fault_here("neither an object nor a List"));
        }
    }
    document.settle_untyped()?;
    let Document {
        window, metadata, ..
    } = document;
    match window.peek()? {
        None => Ok(metadata),
        Some(b'{' | b'[') => Err(window
            .fault_here("a second JSON document begins here, give each as an input of its own")),
        Some(_) => Err(window.fault_here("text after the JSON document")),
    }
}

struct Document<'d> {
    window: &'d mut Window,
    assembly: &'d mut Assembly,
    type_meta: TypeMeta<'static>,
    metadata: ListMetadata,
    untyped: Untyped,
}

/// Items that name no kind, of a list whose own kind stands after them.
#[derive(Default)]
struct Untyped {
    items: Vec<(u64, String)>,
    size: usize,
}

impl Document<'_> {
    fn object(&mut self) -> Result<(), Fault> {
        let start = self.window.offset();
        let mut has_items = false;
        self.window.take(b'{', start)?;
        let mut next = self.window.peek_keeping(start)?;
        while next != Some(b'}') {
            let keep_from = if has_items {
                self.window.offset()
            } else {
                start
            };
            let key: String = self.window.owned(keep_from)?;
            self.window.take(b':', keep_from)?;
            has_items |= self.field(&key, keep_from)?;
            if !has_items && self.is_single() {
                return self.single(start);
            }
            let keep_from = if has_items {
                self.window.offset()
            } else {
                start
            };
            next = self.window.peek_keeping(keep_from)?;
            if next != Some(b'}') {
                self.window.take(b',', keep_from)?;
                if self.window.peek_keeping(keep_from)? == Some(b'}') {
                    return Err(self.window.fault_here("expected a key"));
                }
            }
        }
        if !has_items {
            let message = "neither a List nor an object: it has no kind";
            return Err(Fault::at(start, message));
        }
        let end = self.window.offset();
        self.window.take(b'}', end)?;
        if let Some(item_type) = self.type_meta.item_type() {
            self.assembly.hold(&item_type);
        }
        Ok(())
    }

    /// Reads the value of one key of the outermost object; tells whether it was the items.
    fn field(&mut self, key: &str, keep_from: u64) -> Result<bool, Fault> {
        match key {
            "apiVersion" => {
                self.type_meta.api_version = self.window.owned::<String>(keep_from)?.into();
            }
            "kind" => self.type_meta.kind = self.window.owned::<String>(keep_from)?.into(),
            "metadata" => self.metadata = self.window.owned(keep_from)?,
            "items" if self.window.peek_keeping(keep_from)? == Some(b'[') => {
                self.items()?;
                return Ok(true);
            }
            _ => {
                self.window.skip(keep_from)?;
                return Ok(key == "items");
            }
        }
        Ok(false)
    }

    fn is_single(&self) -> bool {
        !self.type_meta.kind.is_empty() && !self.type_meta.kind.ends_with("List")
    }

    fn single(&mut self, start: u64) -> Result<(), Fault> {
        self.metadata = ListMetadata::default();
        self.window.rewind(start);
        self.item(None)
    }

    fn items(&mut self) -> Result<(), Fault> {
        let typed = self.type_meta.item_type();
        let start = self.window.offset();
        self.window.take(b'[', start)?;
        if self.window.peek()? == Some(b']') {
            let end = self.window.offset();
            return self.window.take(b']', end);
        }
        let reader = self.assembly.item_reader(typed.clone());
        self.window.read_ahead(&reader);
        loop {
            self.items_ahead()?;
            self.item(typed.as_ref())?;
            let next = self.window.peek()?;
            let here = self.window.offset();
            if next == Some(b']') {
                return self.window.take(b']', here);
            }
            self.window.take(b',', here)?;
        }
    }

    /// Takes the items that were read ahead, up to one that was not.
    fn items_ahead(&mut self) -> Result<(), Fault> {
        loop {
            let items = self.window.take_items()?;
            if items.is_empty() {
                return Ok(());
            }
            for item in items {
                self.assembly.add_shared(item);
            }
        }
    }

    fn item(&mut self, typed: Option<&TypeMeta<'_>>) -> Result<(), Fault> {
        self.window.peek()?;
        let offset = self.window.offset();
        let context = self.assembly.context();
        let (item, text) = self.window.value(offset, |text| {
            let (item, length) = object::read(text, typed, context)?;
            let untyped = matches!(item, Item::Untyped);
            let text = untyped.then(|| text.get(..length).unwrap_or_default().to_owned());
            Ok(((item, text), length))
        })?;
        match text {
            Some(text) => self.untyped.push(offset, text),
            None => {
                self.assembly.add(item);
                Ok(())
            }
        }
    }

    /// Reads the items that named no kind, now that the whole list has been seen.
    fn settle_untyped(&mut self) -> Result<(), Fault> {
        let typed = self.type_meta.item_type();
        for (offset, text) in std::mem::take(&mut self.untyped.items) {
            let Some(typed) = typed.as_ref() else {
                return Err(Fault::at(offset, "an item without a kind"));
            };
            let item = object::read(&text, Some(typed), self.assembly.context());
            let (item, _) = item.map_err(|refusal| Fault::at(offset, refusal.message))?;
            self.assembly.add(item);
        }
        Ok(())
    }
}

impl Untyped {
    fn push(&mut self, offset: u64, text: String) -> Result<(), Fault> {
        self.size += text.len();
        if self.size > VALUE_LIMIT {
            let message = "the items name no kind, and the list's kind comes only after them";
            return Err(Fault::at(offset, message));
        }
        self.items.push((offset, text));
        Ok(())
    }
}
