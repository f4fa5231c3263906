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
    if !glob.contains(['[', '{', '\\']) {
        return wildcard_matches(glob.as_bytes(), text.as_bytes());
    }
    globset::GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

/// A glob of `*` and `?` alone, which is nearly every one, without building a matcher.
fn wildcard_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where the last star stands, and what it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        let wanted = glob.get(at);
        if wanted == Some(&b'*') {
            star = Some((at, position));
            at += 1;
        } else if wanted.is_some_and(|byte| *byte == b'?' || Some(byte) == text.get(position)) {
            at += 1;
            position += 1;
        } else if let Some((of_star, taken)) = star {
            star = Some((of_star, taken + 1));
            at = of_star + 1;
            position = taken + 1;
        } else {
            return false;
        }
    }
    glob.get(at..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::{ancestors, bounds, glob_matches, is_within, resolve};

    #[test]
    fn paths_are_resolved_and_never_leave_the_repository() {
        let check = |directory: &str, written: &str, expected: Option<&str>| {
            assert_eq!(
                resolve(directory, written).as_deref(),
                expected,
                "{written}"
            );
        };
        check("", "./apps/", Some("apps"));
        check("", ".", Some(""));
        check("a/b", "../c/./d.yaml", Some("a/c/d.yaml"));
        check("a", "/b", Some("b"));
        check("a", "../..", None);
    }

    #[test]
    fn a_directory_is_no_prefix_of_its_namesake() {
        assert!(is_within("a/b", "a") && is_within("a", "a") && is_within("a", ""));
        assert!(!is_within("ab", "a"));
        let (first, end) = bounds("a");
        let holds = |path: &str| (first.as_str()..end.as_str()).contains(&path);
        assert!(holds("a/b") && !holds("a-b") && !holds("a.yaml") && !holds("ab"));
        assert_eq!(
            ancestors("a/b/c.yaml").collect::<Vec<_>>(),
            ["a/b", "a", ""]
        );
        assert_eq!(ancestors("c.yaml").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn globs_cross_directories() {
        let check = |glob: &str, text: &str, expected: bool| {
            assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        };
        check("*", "", true);
        check("", "", true);
        check("", "a", false);
        check("a*c", "a/b/c", true);
        check("a*c", "a/b/cd", false);
        check("*a*b*", "xxaxxbx", true);
        check("a?c", "abc", true);
        check("a?", "a", false);
        check("{a,b}*", "b/c", true);
        check("[a", "[a", false);
        check("shop-*", "shop", false);
    }
}
