//! From a plan to its edits: the keys that each restart sets, file by file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{Assignment, EditRequest, FileEdit, plan_file};
use crate::config::AnnotationKeys;
use crate::decision::Decision;
use crate::diagnostic::Diagnostic;
use crate::manifest::ManifestFile;
use crate::rollout::Effect;
use crate::wave::RestartPlan;

/// Plans the edits of every restart of a plan, sorted by path.
///
/// A restart whose edit is refused becomes `manual` in the plan.
#[must_use]
pub fn plan_edits(
    plan: &mut RestartPlan<'_>,
    keys: &AnnotationKeys,
    now: Timestamp,
) -> (Vec<FileEdit>, Vec<Diagnostic>) {
    let by_file: Vec<_> = restarts_by_file(plan, keys, now).into_values().collect();
    let outcomes: Vec<_> = by_file
        .par_iter()
        .map(
            |FileRestarts {
                 file,
                 positions,
                 requests,
             }| (positions, plan_file(file, requests)),
        )
        .collect();
    let (mut edits, mut diagnostics, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (positions, (outcome, mut found)) in outcomes {
        edits.extend(outcome.edit);
        diagnostics.append(&mut found);
        let refused = outcome.refusals.into_iter();
        refusals.extend(
            refused.filter_map(|refusal| Some((*positions.get(refusal.request)?, refusal.reason))),
        );
    }
    for (position, reason) in refusals {
        plan.refuse(position, reason);
    }
    (edits, diagnostics)
}

/// The restarts of one file: positions in the plan, and a request for each.
struct FileRestarts<'a> {
    file: &'a ManifestFile,
    positions: Vec<usize>,
    requests: Vec<EditRequest<'a>>,
}

fn restarts_by_file<'a>(
    plan: &RestartPlan<'a>,
    keys: &AnnotationKeys,
    now: Timestamp,
) -> BTreeMap<&'a str, FileRestarts<'a>> {
    let mut files = BTreeMap::new();
    for position in plan.restarts() {
        let decision = &plan.workloads[position].decision;
        let Some((file, request)) = request(decision, keys, now) else {
            continue;
        };
        let restarts = files
            .entry(file.path.as_str())
            .or_insert_with(|| FileRestarts {
                file,
                positions: Vec::new(),
                requests: Vec::new(),
            });
        restarts.positions.push(position);
        restarts.requests.push(request);
    }
    files
}

/// The keys that a restart sets (`design.md` §2).
fn request<'a>(
    decision: &Decision<'a>,
    keys: &AnnotationKeys,
    now: Timestamp,
) -> Option<(&'a ManifestFile, EditRequest<'a>)> {
    let (file, object) = decision.manifest?;
    let restart = decision.restart.as_ref()?;
    let template = object.workload()?.template_path;
    let time = now.to_string();
    let assignment = |path: Vec<&'static str>, key: &str, value: &str| Assignment {
        path,
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let stamp = restart.stamp.to_string();
    let assignments = match restart.effect {
        // The template of an Argo Rollout stays untouched: changing it would start a canary.
        Effect::RestartAt => vec![
            assignment(vec!["metadata", "annotations"], &keys.restarted_for, &stamp),
            assignment(vec!["spec"], "restartAt", &time),
        ],
        _ => {
            let path = [template, &["metadata", "annotations"]].concat();
            let restarted_at = keys
                .restarted_at
                .as_ref()
                .map(|key| assignment(path.clone(), key, &time));
            let restarted_for = assignment(path.clone(), &keys.restarted_for, &stamp);
            restarted_at.into_iter().chain([restarted_for]).collect()
        }
    };
    Some((
        file,
        EditRequest {
            object,
            assignments,
        },
    ))
}
