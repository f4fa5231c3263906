//! Diagnostics: what was wrong with the user's input, where, and what to do about it.
//!
//! A diagnostic never ends the run; an [`error`](crate::error) does. Codes are stable, kebab-case
//! and documented: [`Code`] is the one shape that all the crate's closed code sets share.

use std::fmt;

/// A closed set of stable, documented codes.
///
/// `meshroll explain <code>` prints what [`Code::meaning`] says.
pub trait Code: Copy + Eq + Ord + fmt::Debug + 'static {
    /// Every member, in documentation order.
    const ALL: &'static [Self];

    /// The kebab-case code as it appears in every output.
    fn code(self) -> &'static str;

    /// What the code says, and what to do about it: one or two sentences.
    fn meaning(self) -> &'static str;

    /// The member with this kebab-case code.
    fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|member| member.code() == code)
    }
}

/// Declares an enum of codes and implements [`Code`] and `Display` for it.
///
/// Each variant carries its kebab-case code and its meaning, so that the enum, the output and the
/// documentation can never differ.
macro_rules! codes {
    ($(#[$outer:meta])* $vis:vis enum $name:ident { $($variant:ident = $code:literal: $meaning:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $(#[doc = $meaning] $variant,)+
        }

        impl $crate::diagnostic::Code for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::diagnostic::Code::code(*self))
            }
        }
    };
}
pub(crate) use codes;

/// How much a diagnostic matters. None of them changes a verdict by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Part of the input could not be used.
    Error,
    /// The input was used, and something about it may surprise.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A place in an input: a repository-relative path or a snapshot's name, and a position in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path relative to the repository root with `/` separators, or the name of the input.
    pub file: String,
    /// One-based line.
    pub line: Option<usize>,
    /// One-based column, in characters.
    pub column: Option<usize>,
}

impl Location {
    /// A whole file.
    pub fn file(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
        }
    }

    /// A line of a file.
    pub fn line(file: impl Into<String>, line: usize) -> Self {
        Self {
            file: file.into(),
            line: Some(line),
            column: None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// One finding about the input, with its place and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: DiagnosticCode,
    /// How much it matters.
    pub severity: Severity,
    /// What is the case: lower case, no trailing period.
    pub message: String,
    /// Where, if there is a place.
    pub location: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Part of the input could not be used.
    pub fn error(code: DiagnosticCode, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Something about the input may surprise.
    pub fn warning(code: DiagnosticCode, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Worth knowing.
    pub fn info(code: DiagnosticCode, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    fn new(severity: Severity, code: DiagnosticCode, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            location: None,
            hint: None,
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The order in which diagnostics are shown: severity, place, code, message.
    #[must_use]
    pub fn sort_key(&self) -> (Severity, Option<&Location>, DiagnosticCode, &str) {
        (
            self.severity,
            self.location.as_ref(),
            self.code,
            &self.message,
        )
    }
}

codes! {
    /// What a diagnostic is about.
    pub enum DiagnosticCode {
        // config
        ConfigUnknownKey = "config-unknown-key": "The configuration has a key that meshroll does not know. Nothing is guessed: correct the key.",
        ConfigInvalid = "config-invalid": "A value of the configuration cannot be used.",
        // manifest
        ManifestUnparsable = "manifest-unparsable": "A file looks like a manifest and cannot be parsed, so nothing in the broken document is read or edited. Every other document is.",
        ManifestUnreadable = "manifest-unreadable": "A file or directory of the repository could not be read.",
        ManifestTooLarge = "manifest-too-large": "A file is larger than the size limit and was left out.",
        ManifestTemplated = "manifest-templated": "A file is a template (`{{ }}` or `${ }` where a name or kind should be), not a rendered manifest.",
        ManifestSkipped = "manifest-skipped": "A path was left out on purpose: a symbolic link, a submodule or a Git LFS pointer is never followed.",
        ManifestInvalid = "manifest-invalid": "A manifest parses and is not something that the API server would accept.",
        RenderedManifest = "rendered-manifest": "A manifest says that it was rendered from a source. The next render would drop the stamp, which restarts the workload again: run `meshroll carry --from REV` after each render.",
        // snapshot
        SnapshotUnparsable = "snapshot-unparsable": "Part of the snapshot is not what kubectl prints.",
        SnapshotContradiction = "snapshot-contradiction": "The snapshot holds an object twice, with different contents; the newer one is used.",
        SnapshotHoldsSecrets = "snapshot-holds-secrets": "The snapshot holds Secrets. meshroll never looks at them; leave them out of what is recorded.",
        KindNotListed = "kind-not-listed": "The API server did not let meshroll list a kind of object, so the snapshot does not hold it.",
        SnapshotIncomplete = "snapshot-incomplete": "The snapshot lacks a kind of object that is needed to tell what injection would do.",
        SnapshotStale = "snapshot-stale": "The snapshot is old: the cluster may have moved on since.",
        SnapshotAgeUnknown = "snapshot-age-unknown": "Nothing in the snapshot tells when it was taken.",
        OracleRefused = "oracle-refused": "The API server or a webhook refused the dry run of a workload's next pod, as it would refuse the real one. The plan goes by the model.",
        OracleUnanswered = "oracle-unanswered": "A dry run told nothing of a workload's next pod: meshroll may not ask (`create` on pods), or something in the way does not answer dry runs. The plan goes by the model.",
        NoSuchNamespace = "no-such-namespace": "`--namespace` names a namespace that the snapshot does not hold, so nothing of it is planned. Correct the name, or record the snapshot again.",
        NotChecked = "not-checked": "A check was not made because the snapshot does not hold the objects for it.",
        // mesh
        InjectorsOverlap = "injectors-overlap": "More than one injector selects a workload; the last configuration by name wins.",
        InjectorInvalid = "injector-invalid": "A webhook, ConfigMap or template of an injector is not what Istio renders.",
        RevisionNotServed = "revision-not-served": "A label names a revision or tag that no injector serves.",
        SkewExceeded = "skew-exceeded": "A proxy is further behind its control plane than Istio supports, or ahead of it.",
        OracleDisagrees = "oracle-disagrees": "A dry run of a workload's next pod gave another sidecar than the model computes. The plan goes by the dry run; the model is at fault, or a webhook that it does not know.",
        ModelLimit = "model-limit": "A part of the expected sidecar could not be computed; it was left out of the comparison.",
        // upgrade
        AssumedVersion = "assumed-version": "A chart or an operator is asked for a version and what it renders is not in the repository. Only the version is assumed; templates and mesh configuration are taken as they are now.",
        AssumptionIncomplete = "assumption-incomplete": "Part of what the repository asks for could not be assumed, so the plan leaves it out.",
        UpgradeSkipsMinors = "upgrade-skips-minors": "The upgrade skips minors in a way that Istio does not support: in place one minor at a time, as a revision of its own two.",
        ControlPlaneDowngrade = "control-plane-downgrade": "The control plane would become older than its proxies, which Istio never supports.",
        RevisionDisappears = "revision-disappears": "A revision or tag disappears while namespaces still name it: their pods lose their sidecars when they restart.",
        ManagedMeshRule = "managed-mesh-rule": "Whoever runs Istio here (AKS, Kyma) does not allow what the repository asks for.",
        // gitops
        TemplateDiffers = "template-differs": "The pod template in Git and the live one differ in what the mesh looks at: the commit delivers the one in Git.",
        RivalRestarter = "rival-restarter": "Something in the cluster restarts stale sidecars by itself: workloads may be restarted twice.",
        DeliveryUnknown = "delivery-unknown": "Which engine delivers a file could not be told.",
        // decision
        StampNotCarried = "stamp-not-carried": "`meshroll carry` found no single place for a stamp of the previous manifests: the workload is gone, or several fresh manifests make one of its name.",
        // wave and edit
        ImplicitWave = "implicit-wave": "Stale workloads match no configured wave and form an implicit last wave.",
        EditRefused = "edit-refused": "An edit could not be proven to change nothing but the restart, so the file is left as it is.",
        // publish
        BranchKept = "branch-kept": "The branch of the restarts stays as it is, with whatever else is due left out of it: it restarts a workload of which nothing can be told now.",
    }
}
