//! Paths: names of files and directories relative to the repository root, `/`-separated.
//!
//! The root itself is the empty string. A path that leaves the repository is none.

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
