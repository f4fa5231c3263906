//! Plans: the requests for one document become proven replacements, or refusals.

use super::obstacle::{Obstacle, ObstacleKind};
use super::proof::{self, Intent};
use super::splice::{self, Pair, Subject};
use super::text_edit::{Replacement, TextEdit};
use super::{Assignment, EditRequest, locate, referee};
use crate::manifest::reader;
use crate::manifest::stream::Chunk;
use crate::manifest::tree::Tree;

/// One request of a document, planned and not yet proven.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Position of the request in the input.
    pub(crate) request: usize,
    /// The replacements, against the whole file.
    pub(crate) replacements: Vec<Replacement>,
    intents: Vec<Intent>,
}

/// What became of a document's requests.
#[derive(Debug, Default)]
pub(crate) struct DocumentPlan {
    /// The requests that are proven, each with the line of its first changed key in the new text.
    pub(crate) proven: Vec<(Planned, usize)>,
    /// The requests that are refused.
    pub(crate) refused: Vec<(usize, Obstacle)>,
}

/// Plans the requests for one document and proves them together; where that fails, the halves are
/// proven apart, so that one bad request does not take the others with it.
pub(crate) fn document(
    bytes: &[u8],
    chunk: &Chunk,
    requests: &[(usize, &EditRequest<'_>)],
) -> DocumentPlan {
    let mut plan = DocumentPlan::default();
    let tree = match reader::tree_of(bytes, chunk) {
        Ok(tree) => tree,
        Err(error) => {
            let obstacle = Obstacle::new(error.line, ObstacleKind::Unparsable(error.message));
            let refused = requests
                .iter()
                .map(|(request, _)| (*request, obstacle.clone()));
            plan.refused.extend(refused);
            return plan;
        }
    };
    let subject = Subject { bytes, tree: &tree };
    let mut planned = Vec::new();
    for (request, edit) in requests {
        match plan_request(subject, *request, edit) {
            Ok(one) if one.replacements.is_empty() => {}
            Ok(one) => planned.push(one),
            Err(obstacle) => plan.refused.push((*request, obstacle)),
        }
    }
    let document = Before { bytes, chunk, tree };
    document.prove_or_split(planned, requests, &mut plan);
    plan.proven.sort_by_key(|(planned, _)| planned.request);
    plan
}

/// Plans one request: its assignments, grouped by their mapping.
fn plan_request(
    subject: Subject<'_, '_>,
    request: usize,
    edit: &EditRequest<'_>,
) -> Result<Planned, Obstacle> {
    let item = edit.object.item;
    let object = locate::object(subject.tree, edit.object.line, item)?;
    let mut planned = Planned {
        request,
        replacements: Vec::new(),
        intents: Vec::new(),
    };
    for (path, pairs) in by_path(&edit.assignments) {
        let splice = splice::set(subject, object, path, &pairs)?;
        let changed = pairs
            .iter()
            .filter(|(key, _)| splice.changed.iter().any(|changed| changed == key));
        let pairs: Vec<_> = changed
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        planned.replacements.extend(splice.replacements);
        if !pairs.is_empty() {
            planned.intents.push(Intent {
                item,
                path: path.to_vec(),
                pairs,
            });
        }
    }
    Ok(planned)
}

/// The path of a mapping, and the keys to set in it.
type Group<'r> = (&'r [&'static str], Vec<Pair<'r>>);

/// Assignments by the mapping that they change, in order; the last value of a key counts.
fn by_path(assignments: &[Assignment]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for assignment in assignments {
        let pair = (assignment.key.as_str(), assignment.value.as_str());
        match groups
            .iter_mut()
            .find(|(path, _)| *path == assignment.path.as_slice())
        {
            None => groups.push((&assignment.path, vec![pair])),
            Some((_, pairs)) => match pairs.iter_mut().find(|(key, _)| *key == pair.0) {
                Some(existing) => *existing = pair,
                None => pairs.push(pair),
            },
        }
    }
    groups
}

/// A document before its edit.
struct Before<'b> {
    bytes: &'b [u8],
    chunk: &'b Chunk,
    tree: Tree<'b>,
}

impl Before<'_> {
    fn prove_or_split(
        &self,
        planned: Vec<Planned>,
        requests: &[(usize, &EditRequest<'_>)],
        plan: &mut DocumentPlan,
    ) {
        // The pieces still to prove; depth of the halving is that of a binary search.
        let mut pieces = vec![planned];
        let mut halved = false;
        while let Some(mut piece) = pieces.pop() {
            match self.prove(&piece) {
                _ if piece.is_empty() => {}
                Ok(lines) => plan.proven.extend(piece.into_iter().zip(lines)),
                Err(mut obstacle) if piece.len() == 1 => {
                    let request = piece[0].request;
                    let asked = requests.iter().find(|(number, _)| *number == request);
                    obstacle.line = asked.map_or(obstacle.line, |(_, edit)| edit.object.line);
                    plan.refused.push((request, obstacle));
                }
                Err(_) => {
                    halved = true;
                    let second = piece.split_off(piece.len() / 2);
                    pieces.extend([second, piece]);
                }
            }
        }
        if halved {
            self.prove_again(plan);
        }
    }

    /// Proves together what was proven in parts; that gives the lines of the text with all of them.
    fn prove_again(&self, plan: &mut DocumentPlan) {
        plan.proven.sort_by_key(|(planned, _)| planned.request);
        let planned: Vec<_> = plan.proven.drain(..).map(|(planned, _)| planned).collect();
        match self.prove(&planned) {
            Ok(lines) => plan.proven = planned.into_iter().zip(lines).collect(),
            Err(obstacle) => {
                let refused = planned
                    .into_iter()
                    .map(|planned| (planned.request, obstacle.clone()));
                plan.refused.extend(refused);
            }
        }
    }

    /// Proves replacements, and returns the line of the first changed key of each request.
    fn prove(&self, planned: &[Planned]) -> Result<Vec<usize>, Obstacle> {
        let unproven = |what| Obstacle::new(self.chunk.line, ObstacleKind::Unproven(what));
        let span = self.chunk.span.clone();
        let old = self.bytes.get(span.clone()).unwrap_or_default();
        let new = edited(old, span.start, planned).ok_or_else(|| unproven("edits overlap"))?;
        let chunk = Chunk {
            span: 0..new.len(),
            ..self.chunk.clone()
        };
        let tree =
            reader::tree_of(&new, &chunk).map_err(|_| unproven("the result cannot be parsed"))?;
        let intents: Vec<_> = planned
            .iter()
            .flat_map(|planned| planned.intents.iter().cloned())
            .collect();
        let mut lines = proof::trees(&self.tree, &tree, &intents)?.into_iter();
        if let (Ok(old), Ok(new)) = (std::str::from_utf8(old), std::str::from_utf8(&new)) {
            let mut replacements = planned.iter().flat_map(|planned| &planned.replacements);
            let takes_out = replacements.any(|one| !one.range.is_empty());
            referee::confirm((&self.tree, old), (&tree, new), takes_out)?;
        }
        let first = |planned: &Planned| {
            let own = lines.by_ref().take(planned.intents.len());
            own.min().unwrap_or(self.chunk.line)
        };
        Ok(planned.iter().map(first).collect())
    }
}

/// A document's text with all replacements made.
fn edited(old: &[u8], start: usize, planned: &[Planned]) -> Option<Vec<u8>> {
    let mut replacements = Vec::new();
    for replacement in planned.iter().flat_map(|planned| &planned.replacements) {
        let range = &replacement.range;
        replacements.push(Replacement {
            range: range.start.checked_sub(start)?..range.end.checked_sub(start)?,
            text: replacement.text.clone(),
        });
    }
    TextEdit::new(replacements).ok()?.apply(old).ok()
}
