//! Finding and editing manifests, as ratios measured in one run:
//! `cargo bench --bench manifests -- [FILES…]` (50,000 by default).
//!
//! Held against `rg -l` for the same kinds over the same tree, which finds text and proves nothing,
//! and against `git commit` of the same edits alone, without the `git add` before it. Each figure
//! is the best of some runs on a warm cache, in a process of its own, so that the peak of its
//! resident memory can be told.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench is a program that prints"
)]

mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use meshroll::edge::files::{self, Selection};
use meshroll::edge::git::{Authorship, GitRepository, NewCommit};
use meshroll::edit::{Assignment, EditRequest, plan_file};
use meshroll::manifest::{self, ManifestFile, ManifestSet, RawFile, SIZE_LIMIT, Screen};
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

/// Each figure is the best of so many runs.
const RUNS: usize = 5;

/// Workloads that are looked for by name.
const FOUND: usize = 100;

/// Workloads that are edited.
const EDITED: usize = 1000;

/// The kinds that a person would search for.
const KINDS: &str = "kind: (Deployment|StatefulSet|DaemonSet|Rollout|Job|CronJob|Pod)";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--bench")
        .collect();
    match arguments.as_slice() {
        ["work-tree", directory] => report(|| read_work_tree(Path::new(directory), named(FOUND))),
        ["commit", directory] => report(|| read_commit(Path::new(directory), named(FOUND))),
        ["everything", directory] => {
            report(|| read_work_tree(Path::new(directory), Screen::new()));
        }
        ["edit", directory] => edit(Path::new(directory)),
        ["library", directory] => library(Path::new(directory)),
        sizes => {
            let sizes: Vec<usize> = sizes.iter().filter_map(|size| size.parse().ok()).collect();
            for size in if sizes.is_empty() {
                vec![50_000]
            } else {
                sizes
            } {
                compare(size);
            }
        }
    }
}

/// A screen for the first workloads of the tree.
fn named(count: usize) -> Screen {
    Screen::new().with_names((0..count).map(|number| tree::workload_name(number * 5)))
}

fn read_work_tree(directory: &Path, screen: Screen) -> ManifestSet {
    let selection = Selection {
        root: directory,
        paths: &[],
        tracked: &[],
        size_limit: SIZE_LIMIT,
    };
    let (raw, _) = files::read_manifests(selection, &screen);
    manifest::parse(raw, &screen).0
}

fn read_commit(directory: &Path, screen: Screen) -> ManifestSet {
    let repository = GitRepository::open(directory).expect("a repository");
    let head = repository.commit("HEAD").expect("a commit");
    let read = repository.read_manifests(head, &[], SIZE_LIMIT, &screen);
    manifest::parse(read.expect("its files").0, &screen).0
}

/// Prints workloads, milliseconds and mebibytes of one reading.
fn report(read: impl Fn() -> ManifestSet) {
    let start = Instant::now();
    let set = read();
    let time = start.elapsed();
    let objects = set.files.iter().flat_map(|file| &file.objects);
    let workloads = objects.filter(|object| object.workload().is_some()).count();
    println!("{} {workloads} {}", time.as_micros(), peak_memory());
}

/// Edits workloads and commits the result; prints the time of editing and committing alone.
fn edit(directory: &Path) {
    let set = read_commit(directory, named(EDITED));
    let repository = GitRepository::open(directory).expect("a repository");
    let base = repository.commit("HEAD").expect("a commit");
    let start = Instant::now();
    let files = edited(&set);
    let branch = "meshroll/bench/all";
    let tree = repository.write_tree(base, &files).expect("a tree");
    let commit = NewCommit {
        base,
        tree,
        message: "restart",
        time: jiff::Timestamp::UNIX_EPOCH,
        authorship: &Authorship::default(),
    };
    let commit = repository.create_commit(&commit).expect("a commit");
    let expected = repository.commit(branch).ok();
    repository
        .move_to(branch, commit, expected)
        .expect("a moved branch");
    let time = start.elapsed();
    println!("{} {} {}", time.as_micros(), files.len(), peak_memory());
}

/// The edits of all workloads, on all cores.
fn edited(set: &ManifestSet) -> Vec<(String, Vec<u8>)> {
    let files: Vec<_> = set.files.par_iter().map(edit_file).collect();
    files.into_iter().flatten().collect()
}

fn edit_file(file: &ManifestFile) -> Option<(String, Vec<u8>)> {
    let workloads = file
        .objects
        .iter()
        .filter(|object| object.workload().is_some());
    let requests: Vec<_> = workloads
        .map(|object| EditRequest {
            object,
            assignments: stamps(),
        })
        .collect();
    let edit = plan_file(file, &requests).0.edit?;
    let bytes = edit.edit.apply(&file.bytes).expect("an edit of this file");
    Some((edit.path, bytes))
}

fn stamps() -> Vec<Assignment> {
    [
        ("kubectl.kubernetes.io/restartedAt", "2026-11-20T09:00:00Z"),
        ("meshroll.dev/restarted-for", "1.27.3/default/1.9f2c41"),
    ]
    .map(|(key, value)| Assignment {
        path: vec!["spec", "template", "metadata", "annotations"],
        key: key.to_owned(),
        value: value.to_owned(),
    })
    .to_vec()
}

/// The stages alone, on bytes in memory and one thread but for parsing.
fn library(directory: &Path) {
    let mut raw = Vec::new();
    collect(directory, &mut raw);
    let bytes: usize = raw.iter().map(|file| file.bytes.len()).sum();
    println!("{} files, {} MB in memory", raw.len(), bytes / 1_000_000);
    let finder = memchr::memmem::Finder::new("kind: Deployment");
    let plain = time(|| {
        raw.iter()
            .filter(|file| finder.find(&file.bytes).is_some())
            .count()
    });
    let (all, few) = (Screen::new(), named(FOUND));
    let screen = time(|| raw.iter().filter(|file| all.passes(&file.bytes)).count());
    let narrow = time(|| raw.iter().filter(|file| few.passes(&file.bytes)).count());
    let parse_few = time(|| manifest::parse(passing(&raw, &few), &few).0.files.len());
    let parse_all = time(|| manifest::parse(passing(&raw, &all), &all).0.files.len());
    let set = manifest::parse(passing(&raw, &named(EDITED)), &named(EDITED)).0;
    let edits = time(|| edited(&set).len());
    for (what, (time, count)) in [
        ("plain byte search for one kind", plain),
        ("screen", screen),
        ("screen, 100 names", narrow),
        ("screen, 100 names, and parse", parse_few),
        ("screen and parse everything", parse_all),
        ("1,000 edits with their proofs", edits),
    ] {
        let ratio = time.as_secs_f64() / plain.0.as_secs_f64();
        println!(
            "{what:<34} {:>8.1} ms  {ratio:>6.1} x  {count} files",
            millis(time)
        );
    }
}

fn passing(raw: &[RawFile], screen: &Screen) -> Vec<RawFile> {
    let passing = raw.iter().filter(|file| screen.passes(&file.bytes));
    passing.cloned().collect()
}

fn time<T>(run: impl Fn() -> T) -> (Duration, T) {
    let mut best = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let value = run();
        let time = start.elapsed();
        if best.as_ref().is_none_or(|(fastest, _)| time < *fastest) {
            best = Some((time, value));
        }
    }
    best.expect("at least one run")
}

fn collect(directory: &Path, raw: &mut Vec<RawFile>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, raw);
        } else if manifest::is_manifest_path(&path.to_string_lossy()) {
            let bytes = std::fs::read(&path).expect("a file");
            let path = path.to_string_lossy().into_owned();
            raw.push(RawFile { path, bytes });
        }
    }
}

/// Measures everything over one tree.
fn compare(size: usize) {
    let directory = prepared(size);
    println!("{size} files in {}", directory.display());
    run_self("library", &directory, true);
    let search = best(|| {
        let mut command = Command::new("rg");
        command.args(["-l", KINDS]).arg(&directory);
        command
    });
    let work_tree = figure("work-tree", &directory);
    let commit = figure("commit", &directory);
    let everything = figure("everything", &directory);
    let edit = figure("edit", &directory);
    let git = git_commit(&directory);
    println!(
        "rg -l for the kinds                {:>8.1} ms",
        millis(search)
    );
    show("100 workloads, work tree", &work_tree, search, "rg");
    show("100 workloads, commit's tree", &commit, search, "rg");
    show("every workload, work tree", &everything, search, "rg");
    println!("git commit of 1,000 files          {:>8.1} ms", millis(git));
    show("1,000 edits and their commit", &edit, git, "git commit");
}

/// What a process of ours printed.
struct Figure {
    time: Duration,
    count: usize,
    memory: u64,
}

fn show(what: &str, figure: &Figure, rival: Duration, name: &str) {
    let ratio = figure.time.as_secs_f64() / rival.as_secs_f64();
    println!(
        "{what:<34} {:>8.1} ms  {ratio:.2} x {name}, {} found, {} MiB",
        millis(figure.time),
        figure.count,
        figure.memory
    );
}

fn figure(what: &str, directory: &Path) -> Figure {
    let figures = (0..RUNS).map(|_| {
        let start = Instant::now();
        let output = run_self(what, directory, false);
        // Edits are timed by themselves, readings with the start of the process as rg is.
        let whole = start.elapsed();
        let mut numbers = output
            .split_whitespace()
            .filter_map(|number| number.parse().ok());
        let own = Duration::from_micros(numbers.next().unwrap_or(u64::MAX));
        Figure {
            time: if what == "edit" { own } else { whole },
            count: usize::try_from(numbers.next().unwrap_or_default()).unwrap_or_default(),
            memory: numbers.next().unwrap_or_default(),
        }
    });
    figures
        .min_by_key(|figure| figure.time)
        .expect("at least one run")
}

fn run_self(what: &str, directory: &Path, inherit: bool) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(what).arg(directory);
    if inherit {
        command.status().expect("this program runs");
        return String::new();
    }
    let output = command.output().expect("this program runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn best(command: impl Fn() -> Command) -> Duration {
    let run = || {
        let start = Instant::now();
        let status = command().stdout(Stdio::null()).status();
        status.expect("the program is installed");
        start.elapsed()
    };
    (0..RUNS).map(|_| run()).min().expect("at least one run")
}

/// `git commit` of as many changed files, already added.
fn git_commit(directory: &Path) -> Duration {
    let run = || {
        let set = read_work_tree(directory, named(EDITED));
        for (path, bytes) in edited(&set) {
            std::fs::write(directory.join(path), bytes).expect("a file");
        }
        git(directory, &["add", "-u"]);
        let start = Instant::now();
        git(directory, &["commit", "-q", "--no-verify", "-m", "restart"]);
        let time = start.elapsed();
        git(directory, &["reset", "-q", "--hard", "HEAD~1"]);
        time
    };
    (0..RUNS).map(|_| run()).min().expect("at least one run")
}

fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args([
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.com",
        ])
        .args(["-c", "gc.auto=0", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .status();
    assert!(status.expect("git is installed").success(), "{arguments:?}");
}

/// The tree as a repository, made once.
fn prepared(size: usize) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("manifests-{size}"));
    if !directory.join(".git/refs/heads/main").exists() {
        let _ = std::fs::remove_dir_all(&directory);
        tree::write(&directory, size).expect("room for the tree");
        git(&directory, &["init", "-q", "-b", "main"]);
        git(&directory, &["add", "."]);
        git(&directory, &["commit", "-q", "-m", "tree"]);
        git(&directory, &["gc", "-q"]);
    }
    directory
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `VmHWM` of this process in MiB, 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
