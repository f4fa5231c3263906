//! Files: manifests of the work tree, and writing them back.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::diagnostic::Diagnostic;
use crate::manifest::{self, RawFile, Screen};

/// A file of the user's could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or directory that the command line names cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The path as it was given.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written. It is as it was.
    #[error("{path} cannot be written")]
    Write {
        /// The path as it was given, or relative to the repository.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file changed between the reading and the writing. It is as it was.
    #[error("{path} changed while meshroll was at work")]
    Changed {
        /// Path relative to the repository.
        path: String,
    },
}

/// Which files of a work tree to read.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The root of the work tree.
    pub root: &'a Path,
    /// Directories to read, relative to the root; empty means all.
    pub paths: &'a [String],
    /// Paths that Git tracks: these are read even where `.gitignore` names them.
    pub tracked: &'a [String],
    /// Files larger than this many bytes are left out.
    pub size_limit: u64,
}

/// Reads every manifest of a work tree that the screen lets pass, sorted by path.
///
/// Left out: what Git ignores, `.git`, `.github` (meshroll never edits there), symbolic links,
/// submodules and nested repositories, files that are too large. What is left out although it looks
/// like a manifest is a diagnostic.
#[must_use]
pub fn read_manifests(
    selection: Selection<'_>,
    screen: &Screen,
) -> (Vec<RawFile>, Vec<Diagnostic>) {
    let found = Mutex::new(Found::default());
    for root in selection.roots() {
        walk(&root, selection, screen, &found);
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    read_ignored_but_tracked(selection, screen, &mut found);
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found
        .diagnostics
        .sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    (found.files, found.diagnostics)
}

/// What the walk has come upon so far.
#[derive(Default)]
struct Found {
    files: Vec<RawFile>,
    diagnostics: Vec<Diagnostic>,
    /// Every path that was looked at, be it only to leave it out.
    visited: HashSet<String>,
}

impl Found {
    fn add(&mut self, read: Result<Option<RawFile>, Diagnostic>) {
        match read {
            Ok(file) => self.files.extend(file),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }
}

impl Selection<'_> {
    fn roots(&self) -> Vec<PathBuf> {
        if self.paths.is_empty() {
            vec![self.root.to_owned()]
        } else {
            self.paths.iter().map(|path| self.root.join(path)).collect()
        }
    }

    fn covers(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|dir| manifest::is_inside(path, dir))
    }

    /// The path relative to the root with `/` separators; none where it is no UTF-8.
    fn relative(&self, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(self.root).ok()?.to_str()?;
        Some(relative.replace(std::path::MAIN_SEPARATOR, "/"))
    }
}

fn walk(root: &Path, selection: Selection<'_>, screen: &Screen, found: &Mutex<Found>) {
    let walker = WalkBuilder::new(root)
        .hidden(false)
        .git_global(false)
        .follow_links(false)
        .filter_entry(|entry| entry.depth() == 0 || !is_left_alone(entry))
        .threads(std::thread::available_parallelism().map_or(1, usize::from))
        .build_parallel();
    walker.run(|| {
        Box::new(move |entry| {
            let (path, read) = match entry {
                Ok(entry) => visit(&entry, selection, screen),
                Err(error) => (None, Err(manifest::unreadable(".", &error.to_string()))),
            };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.visited.extend(path);
            found.add(read);
            WalkState::Continue
        })
    });
}

/// Git's own files, the repository's automation (which meshroll neither reads nor writes), and
/// repositories inside this one: their files are not this repository's.
fn is_left_alone(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
    name == ".git"
        || (name == ".github" && is_directory)
        || (is_directory && entry.path().join(".git").exists())
}

/// A manifest's path and what reading it gave; nothing for what is no manifest.
fn visit(
    entry: &DirEntry,
    selection: Selection<'_>,
    screen: &Screen,
) -> (Option<String>, Result<Option<RawFile>, Diagnostic>) {
    let Some(path) = selection.relative(entry.path()) else {
        let shown = entry.path().to_string_lossy().into_owned();
        return (
            None,
            Err(manifest::unreadable(&shown, "the path is not valid UTF-8")),
        );
    };
    let kind = entry.file_type();
    if !manifest::is_manifest_path(&path) || kind.is_none_or(|kind| kind.is_dir()) {
        return (None, Ok(None));
    }
    let read = if kind.is_some_and(|kind| kind.is_file()) {
        read_manifest(entry.path(), &path, selection.size_limit, screen)
    } else {
        Err(manifest::skipped(
            &path,
            "a symbolic link is never followed",
        ))
    };
    (Some(path), read)
}

fn read_manifest(
    on_disk: &Path,
    path: &str,
    size_limit: u64,
    screen: &Screen,
) -> Result<Option<RawFile>, Diagnostic> {
    match read_bounded(on_disk, size_limit) {
        Ok(Some(bytes)) if screen.admits(path, &bytes) => Ok(Some(RawFile {
            path: path.to_owned(),
            bytes,
        })),
        Ok(Some(_)) => Ok(None),
        Ok(None) => Err(manifest::too_large(path, size_limit)),
        Err(error) => Err(manifest::unreadable(path, &error.to_string())),
    }
}

/// The bytes of a file, or none where there are more than the limit.
fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Adds the tracked files that `.gitignore` hid from the walk, so that the work tree reads as its
/// commit does.
fn read_ignored_but_tracked(selection: Selection<'_>, screen: &Screen, found: &mut Found) {
    for path in selection.tracked {
        let automation = path.split('/').any(|part| part == ".github");
        let candidate = selection.covers(path) && manifest::is_manifest_path(path) && !automation;
        if !candidate || found.visited.contains(path) {
            continue;
        }
        let on_disk = selection.root.join(path);
        if on_disk
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            found.add(read_manifest(&on_disk, path, selection.size_limit, screen));
        }
    }
}

/// Reads a text file that the command line names.
///
/// # Errors
///
/// When it cannot be read or is no UTF-8.
pub fn read_text(path: &Path) -> Result<String, FilesError> {
    fs::read_to_string(path).map_err(|source| FilesError::Read {
        path: path.display().to_string(),
        source,
    })
}

/// Reads a file of the work tree; none where there is no such regular file.
///
/// # Errors
///
/// When it is there and cannot be read.
pub fn read_if_present(root: &Path, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
    let on_disk = root.join(path);
    if !on_disk
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
    {
        return Ok(None);
    }
    let read = fs::read(on_disk);
    read.map(Some).map_err(|source| FilesError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Whether a path of the work tree is a directory, and no symbolic link on the way to it.
#[must_use]
pub fn is_directory(root: &Path, path: &str) -> bool {
    let mut on_disk = root.to_owned();
    path.split('/').filter(|part| !part.is_empty()).all(|part| {
        on_disk.push(part);
        on_disk
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir())
    })
}

/// Writes a file that the command line names.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
    fs::write(path, bytes).map_err(|source| FilesError::Write {
        path: path.display().to_string(),
        source,
    })
}

/// Replaces a file of the work tree: old bytes or new bytes, never a mixture.
///
/// The new bytes go to a temporary file in the same directory, which takes over the old file's mode
/// and then its name.
///
/// # Errors
///
/// When the file no longer holds the bytes that were read, or cannot be written.
pub fn replace(root: &Path, path: &str, old: &[u8], new: &[u8]) -> Result<(), FilesError> {
    let target = root.join(path);
    let failed = |source| FilesError::Write {
        path: path.to_owned(),
        source,
    };
    let metadata = target.symlink_metadata().map_err(failed)?;
    let unchanged = metadata.is_file() && fs::read(&target).is_ok_and(|bytes| bytes == old);
    if !unchanged {
        return Err(FilesError::Changed {
            path: path.to_owned(),
        });
    }
    // A rename would replace a file that its owner made read-only.
    fs::OpenOptions::new()
        .append(true)
        .open(&target)
        .map_err(failed)?;
    let directory = target.parent().unwrap_or(root);
    let mut temporary = temporary_in(directory).map_err(failed)?;
    temporary.as_file_mut().write_all(new).map_err(failed)?;
    temporary
        .as_file()
        .set_permissions(metadata.permissions())
        .map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&target)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// A temporary file in a directory, to be given another file's name.
///
/// # Errors
///
/// When there can be none. The error does not name it: nobody asked for that file. Write to its
/// `as_file_mut`, whose errors do not either.
pub(super) fn temporary_in(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let created = builder.prefix(".meshroll-").tempfile_in(directory);
    created.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no such directory"),
        kind => kind.into(),
    })
}
