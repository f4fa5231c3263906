//! Reading commits: their manifests, single files, and what differs between two.

use std::path::Path;

use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use rayon::prelude::{ParallelIterator as _, ParallelSlice as _};

use super::{GitError, GitRepository, failed};
use crate::diagnostic::Diagnostic;
use crate::manifest::{self, RawFile, Screen};

/// Path and id of a manifest's blob.
type ManifestBlob = (String, Oid);

/// Mode of a symbolic link in a tree.
const LINK: i32 = 0o120_000;
/// Mode of an executable file in a tree.
const EXECUTABLE: i32 = 0o100_755;

impl GitRepository {
    /// Reads every manifest of a commit that the screen lets pass, sorted by path.
    ///
    /// `paths` are directories to read; empty means all. What looks like a manifest and is left out
    /// (symbolic link, submodule, too large) is a diagnostic.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read. A blob that is not there is a diagnostic.
    pub fn read_manifests(
        &self,
        commit: Oid,
        paths: &[String],
        size_limit: u64,
        screen: &Screen,
    ) -> Result<(Vec<RawFile>, Vec<Diagnostic>), GitError> {
        let (blobs, mut diagnostics) = self.manifest_blobs(commit, paths)?;
        let location = self.repository.path();
        // One repository for each thread and not for each of rayon's splits: opening one costs more
        // than reading a blob.
        let share = blobs.len().div_ceil(rayon::current_num_threads()).max(1);
        let read: Vec<Result<Option<RawFile>, Diagnostic>> = blobs
            .par_chunks(share)
            .flat_map_iter(|blobs| {
                let repository = Repository::open(location);
                blobs.iter().map(move |(path, id)| match &repository {
                    Ok(repository) => read_blob(repository, path, *id, size_limit, screen),
                    Err(error) => Err(manifest::unreadable(path, error.message())),
                })
            })
            .collect();
        let mut files = Vec::new();
        for file in read {
            match file {
                Ok(file) => files.extend(file),
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((files, diagnostics))
    }

    /// Path and id of every blob that is a manifest by its name.
    fn manifest_blobs(
        &self,
        commit: Oid,
        paths: &[String],
    ) -> Result<(Vec<ManifestBlob>, Vec<Diagnostic>), GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let (mut blobs, mut diagnostics) = (Vec::new(), Vec::new());
        let visited = tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
            let Ok(name) = entry.name() else {
                return TreeWalkResult::Skip;
            };
            let path = format!("{directory}{name}");
            let is_tree = entry.kind() == Some(ObjectType::Tree);
            if name == ".github" || (is_tree && !leads_to(&path, paths)) {
                return TreeWalkResult::Skip;
            }
            if is_tree || !manifest::is_manifest_path(&path) || !leads_to(&path, paths) {
                return TreeWalkResult::Ok;
            }
            match entry.filemode() {
                LINK => diagnostics.push(manifest::skipped(
                    &path,
                    "a symbolic link is never followed",
                )),
                _ if entry.kind() == Some(ObjectType::Blob) => blobs.push((path, entry.id())),
                _ => {}
            }
            TreeWalkResult::Ok
        });
        visited.map_err(failed("reading the commit's tree"))?;
        Ok((blobs, diagnostics))
    }

    /// The bytes of a file of a commit; none where the commit has no such file.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read.
    pub fn file(&self, commit: Oid, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        self.file_of_tree(self.tree_of(commit)?, path)
    }

    /// The tree of a commit.
    ///
    /// # Errors
    ///
    /// When the commit cannot be read.
    pub fn tree_of(&self, commit: Oid) -> Result<Oid, GitError> {
        let commit = self.repository.find_commit(commit);
        let commit = commit.map_err(failed("reading the commit"))?;
        Ok(commit.tree_id())
    }

    /// The bytes of a file of a tree; none where it has no such file.
    ///
    /// # Errors
    ///
    /// When the tree cannot be read.
    pub fn file_of_tree(&self, tree: Oid, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let tree = self.repository.find_tree(tree);
        let tree = tree.map_err(failed("reading the commit"))?;
        let Ok(entry) = tree.get_path(Path::new(path)) else {
            return Ok(None);
        };
        let blob = self.repository.find_blob(entry.id());
        let blob = blob.map_err(failed("reading a file"))?;
        Ok(Some(blob.content().to_owned()))
    }

    /// Whether a file of a commit is executable.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read.
    pub fn is_executable(&self, commit: Oid, path: &str) -> Result<bool, GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let entry = tree.get_path(Path::new(path));
        Ok(entry.is_ok_and(|entry| entry.filemode() == EXECUTABLE))
    }

    /// Whether a commit has a directory of this path; the empty path is the root.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read.
    pub fn holds_directory(&self, commit: Oid, path: &str) -> Result<bool, GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let entry = tree.get_path(Path::new(path));
        Ok(path.is_empty() || entry.is_ok_and(|entry| entry.kind() == Some(ObjectType::Tree)))
    }

    /// Paths of the files in which two commits differ.
    ///
    /// # Errors
    ///
    /// When a tree cannot be read.
    pub fn changed_files(&self, old: Oid, new: Oid) -> Result<Vec<String>, GitError> {
        let tree = |id| {
            self.repository
                .find_commit(id)
                .and_then(|commit| commit.tree())
        };
        let diff = tree(old).and_then(|old| {
            let new = tree(new)?;
            self.repository
                .diff_tree_to_tree(Some(&old), Some(&new), None)
        });
        let diff = diff.map_err(failed("comparing two commits"))?;
        let path = |delta: git2::DiffDelta<'_>| {
            Some(delta.new_file().path()?.to_string_lossy().into_owned())
        };
        Ok(diff.deltas().filter_map(path).collect())
    }
}

/// Whether a path lies in one of the directories, or one of them lies in it. No directory means all.
fn leads_to(path: &str, directories: &[String]) -> bool {
    directories.is_empty()
        || directories.iter().any(|directory| {
            manifest::is_inside(path, directory) || manifest::is_inside(directory, path)
        })
}

/// Reads a blob and drops it again where it is too large or does not pass.
///
/// Asking for its size first would cost more than reading it: libgit2 follows the whole chain of
/// deltas for that, and keeps nothing of what it unpacks on the way.
fn read_blob(
    repository: &Repository,
    path: &str,
    id: Oid,
    size_limit: u64,
    screen: &Screen,
) -> Result<Option<RawFile>, Diagnostic> {
    let unreadable = |error: git2::Error| manifest::unreadable(path, error.message());
    let odb = repository.odb().map_err(unreadable)?;
    let object = odb.read(id).map_err(unreadable)?;
    let bytes = object.data();
    if bytes.len() as u64 > size_limit {
        return Err(manifest::too_large(path, size_limit));
    }
    Ok(screen.admits(path, bytes).then(|| RawFile {
        path: path.to_owned(),
        bytes: bytes.to_owned(),
    }))
}
