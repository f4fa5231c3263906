//! Templates: files that a templating engine turns into manifests.
//!
//! `{{ }}` (Helm and such) or `${ }` (Flux substitution, envsubst) where an identity should be
//! makes a document a template: nothing in it is edited. Substitutions elsewhere are left alone.

use super::kind;
use super::object_ref::ObjectRef;
use super::stream::Chunk;

/// A document that is a template of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Path of its file, relative to the repository root.
    pub path: String,
    /// One-based line on which the document starts.
    pub line: usize,
    /// Kind as written, possibly with placeholders.
    pub kind: String,
    /// Namespace as written, possibly with placeholders; empty where it names none.
    pub namespace: String,
    /// Name as written, possibly with placeholders.
    pub name: String,
}

impl Template {
    /// Whether filling in the placeholders can give this object.
    ///
    /// A name that is nothing but placeholders fits every object and so tells nothing: it is said
    /// to fit none.
    #[must_use]
    pub fn can_make(&self, reference: &ObjectRef) -> bool {
        let is_telling = literals(&self.name).iter().any(|part| !part.is_empty());
        is_telling
            && fits(&self.name, &reference.name)
            && fits(&self.kind, &reference.kind)
            && (self.namespace.is_empty() || fits(&self.namespace, &reference.namespace))
    }
}

/// Whether a text holds a placeholder.
pub(crate) fn has_placeholder(text: &str) -> bool {
    text.contains("{{") || text.contains("${")
}

/// Whether `{{` stands where it can keep a document from being YAML: neither in quotes, as in an
/// annotation that some other engine fills in, nor in a comment.
pub(crate) fn breaks_yaml(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| {
        memchr::memmem::find(line, b"{{").is_some_and(|braces| {
            let before = &line[..braces];
            !before
                .iter()
                .any(|byte| matches!(byte, b'"' | b'\'' | b'#'))
        })
    })
}

/// What can be recognised of a template of a workload, line by line; none for other templates.
pub(crate) fn recognise(path: &str, text: &str, chunk: &Chunk) -> Option<Template> {
    let mut template = Template {
        path: path.to_owned(),
        line: chunk.line,
        kind: String::new(),
        namespace: String::new(),
        name: String::new(),
    };
    // Column of the keys of the top-level `metadata`, while inside it.
    let mut metadata: Option<Option<usize>> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let column = line.len() - content.len();
        let Some((key, value)) = key_and_value(content) else {
            continue;
        };
        if column == 0 {
            metadata = (key == "metadata").then_some(None);
            if key == "kind" && template.kind.is_empty() {
                value.clone_into(&mut template.kind);
            }
        } else if let Some(first) = &mut metadata {
            if column != *first.get_or_insert(column) {
                continue;
            }
            match key {
                "name" if template.name.is_empty() => value.clone_into(&mut template.name),
                "namespace" if template.namespace.is_empty() => {
                    value.clone_into(&mut template.namespace);
                }
                _ => {}
            }
        }
    }
    let can_be_workload = kind::is_workload_kind(&template.kind) || has_placeholder(&template.kind);
    (can_be_workload && !template.name.is_empty()).then_some(template)
}

/// A `key: value` line, without comment and quotes.
fn key_and_value(content: &str) -> Option<(&str, &str)> {
    let (key, value) = content.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    if key.is_empty() || !key.bytes().all(plain) {
        return None;
    }
    let value = value.split(" #").next().unwrap_or(value);
    Some((key, value.trim().trim_matches(['"', '\''])))
}

/// Whether a text can come of a pattern with placeholders.
fn fits(pattern: &str, text: &str) -> bool {
    let parts = literals(pattern);
    let (Some((first, rest)), Some(last)) = (parts.split_first(), parts.last()) else {
        return false;
    };
    if rest.is_empty() {
        return *first == text;
    }
    let Some(mut remaining) = text.strip_prefix(first) else {
        return false;
    };
    for part in &rest[..rest.len() - 1] {
        match remaining.find(part) {
            Some(found) => remaining = &remaining[found + part.len()..],
            None => return false,
        }
    }
    remaining.ends_with(last)
}

/// The text between placeholders: one part more than there are placeholders.
fn literals(pattern: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    loop {
        let braces = rest.find("{{").map(|start| (start, "}}"));
        let dollar = rest.find("${").map(|start| (start, "}"));
        let first = match (braces, dollar) {
            (Some(braces), Some(dollar)) => Some(braces.min(dollar)),
            (braces, dollar) => braces.or(dollar),
        };
        let Some((start, close)) = first else {
            parts.push(rest);
            return parts;
        };
        parts.push(&rest[..start]);
        rest = rest[start..]
            .find(close)
            .map_or("", |end| &rest[start + end + close.len()..]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Template, fits, recognise};
    use crate::manifest::ObjectRef;
    use crate::manifest::stream::split;

    fn template(text: &str) -> Option<Template> {
        let chunk = split(text.as_bytes()).into_iter().next()?;
        recognise("chart/web.yaml", text, &chunk)
    }

    #[test]
    fn kind_and_name_are_recognised() {
        let found = template(
            "{{- if .Values.on }}\napiVersion: apps/v1\nkind: Deployment # the web\nmetadata:\n  \
             labels:\n    name: no\n  name: {{ .Release.Name }}-web\n  namespace: \"${NS}\"\nspec:\n  \
             name: no\n",
        )
        .expect("a template");
        assert_eq!(found.kind, "Deployment");
        assert_eq!(found.name, "{{ .Release.Name }}-web");
        assert_eq!(found.namespace, "${NS}");
        assert_eq!(
            template("kind: Service\nmetadata:\n  name: {{ x }}\n"),
            None
        );
        assert_eq!(template("kind: Deployment\n"), None);
    }

    #[test]
    fn placeholders_stand_for_anything() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("{{ x }}-web", "prod-web", true),
            ("{{ x }}-web", "prod-web-2", false),
            ("a-${x}-b-{{ y }}", "a-1-b-2", true),
            ("a-${x}-b-{{ y }}", "a-1-2", false),
            ("${x}", "anything", true),
            ("{{ open", "anything", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_name_of_placeholders_alone_tells_nothing() {
        let reference = ObjectRef::new("apps", "Deployment", "shop", "prod-web");
        let named = |name: &str| Template {
            path: "a.yaml".to_owned(),
            line: 1,
            kind: "Deployment".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        assert!(named("{{ .Release.Name }}-web").can_make(&reference));
        assert!(!named("{{ include \"name\" . }}").can_make(&reference));
        assert!(!named("{{ .Release.Name }}-api").can_make(&reference));
    }
}
