//! The screen: whether bytes can hold anything of interest, before they are parsed.
//!
//! A search for the kinds' names, some ten times faster than parsing. It is a filter and never a
//! match: whatever a scalar could be spelled like must pass, so escapes inside a word and UTF-16
//! pass too (`spec/yaml.md` §0, `spec/dependencies.md` §1.3).

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memchr_iter;

use std::collections::BTreeSet;

use super::object_ref::ObjectRef;
use super::{file, kind};

/// What a literal of the kind search says about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// It can be a workload.
    Workload,
    /// It can be configuration.
    Configuration,
    /// It is half of a sign: a ConfigMap or Service matters if `istio` is in it too.
    ConfigMap,
    /// The other half.
    Istio,
}

/// The literals that tell kinds, as whole words.
const SIGNS: &[(&str, Sign)] = &[
    ("Deployment", Sign::Workload),
    ("StatefulSet", Sign::Workload),
    ("DaemonSet", Sign::Workload),
    ("ReplicaSet", Sign::Workload),
    ("ReplicationController", Sign::Workload),
    ("CronJob", Sign::Workload),
    ("Job", Sign::Workload),
    ("Pod", Sign::Workload),
    ("Rollout", Sign::Workload),
    ("CloneSet", Sign::Workload),
    ("DeploymentConfig", Sign::Workload),
    ("serving.knative.dev", Sign::Workload),
    // Items of a typed list need no kind of their own.
    ("DeploymentList", Sign::Workload),
    ("StatefulSetList", Sign::Workload),
    ("DaemonSetList", Sign::Workload),
    ("ReplicaSetList", Sign::Workload),
    ("ReplicationControllerList", Sign::Workload),
    ("CronJobList", Sign::Workload),
    ("JobList", Sign::Workload),
    ("PodList", Sign::Workload),
    ("RolloutList", Sign::Workload),
    ("Namespace", Sign::Configuration),
    ("NamespaceList", Sign::Configuration),
    ("kustomize.config.k8s.io", Sign::Configuration),
    ("kustomize.toolkit.fluxcd.io", Sign::Configuration),
    ("source.toolkit.fluxcd.io", Sign::Configuration),
    ("helm.toolkit.fluxcd.io", Sign::Configuration),
    ("Application", Sign::Configuration),
    ("ApplicationSet", Sign::Configuration),
    ("AppProject", Sign::Configuration),
    ("argocd-cm", Sign::Configuration),
    ("MutatingWebhookConfiguration", Sign::Configuration),
    ("sailoperator.io", Sign::Configuration),
    ("operator.istio.io", Sign::Configuration),
    ("install.istio.io", Sign::Configuration),
    ("ProxyConfig", Sign::Configuration),
    ("ConfigMap", Sign::ConfigMap),
    ("Service", Sign::ConfigMap),
    ("istio", Sign::Istio),
];

/// Tells from raw bytes whether a file or document can hold anything of interest.
///
/// It is a filter, never a match: what passes is parsed, what fails cannot matter.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The literals of [`SIGNS`], then the kinds of owners.
    signs: AhoCorasick,
    names: Option<AhoCorasick>,
    owners: BTreeSet<ObjectRef>,
}

impl Screen {
    /// A screen for every workload and configuration kind.
    #[must_use]
    pub fn new() -> Self {
        Self {
            signs: automaton(SIGNS.iter().map(|(literal, _)| *literal)),
            names: None,
            owners: BTreeSet::new(),
        }
    }

    /// The same, and for objects that own workloads of the cluster: custom resources that nothing
    /// else is known of. They are read as configuration; the namespace plays no part.
    #[must_use]
    pub fn with_owners(self, owners: impl IntoIterator<Item = ObjectRef>) -> Self {
        let anywhere = |owner: ObjectRef| ObjectRef::new(owner.group, owner.kind, "", owner.name);
        let owners: BTreeSet<ObjectRef> = owners.into_iter().map(anywhere).collect();
        let kinds: BTreeSet<&str> = owners
            .iter()
            .map(|owner| owner.kind.as_str())
            .filter(|kind| !kind.is_empty())
            .collect();
        let signs = SIGNS.iter().map(|(literal, _)| *literal);
        Self {
            signs: automaton(signs.chain(kinds)),
            owners,
            ..self
        }
    }

    /// Whether an object is one of the owners that are looked for.
    pub(crate) fn is_owner(&self, reference: &ObjectRef) -> bool {
        let ObjectRef {
            group, kind, name, ..
        } = reference;
        !self.owners.is_empty()
            && self
                .owners
                .contains(&ObjectRef::new(&**group, &**kind, "", &**name))
    }

    /// The same, for workloads of these names only; configuration passes as before.
    ///
    /// Not to be used where something changes names between file and cluster (Kustomize's
    /// `namePrefix` and `nameSuffix`): the file holds another name then. Templates pass whatever
    /// their names, so that it can be said of a workload that its manifest is one.
    #[must_use]
    pub fn with_names<I, T>(self, names: I) -> Self
    where
        I: IntoIterator<Item = T>,
        T: AsRef<str>,
    {
        let names: Vec<T> = names.into_iter().collect();
        let names = automaton(
            names
                .iter()
                .map(AsRef::as_ref)
                .filter(|name| !name.is_empty())
                .chain(["{{", "${"]),
        );
        Self {
            names: Some(names),
            ..self
        }
    }

    /// Whether the bytes can hold an object of interest.
    #[must_use]
    pub fn passes(&self, bytes: &[u8]) -> bool {
        self.has_sign(bytes) || spells_with_escapes(bytes) || file::is_utf16(bytes)
    }

    /// Whether a file of this path and content can hold an object of interest.
    ///
    /// The path matters for a `kustomization.yaml`, which may name no kind, and for the mark of a
    /// hydrated directory, which is no object at all.
    #[must_use]
    pub fn admits(&self, path: &str, bytes: &[u8]) -> bool {
        let by_name = kind::is_kustomization_file(path)
            || kind::is_source_override(path)
            || file::is_hydrator_metadata(path);
        by_name || self.passes(bytes)
    }

    fn has_sign(&self, bytes: &[u8]) -> bool {
        let (mut config_map, mut istio, mut named) = (false, false, None);
        for found in self.signs.find_iter(bytes) {
            // An owner is looked for by its name, as a workload is.
            let sign = SIGNS
                .get(found.pattern().as_usize())
                .map_or(Sign::Workload, |(_, sign)| *sign);
            let is_whole = is_word(bytes, found.start(), found.end());
            if sign != Sign::Istio && !(is_whole && can_be_value(bytes, found.start())) {
                continue;
            }
            match sign {
                Sign::Configuration => return true,
                Sign::Workload => {
                    if *named.get_or_insert_with(|| self.is_named(bytes)) {
                        return true;
                    }
                }
                Sign::ConfigMap => config_map = true,
                Sign::Istio => istio = true,
            }
            if config_map && istio {
                return true;
            }
        }
        false
    }

    /// Whether one of the names wanted stands in the bytes.
    fn is_named(&self, bytes: &[u8]) -> bool {
        let Some(names) = &self.names else {
            return true;
        };
        names.find_iter(bytes).any(|found| {
            let template = bytes[found.range()].ends_with(b"{");
            template || is_word(bytes, found.start(), found.end())
        })
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

fn automaton<'a>(literals: impl Iterator<Item = &'a str>) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(literals)
        .expect("internal: the literals fit an automaton")
}

/// Whether no letter or digit touches the match: a scalar is never part of a longer word.
fn is_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let touches = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = start.checked_sub(1).and_then(|index| bytes.get(index));
    !touches(before) && !touches(bytes.get(end))
}

/// Whether a scalar at this place can be a value, and so no word of a sentence.
///
/// Before a value stand its colon, its tag or anchor, or nothing else on its line; quotes and
/// blanks aside.
fn can_be_value(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'');
    let Some(last) = before.iter().rposition(|byte| !is_between(byte)) else {
        return true;
    };
    if matches!(before[last], b':' | b'\n' | b'\r') {
        return true;
    }
    let mut distance = 0;
    for byte in before[..=last].iter().rev() {
        distance += 1;
        match byte {
            b'!' | b'&' => return true,
            b':' | b'\n' | b'\r' => return false,
            _ if distance > PROPERTIES_LIMIT => return true,
            _ => {}
        }
    }
    false
}

/// How far back a tag or anchor is looked for; beyond it, the document is parsed to be sure.
const PROPERTIES_LIMIT: usize = 256;

/// Whether a kind or name can be spelled with escapes: `"Deploy\u006dent"`, or a word that goes on
/// after an escaped line break.
///
/// Kinds and names are letters, digits, `-` and `.`, so only escapes of those count.
fn spells_with_escapes(bytes: &[u8]) -> bool {
    memchr_iter(b'\\', bytes).any(|backslash| {
        let rest = &bytes[backslash + 1..];
        match rest.first() {
            Some(b'x') => escapes_a_word_character(rest, 2),
            Some(b'u') => escapes_a_word_character(rest, 4),
            Some(b'U') => escapes_a_word_character(rest, 8),
            Some(b'\n' | b'\r') => {
                let word_before = backslash > 0 && is_word_character(bytes[backslash - 1]);
                let after = rest.iter().find(|byte| !byte.is_ascii_whitespace());
                word_before && after.is_some_and(|byte| is_word_character(*byte))
            }
            _ => false,
        }
    })
}

fn escapes_a_word_character(rest: &[u8], digits: usize) -> bool {
    rest.get(1..=digits)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .and_then(|code| u8::try_from(code).ok())
        .is_some_and(is_word_character)
}

fn is_word_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::Screen;

    #[track_caller]
    fn check(screen: &Screen, bytes: impl AsRef<[u8]>, expected: bool) {
        let bytes = bytes.as_ref();
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(screen.passes(bytes), expected, "{text:?}");
    }

    #[test]
    fn kinds_pass_as_whole_words() {
        let screen = Screen::new();
        check(&screen, "kind: Deployment\n", true);
        check(&screen, r#"{"kind":"StatefulSet"}"#, true);
        check(&screen, "kind: PodDisruptionBudget\n", false);
        check(&screen, "kind: DeploymentConfig\n", true);
        check(&screen, "kind: Service\n", false);
        check(
            &screen,
            "apiVersion: serving.knative.dev/v1\nkind: Service\n",
            true,
        );
        check(&screen, "kind: Namespace\n", true);
        check(&screen, "metadata:\n  namespace: shop\n", false);
        check(&screen, "kind: ConfigMap\n", false);
        check(&screen, "kind: ConfigMap\nmetadata: {name: istio}\n", true);
        check(&screen, "name: argocd-cm", true);
    }

    #[test]
    fn words_of_a_sentence_do_not_pass() {
        let screen = Screen::new();
        check(
            &screen,
            "description: the Deployment that is scaled\n",
            false,
        );
        check(&screen, "kinds: [Service, Deployment]\n", false);
        check(&screen, "kinds:\n- Deployment\n", false);
        check(&screen, "kind:   'Deployment'\n", true);
        check(&screen, "kind: !!str Deployment\n", true);
        check(&screen, "x: &kind Deployment\n", true);
        check(&screen, "x:\n- &kind \"Deployment\"\n", true);
        check(&screen, "kind:\n  Deployment\n", true);
        check(&screen, "? kind\n: Deployment\n", true);
        check(&screen, "{\"kind\" :\t\"Deployment\"}", true);
        check(
            &screen,
            format!("kind: &{} Deployment", "a".repeat(9000)),
            true,
        );
    }

    #[test]
    fn escapes_inside_a_word_pass() {
        let screen = Screen::new();
        check(&screen, r#"kind: "Deploy\u006dent""#, true);
        check(&screen, r#"kind: "Deploy\x6Dent""#, true);
        check(&screen, r#"kind: "Deploy\U0000006dent""#, true);
        check(&screen, "kind: \"Deploy\\\n  ment\"", true);
        check(&screen, "kind: \"Deploy\\\r\n  ment\"", true);
        check(&screen, r#"text: "\u003cb\u003e""#, false);
        check(&screen, "run: |\n  a \\\n    --b\n", false);
    }

    #[test]
    fn wide_text_passes() {
        let screen = Screen::new();
        let wide: Vec<u8> = "kind: Deployment"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        check(&screen, &wide, true);
        check(&screen, [&[0xFF, 0xFE][..], &wide].concat(), true);
        let big: Vec<u8> = "kind: Deployment"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        check(&screen, &big, true);
        check(&screen, "a", false);
        check(&screen, "", false);
    }

    #[test]
    fn names_narrow_workloads_and_nothing_else() {
        let screen = Screen::new().with_names(["cart", "web"]);
        check(&screen, "kind: Deployment\nname: cart\n", true);
        check(&screen, "kind: Deployment\nname: cart-v2\n", true);
        check(&screen, "kind: Deployment\nname: cartoon\n", false);
        check(&screen, "kind: Deployment\nname: other\n", false);
        check(
            &screen,
            "kind: Deployment\nname: {{ .Release.Name }}\n",
            true,
        );
        check(&screen, "kind: Namespace\nname: other\n", true);
        check(&screen, "kind: Deployment\nname: \"c\\u0061rt\"\n", true);
    }

    #[test]
    fn kustomizations_are_admitted_by_name() {
        let screen = Screen::new();
        assert!(screen.admits("a/kustomization.yaml", b"resources: [a.yaml]\n"));
        assert!(screen.admits("env/hydrator.metadata", b"{\"drySha\":\"1\"}"));
        assert!(!screen.admits("a/values.yaml", b"resources: [a.yaml]\n"));
    }
}
