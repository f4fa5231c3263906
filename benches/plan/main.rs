//! Whole plans, as ratios measured in one run: `cargo bench --bench plan`.
//!
//! Generated clusters (every third workload is stale) and a generated repository of 50,000 files
//! (100 MB), all deterministic. Held against `cat` of the snapshot, the jq recipe that mesh guides
//! give for finding outdated proxies (it runs once, and takes several times the file's size in
//! memory), `rg -l` for the same kinds over the same tree, and `git commit` alone on that
//! repository's index; what is not installed is left out. Warm cache; each figure is the best of
//! some runs, as a whole process. The peak of resident memory is what GNU time tells.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench is a program that prints"
)]

#[path = "../snapshot/pods.rs"]
mod pods;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const RUNS: usize = 5;
/// Pods of the clusters that are planned for without manifests.
const SIZES: [usize; 2] = [10_000, 50_000];
/// Pods of the cluster that the repository's manifests are of.
const PODS: usize = 15_000;
const FILES: usize = 50_000;
const WORKLOAD_FILES: usize = 10_000;
const PODS_OF_A_WORKLOAD: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, directory, ..] = arguments.as_slice()
        && verb == "generate"
    {
        generate(Path::new(directory));
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    println!("| what | time | against | peak memory |\n|---|---|---|---|");
    for size in SIZES {
        plan_alone(root, size);
    }
    generate(root);
    let (repository, empty) = (root.join("repository"), root.join("empty"));
    let (pods, cluster) = (root.join("pods.json"), root.join("cluster.json"));
    let plan =
        |repository: &Path, more: &[&str]| meshroll("plan", repository, &pods, &cluster, more);
    let snapshot = best(|| plan(&empty, &[]));
    let ripgrep = ripgrep(&repository);
    let work_tree = best(|| plan(&repository, &[])).saturating_sub(snapshot);
    row(
        "… 15,000 pods and 50,000 files of a work tree (100 MB), beyond the plan without",
        work_tree,
        &[("`rg -l` for the kinds", ripgrep)],
        peak_memory(&plan(&repository, &[])),
    );
    let commit = best(|| plan(&repository, &["--rev", "HEAD"])).saturating_sub(snapshot);
    row(
        "… or of a commit",
        commit,
        &[("`rg -l` for the kinds", ripgrep)],
        peak_memory(&plan(&repository, &["--rev", "HEAD"])),
    );
    let applied = once_each(|| {
        let _ = quiet(
            "git",
            &repository,
            &["update-ref", "-d", "refs/heads/meshroll/default/all"],
        );
        meshroll("apply", &repository, &pods, &cluster, &["--to", "branch"])
    });
    let committed = commit_alone(&repository);
    row(
        "… and the commit of 1,000 edits, beyond the plan with them",
        applied.saturating_sub(commit + snapshot),
        &[("`git commit` alone", Some(committed))],
        None,
    );
}

/// A plan for a cluster of so many pods, and no manifests.
fn plan_alone(root: &Path, size: usize) {
    let (repository, pods) = (root.join("none"), root.join("pods.json"));
    let cluster = root.join("cluster.json");
    fs::create_dir_all(&repository).expect("a directory");
    git(&repository, &["init", "--quiet"]);
    write_pods(&pods, &cluster, size);
    let megabytes = fs::metadata(&pods).expect("there").len() / 1_000_000;
    let plan = || meshroll("plan", &repository, &pods, &cluster, &[]);
    let cat = best(|| {
        let mut cat = Command::new("cat");
        cat.arg(&pods);
        cat
    });
    row(
        &format!("plan, {size} pods ({megabytes} MB), no manifests"),
        best(plan),
        &[
            ("`cat` of the snapshot", Some(cat)),
            ("the jq recipe", jq(&pods)),
        ],
        peak_memory(&plan()),
    );
}

fn jq(pods: &Path) -> Option<Duration> {
    let mut jq = Command::new("jq");
    jq.args(["--arg", "image", pods::NEW_PROXY, pods::JQ_RECIPE]);
    let start = Instant::now();
    let status = jq.arg(pods).stdout(Stdio::null()).status().ok()?;
    status.success().then(|| start.elapsed())
}

/// The peak of a command's resident memory in MiB.
fn peak_memory(command: &Command) -> Option<u64> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["--format", "%M"]).arg(command.get_program());
    timed.args(command.get_args()).stdout(Stdio::null());
    let output = timed.stderr(Stdio::piped()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let kibibytes: u64 = said.lines().last()?.parse().ok()?;
    Some(kibibytes >> 10)
}

/// Writes the repository and the cluster; `cargo bench --bench plan -- generate DIR` does only that.
fn generate(root: &Path) {
    write_repository(&root.join("repository"));
    write_pods(&root.join("pods.json"), &root.join("cluster.json"), PODS);
    let empty = root.join("empty");
    fs::create_dir(&empty).expect("a directory");
    git(&empty, &["init", "--quiet"]);
}

fn write_pods(pods: &Path, cluster: &Path, size: usize) {
    let file = File::create(pods).expect("a file");
    pods::write(size, BufWriter::new(file)).expect("written");
    write_cluster(cluster, size / PODS_OF_A_WORKLOAD);
}

/// A row of the table; what could not be measured is left out.
fn row(what: &str, time: Duration, against: &[(&str, Option<Duration>)], peak: Option<u64>) {
    let ratio = |(name, other): &(&str, Option<Duration>)| {
        let ratio = time.as_secs_f64() / (*other)?.as_secs_f64();
        Some(match ratio {
            0.1.. => format!("{ratio:.2} × {name}"),
            _ => format!("1/{:.0} × {name}", 1.0 / ratio),
        })
    };
    let ratios: Vec<String> = against.iter().filter_map(ratio).collect();
    println!(
        "| {what} | {:.2} s | {} | {} |",
        time.as_secs_f64(),
        ratios.join(", "),
        peak.map_or(String::new(), |peak| format!("{peak} MiB"))
    );
}

fn meshroll(verb: &str, repository: &Path, pods: &Path, cluster: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshroll"));
    command
        .args([verb, "-o", "name", "--quiet", "--repo"])
        .arg(repository);
    command
        .arg("--snapshot")
        .arg(pods)
        .arg("--snapshot")
        .arg(cluster)
        .args(more);
    command
}

/// The best time of a command that may run again and again.
fn best(command: impl Fn() -> Command) -> Duration {
    command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it runs");
    once_each(command)
}

/// The best time of a command, made anew for each run.
fn once_each(command: impl Fn() -> Command) -> Duration {
    let times = (0..RUNS).map(|_| {
        let mut command = command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status().expect("it runs");
        let time = start.elapsed();
        assert!(status.success(), "{command:?}");
        time
    });
    times.min().expect("a run")
}

fn ripgrep(repository: &Path) -> Option<Duration> {
    Command::new("rg")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .ok()?;
    let kinds = "kind: (Deployment|StatefulSet|DaemonSet|Job|CronJob|Pod|ReplicaSet|Rollout)";
    Some(best(|| {
        let mut rg = Command::new("rg");
        rg.args(["-l", kinds]).arg(repository);
        rg
    }))
}

/// `git commit` of 1,000 files that were added already.
fn commit_alone(repository: &Path) -> Duration {
    let times = (0..RUNS).map(|run| {
        for number in 0..1_000 {
            let path = repository.join(path(number * 3));
            let text = fs::read_to_string(&path).expect("readable");
            fs::write(path, format!("{text}# {run}\n")).expect("written");
        }
        git(repository, &["add", "--update"]);
        let start = Instant::now();
        git(
            repository,
            &["commit", "--quiet", "--message", "1,000 files"],
        );
        start.elapsed()
    });
    let time = times.min().expect("a run");
    git(repository, &["reset", "--quiet", "--hard", "start"]);
    time
}

fn git(repository: &Path, arguments: &[&str]) {
    assert!(quiet("git", repository, arguments), "git {arguments:?}");
}

fn quiet(program: &str, directory: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "bench")
            .env(format!("GIT_{role}_EMAIL"), "bench@example.com");
    }
    command.status().expect("it runs").success()
}

fn path(number: usize) -> String {
    format!("apps/team-{:03}/service-{number:05}.yaml", number % 100)
}

/// 10,000 files with a Deployment, 40,000 with something else; 2 kB each.
fn write_repository(root: &Path) {
    for number in 0..FILES {
        let path = root.join(path(number));
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        let text = if number < WORKLOAD_FILES {
            deployment(number)
        } else {
            config_map(number)
        };
        fs::write(path, text).expect("written");
    }
    git(root, &["init", "--quiet"]);
    git(root, &["add", "--all"]);
    git(root, &["commit", "--quiet", "--message", "start"]);
    git(root, &["tag", "start"]);
    git(root, &["repack", "-a", "-d", "-q"]);
}

fn deployment(number: usize) -> String {
    let namespace = format!("team-{:03}", number % 100);
    let env: String = (0..24)
        .map(|n| format!("            - name: SETTING_{n:02}\n              value: \"value {n} of service {number}\"\n"))
        .collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: service-{number:05}\n  namespace: {namespace}\n\
         spec:\n  replicas: 5\n  selector:\n    matchLabels:\n      app: service-{number:05}\n  template:\n    metadata:\n      \
         labels:\n        app: service-{number:05}\n    spec:\n      containers:\n        - name: service\n          \
         image: registry.example.com/shop/service:2.14.0\n          env:\n{env}"
    )
}

fn config_map(number: usize) -> String {
    let lines: String = (0..32)
        .map(|n| format!("    option.{n:02} = some value of file {number} and of line {n}\n"))
        .collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{number:05}\n  namespace: team-{:03}\n\
         data:\n  application.properties: |\n{lines}",
        number % 100
    )
}

/// Everything but the pods: the control plane of the bundled example, and the workloads.
fn write_cluster(path: &Path, workloads: usize) {
    let example = include_str!("../../fixtures/example/snapshot.json");
    // The generated pods have this setting of the mesh.
    let setting = r"defaultConfig:\n  proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'}\n";
    let example = example.replace(r"defaultConfig:\n", setting);
    let example: Value = serde_json::from_str(&example).expect("JSON");
    let is_mesh = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        namespace == "istio-system" || ["Node", "MutatingWebhookConfiguration"].contains(&kind)
    };
    let mut items: Vec<Value> = example["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(is_mesh)
        .cloned()
        .collect();
    for number in 0..100 {
        items.push(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": format!("team-{number:03}"), "labels": {"istio-injection": "enabled"}}}),
        );
    }
    for number in 0..workloads {
        let name = format!("service-{number:05}");
        let namespace = format!("team-{:03}", number % 100);
        let hash = format!("{:010x}", number * 2_654_435_761 % 1_099_511_627_776);
        let template = json!({"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "service", "image": "registry.example.com/shop/service:2.14.0"}]}});
        let status = json!({"observedGeneration": 1, "replicas": 5, "updatedReplicas": 5, "readyReplicas": 5, "availableReplicas": 5});
        items.push(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "generation": 1, "uid": format!("d-{number}")},
            "spec": {"replicas": 5, "template": template}, "status": status}));
        items.push(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": format!("{name}-{hash}"), "namespace": namespace, "uid": format!("r-{number}"),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": format!("d-{number}"), "controller": true}]},
            "spec": {"replicas": 5}, "status": {"replicas": 5, "readyReplicas": 5}}));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    fs::write(path, list.to_string()).expect("written");
}
