//! A meshroll to call: in a temporary directory, with an environment that holds nothing of the
//! caller's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The root of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Git repository in a temporary directory.
pub(crate) struct Repository {
    directory: TempDir,
}

impl Repository {
    /// An empty repository without a commit, on the branch `main`.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let repository = Self { directory };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// A clone, made with these options.
    pub(crate) fn clone_of(url: &str, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clone = Self { directory };
        let mut arguments = vec!["clone", "--quiet"];
        arguments.extend(options);
        arguments.extend([url, "."]);
        clone.git(&arguments);
        clone
    }

    /// A repository with one commit that holds a copy of a directory.
    pub(crate) fn of(source: &Path) -> Self {
        let repository = Self::empty();
        copy(source, repository.path());
        repository.commit("manifests");
        repository
    }

    /// The root of the work tree.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the work tree.
    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("written");
        self
    }

    /// Reads a file of the work tree.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).expect("a text file")
    }

    /// Commits everything that is in the work tree.
    pub(crate) fn commit(&self, message: &str) -> &Self {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self
    }

    /// Runs git and returns what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = hermetic("git", self.path())
            .args(arguments)
            .output()
            .expect("git runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.trim_end().to_owned()
    }

    /// A meshroll to run in this repository.
    pub(crate) fn meshroll(&self, arguments: &[&str]) -> Tool {
        Tool::new(self.path(), arguments)
    }
}

/// One call of meshroll.
#[must_use]
pub(crate) struct Tool {
    command: Command,
    input: Option<Vec<u8>>,
}

/// What a call printed and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

impl Tool {
    /// A call in a directory.
    pub(crate) fn new(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = hermetic(env!("CARGO_BIN_EXE_meshroll"), directory);
        command.args(arguments);
        Self {
            command,
            input: None,
        }
    }

    /// The same, with a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same, without a variable of the environment.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The same, with something on standard input.
    pub(crate) fn stdin(mut self, input: &[u8]) -> Self {
        self.input = Some(input.to_owned());
        self
    }

    /// Starts it, so that something else can happen at the same time.
    pub(crate) fn start(mut self) -> std::process::Child {
        let command = self.command.stdin(Stdio::null());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("meshroll runs")
    }

    /// Runs it.
    pub(crate) fn run(mut self) -> Outcome {
        let stdin = tempfile::tempfile().expect("a temporary file");
        if let Some(input) = &self.input {
            use std::io::{Seek as _, Write as _};
            let mut file = &stdin;
            file.write_all(input).expect("written");
            file.rewind().expect("rewound");
        }
        let output = self
            .command
            .stdin(Stdio::from(stdin))
            .output()
            .expect("meshroll runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let outcome = Outcome {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            status: output.status.code().expect("an exit code"),
        };
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    /// Runs it, expects success, and returns what it printed on standard output.
    #[track_caller]
    pub(crate) fn succeed(self) -> String {
        let outcome = self.run();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        outcome.stdout
    }

    /// Runs it, expects this exit code, and returns what it said on standard error.
    #[track_caller]
    pub(crate) fn fail(self, status: i32) -> String {
        let outcome = self.run();
        assert_eq!(
            outcome.status, status,
            "{}\n{}",
            outcome.stdout, outcome.stderr
        );
        outcome.stderr
    }
}

/// A command that sees nothing of the caller's configuration, clock or terminal.
fn hermetic(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("XDG_CONFIG_HOME", directory.join(".config"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env(
            "GIT_CEILING_DIRECTORIES",
            directory.parent().unwrap_or(directory),
        )
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Somebody")
            .env(format!("GIT_{role}_EMAIL"), "somebody@example.com")
            .env(format!("GIT_{role}_DATE"), "2026-11-20T00:00:00Z");
    }
    command
}

/// Copies a directory, files and all.
pub(crate) fn copy(source: &Path, target: &Path) {
    fs::create_dir_all(target).expect("a directory");
    for entry in fs::read_dir(source).expect("a directory") {
        let entry = entry.expect("an entry");
        let copied = target.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &copied);
        } else {
            // The bytes alone: the source may be read-only, and the copy is to be edited.
            fs::write(copied, fs::read(entry.path()).expect("readable")).expect("written");
        }
    }
}

/// Compares text with a golden file, or writes it when `MESHROLL_UPDATE_EXPECTED` is set.
#[track_caller]
pub(crate) fn golden(path: &Path, actual: &str) {
    if std::env::var_os("MESHROLL_UPDATE_EXPECTED").is_some() {
        fs::write(path, actual).expect("written");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let difference = similar::TextDiff::from_lines(expected.as_str(), actual);
    assert!(
        expected == actual,
        "{} differs (set MESHROLL_UPDATE_EXPECTED to accept):\n{}",
        path.display(),
        difference.unified_diff()
    );
}

/// A path of the project as text.
pub(crate) fn fixture(path: &str) -> String {
    PathBuf::from(project())
        .join("fixtures")
        .join(path)
        .to_str()
        .expect("UTF-8")
        .to_owned()
}
