//! Ignored differences: rules that make Argo CD blind to what a restart writes.
//!
//! Source: `spec/gitops.md` §1.5. A rule covers a field when it names it or anything above it. A jq
//! expression that is no plain path may cover it, and is reported as such.

use serde_json::Value;

use super::{Application, Settings};
use crate::gitops::path::glob_matches;
use crate::gitops::written::WrittenField;
use crate::gitops::{Blocker, BlockerCode};
use crate::manifest::ObjectRef;
use crate::rollout::value;

/// How certainly a rule covers a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    No,
    Maybe,
    Yes,
}

/// What rules do to the fields of one object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::gitops) struct Ignored {
    /// Set when the commit would change nothing, or never arrive.
    pub(in crate::gitops) blocker: Option<Blocker>,
    /// Keys of fields that never arrive, though the restart does.
    pub(in crate::gitops) withheld: Vec<String>,
}

/// One rule with the place where it stands.
struct Rule<'a> {
    object: String,
    field: String,
    body: &'a Value,
}

/// What the rules of an Application and of `argocd-cm` do to what a restart writes.
pub(in crate::gitops) fn ignored(
    application: &Application<'_>,
    settings: &Settings<'_>,
    reference: &ObjectRef,
    fields: &[WrittenField],
) -> Ignored {
    let system = settings.ignore_rules(&reference.group, &reference.kind);
    let own = value::items(application.body, &["spec", "ignoreDifferences"]);
    let own = own
        .iter()
        .enumerate()
        .filter(|(_, rule)| fits(rule, reference));
    let rules: Vec<Rule<'_>> = own
        .map(|(number, body)| Rule {
            object: application.display(),
            field: format!("spec.ignoreDifferences[{number}]"),
            body,
        })
        .chain(system.map(|rule| Rule {
            object: "ConfigMap argocd-cm".to_owned(),
            field: rule.key.clone(),
            body: &rule.body,
        }))
        .collect();
    let covers: Vec<(Cover, Option<&Rule<'_>>)> = fields
        .iter()
        .map(|field| strongest(&rules, field))
        .collect();
    judge(application, fields, &covers)
}

fn fits(rule: &Value, reference: &ObjectRef) -> bool {
    let glob = |field: &str, what: &str| {
        value::text(rule, &[field]).is_none_or(|glob| glob == what || glob_matches(glob, what))
    };
    let exact = |field: &str, what: &str| {
        value::text(rule, &[field]).is_none_or(|named| named.is_empty() || named == what)
    };
    glob("group", &reference.group)
        && glob("kind", &reference.kind)
        && exact("name", &reference.name)
        && exact("namespace", &reference.namespace)
}

fn strongest<'r, 'a>(rules: &'r [Rule<'a>], field: &WrittenField) -> (Cover, Option<&'r Rule<'a>>) {
    let mut best = (Cover::No, None);
    for rule in rules {
        let cover = covers(rule.body, field);
        if cover > best.0 {
            best = (cover, Some(rule));
        }
    }
    best
}

/// Without RespectIgnoreDifferences an ignored field still arrives with the next sync, so a field
/// that is seen brings the others along. With it, an ignored field never arrives.
fn judge(
    application: &Application<'_>,
    fields: &[WrittenField],
    covers: &[(Cover, Option<&Rule<'_>>)],
) -> Ignored {
    let options = value::items(application.body, &["spec", "syncPolicy", "syncOptions"]);
    let has_option = |name: &str| options.iter().any(|option| option.as_str() == Some(name));
    let respects = has_option("RespectIgnoreDifferences=true");
    let is_seen = covers.iter().any(|(cover, _)| *cover == Cover::No);
    let arrives = |number: usize| !respects || covers.get(number).is_none_or(|c| c.0 == Cover::No);
    let restarts = (0..fields.len())
        .any(|number| fields.get(number).is_some_and(|field| field.restarts) && arrives(number));
    if !is_seen || !restarts {
        return Ignored {
            blocker: blocker(fields, covers, respects),
            withheld: Vec::new(),
        };
    }
    let withheld = fields
        .iter()
        .enumerate()
        .filter(|(number, _)| !arrives(*number))
        .map(|(_, field)| field.key().to_owned())
        .collect();
    Ignored {
        blocker: None,
        withheld,
    }
}

fn blocker(
    fields: &[WrittenField],
    covers: &[(Cover, Option<&Rule<'_>>)],
    respects: bool,
) -> Option<Blocker> {
    let (field, (cover, rule)) = fields
        .iter()
        .zip(covers)
        .find(|(_, (_, rule))| rule.is_some())?;
    let rule = (*rule)?;
    let verb = if *cover == Cover::Maybe {
        "may ignore"
    } else {
        "ignores"
    };
    let effect = if respects {
        "RespectIgnoreDifferences keeps it from ever arriving"
    } else {
        "the Application stays Synced and applies it only with some other change"
    };
    let message = format!(
        "the rule {verb} {}: {effect}; leave {} out of the rule",
        field.pointer(),
        field.key()
    );
    Some(Blocker::new(
        BlockerCode::IgnoredDifference,
        rule.object.clone(),
        rule.field.clone(),
        message,
    ))
}

fn covers(rule: &Value, field: &WrittenField) -> Cover {
    let pointers = value::texts(rule, &["jsonPointers"])
        .filter(|pointer| pointer_covers(pointer, field))
        .map(|_| Cover::Yes);
    let expressions =
        value::texts(rule, &["jqPathExpressions"]).map(|text| expression_covers(text, field));
    let managers = value::texts(rule, &["managedFieldsManagers"])
        .filter(|manager| manager_may_own(manager, field))
        .map(|_| Cover::Maybe);
    let all = pointers.chain(expressions).chain(managers);
    all.max().unwrap_or(Cover::No)
}

/// A pointer covers what it names and everything below.
fn pointer_covers(pointer: &str, field: &WrittenField) -> bool {
    let mut keys = pointer.split('/');
    if keys.next() != Some("") {
        return false;
    }
    let keys: Vec<String> = keys
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect();
    field.path.starts_with(&keys)
}

/// Argo CD itself owns the stamp once it has applied it; `kubectl rollout restart` owns the restart
/// time that it wrote. Other managers own neither.
fn manager_may_own(manager: &str, field: &WrittenField) -> bool {
    let is_own = matches!(
        manager,
        "argocd-controller" | "argocd-application-controller"
    );
    is_own || manager.starts_with("kubectl") && field.key().ends_with("restartedAt")
}

fn expression_covers(expression: &str, field: &WrittenField) -> Cover {
    if let Some(keys) = plain_path(expression) {
        return if field.path.starts_with(&keys) {
            Cover::Yes
        } else {
            Cover::No
        };
    }
    let names_it = expression.contains(field.key());
    let names_its_map = ["metadata.annotations", ".annotations"].iter().any(|map| {
        let ends = expression
            .match_indices(map)
            .map(|(at, found)| at + found.len());
        ends.filter_map(|end| expression.get(end..))
            .any(|rest| !rest.starts_with(['.', '[']))
    });
    let in_template = field.path.iter().any(|key| key == "template");
    let names_template = !in_template || expression.contains("template");
    if names_it || names_its_map && names_template {
        Cover::Maybe
    } else {
        Cover::No
    }
}

/// The keys of a jq expression that is nothing but a path: `.spec.template`, `."a/b"`, `["a/b"]`.
fn plain_path(expression: &str) -> Option<Vec<String>> {
    let mut rest = expression.trim();
    let mut keys = Vec::new();
    if rest == "." {
        return Some(keys);
    }
    while !rest.is_empty() {
        let from = rest.strip_prefix('.').unwrap_or(rest);
        let (key, after) = if let Some(bracketed) = from.strip_prefix("[\"") {
            bracketed.split_once("\"]")?
        } else if let Some(quoted) = from.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            // A bare key follows a dot.
            rest.strip_prefix('.')?;
            let end = from
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(from.len());
            from.split_at(end)
        };
        if key.is_empty() || key.contains('\\') {
            return None;
        }
        keys.push(key.to_owned());
        rest = after;
    }
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::{Cover, expression_covers, plain_path, pointer_covers};
    use crate::config::AnnotationKeys;
    use crate::gitops::written::written;
    use crate::rollout::WorkloadKind;

    #[test]
    fn paths_of_jq_are_read_where_they_are_plain() {
        let check = |expression: &str, expected: Option<&[&str]>| {
            let found = plain_path(expression);
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|keys| keys.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{expression}");
        };
        check(".", Some(&[]));
        check(".spec.template", Some(&["spec", "template"]));
        check(
            ".metadata.annotations.\"a/b.c\"",
            Some(&["metadata", "annotations", "a/b.c"]),
        );
        check(
            ".metadata.annotations[\"a/b\"]",
            Some(&["metadata", "annotations", "a/b"]),
        );
        check(
            ".metadata[\"annotations\"].\"x\"",
            Some(&["metadata", "annotations", "x"]),
        );
        check(".spec.containers[].image", None);
        check("if .a then .b else empty end", None);
        check(".a | .b", None);
        check("", None);
    }

    #[test]
    fn rules_cover_a_field_and_what_is_above_it() {
        let keys = AnnotationKeys::default();
        let fields = written(WorkloadKind::Deployment, &keys);
        let (stamp, time) = (&fields[0], &fields[1]);
        let annotations = "/spec/template/metadata/annotations";
        assert!(pointer_covers("", stamp) && pointer_covers("/spec", stamp));
        assert!(pointer_covers(annotations, stamp) && pointer_covers(annotations, time));
        let one = format!("{annotations}/kubectl.kubernetes.io~1restartedAt");
        assert!(pointer_covers(&one, time) && !pointer_covers(&one, stamp));
        assert!(!pointer_covers("/spec/replicas", stamp) && !pointer_covers("spec", stamp));
        let check = |expression: &str, of_stamp: Cover, of_time: Cover| {
            assert_eq!(
                expression_covers(expression, stamp),
                of_stamp,
                "{expression}"
            );
            assert_eq!(expression_covers(expression, time), of_time, "{expression}");
        };
        check(
            ".spec.template.metadata.annotations",
            Cover::Yes,
            Cover::Yes,
        );
        check(
            ".spec.template.metadata.annotations.\"kubectl.kubernetes.io/restartedAt\"",
            Cover::No,
            Cover::Yes,
        );
        check(
            "if (.spec.template.metadata.annotations | length) == 0 then .spec.template.metadata.annotations else empty end",
            Cover::Maybe,
            Cover::Maybe,
        );
        check(
            ".spec.template.spec.containers[].image",
            Cover::No,
            Cover::No,
        );
        check(
            ".spec.template.metadata.annotations | select(.\"kubectl.kubernetes.io/restartedAt\")",
            Cover::Maybe,
            Cover::Maybe,
        );
    }
}
