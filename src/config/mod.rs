//! Configuration: `meshroll.yaml` becomes a [`Policy`].
//!
//! Every key is optional and an unknown key is an error, never a guess.

mod raw;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Location, codes};

codes! {
    /// Classes of drift, as `restartOn` names them.
    pub enum DriftClass {
        Presence = "presence": "The pod has a sidecar and should not, or the other way round.",
        Revision = "revision": "The sidecar was injected by another revision.",
        Version = "version": "The proxy has another version, digest or unrecognisable tag.",
        Variant = "variant": "The proxy is another build of the same version: distroless, debug, FIPS.",
        Registry = "registry": "The proxy comes from another registry, with the same name and version.",
        Shape = "shape": "The sidecar is regular or native, or its init container is another.",
        Config = "config": "The proxy's configuration differs.",
        Resources = "resources": "The proxy's compute resources differ.",
    }
}

/// What the user wants: validated, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Clusters by name.
    pub clusters: BTreeMap<String, ClusterPolicy>,
    /// Which annotations a restart writes.
    pub annotations: AnnotationKeys,
    /// Drift of these classes makes a workload stale.
    pub restart_on: BTreeSet<DriftClass>,
    /// Workloads that are left alone.
    pub exclude: Vec<Exclusion>,
    /// Globs of paths that only a generator may write.
    pub generated: Vec<String>,
    /// When set, everything is held, with this reason.
    pub halt: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            clusters: BTreeMap::new(),
            annotations: AnnotationKeys::default(),
            restart_on: BTreeSet::from([
                DriftClass::Revision,
                DriftClass::Version,
                DriftClass::Config,
            ]),
            exclude: Vec::new(),
            generated: Vec::new(),
            halt: None,
        }
    }
}

/// What belongs to one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterPolicy {
    /// Directories of the repository that belong to it; empty means all.
    pub paths: Vec<String>,
    /// Its recording, relative to the repository root.
    pub snapshot: Option<String>,
    /// UID of its `kube-system` namespace, which a snapshot must match.
    pub uid: Option<String>,
}

/// Keys of the annotations that a restart writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationKeys {
    /// Key of the restart time; none where it is switched off.
    pub restarted_at: Option<String>,
    /// Key of the stamp.
    pub restarted_for: String,
}

/// `kubectl.kubernetes.io/restartedAt`, which `kubectl rollout restart` writes.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// meshroll's own stamp.
pub const RESTARTED_FOR: &str = "meshroll.dev/restarted-for";
/// Opts a workload or a namespace out; the value is the reason.
pub const EXCLUDE: &str = "meshroll.dev/exclude";

impl Default for AnnotationKeys {
    fn default() -> Self {
        Self {
            restarted_at: Some(RESTARTED_AT.into()),
            restarted_for: RESTARTED_FOR.into(),
        }
    }
}

/// Workloads that the configuration leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Globs of namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// Globs of workload names; empty means all.
    pub names: Vec<String>,
    /// Kinds; empty means all.
    pub kinds: Vec<String>,
    /// Why.
    pub reason: String,
    /// Last day of the exclusion, inclusive, UTC.
    pub until: Option<jiff::civil::Date>,
}

/// The configuration cannot be used; its author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
pub struct ConfigError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub location: Location,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Policy {
    /// Reads `meshroll.yaml`. An empty file is the default policy.
    ///
    /// # Errors
    ///
    /// When the text does not parse, has an unknown key, or a value that cannot be used.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        raw::parse(name, text)
    }

    /// The exclusion that covers a workload on a day, if there is one.
    #[must_use]
    pub fn exclusion(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        today: jiff::civil::Date,
    ) -> Option<&Exclusion> {
        self.exclude.iter().find(|exclusion| {
            exclusion.covers(namespace, kind, name)
                && exclusion.until.is_none_or(|until| today <= until)
        })
    }
}

impl Exclusion {
    fn covers(&self, namespace: &str, kind: &str, name: &str) -> bool {
        let any = |patterns: &[String], value: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| glob_matches(pattern, value))
        };
        any(&self.namespaces, namespace)
            && any(&self.names, name)
            && (self.kinds.is_empty()
                || self
                    .kinds
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(kind)))
    }
}

/// Whether a glob of the configuration matches; patterns were validated when they were read.
#[must_use]
pub fn glob_matches(pattern: &str, value: &str) -> bool {
    globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(value))
}

#[cfg(test)]
mod tests {
    use super::{DriftClass, Policy};

    fn error(text: &str) -> String {
        let error = Policy::parse("meshroll.yaml", text).expect_err("invalid");
        format!("{error} ({})", error.hint.as_deref().unwrap_or("no hint"))
    }

    #[test]
    fn an_empty_file_is_the_default_policy() {
        for text in ["", "# nothing yet\n", "{}"] {
            assert_eq!(Policy::parse("meshroll.yaml", text), Ok(Policy::default()));
        }
    }

    #[test]
    fn every_key_is_read() {
        let text = "\
clusters:
  prod: {paths: [./clusters/prod/], snapshot: snapshots/prod.json.zst, uid: 6f0c}
annotations: {restartedAt: false, restartedFor: example.com/for}
restartOn: [presence, shape]
exclude:
  - {namespaces: [legacy-*], kinds: [deployment], reason: frozen, until: 2027-01-31}
generated: [rendered/**]
halt: incident 42
";
        let policy = Policy::parse("meshroll.yaml", text).expect("valid");
        assert_eq!(policy.clusters["prod"].paths, ["clusters/prod"]);
        assert_eq!(policy.clusters["prod"].uid.as_deref(), Some("6f0c"));
        assert_eq!(policy.annotations.restarted_at, None);
        assert_eq!(policy.annotations.restarted_for, "example.com/for");
        assert!(
            policy
                .restart_on
                .iter()
                .eq(&[DriftClass::Presence, DriftClass::Shape])
        );
        assert_eq!(policy.halt.as_deref(), Some("incident 42"));
        let on = |date: &str| {
            let date = date.parse().expect("a date");
            policy
                .exclusion("legacy-shop", "Deployment", "cart", date)
                .is_some()
        };
        assert!(on("2027-01-31") && !on("2027-02-01"));
        let today = "2026-11-20".parse().expect("a date");
        assert!(
            policy
                .exclusion("shop", "Deployment", "cart", today)
                .is_none()
        );
        assert!(
            policy
                .exclusion("legacy-shop", "DaemonSet", "cart", today)
                .is_none()
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let message = error("restartOn: [version]\nrestarton: [version]\n");
        assert!(message.starts_with("meshroll.yaml:2:1: "), "{message}");
        assert!(message.contains("unknown field `restarton`"), "{message}");
    }

    #[test]
    fn a_key_of_a_later_version_is_refused_with_a_hint() {
        let message = error("waves: []\n");
        assert!(
            message.contains("not supported by this version"),
            "{message}"
        );
    }

    #[test]
    fn values_that_cannot_be_used_are_errors() {
        for (text, part) in [
            ("restartOn: [versoin]", "`versoin` is none of presence"),
            ("annotations: {restartedFor: 'a b'}", "no annotation key"),
            (
                "annotations: {restartedFor: kubectl.kubernetes.io/restartedAt}",
                "must differ",
            ),
            (
                "clusters: {prod: {paths: [../other]}}",
                "leads out of the repository",
            ),
            ("clusters: {'a/b': {}}", "no usable name"),
            ("exclude: [{namespaces: [a]}]", "needs a reason"),
            ("exclude: [{reason: r}]", "needs namespaces, names or kinds"),
            (
                "exclude: [{names: ['[']  , reason: r}]",
                "unclosed character class",
            ),
            ("exclude: [{names: [a], reason: r, until: soon}]", "no date"),
            ("restartOn: [", "did not find expected"),
        ] {
            let message = error(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
