//! Paths of the repository: which are manifests by name, and what is said of those left out.

use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};

/// Files larger than this are left out unless the user says otherwise: 5 MiB.
pub const SIZE_LIMIT: u64 = 5 * 1024 * 1024;

/// Whether a path names a manifest: `.yaml`, `.yml`, `.json`, or a `Kustomization`.
#[must_use]
pub fn is_manifest_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "yaml" | "yml" | "json") || name == "Kustomization"
}

/// Whether a path is a directory of the repository or lies in it. The empty directory is the root.
#[must_use]
pub fn is_inside(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A file was left out on purpose.
#[must_use]
pub fn skipped(path: &str, why: &str) -> Diagnostic {
    Diagnostic::info(DiagnosticCode::ManifestSkipped, why).at(Location::file(path))
}

/// A file was left out because of its size.
#[must_use]
pub fn too_large(path: &str, limit: u64) -> Diagnostic {
    let message = format!("larger than {limit} bytes, so it was not read");
    Diagnostic::warning(DiagnosticCode::ManifestTooLarge, message)
        .at(Location::file(path))
        .hint("raise the limit with --max-file-size if it holds workloads")
}

/// A file could not be read.
#[must_use]
pub fn unreadable(path: &str, why: &str) -> Diagnostic {
    Diagnostic::error(DiagnosticCode::ManifestUnreadable, why).at(Location::file(path))
}

#[cfg(test)]
mod tests {
    use super::{is_inside, is_manifest_path};

    #[test]
    fn manifests_are_told_by_their_extension() {
        for path in ["a.yaml", "a/b.yml", "x/Kustomization", "c.d/e.json"] {
            assert!(is_manifest_path(path), "{path}");
        }
        for path in ["README.md", "yaml", "a.yaml/b", "a.yaml.bak", "values.tpl"] {
            assert!(!is_manifest_path(path), "{path}");
        }
    }

    #[test]
    fn a_directory_holds_what_is_below_it_and_no_namesake() {
        assert!(is_inside("apps/cart.yaml", "apps") && is_inside("apps", "apps"));
        assert!(is_inside("apps/cart.yaml", ""));
        assert!(!is_inside("apps-old/cart.yaml", "apps"));
    }
}
