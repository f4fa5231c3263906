//! Trees: that of a commit, with new contents of some of its files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use git2::{Error, ErrorCode, ObjectType, Oid, Repository, Tree};
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::pack::{self, NewObject};

/// The new entries of directories, the deepest directory first.
type Directories<'p> = BTreeMap<(Reverse<usize>, &'p str), BTreeMap<&'p [u8], Oid>>;

/// Writes the tree of a commit with new contents of some files into the object store. Modes and
/// everything else stay as they are.
///
/// Only the trees above the files are made anew, in memory, each of them once.
///
/// # Errors
///
/// When the commit has no such file, or the store cannot be read or written.
pub(super) fn write(
    repository: &Repository,
    base: Oid,
    files: &[(String, Vec<u8>)],
) -> Result<Oid, Error> {
    let root = repository.find_commit(base)?.tree()?;
    let hash = |(_, bytes): &(String, Vec<u8>)| Oid::hash_object(ObjectType::Blob, bytes);
    let ids: Vec<Oid> = files.par_iter().map(hash).collect::<Result<_, _>>()?;
    let mut objects = Vec::new();
    let mut directories = Directories::new();
    for (id, (path, bytes)) in ids.into_iter().zip(files) {
        place(&mut directories, path, id);
        objects.push(NewObject {
            id,
            kind: ObjectType::Blob,
            bytes: bytes.as_slice().into(),
        });
    }
    let mut id = root.id();
    while let Some(((_, directory), entries)) = directories.pop_first() {
        let tree = match directory {
            "" => root.clone(),
            path => repository.find_tree(root.get_path(Path::new(path))?.id())?,
        };
        let bytes = replaced(&tree, &entries)?;
        id = Oid::hash_object(ObjectType::Tree, &bytes)?;
        objects.push(NewObject {
            id,
            kind: ObjectType::Tree,
            bytes: bytes.into(),
        });
        if !directory.is_empty() {
            place(&mut directories, directory, id);
        }
    }
    // The root is the last to be written: where it is, everything below it is.
    let store = repository.odb()?;
    if !store.exists(id) {
        pack::write(&store, objects)?;
    }
    Ok(id)
}

/// Puts an entry into its directory.
fn place<'p>(directories: &mut Directories<'p>, path: &'p str, id: Oid) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let depth = match directory {
        "" => 0,
        path => path.split('/').count(),
    };
    let entries = directories.entry((Reverse(depth), directory)).or_default();
    entries.insert(name.as_bytes(), id);
}

/// The bytes of a tree with other objects under some of its names.
fn replaced(tree: &Tree<'_>, entries: &BTreeMap<&[u8], Oid>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut found = 0;
    for entry in tree {
        let (mode, name) = (entry.filemode_raw(), entry.name_bytes());
        let id = entries.get(name);
        found += usize::from(id.is_some());
        write!(bytes, "{mode:o} ").expect("internal: a vector takes all");
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(id.copied().unwrap_or_else(|| entry.id()).as_bytes());
    }
    match found == entries.len() {
        true => Ok(bytes),
        false => Err(Error::new(
            ErrorCode::NotFound,
            git2::ErrorClass::Tree,
            "the commit has no such file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use git2::{Oid, Repository, Signature, Time};

    use super::write;

    const EXECUTABLE: i32 = 0o100_755;
    const LINK: i32 = 0o120_000;

    /// A repository with a commit of these files.
    fn repository(files: &[(&str, &str, i32)]) -> (tempfile::TempDir, Repository, Oid) {
        let directory = tempfile::tempdir().expect("a directory");
        let repository = Repository::init(directory.path()).expect("a repository");
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, text, mode) in files {
            let blob = repository.blob(text.as_bytes()).expect("a blob");
            let mode = match *mode {
                EXECUTABLE => git2::FileMode::BlobExecutable,
                LINK => git2::FileMode::Link,
                _ => git2::FileMode::Blob,
            };
            update.upsert(*path, blob, mode);
        }
        let base = {
            let empty = repository.treebuilder(None).expect("a tree");
            let empty = empty.write().expect("a tree");
            let empty = repository.find_tree(empty).expect("a tree");
            let tree = update.create_updated(&repository, &empty).expect("a tree");
            let tree = repository.find_tree(tree).expect("a tree");
            let author = Signature::new("a", "a@example.com", &Time::new(0, 0)).expect("a name");
            repository
                .commit(None, &author, &author, "base", &tree, &[])
                .expect("a commit")
        };
        (directory, repository, base)
    }

    /// Paths, modes and texts below a tree.
    fn listed(repository: &Repository, tree: Oid) -> Vec<(String, i32, String)> {
        let mut files = Vec::new();
        let tree = repository.find_tree(tree).expect("a tree");
        let walked = tree.walk(git2::TreeWalkMode::PreOrder, |directory, entry| {
            if let Ok(blob) = repository.find_blob(entry.id()) {
                let path = format!("{directory}{}", entry.name().expect("a name"));
                let text = String::from_utf8_lossy(blob.content()).into_owned();
                files.push((path, entry.filemode(), text));
            }
            git2::TreeWalkResult::Ok
        });
        walked.expect("a walk");
        files
    }

    fn owned(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        files.iter().map(owned).collect()
    }

    #[test]
    fn only_the_files_change() {
        let (_directory, repository, base) = repository(&[
            ("a.yaml", "a", 0),
            ("a/b.yaml", "b", EXECUTABLE),
            ("a/c/d.yaml", "d", 0),
            ("a/c/e", "b.yaml", LINK),
            ("a-b/f.yaml", "f", 0),
            ("z/y/x/w.yaml", "w", 0),
        ]);
        let files = owned(&[("a/b.yaml", "B"), ("z/y/x/w.yaml", "W"), ("a.yaml", "A")]);
        let tree = write(&repository, base, &files).expect("a tree");
        let expected = [
            ("a-b/f.yaml", 0o100_644, "f"),
            ("a.yaml", 0o100_644, "A"),
            ("a/b.yaml", EXECUTABLE, "B"),
            ("a/c/d.yaml", 0o100_644, "d"),
            ("a/c/e", LINK, "b.yaml"),
            ("z/y/x/w.yaml", 0o100_644, "W"),
        ];
        let expected = expected.map(|(path, mode, text)| (path.to_owned(), mode, text.to_owned()));
        assert_eq!(listed(&repository, tree), expected);
        assert_eq!(write(&repository, base, &files).expect("a tree"), tree);
    }

    #[test]
    fn no_files_give_the_tree_of_the_commit() {
        let (_directory, repository, base) = repository(&[("a.yaml", "a", 0)]);
        let same = repository.find_commit(base).expect("a commit").tree_id();
        assert_eq!(write(&repository, base, &[]).expect("a tree"), same);
        let files = owned(&[("a.yaml", "a")]);
        assert_eq!(write(&repository, base, &files).expect("a tree"), same);
    }

    #[test]
    fn a_file_that_the_commit_has_not_is_an_error() {
        let (_directory, repository, base) = repository(&[("a/b.yaml", "b", 0)]);
        for path in [
            "c.yaml",
            "a/c.yaml",
            "b/c.yaml",
            "a/b.yaml/c",
            "",
            "/a/b.yaml",
        ] {
            assert!(
                write(&repository, base, &owned(&[(path, "x")])).is_err(),
                "{path}"
            );
        }
    }
}
