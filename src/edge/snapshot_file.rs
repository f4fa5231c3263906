//! Snapshot inputs: a file, a directory of files or standard input, opened for reading.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::snapshot::{self, Input, SnapshotError};

/// How deep a directory is walked: a `kubectl cluster-info dump` is two levels deep, a directory
/// above an `istioctl bug-report` four.
const MAX_DEPTH: usize = 8;

/// Opens what `--snapshot` names: `-` is standard input, a directory is every file in it that
/// [`snapshot::may_hold_objects`], in order of their names.
///
/// # Errors
///
/// When a file or directory cannot be opened.
pub fn open(paths: &[PathBuf]) -> Result<Vec<Input>, SnapshotError> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input {
                name: "-".to_owned(),
                reader: Box::new(io::stdin()),
            });
            continue;
        }
        let metadata = path.metadata().map_err(|source| unreadable(path, source))?;
        if metadata.is_dir() {
            open_directory(path, &mut inputs)?;
        } else {
            inputs.push(open_file(path)?);
        }
    }
    Ok(inputs)
}

fn unreadable(path: &Path, source: io::Error) -> SnapshotError {
    let name = path.display().to_string();
    SnapshotError::Io { name, source }
}

fn open_file(path: &Path) -> Result<Input, SnapshotError> {
    Ok(Input {
        name: path.display().to_string(),
        reader: Box::new(LazyFile::new(path)),
    })
}

/// Opens the files of a directory, without following symbolic links.
fn open_directory(root: &Path, inputs: &mut Vec<Input>) -> Result<(), SnapshotError> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .hidden(true)
        .max_depth(Some(MAX_DEPTH))
        .sort_by_file_path(Ord::cmp)
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| {
            let message = error.to_string();
            let cause = error.into_io_error();
            unreadable(root, cause.unwrap_or_else(|| io::Error::other(message)))
        })?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if is_file && snapshot::may_hold_objects(&below.to_string_lossy()) {
            inputs.push(open_file(entry.path())?);
        }
    }
    Ok(())
}

/// A file that is opened when it is first read, so that a directory of many files does not hold
/// all of them open.
struct LazyFile {
    path: PathBuf,
    file: Option<File>,
}

impl LazyFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
        }
    }
}

impl io::Read for LazyFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        file.read(out)
    }
}
