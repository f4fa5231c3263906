//! From a plan to its edits: the keys that each restart sets, file by file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{Assignment, EditRequest, FileEdit, plan_file};
use crate::config::AnnotationKeys;
use crate::decision::{Decision, is_argo_rollout};
use crate::diagnostic::Diagnostic;
use crate::manifest::{ManifestFile, Object};
use crate::rollout::Effect;
use crate::wave::RestartPlan;

/// Plans the edits of every restart that a plan writes, sorted by path.
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
    for position in plan.written() {
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
    let time = now.to_string();
    let restarts_by_annotation = restart.effect == Effect::TemplateAnnotation;
    let restarted_at = (!restarts_by_annotation || keys.restarted_at.is_some()).then_some(&*time);
    let assignments = assignments(object, keys, restarted_at, &restart.stamp.to_string())?;
    Some((
        file,
        EditRequest {
            object,
            assignments,
        },
    ))
}

/// Where a workload's stamp and restart time stand: side by side in the pod template.
///
/// An Argo Rollout carries the stamp in its own annotations and restarts by `spec.restartAt`; its
/// template stays untouched, since changing that would start a canary.
pub(super) fn assignments(
    object: &Object,
    keys: &AnnotationKeys,
    restarted_at: Option<&str>,
    stamp: &str,
) -> Option<Vec<Assignment>> {
    let workload = object.workload()?;
    let assignment = |path: &[&'static str], key: &str, value: &str| Assignment {
        path: path.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    if is_argo_rollout(&object.reference.group, &object.reference.kind) {
        let stamp = assignment(&["metadata", "annotations"], &keys.restarted_for, stamp);
        let time = restarted_at.map(|time| assignment(&["spec"], "restartAt", time));
        return Some([stamp].into_iter().chain(time).collect());
    }
    let path = [workload.template_path, &["metadata", "annotations"]].concat();
    let time = keys.restarted_at.as_ref().zip(restarted_at);
    let time = time.map(|(key, time)| assignment(&path, key, time));
    Some(
        time.into_iter()
            .chain([assignment(&path, &keys.restarted_for, stamp)])
            .collect(),
    )
}
