//! Blockers of a Flux Kustomization, and of one object in it.
//!
//! Source: the checklists of `spec/gitops.md` §2.2, §2.4 and §2.5.

use ignore::gitignore::GitignoreBuilder;
use serde_json::Value;

use super::{GROUP, Kustomization, SOURCE_GROUP};
use crate::gitops::path;
use crate::gitops::written::WrittenField;
use crate::gitops::{Blocker, BlockerCode};
use crate::manifest::{ObjectRef, StringMap};
use crate::rollout::value;
use crate::snapshot::{ClusterObject, ClusterSnapshot};

const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";

/// What keeps any commit from arriving, and what could not be told.
pub(in crate::gitops) fn for_kustomization(
    kustomization: &Kustomization<'_>,
    snapshot: &ClusterSnapshot,
) -> (Vec<Blocker>, Vec<String>) {
    let mut blockers = Vec::new();
    let mut unchecked = Vec::new();
    let display = kustomization.display();
    if value::is_true(kustomization.body, &["spec", "suspend"]) {
        blockers.push(suspended(
            &display,
            "kustomization",
            kustomization.namespace,
            kustomization.name,
        ));
    }
    if kustomization.is_leaving {
        blockers.push(Blocker::new(
            BlockerCode::BeingDeleted,
            &*display,
            "metadata.deletionTimestamp",
            "it is being deleted and applies nothing",
        ));
    }
    blockers.extend(not_ready(&display, kustomization.body));
    for dependency in value::items(kustomization.body, &["spec", "dependsOn"]) {
        depends(
            kustomization,
            dependency,
            snapshot,
            &mut blockers,
            &mut unchecked,
        );
    }
    source(kustomization, snapshot, &mut blockers, &mut unchecked);
    (blockers, unchecked)
}

fn suspended(display: &str, kind: &str, namespace: &str, name: &str) -> Blocker {
    let verb = match kind {
        "kustomization" => "kustomization".to_owned(),
        kind => format!("source {kind}"),
    };
    let message = format!(
        "it is suspended: run `flux resume {verb} -n {} {}`",
        crate::rollout::shell_word(namespace),
        crate::rollout::shell_word(name)
    );
    Blocker::new(BlockerCode::Suspended, display, "spec.suspend", message)
}

fn not_ready(display: &str, body: &Value) -> Option<Blocker> {
    let ready = value::condition(value::at(body, &["status"])?, "Ready")?;
    if value::text(ready, &["status"]) != Some("False") {
        return None;
    }
    let text = |key: &str| value::text(ready, &[key]).unwrap_or_default();
    // A Kustomization that waits for its dependencies says so in this condition too.
    if text("reason") == "DependencyNotReady" {
        return None;
    }
    let message = format!("{}: {}", text("reason"), text("message"));
    Some(Blocker::new(
        BlockerCode::NotReady,
        display,
        "status.conditions",
        message,
    ))
}

/// A dependency must be ready, and of the same source it must have applied the same revision.
fn depends(
    kustomization: &Kustomization<'_>,
    dependency: &Value,
    snapshot: &ClusterSnapshot,
    blockers: &mut Vec<Blocker>,
    unchecked: &mut Vec<String>,
) {
    let name = value::text(dependency, &["name"]).unwrap_or_default();
    let namespace = value::text(dependency, &["namespace"]).unwrap_or(kustomization.namespace);
    let reference = ObjectRef::new(GROUP, "Kustomization", namespace, name);
    let Some(other) = snapshot.object(&reference) else {
        unchecked.push(format!(
            "{reference}, which others depend on, is not in the snapshot: whether it is ready was \
             not checked"
        ));
        return;
    };
    let is_ready = value::at(&other.body, &["status"])
        .and_then(|status| value::condition(status, "Ready"))
        .and_then(|ready| value::text(ready, &["status"]))
        == Some("True");
    if !is_ready || value::is_true(&other.body, &["spec", "suspend"]) {
        blockers.push(Blocker::new(
            BlockerCode::DependencyNotReady,
            kustomization.display(),
            "spec.dependsOn",
            format!("{reference} is not ready, and nothing is applied before it is"),
        ));
    }
}

/// The source of a Kustomization, in its own namespace where it names none.
pub(in crate::gitops) fn source_reference(kustomization: &Kustomization<'_>) -> ObjectRef {
    let text = |key: &str| kustomization.text(&["spec", "sourceRef", key]);
    let namespace = match text("namespace") {
        "" => kustomization.namespace,
        namespace => namespace,
    };
    ObjectRef::new(SOURCE_GROUP, text("kind"), namespace, text("name"))
}

fn source(
    kustomization: &Kustomization<'_>,
    snapshot: &ClusterSnapshot,
    blockers: &mut Vec<Blocker>,
    unchecked: &mut Vec<String>,
) {
    let reference = source_reference(kustomization);
    let kind = &*reference.kind;
    if kind != "GitRepository" && !kind.is_empty() {
        blockers.push(Blocker::new(
            BlockerCode::SourceNotGit,
            kustomization.display(),
            "spec.sourceRef",
            format!("it reads {reference}: a commit arrives once its artifact is built and pushed"),
        ));
    }
    match snapshot.object(&reference) {
        Some(found) => blockers.extend(source_blockers(found)),
        None => unchecked.push(format!(
            "{reference}, which Kustomizations read, is not in the snapshot: whether it is \
             suspended, pinned or verified was not checked"
        )),
    }
}

fn source_blockers(source: &ClusterObject) -> Vec<Blocker> {
    let display = source.reference.to_string();
    let mut blockers = Vec::new();
    if value::is_true(&source.body, &["spec", "suspend"]) {
        let kind = match source.reference.kind.as_str() {
            "GitRepository" => "git",
            "OCIRepository" => "oci",
            "Bucket" => "bucket",
            _ => "external",
        };
        let reference = &source.reference;
        blockers.push(suspended(
            &display,
            kind,
            &reference.namespace,
            &reference.name,
        ));
    }
    blockers.extend(not_ready(&display, &source.body));
    if source.reference.kind == "GitRepository" {
        blockers.extend(pinned(&display, &source.body));
        blockers.extend(verified(&display, &source.body));
    }
    blockers
}

/// The name of a reference wins over a version range, that over a tag, that over a branch; a commit
/// pins whatever branch is named beside it.
fn pinned(display: &str, body: &Value) -> Option<Blocker> {
    let text = |key: &str| value::text(body, &["spec", "ref", key]).filter(|text| !text.is_empty());
    let (field, what) = if let Some(name) = text("name") {
        (!name.starts_with("refs/heads/")).then_some(("name", name))?
    } else if let Some(commit) = text("commit") {
        ("commit", commit)
    } else if let Some(range) = text("semver") {
        ("semver", range)
    } else {
        ("tag", text("tag")?)
    };
    let message = format!("it follows {what:?}, no branch: a commit arrives only after that moves");
    Some(Blocker::new(
        BlockerCode::PinnedRevision,
        display,
        format!("spec.ref.{field}"),
        message,
    ))
}

fn verified(display: &str, body: &Value) -> Option<Blocker> {
    let verify = value::at(body, &["spec", "verify"])?;
    let mode = value::text(verify, &["mode"]).unwrap_or("HEAD");
    let message = format!(
        "mode {mode} demands a signature with a listed key, and an unsigned commit stops every \
         Kustomization of the repository: sign the commit, or merge through a forge whose key is \
         listed"
    );
    Some(Blocker::new(
        BlockerCode::SignatureRequired,
        display,
        "spec.verify",
        message,
    ))
}

/// One object of a Kustomization, with its manifest.
pub(in crate::gitops) struct Target<'t> {
    pub(in crate::gitops) reference: &'t ObjectRef,
    /// Labels and annotations of the live object and of the manifest.
    pub(in crate::gitops) marks: Vec<&'t StringMap>,
    /// The manifest's path.
    pub(in crate::gitops) file: Option<&'t str>,
}

/// What keeps a commit to one object from arriving.
pub(in crate::gitops) fn for_object(
    kustomization: &Kustomization<'_>,
    snapshot: &ClusterSnapshot,
    target: &Target<'_>,
    fields: &[WrittenField],
) -> Vec<Blocker> {
    let mut blockers = marked(target);
    blockers.extend(ignored(kustomization, target.reference, fields));
    let source = snapshot.object(&source_reference(kustomization));
    if let (Some(source), Some(file)) = (source, target.file) {
        blockers.extend(unseen(source, file));
    }
    blockers
}

/// A file that the source leaves out of what it fetches.
fn unseen(source: &ClusterObject, file: &str) -> Option<Blocker> {
    let blocker = |field: &str| {
        Blocker::new(
            BlockerCode::PathFilter,
            source.reference.to_string(),
            field,
            format!("it leaves out {file}: let it in"),
        )
    };
    // A sparse checkout has its directories whole, and the files beside each directory above.
    let mut directories = value::texts(&source.body, &["spec", "sparseCheckout"])
        .filter_map(|directory| path::resolve("", directory))
        .peekable();
    let own = path::directory(file);
    if directories.peek().is_some()
        && !directories.any(|kept| path::is_within(file, &kept) || path::is_within(&kept, own))
    {
        return Some(blocker("spec.sparseCheckout"));
    }
    let rules = value::text(&source.body, &["spec", "ignore"])?;
    let mut builder = GitignoreBuilder::new("");
    for line in rules.lines() {
        // A line that cannot be read matches nothing, as in Git.
        let _ = builder.add_line(None, line);
    }
    let ignored = builder.build().ok()?;
    let is_ignored = ignored.matched_path_or_any_parents(file, false).is_ignore();
    is_ignored.then(|| blocker("spec.ignore"))
}

/// Marks on the live object and on the manifest, each as label or annotation.
fn marked(target: &Target<'_>) -> Vec<Blocker> {
    let (reference, marks) = (target.reference, &target.marks);
    let mut blockers = Vec::new();
    let is = |key: &str, wanted: &str| {
        let has = |map: &&StringMap| map.get(key).is_some_and(|v| v.eq_ignore_ascii_case(wanted));
        marks.iter().any(has)
    };
    let display = reference.to_string();
    for policy in ["Ignore", "IfNotPresent"] {
        if is(SSA, policy) {
            blockers.push(Blocker::new(
                BlockerCode::ApplyPolicy,
                &*display,
                SSA,
                format!("{policy} keeps the live object as it is: set it to Merge or Override"),
            ));
        }
    }
    if is(RECONCILE, "disabled") {
        blockers.push(Blocker::new(
            BlockerCode::ReconcileDisabled,
            display,
            RECONCILE,
            "the object is left as it is: remove the mark",
        ));
    }
    blockers
}

/// `spec.ignore`: drift there triggers no apply, and an apply adopts or strips the field.
fn ignored(
    kustomization: &Kustomization<'_>,
    reference: &ObjectRef,
    fields: &[WrittenField],
) -> Option<Blocker> {
    let rules = value::items(kustomization.body, &["spec", "ignore"]);
    let applies = |rule: &Value| {
        let fits = |field: &str, what: &str| {
            value::text(rule, &["target", field])
                .is_none_or(|pattern| pattern.is_empty() || matches_whole(pattern, what))
        };
        fits("group", &reference.group)
            && fits("kind", &reference.kind)
            && fits("name", &reference.name)
            && fits("namespace", &reference.namespace)
    };
    let covers = |field: &WrittenField| {
        let pointer = field.pointer();
        let own = rules.iter().filter(|rule| applies(rule));
        own.flat_map(|rule| value::texts(rule, &["paths"]))
            .any(|path| {
                let rest = pointer.strip_prefix(path.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    };
    let restarts = fields.iter().any(|field| field.restarts && !covers(field));
    (!restarts && !rules.is_empty()).then(|| {
        let keys: Vec<&str> = fields.iter().map(WrittenField::key).collect();
        Blocker::new(
            BlockerCode::IgnoredDifference,
            kustomization.display(),
            "spec.ignore",
            format!(
                "the rule covers {}, which then never arrives: leave one of them out of it",
                keys.join(" and ")
            ),
        )
    })
}

/// Whether a pattern can match a whole text. Patterns are regular expressions; only alternatives of
/// plain names and `.*` are understood, and anything else counts as a match, so that a rule is
/// rather reported than missed.
fn matches_whole(pattern: &str, text: &str) -> bool {
    let bare = pattern.trim_start_matches('^').trim_end_matches('$');
    bare.split('|').any(|alternative| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
        if alternative.chars().all(plain) {
            alternative == text
        } else {
            true
        }
    })
}
