//! Parameter overrides that stand in the repository: `.argocd-source.yaml` for every Application of a
//! directory, `.argocd-source-<name>.yaml` for one (Argo CD's `mergeSourceParameters`).

use serde_json::Value;

use super::Application;
use crate::manifest::{Body, ManifestSet};

/// Sources are shallow; what is deeper is taken as a whole.
const MAX_DEPTH: usize = 16;

/// A source with what the files of its directory change of it; none where they are not there.
pub(super) fn overridden(
    manifests: &ManifestSet,
    directory: &str,
    application: &Application<'_>,
    source: &Value,
) -> Option<Value> {
    let (namespace, name) = (&application.namespace, &application.name);
    // Outside of Argo CD's own namespace an Application's name has its namespace before it.
    let names = [
        ".argocd-source.yaml".to_owned(),
        format!(".argocd-source-{name}.yaml"),
        format!(".argocd-source-{namespace}_{name}.yaml"),
    ];
    let file = |name: &String| {
        let path = match directory {
            "" => name.clone(),
            directory => format!("{directory}/{name}"),
        };
        let files = &manifests.files;
        let found = files.binary_search_by(|file| file.path.as_str().cmp(&path));
        let object = files.get(found.ok()?)?.objects.first()?;
        match &object.body {
            Body::Configuration(value) => Some(value),
            Body::Workload(_) => None,
        }
    };
    let patches: Vec<&Value> = names.iter().filter_map(file).collect();
    if patches.is_empty() {
        return None;
    }
    let mut merged = source.clone();
    for patch in patches {
        merge(&mut merged, patch, 0);
    }
    Some(merged)
}

/// A JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value, depth: usize) {
    let (Value::Object(target), Value::Object(patch), true) =
        (&mut *target, patch, depth < MAX_DEPTH)
    else {
        target.clone_from(patch);
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value, depth + 1);
        }
    }
}
