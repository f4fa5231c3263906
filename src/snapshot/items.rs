//! Items at the beginning of a text, read ahead of what puts them together.

use std::cell::RefCell;
use std::sync::Arc;

use super::Pod;
use super::json::Repeats;
use super::object::{self, Context, Found, Item, TypeMeta};
use super::pool::Pool;

/// How the items of a List are read.
#[derive(Debug, Clone)]
pub(super) struct ItemReader {
    /// What the List says of its items.
    pub(super) typed: Option<TypeMeta<'static>>,
    /// Keys of annotations that are kept besides the known ones.
    pub(super) annotation_keys: Arc<[String]>,
    /// What the items may share.
    pub(super) pool: Arc<Pool>,
    /// What items have in common that is passed over.
    pub(super) repeats: RefCell<Repeats>,
}

/// What JSON takes for white space.
const BLANK: [char; 4] = [' ', '\n', '\r', '\t'];

/// Items that a text begins with.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// What they are.
    pub(super) found: Vec<Item>,
    /// How much of the text they are, with the comma after each.
    pub(super) length: usize,
}

impl ItemReader {
    /// Reads items until one is not followed by another, or cannot be read: what is to be said of
    /// that one is said when its turn has come.
    pub(super) fn read(&self, text: &str) -> Items {
        let mut items = Items::default();
        while let Some((item, length)) = self.one(text, &items) {
            items.found.push(item);
            items.length += length;
        }
        items
    }

    fn one(&self, text: &str, before: &Items) -> Option<(Item, usize)> {
        let rest = text.get(before.length..)?;
        let text = rest.trim_start_matches(BLANK);
        let context = Context {
            annotation_keys: &self.annotation_keys,
            previous: before.found.last().and_then(pod),
            repeats: Some(&self.repeats),
        };
        let (mut item, length) = object::read(text, self.typed.as_ref(), context).ok()?;
        if matches!(item, Item::Untyped) {
            return None;
        }
        let after = text.get(length..)?.trim_start_matches(BLANK);
        let after = after.strip_prefix(',')?;
        if let Item::Kept { found, .. } = &mut item {
            self.pool.share(found);
        }
        Some((item, rest.len() - after.len()))
    }
}

fn pod(item: &Item) -> Option<&Pod> {
    match item {
        Item::Kept {
            found: Found::Pod(pod),
            ..
        } => Some(pod),
        _ => None,
    }
}
