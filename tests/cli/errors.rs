//! Bad input: a clear message with its place, the documented exit code, nothing half-written.

use std::fs;

use meshroll::edge::files::{self, FilesError};

use crate::common::{Repository, Tool, fixture, project};

fn repository() -> Repository {
    Repository::of(&project().join("fixtures/example/manifests"))
}

fn snapshot() -> String {
    fixture("example/snapshot.json")
}

#[track_caller]
fn expect(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
}

#[test]
fn a_command_line_that_is_none_exits_with_64() {
    let directory = tempfile::tempdir().expect("a directory");
    for arguments in [
        &["plan", "--no-such-flag"][..],
        &[],
        &["apply"],
        &["plan", "-o", "pdf"],
        &["plan", "--now", "yesterday"],
        &["explain", "no-such-code"],
    ] {
        Tool::new(directory.path(), arguments).fail(64);
    }
}

#[test]
fn no_snapshot_is_a_usage_error() {
    expect(
        &repository().meshroll(&["plan"]).fail(64),
        &[
            "there is no cluster",
            "hint: name a recording (`kubectl get … -A -o json`) with --snapshot",
        ],
    );
    expect(
        &repository().meshroll(&["snapshot"]).fail(64),
        &["there is no cluster", "for `meshroll snapshot` with --from"],
    );
}

#[test]
fn an_unknown_format_is_answered_with_the_formats() {
    let directory = tempfile::tempdir().expect("a directory");
    let message = Tool::new(directory.path(), &["plan", "-o", "xml"]).fail(64);
    expect(
        &message,
        &["`xml` is none of the formats: table, wide, json, yaml, name, diff, markdown"],
    );
}

#[test]
fn a_workload_is_explained_by_kubectls_names_of_its_kind() {
    let repository = repository();
    let explain =
        |subject: &str| repository.meshroll(&["explain", subject, "--snapshot", &snapshot()]);
    let whole = explain("payments/Deployment/api").succeed();
    assert!(whole.starts_with("Deployment payments/api: "), "{whole}");
    for subject in ["payments/deploy/api", "payments/DEPLOYMENT/api"] {
        assert_eq!(explain(subject).succeed(), whole, "{subject}");
    }
    for (subject, kind) in [
        ("payments/sts/ledger", "StatefulSet"),
        ("platform/ds/log-agent", "DaemonSet"),
        ("platform/po/debug", "Pod"),
    ] {
        assert!(explain(subject).succeed().starts_with(kind), "{subject}");
    }
    expect(
        &explain("payments/rs/api").fail(1),
        &["holds no rs api", "hint: `meshroll plan --all`"],
    );
    expect(&explain("restarted").fail(64), &["hint: name a code"]);
}

#[test]
fn a_namespace_that_is_not_there_is_said() {
    let repository = repository();
    let snapshot = snapshot();
    let code = "no-such-namespace";
    let plan = |arguments: &[&str]| {
        let arguments = [&["plan", "--snapshot", &snapshot], arguments].concat();
        repository.meshroll(&arguments).run()
    };
    let outcome = plan(&["-n", "shp", "-o", "json"]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    expect(
        &outcome.stderr,
        &["warning[no-such-namespace]: the snapshot holds no namespace shp"],
    );
    expect(&outcome.stdout, &[code]);
    expect(&plan(&["-n", "shp", "-o", "markdown"]).stdout, &[code]);
    for there in ["shop", "plain"] {
        let outcome = plan(&["-n", there]);
        assert!(!outcome.stderr.contains(code), "{}", outcome.stderr);
    }
    let whole = fs::read_to_string(&snapshot).expect("readable");
    let without = whole.replace(r#""kind": "Namespace""#, r#""kind": "Secret""#);
    repository.write("without.json", &without);
    let outcome = repository
        .meshroll(&["plan", "--snapshot", "without.json", "-n", "shp"])
        .run();
    assert!(!outcome.stderr.contains(code), "{}", outcome.stderr);
    assert_ne!(whole, without);
}

#[test]
fn a_snapshot_of_another_cluster_is_named() {
    let repository = repository();
    repository.write("meshroll.yaml", "clusters: {prod: {uid: another}}\n");
    let message = repository
        .meshroll(&["plan", "--cluster", "prod", "--snapshot", &snapshot()])
        .fail(1);
    expect(
        &message,
        &[
            "is of another cluster",
            "hint: name a snapshot of this cluster",
        ],
    );
}

#[test]
fn a_directory_outside_git_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let message = Tool::new(directory.path(), &["plan", "--snapshot", &snapshot()]).fail(1);
    expect(&message, &["is not in a Git repository", "hint: "]);
    let message = Tool::new(
        directory.path(),
        &["plan", "--repo", "gone", "--snapshot", &snapshot()],
    )
    .fail(1);
    expect(&message, &["gone is not in a Git repository"]);
}

#[test]
fn snapshots_that_cannot_be_used_are_refused() {
    let repository = repository();
    let whole = fs::read_to_string(snapshot()).expect("readable");
    repository
        .write("truncated.json", &whole[..whole.len() / 2])
        .write("prose.json", "hello, world")
        .write("number.json", "[1]")
        .write(
            "empty.json",
            r#"{"apiVersion":"v1","kind":"List","items":[]}"#,
        );
    repository
        .meshroll(&["snapshot", "--from", &snapshot(), "-o", "whole.zst"])
        .succeed();
    let packed = fs::read(repository.path().join("whole.zst")).expect("readable");
    let half = &packed[..packed.len() / 2];
    fs::write(repository.path().join("half.zst"), half).expect("written");
    let prints = "hint: it is to be what `kubectl get … -A -o json` prints";
    for (file, parts) in [
        ("truncated.json", &["truncated.json", "byte", prints][..]),
        ("prose.json", &["prose.json", prints]),
        ("number.json", &["number.json", prints]),
        ("empty.json", &["holds no pods", "hint: "]),
        ("gone.json", &["gone.json", "hint: name a whole file"]),
        ("half.zst", &["half.zst", "hint: name a whole file"]),
    ] {
        let message = repository.meshroll(&["plan", "--snapshot", file]).fail(1);
        expect(&message, parts);
    }
}

#[test]
fn one_broken_manifest_hides_no_other() {
    let repository = repository();
    let snapshot = snapshot();
    let before = repository
        .meshroll(&["plan", "--snapshot", &snapshot, "-o", "name"])
        .succeed();
    repository.write(
        "broken.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: cart\n  labels: [unclosed\nspec: {}\n",
    );
    let outcome = repository
        .meshroll(&["plan", "--snapshot", &snapshot, "-o", "name"])
        .run();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stdout, before);
    expect(
        &outcome.stderr,
        &["broken.yaml:", "error[manifest-unparsable]"],
    );
}

#[test]
fn a_template_is_named_and_left_alone() {
    let repository = repository();
    repository.write(
        "chart.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  template: {}\n",
    );
    let outcome = repository
        .meshroll(&["plan", "--snapshot", &snapshot(), "-v"])
        .run();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    expect(&outcome.stderr, &["chart.yaml", "manifest-templated"]);
}

#[test]
fn an_unknown_key_of_the_configuration_is_an_error_with_its_line() {
    let repository = repository();
    repository.write("meshroll.yaml", "restartOn: [version]\nrestartson: []\n");
    let message = repository
        .meshroll(&["plan", "--snapshot", &snapshot()])
        .fail(1);
    expect(&message, &["meshroll.yaml:2:1: unknown field `restartson`"]);
}

#[test]
fn a_file_that_changed_or_cannot_be_written_is_left_as_it_was() {
    use std::os::unix::fs::PermissionsExt as _;
    let repository = repository();
    let ingress = repository.path().join("gateways/ingress.yaml");
    let payments = repository.path().join("payments");
    // As root every mode can be written; a directory that is gone cannot.
    fs::set_permissions(&payments, fs::Permissions::from_mode(0o555)).expect("set");
    let outcome = repository
        .meshroll(&["apply", "--to", "worktree", "--snapshot", &snapshot()])
        .run();
    fs::set_permissions(&payments, fs::Permissions::from_mode(0o755)).expect("set");
    if outcome.status == 0 {
        // The tests run as a user whom no mode stops.
        return;
    }
    assert_eq!(outcome.status, 1);
    expect(
        &outcome.stderr,
        &[
            "payments/api.yaml cannot be written",
            "written before it, and complete: gateways/ingress.yaml",
        ],
    );
    assert!(
        fs::read_to_string(ingress)
            .expect("readable")
            .contains("restarted-for")
    );
    assert!(
        !repository
            .read("payments/api.yaml")
            .contains("restarted-for")
    );
}

#[test]
fn an_unborn_head_has_no_commit_to_stand_on() {
    let repository = Repository::empty();
    let message = repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", &snapshot()])
        .fail(1);
    expect(
        &message,
        &["HEAD has no commit yet", "hint: commit the manifests first"],
    );
    let message = repository
        .meshroll(&["plan", "--rev", "v1", "--snapshot", &snapshot()])
        .fail(1);
    expect(&message, &["`v1` names no commit"]);
}

#[test]
fn a_detached_head_is_as_good_as_a_branch() {
    let repository = repository();
    repository.git(&["checkout", "--quiet", "--detach"]);
    repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", &snapshot()])
        .succeed();
    assert_eq!(
        repository
            .git(&["rev-list", "main..meshroll/default/all"])
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_persons_commit_on_the_branch_stops_us() {
    let repository = repository();
    repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", &snapshot()])
        .succeed();
    repository.git(&["checkout", "--quiet", "meshroll/default/all"]);
    repository
        .write("note.txt", "mine")
        .commit("a person's commit");
    let tip = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["checkout", "--quiet", "main"]);
    let message = repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", &snapshot()])
        .fail(1);
    expect(
        &message,
        &[
            "has a commit that meshroll did not write",
            "or hand it back with `git branch --force meshroll/default/all ",
        ],
    );
    assert_eq!(repository.git(&["rev-parse", "meshroll/default/all"]), tip);
}

#[test]
fn a_branch_that_is_checked_out_is_never_moved() {
    let repository = repository();
    repository.git(&["checkout", "--quiet", "-b", "meshroll/default/all"]);
    let message = repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", &snapshot()])
        .fail(1);
    expect(&message, &["is checked out"]);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn paths_that_are_not_there_or_lead_out_are_refused() {
    let repository = repository();
    let message = repository
        .meshroll(&["plan", "--snapshot", &snapshot(), "--path", "gone"])
        .fail(1);
    expect(&message, &["there is no directory gone", "hint: "]);
    let message = repository
        .meshroll(&["plan", "--snapshot", &snapshot(), "--path", "/etc"])
        .fail(1);
    expect(&message, &["there is no directory /etc", "hint: "]);
    let message = repository
        .meshroll(&["plan", "--snapshot", &snapshot(), "--path", "../x"])
        .fail(64);
    expect(&message, &["leads out of the repository", "hint: "]);
}

#[test]
fn a_symbolic_link_is_named_and_never_followed() {
    let repository = repository();
    let outside = tempfile::tempdir().expect("a directory");
    let target = outside.path().join("stolen.yaml");
    fs::write(&target, repository.read("shop/checkout.yaml")).expect("written");
    fs::remove_file(repository.path().join("shop/checkout.yaml")).expect("removed");
    std::os::unix::fs::symlink(&target, repository.path().join("shop/checkout.yaml"))
        .expect("linked");
    repository.commit("a link");
    let outcome = repository
        .meshroll(&["apply", "--to", "worktree", "--snapshot", &snapshot(), "-v"])
        .run();
    expect(
        &outcome.stderr,
        &["shop/checkout.yaml: info[manifest-skipped]"],
    );
    assert!(
        !fs::read_to_string(&target)
            .expect("readable")
            .contains("restarted-for")
    );
}

#[test]
fn exit_codes_tell_changes_and_attention() {
    let repository = repository();
    let snapshot = snapshot();
    repository
        .meshroll(&["plan", "--snapshot", &snapshot, "--detailed-exitcode"])
        .fail(2);
    repository
        .meshroll(&[
            "plan",
            "--snapshot",
            &snapshot,
            "--detailed-exitcode",
            "--strict",
        ])
        .fail(3);
    repository
        .meshroll(&[
            "plan",
            "--snapshot",
            &snapshot,
            "-n",
            "plain",
            "--strict",
            "--detailed-exitcode",
        ])
        .succeed();
    repository
        .meshroll(&["plan", "--quiet"])
        .env("MESHROLL_SNAPSHOT", &snapshot)
        .env("MESHROLL_STRICT", "true")
        .fail(3);
}

#[test]
fn a_file_that_changed_meanwhile_is_left_as_it_is() {
    let repository = repository();
    let before = repository.read("shop/cart.yaml");
    let replace = |path: &str, old: &[u8]| files::replace(repository.path(), path, old, b"new");
    let changed = replace("shop/cart.yaml", b"what was read");
    assert!(
        matches!(changed, Err(FilesError::Changed { .. })),
        "{changed:?}"
    );
    assert_eq!(repository.read("shop/cart.yaml"), before);
    let gone = replace("shop/gone.yaml", b"");
    assert!(matches!(gone, Err(FilesError::Write { .. })), "{gone:?}");
    assert_eq!(
        repository.git(&["status", "--porcelain"]),
        "",
        "no temporary file is left"
    );
    replace("shop/cart.yaml", before.as_bytes()).expect("written");
    assert_eq!(repository.read("shop/cart.yaml"), "new");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_with_its_path() {
    let repository = repository();
    let message = repository
        .meshroll(&[
            "plan",
            "--snapshot",
            &snapshot(),
            "-o",
            "json=gone/plan.json",
        ])
        .fail(1);
    expect(&message, &["gone/plan.json cannot be written"]);
    let message = repository
        .meshroll(&["snapshot", "--from", &snapshot(), "-o", "gone/file.json"])
        .fail(1);
    expect(
        &message,
        &[
            "gone/file.json: cannot be written: there is no such directory\n",
            "hint: name a file in a directory that can be written",
        ],
    );
    assert!(!message.contains(".meshroll-"), "{message}");
}

#[test]
fn a_repository_of_another_user_is_not_trusted() {
    let repository = repository();
    let directory = repository.path().to_str().expect("UTF-8");
    // Only root can give a file away.
    let given = std::process::Command::new("chown")
        .args(["-R", "12345:12345", directory])
        .output();
    if !given.is_ok_and(|output| output.status.success()) {
        return;
    }
    let message = repository
        .meshroll(&["plan", "--snapshot", &snapshot()])
        .fail(1);
    expect(&message, &["belongs to another user", "safe.directory"]);
}
