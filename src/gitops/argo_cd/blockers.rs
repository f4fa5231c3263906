//! Blockers of an Application, and of one object in it.
//!
//! Source: the checklists of `spec/gitops.md` §1.2, §1.3, §1.6 and §1.7.

use jiff::Timestamp;
use serde_json::Value;

use super::sync_window::{self, Closed};
use super::{Application, RepoSource, Settings};
use crate::gitops::path;
use crate::gitops::revision::{Follows, follows};
use crate::gitops::{Blocker, BlockerCode};
use crate::manifest::{ObjectRef, StringMap};
use crate::rollout::value;

const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
const GENERATE_PATHS: &str = "argocd.argoproj.io/manifest-generate-paths";
const HOOK: &str = "argocd.argoproj.io/hook";
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";

/// What keeps any commit from arriving, and what could not be told.
pub(in crate::gitops) fn for_application(
    application: &Application<'_>,
    settings: &Settings<'_>,
    sources: &[RepoSource<'_>],
    now: Timestamp,
) -> (Vec<Blocker>, Vec<String>) {
    let mut blockers = Vec::new();
    let mut unchecked = Vec::new();
    blockers.extend(automation(application, settings));
    blockers.extend(skipped(application));
    blockers.extend(leaving(application));
    blockers.extend(
        sources
            .iter()
            .filter_map(|source| pinned(application, source)),
    );
    blockers.extend(last_operation(application));
    blockers.extend(conditions(application));
    let name = match application.text(&["spec", "project"]) {
        "" => "default",
        name => name,
    };
    match settings.project(application.namespace, name) {
        Some((display, project)) => {
            blockers.extend(signatures(&display, project));
            match sync_window::closed(project, application, now) {
                Ok(closed) => blockers.extend(closed.map(|closed| window(&display, closed))),
                Err(numbers) => unchecked.push(format!(
                    "spec.syncWindows{numbers:?} of {display} cannot be read, so no sync window of \
                     it was checked"
                )),
            }
        }
        None => unchecked.push(format!(
            "AppProject {}/{name} is not in the snapshot: sync windows and signature keys of its \
             Applications were not checked",
            settings.namespace.unwrap_or(application.namespace)
        )),
    }
    (blockers, unchecked)
}

fn automation(application: &Application<'_>, settings: &Settings<'_>) -> Option<Blocker> {
    let set = application
        .owners
        .iter()
        .find(|owner| owner.kind == "ApplicationSet");
    if let Some(set) = set.filter(|set| settings.is_rolling(application.namespace, &set.name)) {
        return Some(Blocker::new(
            BlockerCode::RollingSync,
            format!("ApplicationSet {}/{}", application.namespace, set.name),
            "spec.strategy",
            "RollingSync turns automated syncs off and syncs group by group: the commit arrives \
             when the group's turn comes",
        ));
    }
    let automated = value::at(application.body, &["spec", "syncPolicy", "automated"]);
    let enabled = automated.map(|automated| value::at(automated, &["enabled"]));
    let field = match enabled {
        None => "spec.syncPolicy.automated",
        Some(Some(Value::Bool(false))) => "spec.syncPolicy.automated.enabled",
        Some(_) => return None,
    };
    let message = format!(
        "it does not sync by itself: after the merge run `argocd app sync {}`",
        crate::rollout::shell_word(&format!("{}/{}", application.namespace, application.name))
    );
    Some(Blocker::new(
        BlockerCode::ManualSync,
        application.display(),
        field,
        message,
    ))
}

/// Go's ParseBool.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn skipped(application: &Application<'_>) -> Option<Blocker> {
    application
        .annotation(SKIP_RECONCILE)
        .filter(|text| is_true(text))?;
    Some(Blocker::new(
        BlockerCode::SkipReconcile,
        application.display(),
        format!("metadata.annotations[{SKIP_RECONCILE}]"),
        "it is not reconciled at all: remove the annotation",
    ))
}

fn leaving(application: &Application<'_>) -> Option<Blocker> {
    application.is_leaving.then(|| {
        Blocker::new(
            BlockerCode::BeingDeleted,
            application.display(),
            "metadata.deletionTimestamp",
            "it is being deleted and syncs nothing",
        )
    })
}

fn pinned(application: &Application<'_>, source: &RepoSource<'_>) -> Option<Blocker> {
    let what = match follows(source.revision) {
        Follows::Branch => return None,
        Follows::Tag => "a tag",
        Follows::Tags => "tags that fit a version range",
        Follows::Commit => "a commit",
    };
    let message = format!(
        "targetRevision {:?} is {what}: a commit arrives only after it is moved",
        source.revision
    );
    Some(Blocker::new(
        BlockerCode::PinnedRevision,
        application.display(),
        "spec.source.targetRevision",
        message,
    ))
}

fn last_operation(application: &Application<'_>) -> Option<Blocker> {
    let phase = application.text(&["status", "operationState", "phase"]);
    let said = application.text(&["status", "operationState", "message"]);
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    if value::at(application.body, &["operation"]).is_some()
        || matches!(phase, "Running" | "Terminating")
    {
        return Some(Blocker::new(
            BlockerCode::OperationRunning,
            application.display(),
            "status.operationState.phase",
            format!("an operation is under way{said}: new commits wait for its end"),
        ));
    }
    matches!(phase, "Failed" | "Error").then(|| {
        Blocker::new(
            BlockerCode::SyncFailed,
            application.display(),
            "status.operationState.phase",
            format!("the last sync failed{said}; a new commit is tried once more"),
        )
    })
}

fn conditions(application: &Application<'_>) -> Vec<Blocker> {
    let options = value::items(application.body, &["spec", "syncPolicy", "syncOptions"]);
    let fails_on_shared = options
        .iter()
        .any(|option| option.as_str() == Some("FailOnSharedResource=true"));
    let all = value::items(application.body, &["status", "conditions"]);
    all.iter()
        .filter_map(|condition| {
            let kind = value::text(condition, &["type"])?;
            let code = match kind {
                "ComparisonError" | "InvalidSpecError" | "UnknownError" => {
                    BlockerCode::ComparisonError
                }
                "SharedResourceWarning" if fails_on_shared => BlockerCode::SharedResource,
                _ => return None,
            };
            let said = value::text(condition, &["message"]).unwrap_or("no message");
            Some(Blocker::new(
                code,
                application.display(),
                "status.conditions",
                format!("{kind}: {said}"),
            ))
        })
        .collect()
}

fn window(project: &str, closed: Closed) -> Blocker {
    let what = if closed.denied {
        "a deny window is active"
    } else {
        "no allow window is active"
    };
    let opens = match closed.opens {
        Some(time) => format!("syncs are possible again at {time}"),
        None => "no later opening was found".to_owned(),
    };
    Blocker::new(
        BlockerCode::SyncWindow,
        project,
        format!("spec.syncWindows[{}]", closed.window),
        format!("{what}: {opens}"),
    )
}

fn signatures(display: &str, project: &Value) -> Option<Blocker> {
    let keys = value::items(project, &["spec", "signatureKeys"]);
    let policies = value::items(project, &["spec", "sourceIntegrity", "git", "policies"]);
    let demands = |policy: &Value| {
        let mode = value::text(policy, &["gpg", "mode"]);
        mode.is_some_and(|mode| mode != "none")
    };
    let field = if !keys.is_empty() {
        "spec.signatureKeys"
    } else if policies.iter().any(demands) {
        "spec.sourceIntegrity.git.policies"
    } else {
        return None;
    };
    Some(Blocker::new(
        BlockerCode::SignatureRequired,
        display,
        field,
        "the tip of the branch must be signed with a listed GPG key, or every sync of the \
         repository stops: merge through a forge whose key is listed, or sign the commit",
    ))
}

/// One object of an Application, with its manifest.
pub(in crate::gitops) struct Target<'t> {
    pub(in crate::gitops) reference: &'t ObjectRef,
    /// Annotations of the manifest, or the live ones where there is none.
    pub(in crate::gitops) annotations: &'t StringMap,
    /// The manifest's path.
    pub(in crate::gitops) file: Option<&'t str>,
}

/// What keeps a commit to one object from arriving.
pub(in crate::gitops) fn for_object(
    application: &Application<'_>,
    settings: &Settings<'_>,
    sources: &[RepoSource<'_>],
    target: &Target<'_>,
) -> Vec<Blocker> {
    let mut blockers = Vec::new();
    blockers.extend(hook(target));
    blockers.extend(excluded(application, settings, target.reference));
    blockers.extend(earlier_wave(application, target));
    blockers.extend(path_filter(application, sources, target));
    blockers
}

fn hook(target: &Target<'_>) -> Option<Blocker> {
    let hooks = target.annotations.get(HOOK)?;
    hooks.split(',').any(|hook| hook.trim() == "Skip").then(|| {
        Blocker::new(
            BlockerCode::HookSkipped,
            target.reference.to_string(),
            format!("metadata.annotations[{HOOK}]"),
            "the manifest is never applied: remove the annotation",
        )
    })
}

fn excluded(
    application: &Application<'_>,
    settings: &Settings<'_>,
    reference: &ObjectRef,
) -> Option<Blocker> {
    let what = format!(
        "{} is left out: let it in, or restart it by hand",
        reference.kind
    );
    if let Some(field) = settings.exclusion(&reference.group, &reference.kind) {
        let code = BlockerCode::ResourceExcluded;
        return Some(Blocker::new(code, "ConfigMap argocd-cm", field, what));
    }
    let name = application.text(&["spec", "project"]);
    let (display, project) = settings.project(application.namespace, name)?;
    let lists = |field: &str| {
        let listed = value::at(project, &["spec", field])?.as_array()?;
        let matches = |entry: &Value| {
            let is = |key: &str, what: &str| {
                value::text(entry, &[key]).is_some_and(|glob| path::glob_matches(glob, what))
            };
            is("group", &reference.group) && is("kind", &reference.kind)
        };
        Some(listed.iter().any(matches))
    };
    let field = if lists("namespaceResourceBlacklist") == Some(true) {
        "namespaceResourceBlacklist"
    } else if lists("namespaceResourceWhitelist") == Some(false) {
        "namespaceResourceWhitelist"
    } else {
        return None;
    };
    Some(Blocker::new(
        BlockerCode::ResourceExcluded,
        display,
        format!("spec.{field}"),
        what,
    ))
}

/// Waves are applied in order, and each waits for the health of the one before.
fn earlier_wave(application: &Application<'_>, target: &Target<'_>) -> Option<Blocker> {
    let written = target.annotations.get(SYNC_WAVE);
    let own = written
        .and_then(|wave| wave.parse::<i64>().ok())
        .unwrap_or(0);
    let resources = value::items(application.body, &["status", "resources"]);
    let holds = |resource: &&Value| {
        let wave = value::integer(resource, &["syncWave"]).unwrap_or(0);
        let health = value::text(resource, &["health", "status"]);
        wave < own && matches!(health, Some("Degraded" | "Missing" | "Progressing"))
    };
    let resource = resources.iter().find(holds)?;
    let text = |key: &str| value::text(resource, &[key]).unwrap_or_default();
    let other = ObjectRef::new(text("group"), text("kind"), text("namespace"), text("name"));
    let health = value::text(resource, &["health", "status"]).unwrap_or_default();
    let message = format!("{other} of an earlier wave is {health}: wave {own} waits for it");
    Some(Blocker::new(
        BlockerCode::EarlierWave,
        application.display(),
        "status.resources",
        message,
    ))
}

/// A commit that touches none of these paths does not refresh the Application.
fn path_filter(
    application: &Application<'_>,
    sources: &[RepoSource<'_>],
    target: &Target<'_>,
) -> Option<Blocker> {
    let written = application.annotation(GENERATE_PATHS)?;
    let file = target.file?;
    let mut paths = written
        .split(';')
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .peekable();
    paths.peek()?;
    let sees = |written: &str| {
        let from = sources.iter().filter_map(|source| source.path.as_deref());
        from.into_iter().any(|from| {
            path::resolve(from, written)
                .is_some_and(|path| path::is_within(file, &path) || path::glob_matches(&path, file))
        })
    };
    (!paths.any(sees)).then(|| {
        Blocker::new(
            BlockerCode::PathFilter,
            application.display(),
            format!("metadata.annotations[{GENERATE_PATHS}]"),
            format!("{written:?} does not name {file}: add it, or refresh the Application"),
        )
    })
}
