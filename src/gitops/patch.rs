//! Patches: which objects a kustomization changes in more than their identity.
//!
//! A patch with a target changes what the target selects, one without changes the object that it
//! names itself (kustomize's `types.Patch`, `resmap.Select`). What cannot be told counts as changed.

use serde_json::Value;

use super::kustomize::Item;
use super::path;
use crate::manifest::{ManifestSet, ObjectRef, group_of};
use crate::rollout::value;

/// What changes pod templates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patches {
    /// Whether every object is changed, or may be.
    all: bool,
    targets: Vec<Target>,
}

/// What one patch changes: patterns, none where anything fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Target {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// Fields that may change every object's template.
const WHOLESALE: [&str; 6] = [
    "images",
    "commonLabels",
    "commonAnnotations",
    "replacements",
    "transformers",
    "vars",
];

impl Patches {
    /// The patches of a `kustomization.yaml`, or of an engine's object that has its fields; their
    /// files are looked for from a directory on.
    pub(super) fn of(manifests: &ManifestSet, directory: &str, body: &Value) -> Self {
        let mut patches = Self {
            all: changes_wholesale(body),
            targets: Vec::new(),
        };
        for field in ["patches", "patchesJson6902"] {
            for patch in value::items(body, &[field]) {
                patches.add(manifests, directory, patch);
            }
        }
        for written in value::texts(body, &["patchesStrategicMerge"]) {
            if written.contains('\n') {
                patches.add_inline(written);
            } else {
                patches.add_file(manifests, directory, written);
            }
        }
        patches
    }

    /// Those that change everything, whatever it is.
    pub(super) fn everything() -> Self {
        Self {
            all: true,
            targets: Vec::new(),
        }
    }

    fn add(&mut self, manifests: &ManifestSet, directory: &str, patch: &Value) {
        let text = |key: &str| value::text(patch, &[key]);
        if let Some(target) = value::at(patch, &["target"]) {
            self.targets.push(Target::selecting(target));
        } else if let Some(inline) = text("patch") {
            self.add_inline(inline);
        } else if let Some(written) = text("path") {
            self.add_file(manifests, directory, written);
        } else {
            self.all = true;
        }
    }

    fn add_inline(&mut self, text: &str) {
        let Ok(body) = serde_yaml::from_str::<Value>(text) else {
            self.all = true;
            return;
        };
        let text = |path: &[&str]| value::text(&body, path).unwrap_or_default();
        if text(&["kind"]).is_empty() || text(&["metadata", "name"]).is_empty() {
            self.all = true;
            return;
        }
        self.targets.push(Target::named(&ObjectRef::new(
            group_of(text(&["apiVersion"])),
            text(&["kind"]),
            text(&["metadata", "namespace"]),
            text(&["metadata", "name"]),
        )));
    }

    /// A file of patches. One of which nothing was read may be anything.
    fn add_file(&mut self, manifests: &ManifestSet, directory: &str, written: &str) {
        let path = path::resolve(directory, written);
        let file = path.and_then(|path| {
            let files = &manifests.files;
            let found = files.binary_search_by(|file| file.path.as_str().cmp(&path));
            files.get(found.ok()?)
        });
        match file {
            Some(file) if !file.objects.is_empty() => {
                let objects = file.objects.iter();
                let targets = objects.map(|object| Target::named(&object.reference));
                self.targets.extend(targets);
            }
            _ => self.all = true,
        }
    }

    /// Whether they change an object, under the identity that it has on the way or had in its file.
    pub(super) fn change(&self, manifests: &ManifestSet, item: &Item) -> bool {
        if self.all || self.targets.is_empty() {
            return self.all;
        }
        let file = manifests.files.get(item.file);
        let Some(object) = file.and_then(|file| file.objects.get(item.object)) else {
            return true;
        };
        let written = &object.reference;
        let names = [item.name.as_str(), written.name.as_str()];
        let namespaces = [
            item.namespace.as_deref().unwrap_or_default(),
            written.namespace.as_str(),
        ];
        self.targets.iter().any(|target| {
            fits(target.group.as_deref(), &[&written.group])
                && fits(target.kind.as_deref(), &[&written.kind])
                && fits(target.name.as_deref(), &names)
                && fits(target.namespace.as_deref(), &namespaces)
        })
    }
}

impl Target {
    /// The selector of a patch. Selectors of labels and annotations are not looked at: they only
    /// narrow what is selected.
    fn selecting(target: &Value) -> Self {
        let pattern = |key: &str| {
            let text = value::text(target, &[key]);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            group: pattern("group"),
            kind: pattern("kind"),
            namespace: pattern("namespace"),
            name: pattern("name"),
        }
    }

    /// The object that a patch names. It may leave the namespace out.
    fn named(reference: &ObjectRef) -> Self {
        let namespace = &reference.namespace;
        Self {
            group: Some(escaped(&reference.group)),
            kind: Some(escaped(&reference.kind)),
            namespace: (!namespace.is_empty()).then(|| escaped(namespace)),
            name: Some(escaped(&reference.name)),
        }
    }
}

fn changes_wholesale(body: &Value) -> bool {
    let is_set = |field: &&str| match value::at(body, &[field]) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        _ => false,
    };
    let labels = value::items(body, &["labels"]).iter();
    WHOLESALE.iter().any(is_set)
        || labels.into_iter().any(|entry| {
            ["includeTemplates", "includeSelectors"]
                .iter()
                .any(|flag| value::is_true(entry, &[flag]))
                || !value::items(entry, &["fields"]).is_empty()
        })
}

/// Stands before what is no pattern.
const VERBATIM: char = '=';

fn escaped(text: &str) -> String {
    format!("{VERBATIM}{text}")
}

/// Whether a pattern fits one of the texts as a whole.
fn fits(pattern: Option<&str>, texts: &[&str]) -> bool {
    let Some(pattern) = pattern else {
        return true;
    };
    if let Some(verbatim) = pattern.strip_prefix(VERBATIM) {
        return texts.contains(&verbatim);
    }
    pattern
        .split('|')
        .any(|pattern| texts.iter().any(|text| may_match(pattern, text)))
}

/// Whether an anchored regular expression may match: names, `.` and `.*` are told exactly, anything
/// else counts as a match.
fn may_match(pattern: &str, text: &str) -> bool {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    if pattern.contains(['[', ']', '(', ')', '+', '?', '{', '}', '^', '$', '\\'])
        || pattern.replace(".*", "").contains('*')
    {
        return true;
    }
    let mut parts = pattern.split(".*");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = without_start(text, first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let found = starts
            .filter_map(|at| without_start(rest.get(at..)?, part))
            .next();
        let Some(after) = found else {
            return false;
        };
        rest = after;
    }
    let width = last.chars().count();
    let length = rest.chars().count();
    let Some(skipped) = length.checked_sub(width) else {
        return false;
    };
    let end: String = rest.chars().skip(skipped).collect();
    without_start(&end, last).is_some_and(str::is_empty)
}

/// The text after a start, in which `.` stands for any character.
fn without_start<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let mut rest = text.chars();
    for wanted in start.chars() {
        let found = rest.next()?;
        if wanted != '.' && wanted != found {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::{escaped, fits};

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(fits(Some(pattern), &[text]), expected, "{pattern} {text}");
    }

    #[test]
    fn targets_are_anchored_patterns() {
        check("cart", "cart", true);
        check("cart", "cart-canary", false);
        check("cart", "my-cart", false);
        check("cart.*", "cart-canary", true);
        check(".*cart", "my-cart", true);
        check(".*cart.*", "my-cart-1", true);
        check("a.*b.*c", "a-b-c", true);
        check("a.*b.*c", "a-c", false);
        check("c.rt", "cart", true);
        check("c.rt", "crt", false);
        check("^cart$", "cart", true);
        check("cart|checkout", "checkout", true);
        check("cart|checkout", "other", false);
        check(".*", "anything", true);
        check("ab.*b", "ab", false);
    }

    #[test]
    fn what_cannot_be_told_counts() {
        check("ca(r)t", "other", true);
        check("[a-c]*", "other", true);
    }

    #[test]
    fn names_are_no_patterns() {
        check(&escaped("a.b"), "a.b", true);
        check(&escaped("a.b"), "axb", false);
    }
}
