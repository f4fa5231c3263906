//! `WholePage`: workloads with all of their fields, for the moment in which a dry run of their
//! pods is made. Nothing of them is kept.

use serde::Deserialize;
use serde_json::Value;

use super::document::ListMetadata;
use super::injection::template_digest;
use super::kinds::Kind;
use super::object::{self, Context, Found, Item, TypeMeta};
use super::{Page, SnapshotError};
use crate::manifest::{ObjectRef, null_default};

/// A page of a list, with everything that its objects hold.
#[derive(Debug)]
pub struct WholePage {
    /// How the list goes on.
    pub page: Page,
    /// Its workloads that have a pod template.
    pub workloads: Vec<WholeWorkload>,
}

/// A workload with all of its fields.
#[derive(Debug)]
pub struct WholeWorkload {
    /// Identity.
    pub reference: ObjectRef,
    /// [`template_digest`] of its pod template.
    pub template: String,
    /// The whole object.
    pub object: Value,
}

#[derive(Deserialize)]
struct RawPage {
    #[serde(default, deserialize_with = "null_default")]
    metadata: ListMetadata,
    #[serde(default, deserialize_with = "null_default")]
    items: Vec<Value>,
}

/// Reads a page of a list of workloads in an API version, as the API server prints it.
///
/// # Errors
///
/// When it is no list of objects.
pub fn whole_page(kind: &Kind, version: &str, text: &str) -> Result<WholePage, SnapshotError> {
    let fault = |message: String| SnapshotError::Unparsable {
        name: kind.resource(),
        message,
        offset: 0,
    };
    let raw: RawPage = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
    let api_version = match kind.group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    let typed = TypeMeta {
        api_version: api_version.into(),
        kind: kind.kind.into(),
    };
    let objects = raw.items.len();
    let mut workloads = Vec::new();
    for object in raw.items {
        let whole = whole(object, &typed).map_err(|refusal| fault(refusal.message))?;
        workloads.extend(whole);
    }
    let next = Some(raw.metadata.next).filter(|next| !next.is_empty());
    Ok(WholePage {
        page: Page { next, objects },
        workloads,
    })
}

fn whole(
    object: Value,
    typed: &TypeMeta<'_>,
) -> Result<Option<WholeWorkload>, super::window::Refusal> {
    let context = Context {
        annotation_keys: &[],
        previous: None,
        repeats: None,
    };
    let (item, _) = object::read(&object.to_string(), Some(typed), context)?;
    let Item::Kept {
        found: Found::Workload(live),
        ..
    } = item
    else {
        return Ok(None);
    };
    Ok(live.template.as_ref().map(|template| WholeWorkload {
        reference: live.reference.clone(),
        template: template_digest(template),
        object,
    }))
}
