//! Settings: what `argocd-cm` and the AppProjects say about every Application.

use std::collections::HashMap;

use serde_json::Value;

use super::GROUP;
use crate::gitops::path;
use crate::rollout::value;
use crate::snapshot::ClusterSnapshot;

/// Argo CD's own configuration, as far as the snapshot holds it.
#[derive(Debug, Default)]
pub(in crate::gitops) struct Settings<'a> {
    /// Namespace of `argocd-cm`: where Argo CD itself runs.
    pub(in crate::gitops) namespace: Option<&'a str>,
    /// Entries of `argocd-cm`.
    config: Option<&'a Value>,
    projects: HashMap<(&'a str, &'a str), &'a Value>,
    /// Steps of ApplicationSets that sync group by group, by namespace and name.
    rolling: HashMap<(&'a str, &'a str), &'a Value>,
}

/// One rule of `argocd-cm` about ignored differences.
pub(super) struct IgnoreRule {
    /// The entry of `argocd-cm`.
    pub(super) key: String,
    pub(super) body: Value,
}

impl<'a> Settings<'a> {
    pub(in crate::gitops) fn new(snapshot: &'a ClusterSnapshot) -> Self {
        let config = snapshot
            .objects_of("", "ConfigMap")
            .find(|object| object.reference.name == "argocd-cm");
        let by_name = |kind: &'static str| {
            snapshot.objects_of(GROUP, kind).map(|object| {
                let reference = &object.reference;
                ((&*reference.namespace, &*reference.name), &object.body)
            })
        };
        let is_rolling =
            |body: &Value| value::text(body, &["spec", "strategy", "type"]) == Some("RollingSync");
        Self {
            namespace: config.map(|object| &*object.reference.namespace),
            config: config.and_then(|object| value::at(&object.body, &["data"])),
            projects: by_name("AppProject").collect(),
            rolling: by_name("ApplicationSet")
                .filter(|(_, body)| is_rolling(body))
                .collect(),
        }
    }

    pub(in crate::gitops) fn has_config(&self) -> bool {
        self.config.is_some()
    }

    /// An AppProject, in Argo CD's own namespace or whichever namespace holds it.
    pub(super) fn project(&self, namespace: &str, name: &str) -> Option<(String, &'a Value)> {
        let namespaces = self.namespace.into_iter().chain([namespace]);
        namespaces
            .filter_map(|namespace| self.projects.get_key_value(&(namespace, name)))
            .map(|((namespace, name), body)| (format!("AppProject {namespace}/{name}"), *body))
            .next()
    }

    pub(super) fn is_rolling(&self, namespace: &str, set: &str) -> bool {
        self.rolling.contains_key(&(namespace, set))
    }

    /// Whether the label alone is what tracks objects.
    pub(in crate::gitops) fn tracks_by_label(&self) -> bool {
        self.entry("application.resourceTrackingMethod") == Some("label")
    }

    /// The label that names the Application of an object.
    pub(in crate::gitops) fn instance_label(&self) -> &'a str {
        self.entry("application.instanceLabelKey")
            .filter(|key| !key.is_empty())
            .unwrap_or("app.kubernetes.io/instance")
    }

    /// Entries about ignored differences that apply to a group and kind.
    pub(super) fn ignore_rules(&self, group: &str, kind: &str) -> Vec<IgnoreRule> {
        let own = match group {
            "" => kind.to_owned(),
            group => format!("{group}_{kind}"),
        };
        [own.as_str(), "all"]
            .iter()
            .filter_map(|which| {
                let key = format!("resource.customizations.ignoreDifferences.{which}");
                let body = serde_yaml::from_str(self.entry(&key)?).ok()?;
                Some(IgnoreRule { key, body })
            })
            .collect()
    }

    /// The entry that leaves out objects of a group and kind altogether.
    pub(super) fn exclusion(&self, group: &str, kind: &str) -> Option<&'static str> {
        let matches = |key: &str| -> Option<bool> {
            let rules: Vec<Value> = serde_yaml::from_str(self.entry(key)?).ok()?;
            let hits = |rule: &Value| {
                let any = |field: &str, what: &str| {
                    let globs = value::items(rule, &[field]);
                    globs.is_empty()
                        || globs
                            .iter()
                            .filter_map(Value::as_str)
                            .any(|glob| path::glob_matches(glob, what))
                };
                any("apiGroups", group) && any("kinds", kind)
            };
            Some(rules.iter().any(hits))
        };
        if matches("resource.exclusions") == Some(true) {
            return Some("resource.exclusions");
        }
        (matches("resource.inclusions") == Some(false)).then_some("resource.inclusions")
    }

    fn entry(&self, key: &str) -> Option<&'a str> {
        value::text(self.config?, &[key])
    }

    /// The id of this installation; empty where it has none.
    pub(in crate::gitops) fn installation(&self) -> &'a str {
        self.entry("installationID").unwrap_or_default()
    }
}
