//! Finding and editing manifests, as ratios measured in one run:
//! `cargo bench --bench manifests -- [FILES…]` (50,000 by default; 5000 50000 500000 shows how it
//! grows).
//!
//! Held against `rg -l` for the same kinds over the same tree, which finds text and proves nothing,
//! and against `git commit` of the same edits alone, without the `git add` before it. Each figure
//! is the best of some runs on a warm cache, taken in turns with its rival, in a process of its own,
//! so that the peak of its resident memory can be told. Every edit writes bytes that the repository
//! has never seen.

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

/// The command's own, as in `main.rs`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        ["edit", directory, run] => edit(Path::new(directory), run),
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
fn edit(directory: &Path, run: &str) {
    let set = read_commit(directory, named(EDITED));
    let repository = GitRepository::open(directory).expect("a repository");
    let base = repository.commit("HEAD").expect("a commit");
    let start = Instant::now();
    let files = edited(&set, run);
    let planned = start.elapsed().as_micros();
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
    let count = files.len();
    println!("{} {count} {} {planned}", time.as_micros(), peak_memory());
}

/// The edits of all workloads, on all cores.
fn edited(set: &ManifestSet, run: &str) -> Vec<(String, Vec<u8>)> {
    let edit = |file| edit_file(file, run);
    let files: Vec<_> = set.files.par_iter().map(edit).collect();
    files.into_iter().flatten().collect()
}

fn edit_file(file: &ManifestFile, run: &str) -> Option<(String, Vec<u8>)> {
    let workloads = file
        .objects
        .iter()
        .filter(|object| object.workload().is_some());
    let requests: Vec<_> = workloads
        .map(|object| EditRequest {
            object,
            assignments: stamps(run),
        })
        .collect();
    let edit = plan_file(file, &requests).0.edit?;
    let bytes = edit.edit.apply(&file.bytes).expect("an edit of this file");
    Some((edit.path, bytes))
}

fn stamps(run: &str) -> Vec<Assignment> {
    let stamp = format!("1.27.3/default/1.{run}");
    [
        ("kubectl.kubernetes.io/restartedAt", "2026-11-20T09:00:00Z"),
        ("meshroll.dev/restarted-for", &stamp),
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
    let edits = time(|| edited(&set, "1f9c41").len());
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
    run_self(&["library"], &directory, true);
    let mut readings: [Best; 4] = Default::default();
    for _ in 0..RUNS {
        readings[0].add(ripgrep(&directory));
        for (best, what) in readings[1..]
            .iter_mut()
            .zip(["work-tree", "commit", "everything"])
        {
            best.add(figure(what, &directory));
        }
    }
    let [rg, work_tree, commit, everything] = readings.map(Best::figure);
    println!(
        "rg -l for the kinds                {:>8.1} ms",
        millis(rg.time)
    );
    show("100 workloads, work tree", &work_tree, &rg, "rg");
    show("100 workloads, commit's tree", &commit, &rg, "rg");
    show("every workload, work tree", &everything, &rg, "rg");

    let mut writings: [Best; 3] = Default::default();
    for run in 0..RUNS {
        let seconds = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
        let run = format!("{:x}", seconds * RUNS as u64 + run as u64);
        writings[0].add(git_commit(&directory, &run, &[]));
        writings[1].add(git_commit(&directory, &run, &["--quiet", "--no-verify"]));
        writings[2].add(edit_and_commit(&directory, &run));
    }
    let [git, quiet, edit] = writings.map(Best::figure);
    println!(
        "git commit of 1,000 files          {:>8.1} ms, {:.1} ms with git add before it",
        millis(git.time),
        millis(git.time + git.part)
    );
    show("1,000 edits and their commit", &edit, &git, "git commit");
    show("the same", &edit, &quiet, "git commit --quiet --no-verify");
    println!(
        "of which the edits                 {:>8.1} ms",
        millis(edit.part)
    );
}

/// What one run took.
#[derive(Default)]
struct Figure {
    time: Duration,
    count: usize,
    memory: u64,
    /// The part of the time that the edits took.
    part: Duration,
}

/// The fastest of some runs.
#[derive(Default)]
struct Best(Option<Figure>);

impl Best {
    fn add(&mut self, figure: Figure) {
        if self.0.as_ref().is_none_or(|best| figure.time < best.time) {
            self.0 = Some(figure);
        }
    }

    fn figure(self) -> Figure {
        self.0.expect("at least one run")
    }
}

fn show(what: &str, figure: &Figure, rival: &Figure, name: &str) {
    let ratio = figure.time.as_secs_f64() / rival.time.as_secs_f64();
    println!(
        "{what:<34} {:>8.1} ms  {ratio:.2} x {name}, {} found, {} MiB",
        millis(figure.time),
        figure.count,
        figure.memory
    );
}

/// A reading, timed with the start of its process as rg is.
fn figure(what: &str, directory: &Path) -> Figure {
    let start = Instant::now();
    let output = run_self(&[what], directory, false);
    let time = start.elapsed();
    Figure {
        time,
        ..printed(&output)
    }
}

/// Edits and their commit, timed by themselves.
fn edit_and_commit(directory: &Path, run: &str) -> Figure {
    printed(&run_self(&["edit", run], directory, false))
}

fn printed(output: &str) -> Figure {
    let mut numbers = output
        .split_whitespace()
        .filter_map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    Figure {
        time: Duration::from_micros(next()),
        count: usize::try_from(next()).unwrap_or_default(),
        memory: next(),
        part: Duration::from_micros(next()),
    }
}

fn ripgrep(directory: &Path) -> Figure {
    let mut command = Command::new("rg");
    command.args(["-l", KINDS]).arg(directory);
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status();
    status.expect("the program is installed");
    Figure {
        time: start.elapsed(),
        ..Figure::default()
    }
}

/// Runs this program: a verb, the directory, and the verb's other arguments.
fn run_self(arguments: &[&str], directory: &Path, inherit: bool) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let (verb, others) = arguments.split_first().expect("a verb");
    command.arg(verb).arg(directory).args(others);
    if inherit {
        command.status().expect("this program runs");
        return String::new();
    }
    let output = command.output().expect("this program runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `git commit` of as many changed files; `part` is the `git add` before it.
fn git_commit(directory: &Path, run: &str, options: &[&str]) -> Figure {
    let set = read_work_tree(directory, named(EDITED));
    for (path, bytes) in edited(&set, &format!("{run}a{}", options.len())) {
        std::fs::write(directory.join(path), bytes).expect("a file");
    }
    let start = Instant::now();
    git(directory, &["add", "-u"]);
    let part = start.elapsed();
    let start = Instant::now();
    git(directory, &[&["commit", "-m", "restart"], options].concat());
    let time = start.elapsed();
    git(directory, &["reset", "-q", "--hard", "HEAD~1"]);
    Figure {
        time,
        part,
        ..Figure::default()
    }
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
        .stdout(Stdio::null())
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
