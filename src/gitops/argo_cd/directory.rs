//! Directory sources: which files of a path Argo CD reads as they are.

use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use crate::gitops::kustomize::{Item, is_kustomization, plain_items};
use crate::gitops::path;
use crate::manifest::ManifestSet;
use crate::rollout::value;

/// Argo CD leaves out every file that contains this.
const SKIP_FILE: &[u8] = b"+argocd:skip-file-rendering";

/// The objects of the files that a directory source reads.
pub(super) fn items(manifests: &ManifestSet, directory: &str, source: &Value) -> Vec<Item> {
    let recurses = value::is_true(source, &["directory", "recurse"]);
    let include = glob(source, "include");
    let exclude = glob(source, "exclude");
    let reads = |file: &str| {
        let relative = match directory {
            "" => file,
            directory => file.get(directory.len() + 1..).unwrap_or_default(),
        };
        let excluded = exclude.as_ref().is_some_and(|glob| glob.is_match(relative));
        let included = include.as_ref().is_none_or(|glob| glob.is_match(relative));
        is_read(file) && included && !excluded && (recurses || !relative.contains('/'))
    };
    path::files_within(manifests, directory)
        .filter(|(_, file)| reads(&file.path))
        .filter(|(_, file)| memchr::memmem::find(&file.bytes, SKIP_FILE).is_none())
        .flat_map(|(index, _)| plain_items(manifests, index, false))
        .collect()
}

fn is_read(file: &str) -> bool {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "yaml" | "yml" | "json") && !is_kustomization(file)
}

/// A glob as Argo CD reads it: `*` crosses directories, `{a,b}` are alternatives. One that cannot
/// be read matches nothing.
fn glob(source: &Value, field: &str) -> Option<GlobMatcher> {
    let written = value::text(source, &["directory", field]).filter(|glob| !glob.is_empty())?;
    let built = GlobBuilder::new(written).literal_separator(false).build();
    Some(built.ok()?.compile_matcher())
}
