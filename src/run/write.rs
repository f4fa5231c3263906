//! Writing a plan into the work tree.

use std::collections::BTreeMap;
use std::path::Path;

use crate::edge::files;
use crate::edit::FileEdit;
use crate::error::{ErrorKind, RunError};
use crate::manifest::{ManifestFile, ManifestSet};
use crate::report::Written;

/// Edits the files of the work tree, each in one step.
///
/// # Errors
///
/// When a file cannot be written: the error says which files have the new bytes; every other file is
/// as it was.
pub(super) fn to_work_tree(
    root: Option<&Path>,
    manifests: &ManifestSet,
    edits: &[FileEdit],
) -> Result<Written, RunError> {
    let Some(root) = root else {
        return Err(
            RunError::new(ErrorKind::Input, "a bare repository has no work tree")
                .hint("use --to branch"),
        );
    };
    let contents = new_contents(manifests, edits)?;
    let mut done: Vec<&str> = Vec::new();
    for (file, new) in &contents {
        if let Err(error) = files::replace(root, &file.path, &file.bytes, new) {
            let error = RunError::from(error);
            return Err(match done.as_slice() {
                [] => error.hint("no file was changed"),
                done => error.hint(format!(
                    "written before it, and complete: {}",
                    done.join(", ")
                )),
            });
        }
        done.push(&file.path);
    }
    Ok(Written::Worktree)
}

/// The new bytes of every edited file.
pub(super) fn new_contents<'a>(
    manifests: &'a ManifestSet,
    edits: &[FileEdit],
) -> Result<Vec<(&'a ManifestFile, Vec<u8>)>, RunError> {
    let by_path: BTreeMap<&str, &ManifestFile> = manifests
        .files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let contents = edits.iter().map(|edit| {
        let file = by_path.get(edit.path.as_str()).copied();
        let file =
            file.ok_or_else(|| RunError::new(ErrorKind::Input, format!("{} is gone", edit.path)))?;
        let new = edit
            .edit
            .apply(&file.bytes)
            .map_err(|error| RunError::new(ErrorKind::Input, error))?;
        Ok((file, new))
    });
    contents.collect()
}
