//! Files: the plans of a file's documents, put together and checked against the whole file.

use std::collections::BTreeMap;

use super::obstacle::{Obstacle, ObstacleKind};
use super::plan::{self, Planned};
use super::text_edit::TextEdit;
use super::{EditRequest, EditedObject, FileEdit, FileOutcome, Refusal};
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::ManifestFile;
use crate::manifest::stream::{self, Chunk};

/// Plans all requests for a file.
pub(crate) fn plan(file: &ManifestFile, requests: &[EditRequest<'_>]) -> FileOutcome {
    let chunks = stream::split(&file.bytes);
    let mut by_document: BTreeMap<usize, Vec<(usize, &EditRequest<'_>)>> = BTreeMap::new();
    for (number, request) in requests.iter().enumerate() {
        let document = request.object.document.index;
        by_document
            .entry(document)
            .or_default()
            .push((number, request));
    }
    let mut proven = Vec::new();
    let mut refused = Vec::new();
    for (index, requests) in by_document {
        let chunk = chunks.get(index).filter(|chunk| {
            requests
                .iter()
                .all(|(_, one)| one.object.document.span == chunk.span)
        });
        let Some(chunk) = chunk else {
            refused.extend(requests.iter().map(|(number, request)| {
                let line = request.object.line;
                (*number, Obstacle::new(line, ObstacleKind::Object))
            }));
            continue;
        };
        let plan = plan::document(&file.bytes, chunk, &requests);
        proven.extend(plan.proven.into_iter().map(|one| (chunk, one)));
        refused.extend(plan.refused);
    }
    outcome(file, requests, &chunks, proven, refused)
}

/// Puts the documents' plans together; the documents of the new file must be the old ones.
fn outcome(
    file: &ManifestFile,
    requests: &[EditRequest<'_>],
    chunks: &[Chunk],
    proven: Vec<(&Chunk, (Planned, usize))>,
    mut refused: Vec<(usize, Obstacle)>,
) -> FileOutcome {
    let edit = whole_file(file, chunks, &proven);
    if edit.is_none() {
        refused.extend(proven.iter().map(|(chunk, (planned, _))| {
            let kind = ObstacleKind::Unproven("the file's other documents would change");
            (planned.request, Obstacle::new(chunk.line, kind))
        }));
    }
    refused.sort_by_key(|(request, _)| *request);
    let refusals = refused
        .into_iter()
        .map(|(request, obstacle)| Refusal {
            reference: requests[request].object.reference.clone(),
            request,
            reason: obstacle.reason(&file.path),
        })
        .collect();
    let edit = edit
        .filter(|(edit, _)| !edit.is_empty())
        .map(|(edit, lines)| FileEdit {
            path: file.path.clone(),
            edit,
            objects: proven
                .iter()
                .zip(lines)
                .map(|((_, (planned, _)), line)| EditedObject {
                    reference: requests[planned.request].object.reference.clone(),
                    line,
                })
                .collect(),
        });
    FileOutcome { edit, refusals }
}

/// The edit of the whole file, and the line in the new file of each request's first key; none when
/// the new file's documents are not the old ones with their own edits.
fn whole_file(
    file: &ManifestFile,
    chunks: &[Chunk],
    proven: &[(&Chunk, (Planned, usize))],
) -> Option<(TextEdit, Vec<usize>)> {
    let replacements = proven
        .iter()
        .flat_map(|(_, (planned, _))| planned.replacements.iter().cloned())
        .collect();
    let edit = TextEdit::new(replacements).ok()?;
    let new = edit.apply(&file.bytes).ok()?;
    if !is_splice(&file.bytes, &new, &edit) {
        return None;
    }
    let new_chunks = stream::split(&new);
    if !are_the_same(chunks, &new_chunks, &edit) {
        return None;
    }
    let lines = proven.iter().map(|(chunk, (_, line))| {
        let moved = new_chunks
            .get(chunk.index)
            .map_or(chunk.line, |new| new.line);
        (line + moved).saturating_sub(chunk.line)
    });
    Some((edit, lines.collect()))
}

/// Whether the documents of the new file are the old ones, each grown by its own replacements.
fn are_the_same(chunks: &[Chunk], new_chunks: &[Chunk], edit: &TextEdit) -> bool {
    let mut replacements = edit.replacements().iter().peekable();
    let (mut removed, mut added) = (0, 0);
    let same = chunks.iter().zip(new_chunks).all(|(old, new)| {
        let starts = new.span.start + removed == old.span.start + added;
        while let Some(one) = replacements.next_if(|one| one.range.end <= old.span.end) {
            removed += one.range.len();
            added += one.text.len();
        }
        starts && new.span.end + removed == old.span.end + added
    });
    same && chunks.len() == new_chunks.len()
}

/// Whether every byte outside the replacements is the same in both texts.
fn is_splice(old: &[u8], new: &[u8], edit: &TextEdit) -> bool {
    let (mut old_at, mut new_at) = (0, 0);
    for one in edit.replacements() {
        let kept = one.range.start.saturating_sub(old_at);
        if old.get(old_at..one.range.start) != new.get(new_at..new_at + kept) {
            return false;
        }
        old_at = one.range.end;
        new_at += kept + one.text.len();
    }
    old.get(old_at..) == new.get(new_at..)
}

/// The diagnostic for a refusal.
pub(crate) fn diagnostic(
    path: &str,
    requests: &[EditRequest<'_>],
    refusal: &Refusal,
) -> Diagnostic {
    let line = requests[refusal.request].object.line;
    let message = format!("{}: {}", refusal.reference, refusal.reason.message);
    Diagnostic::warning(DiagnosticCode::EditRefused, message).at(Location::line(path, line))
}
