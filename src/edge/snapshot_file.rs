//! Snapshot files: inputs opened for reading (a file, a directory of files, standard input), and
//! recordings written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::files;
use crate::snapshot::{self, ClusterSnapshot, Input, SnapshotError};

/// How hard a recording is packed: it is small at once, and harder costs seconds.
const ZSTD_LEVEL: i32 = 3;

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

/// Writes a recording: packed when the name ends in `.zst` or `.gz`, to standard output for `-`.
///
/// The file is there as a whole or as it was: it is written beside its place and moved there.
///
/// # Errors
///
/// When the file cannot be written.
pub fn record(snapshot: &ClusterSnapshot, path: &Path) -> Result<(), SnapshotError> {
    let result = match path.as_os_str() == "-" {
        true => pack(snapshot, "", &mut io::stdout().lock()),
        false => replace(snapshot, path),
    };
    result.map_err(|source| SnapshotError::Unwritable {
        name: path.display().to_string(),
        source,
    })
}

/// The bytes of a recording, packed as its name says.
///
/// # Errors
///
/// When they cannot be packed.
pub fn bytes(snapshot: &ClusterSnapshot, name: &str) -> Result<Vec<u8>, SnapshotError> {
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let mut bytes = Vec::new();
    let packed = pack(snapshot, suffix, &mut bytes);
    let unwritable = |source| SnapshotError::Unwritable {
        name: name.to_owned(),
        source,
    };
    packed.map(|()| bytes).map_err(unwritable)
}

fn replace(snapshot: &ClusterSnapshot, path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let beside = directory.unwrap_or(Path::new("."));
    let mut file = files::temporary_in(beside)?;
    let suffix = path.extension().unwrap_or_default().to_string_lossy();
    pack(snapshot, &suffix, file.as_file_mut())?;
    file.as_file().sync_all()?;
    make_readable(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// A recording holds no secrets, and whoever reads the repository may read it.
#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
}

fn pack(snapshot: &ClusterSnapshot, suffix: &str, sink: &mut dyn Write) -> io::Result<()> {
    let sink = BufWriter::with_capacity(1 << 16, sink);
    match suffix {
        "zst" => {
            let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
            snapshot::record(snapshot, &mut encoder)?;
            encoder.finish()?.flush()
        }
        "gz" => {
            let mut encoder = flate2::write::GzEncoder::new(sink, flate2::Compression::default());
            snapshot::record(snapshot, &mut encoder)?;
            encoder.finish()?.flush()
        }
        _ => snapshot::record(snapshot, sink),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{open, record};
    use crate::snapshot::{self, ClusterSnapshot, SnapshotError};

    fn read(path: &Path) -> Result<ClusterSnapshot, SnapshotError> {
        let inputs = open(&[PathBuf::from(path)])?;
        snapshot::read(inputs).map(|(snapshot, _)| snapshot)
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;

    #[test]
    fn a_recording_is_packed_as_its_name_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let source = directory.path().join("pod.json");
        write(&source, POD);
        let snapshot = read(&source).expect("a snapshot");
        let starts: [(&str, &[u8]); 3] = [
            ("a.json", b"{\"api"),
            ("a.json.gz", &[0x1f, 0x8b]),
            ("a.json.zst", &[0x28, 0xb5, 0x2f, 0xfd]),
        ];
        for (name, start) in starts {
            let path = directory.path().join(name);
            record(&snapshot, &path).expect("recorded");
            assert!(
                std::fs::read(&path).expect("bytes").starts_with(start),
                "{name}"
            );
            assert_eq!(read(&path).expect("a snapshot"), snapshot, "{name}");
        }
        let gone = directory.path().join("gone").join("a.json");
        let error = record(&snapshot, &gone).expect_err("an error");
        assert!(
            matches!(error, SnapshotError::Unwritable { .. }),
            "{error:?}"
        );
    }

    #[test]
    fn a_directory_is_read_file_by_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let list = |kind: &str, name: &str| {
            let items = format!(r#"[{{"metadata": {{"name": "{name}", "namespace": "shop"}}}}]"#);
            format!(r#"{{"kind": "{kind}List", "apiVersion": "v1", "items": {items}}}"#)
        };
        write(&root.join("nodes.json"), &list("Node", "node-1"));
        write(&root.join("shop/pods.json"), &list("Pod", "cart"));
        write(&root.join("shop/cart/logs.txt"), "no object");
        write(&root.join(".git/pods.json"), "no object");
        let objects =
            "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: b\n";
        write(
            &root.join("cluster/k8s-resources"),
            &format!("{objects}kind: List\n"),
        );
        write(&root.join("cluster/secrets"), "no object");
        let snapshot = read(root).expect("a snapshot");
        assert_eq!(snapshot.pods.len(), 2);
        assert_eq!(snapshot.objects.len(), 1);
        let missing = read(&root.join("missing")).expect_err("an error");
        assert!(matches!(missing, SnapshotError::Io { .. }), "{missing:?}");
    }
}
