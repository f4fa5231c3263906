//! Carrying: restarts of the previous manifests, written into freshly rendered ones.
//!
//! A render knows nothing of restarts, so it drops their annotations, and that is a change of every
//! template: a second rollout. Carried are the keys of the previous commit, unchanged; only
//! workloads that are gone lose theirs (`design.md` §10, *rendered manifests*).

use std::collections::BTreeMap;

use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{Assignment, EditRequest, FileEdit, FileOutcome, Refusal, plan_file};
use crate::config::AnnotationKeys;
use crate::decision::is_argo_rollout;
use crate::diagnostic::Diagnostic;
use crate::manifest::{ManifestFile, ManifestSet, Object, ObjectRef};

/// What carrying comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// The edits, sorted by path.
    pub edits: Vec<FileEdit>,
    /// Workloads whose keys could not be written.
    pub refusals: Vec<Refusal>,
    /// Workloads that had keys and are not in the fresh manifests any more, sorted.
    pub gone: Vec<ObjectRef>,
}

/// Plans the edits that bring the restarts of `previous` into `fresh`.
///
/// A workload is the same when its identity is; where several files hold it, the one of the same
/// path is meant. Keys that the fresh manifest has already stay as they are.
#[must_use]
pub fn carry(
    previous: &ManifestSet,
    fresh: &ManifestSet,
    keys: &AnnotationKeys,
) -> (Carried, Vec<Diagnostic>) {
    let mut before = marks_by_identity(previous, keys);
    let outcomes: Vec<(FileOutcome, Vec<Diagnostic>)> = fresh
        .files
        .par_iter()
        .map(|file| {
            let requests: Vec<EditRequest<'_>> = file
                .objects
                .iter()
                .filter_map(|object| request(file, object, &before, keys))
                .collect();
            if requests.is_empty() {
                Default::default()
            } else {
                plan_file(file, &requests)
            }
        })
        .collect();
    let (mut carried, mut diagnostics) = (Carried::default(), Vec::new());
    for (outcome, mut found) in outcomes {
        carried.edits.extend(outcome.edit);
        carried.refusals.extend(outcome.refusals);
        diagnostics.append(&mut found);
    }
    for object in fresh.files.iter().flat_map(|file| &file.objects) {
        before.remove(&object.reference);
    }
    carried.gone = before.into_keys().cloned().collect();
    (carried, diagnostics)
}

/// Keys and values of a workload's restart.
type Marks = Vec<(String, String)>;

/// Restarts by identity, and by path where more than one file holds the workload.
type MarksByIdentity<'a> = BTreeMap<&'a ObjectRef, BTreeMap<&'a str, Marks>>;

fn marks_by_identity<'a>(manifests: &'a ManifestSet, keys: &AnnotationKeys) -> MarksByIdentity<'a> {
    let mut marks = MarksByIdentity::new();
    for file in &manifests.files {
        for object in &file.objects {
            let found = marks_of(object, keys);
            if !found.is_empty() {
                marks
                    .entry(&object.reference)
                    .or_default()
                    .insert(&file.path, found);
            }
        }
    }
    marks
}

/// The restart's keys that an object has.
fn marks_of(object: &Object, keys: &AnnotationKeys) -> Marks {
    let Some(workload) = object.workload() else {
        return Marks::new();
    };
    let annotations = match is_argo_rollout(&object.reference.group, &object.reference.kind) {
        true => &object.annotations,
        false => &workload.template.metadata.annotations,
    };
    let names = keys.restarted_at.iter().chain([&keys.restarted_for]);
    let mut marks: Marks = names
        .filter_map(|key| Some((key.clone(), annotations.get(key)?.clone())))
        .collect();
    // A restart that somebody else wrote is somebody else's to carry.
    if !marks.iter().any(|(key, _)| *key == keys.restarted_for) {
        marks.clear();
    }
    marks
}

fn request<'a>(
    file: &ManifestFile,
    object: &'a Object,
    before: &MarksByIdentity<'_>,
    keys: &AnnotationKeys,
) -> Option<EditRequest<'a>> {
    let by_path = before.get(&object.reference)?;
    let only = || by_path.values().next().filter(|_| by_path.len() == 1);
    let marks = by_path.get(file.path.as_str()).or_else(only)?;
    if !marks_of(object, keys).is_empty() {
        return None;
    }
    let workload = object.workload()?;
    let path = match is_argo_rollout(&object.reference.group, &object.reference.kind) {
        true => vec!["metadata", "annotations"],
        false => [workload.template_path, &["metadata", "annotations"]].concat(),
    };
    let assignments = marks.iter().map(|(key, value)| Assignment {
        path: path.clone(),
        key: key.clone(),
        value: value.clone(),
    });
    Some(EditRequest {
        object,
        assignments: assignments.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::carry;
    use crate::config::AnnotationKeys;
    use crate::manifest::{self, ManifestSet, RawFile, Screen};

    fn manifests(files: &[(&str, &str)]) -> ManifestSet {
        let file = |(path, text): &(&str, &str)| RawFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_owned(),
        };
        manifest::parse(files.iter().map(file).collect(), &Screen::new()).0
    }

    fn deployment(name: &str, annotations: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  template:\n    metadata:\n{annotations}      labels: {{app: {name}}}\n    spec:\n      containers: [{{name: a, image: b}}]\n"
        )
    }

    const STAMPED: &str = "      annotations:\n        kubectl.kubernetes.io/restartedAt: \"2026-11-20T09:00:00Z\"\n        meshroll.dev/restarted-for: \"1.27.3/default/1.9f2c41\"\n";

    /// The fresh files after carrying, and the workloads that are gone.
    fn carried(previous: &[(&str, &str)], fresh: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (previous, fresh) = (manifests(previous), manifests(fresh));
        let (carried, diagnostics) = carry(&previous, &fresh, &AnnotationKeys::default());
        assert_eq!(diagnostics, []);
        assert_eq!(carried.refusals, []);
        let texts = fresh.files.iter().map(|file| {
            let edit = carried.edits.iter().find(|edit| edit.path == file.path);
            let bytes = edit.map_or(file.bytes.clone(), |edit| {
                edit.edit.apply(&file.bytes).expect("applies")
            });
            String::from_utf8(bytes).expect("UTF-8")
        });
        (
            texts.collect(),
            carried.gone.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn a_fresh_render_gets_the_keys_of_the_previous_one() {
        let (before, after) = (deployment("cart", STAMPED), deployment("cart", ""));
        let (texts, gone) = carried(&[("a.yaml", &before)], &[("a.yaml", &after)]);
        assert_eq!(texts, [before]);
        assert_eq!(gone, [""; 0]);
    }

    #[test]
    fn a_workload_is_followed_to_another_file() {
        let (before, after) = (deployment("cart", STAMPED), deployment("cart", ""));
        let (texts, _) = carried(&[("a.yaml", &before)], &[("b.yaml", &after)]);
        assert_eq!(texts, [before]);
    }

    #[test]
    fn only_workloads_that_are_gone_lose_their_keys() {
        let (cart, shop) = (deployment("cart", STAMPED), deployment("shop", ""));
        let (texts, gone) = carried(&[("a.yaml", &cart)], &[("a.yaml", &shop)]);
        assert_eq!(texts, [shop]);
        assert_eq!(gone, ["Deployment cart"]);
    }

    #[test]
    fn keys_that_are_there_stay_and_foreign_restarts_are_not_carried() {
        let newer = STAMPED.replace("1.27.3", "1.28.0");
        let (before, after) = (deployment("cart", STAMPED), deployment("cart", &newer));
        assert_eq!(
            carried(&[("a.yaml", &before)], &[("a.yaml", &after)]).0,
            [after.clone()]
        );
        let by_hand = "      annotations:\n        kubectl.kubernetes.io/restartedAt: \"2026-11-20T09:00:00Z\"\n";
        let (before, after) = (deployment("cart", by_hand), deployment("cart", ""));
        assert_eq!(
            carried(&[("a.yaml", &before)], &[("a.yaml", &after)]).0,
            [after.clone()]
        );
    }

    #[test]
    fn an_ambiguous_workload_is_followed_only_within_its_file() {
        let (one, other) = (
            deployment("cart", STAMPED),
            deployment("cart", &STAMPED.replace("1.27.3", "1.28.0")),
        );
        let fresh = deployment("cart", "");
        let before = [("a.yaml", one.as_str()), ("b.yaml", other.as_str())];
        let (texts, _) = carried(&before, &[("a.yaml", &fresh), ("c.yaml", &fresh)]);
        assert_eq!(texts, [one.clone(), fresh.clone()]);
    }
}
