//! Files: which paths are manifests by their name, and which bytes are not worth reading.

/// The largest file that is read by default, in bytes (`spec/threats.md` T10).
pub const SIZE_LIMIT: u64 = 5 * 1024 * 1024;

/// The first line of every Git LFS pointer (git-lfs specification, `docs/spec.md`).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The largest Git LFS pointer; anything longer is content.
const LFS_POINTER_LIMIT: usize = 1024;

/// What Argo CD's source hydrator leaves in every directory that it writes (`spec/gitops.md` §1.8).
const HYDRATOR_METADATA: &str = "hydrator.metadata";

/// Whether a file marks its directory as one that the source hydrator alone may write.
#[must_use]
pub fn is_hydrator_metadata(path: &str) -> bool {
    path.rsplit('/').next() == Some(HYDRATOR_METADATA)
}

/// Whether a path is a manifest by its name: `.yaml`, `.yml`, `.json`, or a `Kustomization`. The
/// mark of a hydrated directory counts as one, since it decides about the manifests beside it.
///
/// A file that the user names explicitly is read whatever its name.
#[must_use]
pub fn is_manifest_path(path: &str) -> bool {
    let extension = path.rsplit('/').next().and_then(|name| {
        let (stem, extension) = name.rsplit_once('.')?;
        (!stem.is_empty()).then_some(extension)
    });
    matches!(extension, Some("yaml" | "yml" | "json"))
        || super::kind::is_kustomization_file(path)
        || is_hydrator_metadata(path)
}

/// Whether the bytes are a Git LFS pointer: the content is elsewhere and is never fetched.
#[must_use]
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() <= LFS_POINTER_LIMIT && bytes.starts_with(LFS_POINTER)
}

/// Whether the bytes are UTF-16: by its mark, or by the zero byte beside the first character.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_lfs_pointer, is_manifest_path};

    #[test]
    fn manifests_are_known_by_their_extension() {
        for path in [
            "a.yaml",
            "a/b.yml",
            "a/b.c.json",
            "Kustomization",
            "a/.argocd-source.yaml",
            "env/hydrator.metadata",
        ] {
            assert!(is_manifest_path(path), "{path}");
        }
        for path in [
            "a.yaml.bak",
            "README.md",
            "yaml",
            "a.yaml/b",
            ".yaml",
            "a.tpl",
        ] {
            assert!(!is_manifest_path(path), "{path}");
        }
    }

    #[test]
    fn lfs_pointers_are_known_by_their_first_line() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
        assert!(is_lfs_pointer(pointer));
        assert!(!is_lfs_pointer(b"kind: Deployment\n"));
    }
}
