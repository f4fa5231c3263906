//! Paths of the repository, and what is said of those that are left out.

use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};

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
    use super::is_inside;

    #[test]
    fn a_directory_holds_what_is_below_it_and_no_namesake() {
        assert!(is_inside("apps/cart.yaml", "apps") && is_inside("apps", "apps"));
        assert!(is_inside("apps/cart.yaml", ""));
        assert!(!is_inside("apps-old/cart.yaml", "apps"));
    }
}
