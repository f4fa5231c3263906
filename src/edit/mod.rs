//! Edits: annotations to write become proven byte edits of manifest files.
//!
//! Bytes in, bytes out: the place is found by parser events with byte offsets, text is spliced in,
//! YAML is never re-emitted. Every edit is then proven: old and new text parse to the same values
//! but for the intended keys of the intended objects, and every other byte is equal
//! (`design.md` §7, `spec/yaml.md`).

mod block;
mod carry;
mod file;
mod flow;
mod locate;
mod obstacle;
mod plan;
mod proof;
mod referee;
mod requests;
mod splice;
mod text;
mod text_edit;

#[cfg(test)]
mod tests;

pub use carry::plan_carried;
pub use requests::plan_edits;
pub use text_edit::{Replacement, TextEdit, TextEditError};

use crate::diagnostic::Diagnostic;
use crate::manifest::{ManifestFile, Object, ObjectRef};
use crate::reason::Reason;

/// One key to set in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The mapping that holds the key, from the object's root: `["spec", "template", "metadata",
    /// "annotations"]`. Missing levels are created, except for `spec` and the pod template itself.
    pub path: Vec<&'static str>,
    /// The key.
    pub key: String,
    /// The value, always a string.
    pub value: String,
}

/// The keys to set in one object, side by side and in this order.
#[derive(Debug, Clone)]
pub struct EditRequest<'a> {
    /// The object to edit.
    pub object: &'a Object,
    /// What to set.
    pub assignments: Vec<Assignment>,
}

/// A file with its edit: a value, not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// Path relative to the repository root.
    pub path: String,
    /// The change, against the bytes that were read.
    pub edit: TextEdit,
    /// The objects that it changes, in file order.
    pub objects: Vec<EditedObject>,
}

/// One object of a [`FileEdit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedObject {
    /// Identity as written in the manifest.
    pub reference: ObjectRef,
    /// One-based line of the new file on which the first changed key stands.
    pub line: usize,
}

/// An edit that could not be made with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Identity as written in the manifest.
    pub reference: ObjectRef,
    /// Position of the object's request in the input.
    pub request: usize,
    /// Why: `uneditable-manifest` or `templated-manifest`, with what stands in the way.
    pub reason: Reason,
}

/// What became of the requests for one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOutcome {
    /// The edit; none where every request was refused or had nothing to change.
    pub edit: Option<FileEdit>,
    /// The requests that were refused.
    pub refusals: Vec<Refusal>,
}

/// Plans the edits of one file: all requests together, then their proof.
///
/// A request that cannot be proven is refused by itself; the others of the file go on.
#[must_use]
pub fn plan_file(
    file: &ManifestFile,
    requests: &[EditRequest<'_>],
) -> (FileOutcome, Vec<Diagnostic>) {
    let outcome = file::plan(file, requests);
    let diagnostics = outcome
        .refusals
        .iter()
        .map(|refusal| file::diagnostic(&file.path, requests, refusal))
        .collect();
    (outcome, diagnostics)
}
