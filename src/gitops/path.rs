//! Paths: names of files and directories relative to the repository root, `/`-separated.
//!
//! The root itself is the empty string. A path that leaves the repository is none.

use crate::manifest::{ManifestFile, ManifestSet};

/// The directory that holds a file.
pub(super) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A path as an engine or a `kustomization.yaml` writes it, seen from a directory.
pub(super) fn resolve(directory: &str, written: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    if written.starts_with('/') {
        parts.clear();
    }
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a path lies in a directory, at any depth, or is it.
pub(super) fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path == directory
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The directories above a file, from its own to the root.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let own = directory(path);
    let mut next = Some(own);
    std::iter::from_fn(move || {
        let current = next?;
        next = (!current.is_empty()).then(|| directory(current));
        Some(current)
    })
}

/// The bounds of the paths below a directory, in order of name: the first is included, the second
/// is not.
pub(super) fn bounds(directory: &str) -> (String, String) {
    if directory.is_empty() {
        return (String::new(), char::MAX.to_string());
    }
    // `0` is the character after `/`.
    (format!("{directory}/"), format!("{directory}0"))
}

/// Indices and files below a directory, at any depth.
pub(super) fn files_within<'m>(
    manifests: &'m ManifestSet,
    directory: &str,
) -> impl Iterator<Item = (usize, &'m ManifestFile)> + use<'m> {
    let (first, end) = bounds(directory);
    let start = manifests.files.partition_point(|file| file.path < first);
    let stop = manifests.files.partition_point(|file| file.path < end);
    let files = manifests.files.get(start..stop).unwrap_or_default();
    files
        .iter()
        .enumerate()
        .map(move |(offset, file)| (start + offset, file))
}

/// Whether a glob matches a text: `*` stands for anything, `/` included. One that cannot be read
/// matches nothing.
pub(super) fn glob_matches(glob: &str, text: &str) -> bool {
    if glob == "*" || glob == text {
        return true;
    }
    if !glob.contains(['*', '?', '[', '{', '\\']) {
        return false;
    }
    globset::GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(text))
}
