//! Substitution: `${var}` in names and namespaces, as `spec.postBuild` fills it in.
//!
//! Only what stands in the Kustomization itself is known; `substituteFrom` reads ConfigMaps and
//! Secrets. A name that stays unresolved makes its manifest a template.

use serde_json::Value;

use crate::gitops::kustomize::Item;
use crate::manifest::ManifestSet;
use crate::rollout::value;

/// Fills in what is known, and marks the item as transformed where its file holds variables.
pub(super) fn apply(body: &Value, manifests: &ManifestSet, item: &mut Item) {
    let Some(post_build) = value::at(body, &["spec", "postBuild"]) else {
        return;
    };
    let file = manifests.files.get(item.file);
    if file.is_some_and(|file| memchr::memmem::find(&file.bytes, b"${").is_some()) {
        item.transformed = true;
    }
    if item.name.contains("${") {
        item.name = filled(post_build, &item.name);
    }
    if let Some(namespace) = &mut item.namespace
        && namespace.contains("${")
    {
        *namespace = filled(post_build, namespace);
    }
}

/// The text with every known variable filled in; others stay as they are.
fn filled(post_build: &Value, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = from.find('}') else {
            break;
        };
        let (expression, after) = from.split_at(end + 1);
        let inner = expression.get(2..end).unwrap_or_default();
        match known(post_build, inner) {
            Some(value) => out.push_str(&value),
            None => out.push_str(expression),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `var`, `var:=default` or `var:-default`. A default counts only where nothing else could set the
/// variable.
fn known(post_build: &Value, expression: &str) -> Option<String> {
    let (name, default) = match expression.split_once(":=").or(expression.split_once(":-")) {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    let is_elsewhere = !value::items(post_build, &["substituteFrom"]).is_empty();
    let inline = value::at(post_build, &["substitute", name]).map(|found| match found.as_str() {
        Some(text) => text.to_owned(),
        None => found.to_string(),
    });
    inline.or_else(|| default.filter(|_| !is_elsewhere).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::filled;
    use serde_json::json;

    #[test]
    fn variables_are_filled_in_where_they_are_known() {
        let known = json!({"substitute": {"env": "prod", "n": 3}});
        let check = |text: &str, expected: &str| assert_eq!(filled(&known, text), expected);
        check("cart-${env}-${n}", "cart-prod-3");
        check("${other}-${env}", "${other}-prod");
        check("${other:=x}-${more:-y}", "x-y");
        check("${env", "${env");
        let elsewhere = json!({"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]});
        assert_eq!(filled(&elsewhere, "${other:=x}"), "${other:=x}");
    }
}
