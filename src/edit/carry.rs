//! Carrying: stamps that go over into freshly rendered manifests become edits.

use std::collections::BTreeMap;

use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::requests::assignments;
use super::{EditRequest, FileEdit, plan_file};
use crate::config::AnnotationKeys;
use crate::decision::Carried;
use crate::diagnostic::Diagnostic;
use crate::manifest::ManifestFile;

/// Plans the edits that write carried stamps, sorted by path.
///
/// An edit that cannot be proven is a diagnostic, and the others go on.
#[must_use]
pub fn plan_carried(
    carried: &[Carried<'_>],
    keys: &AnnotationKeys,
) -> (Vec<FileEdit>, Vec<Diagnostic>) {
    let mut by_file: BTreeMap<&str, (&ManifestFile, Vec<EditRequest<'_>>)> = BTreeMap::new();
    for Carried {
        file,
        object,
        stamp,
        restarted_at,
    } in carried
    {
        if let Some(assignments) = assignments(object, keys, restarted_at.as_deref(), stamp) {
            let (_, requests) = by_file.entry(&file.path).or_insert((file, Vec::new()));
            requests.push(EditRequest {
                object,
                assignments,
            });
        }
    }
    let files: Vec<_> = by_file.into_values().collect();
    let planned: Vec<_> = files
        .par_iter()
        .map(|(file, requests)| plan_file(file, requests))
        .collect();
    let (mut edits, mut diagnostics) = (Vec::new(), Vec::new());
    for (outcome, mut found) in planned {
        edits.extend(outcome.edit);
        diagnostics.append(&mut found);
    }
    (edits, diagnostics)
}
