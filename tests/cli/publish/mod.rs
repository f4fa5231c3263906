//! Publishing: real Git remotes on disk, and what happens there while meshroll is at work.

mod faults; // lost races, kills, refusals
mod http; // a remote over HTTP
mod hub; // a stand-in GitHub
mod preview; // the comment on a pull request that bumps Istio
mod pull_request; // pull requests, statuses, comments

use std::path::{Path, PathBuf};

use crate::common::{Repository, Tool, fixture, project};

/// The branch that the restarts of the example go to.
pub(super) const BRANCH: &str = "meshroll/default/all";

/// A bare repository with the example's manifests, to clone from and push to.
pub(super) struct Remote {
    repository: Repository,
}

impl Remote {
    pub(super) fn new() -> Self {
        Self::of(&project().join("fixtures/example/manifests"))
    }

    pub(super) fn of(manifests: &Path) -> Self {
        let source = Repository::of(manifests);
        let repository = Repository::empty();
        let url = source.path().to_str().expect("UTF-8");
        repository.git(&["clone", "--quiet", "--bare", url, "remote.git"]);
        Self { repository }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.repository.path().join("remote.git")
    }

    pub(super) fn url(&self) -> String {
        self.path().to_str().expect("UTF-8").to_owned()
    }

    pub(super) fn clone(&self) -> Repository {
        Repository::clone_of(&self.url(), &[])
    }

    /// Runs git in the bare repository.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--git-dir=remote.git"];
        all.extend(arguments);
        self.repository.git(&all)
    }

    pub(super) fn tip(&self, branch: &str) -> String {
        self.git(&["rev-parse", branch])
    }

    pub(super) fn has(&self, branch: &str) -> bool {
        !self.git(&["branch", "--list", branch]).is_empty()
    }

    /// How many commits the branch has on top of base.
    pub(super) fn ahead(&self) -> usize {
        let range = format!("main..{BRANCH}");
        self.git(&["rev-list", &range]).lines().count()
    }

    /// A hook of the remote.
    pub(super) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
    }

    /// Counts the pushes from here on; see [`Remote::pushes`].
    pub(super) fn count_pushes(&self) {
        self.hook("post-receive", "echo push >>pushes");
    }

    pub(super) fn pushes(&self) -> usize {
        let log = std::fs::read_to_string(self.path().join("pushes"));
        log.unwrap_or_default().lines().count()
    }

    /// Changes a file of base as somebody else would.
    pub(super) fn change(&self, path: &str, from: &str, to: &str) {
        let clone = self.clone();
        let changed = clone.read(path).replace(from, to);
        clone.write(path, &changed).commit("a change");
        clone.git(&["push", "--quiet", "origin", "main"]);
    }
}

/// `meshroll apply` for the example, with a push.
pub(super) fn push(repository: &Repository, arguments: &[&str]) -> Tool {
    let snapshot = fixture("example/snapshot.json");
    let mut all = vec!["apply", "--to", "branch", "--push", "--retry-delay", "0s"];
    all.extend(["--snapshot", &snapshot]);
    all.extend(arguments);
    repository.meshroll(&all)
}

#[test]
fn one_commit_on_the_head_of_base_is_pushed_once() {
    let remote = Remote::new();
    remote.count_pushes();
    let clone = remote.clone();
    let before = clone.git(&["for-each-ref", "refs/heads"]);
    let first = push(&clone, &[]).succeed();
    assert!(
        first.contains("edited on origin meshroll/default/all"),
        "{first}"
    );
    assert_eq!((remote.ahead(), remote.pushes()), (1, 1));
    let parent = remote.git(&["rev-parse", &format!("{BRANCH}^")]);
    assert_eq!(parent, remote.tip("main"));
    let tip = remote.tip(BRANCH);
    let second = push(&clone, &["--now", "2026-11-21T00:00:00Z"]).succeed();
    assert!(
        second.contains("origin meshroll/default/all has it already"),
        "{second}"
    );
    assert_eq!((remote.tip(BRANCH), remote.pushes()), (tip, 1));
    let after = clone.git(&["for-each-ref", "refs/heads"]);
    assert_eq!(before, after, "the user's own branches are left alone");
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_base_that_moved_alone_pushes_nothing_and_a_conflict_does() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    remote.change("shop/cart.yaml", "2.4.1", "2.4.2");
    push(&clone, &[]).succeed();
    assert_eq!(remote.tip(BRANCH), tip);
    // Somebody changes the line right below the restart.
    remote.change("shop/cart.yaml", "# scraped by", "# read by");
    push(&clone, &[]).succeed();
    assert_ne!(remote.tip(BRANCH), tip);
    assert_eq!(remote.ahead(), 1);
    let cart = remote.git(&["show", &format!("{BRANCH}:shop/cart.yaml")]);
    assert!(
        cart.contains("2.4.2") && cart.contains("# read by"),
        "{cart}"
    );
    assert!(cart.contains("meshroll.dev/restarted-for"), "{cart}");
}

#[test]
fn what_is_merged_or_gone_takes_the_branch_away() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    clone.git(&["fetch", "--quiet", "origin"]);
    // A squash: base has the restarts, and the branch is not in its history.
    clone.git(&["merge", "--quiet", "--squash", &format!("origin/{BRANCH}")]);
    clone.commit("restart (#1)");
    clone.git(&["push", "--quiet", "origin", "main"]);
    let done = push(&clone, &["-o", "json"]).succeed();
    let plan: serde_json::Value = serde_json::from_str(&done).expect("JSON");
    assert_eq!(plan["written"]["operation"], "deleted", "{done}");
    assert!(!remote.has(BRANCH));
    let again = push(&clone, &[]).succeed();
    assert!(again.contains("nothing to edit"), "{again}");
}

#[test]
fn a_merged_branch_that_still_exists_is_started_anew() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &["--namespace", "shop"]).succeed();
    remote.git(&["update-ref", "refs/heads/main", &remote.tip(BRANCH)]);
    push(&clone, &[]).succeed();
    assert_eq!(remote.ahead(), 1);
    let changed = remote.git(&["diff", "--name-only", "main", BRANCH]);
    assert!(
        !changed.contains("shop/") && changed.contains("payments/"),
        "{changed}"
    );
}

#[test]
fn a_hold_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    clone
        .write("meshroll.yaml", "halt: incident 42\n")
        .commit("halt");
    clone.git(&["push", "--quiet", "origin", "main"]);
    let json = push(&clone, &["-o", "json"]).succeed();
    let plan: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(plan["summary"]["restart"], 0);
    assert_eq!(plan["summary"]["held"], 6);
    assert_eq!(plan["written"]["operation"], "kept", "{json}");
    assert_eq!(remote.tip(BRANCH), tip);
    // A workload that is excluded leaves; the others stay though all are held.
    let excluded = "halt: incident 42\nexclude: [{namespaces: [payments], reason: frozen}]\n";
    clone.write("meshroll.yaml", excluded).commit("exclude");
    clone.git(&["push", "--quiet", "origin", "main"]);
    push(&clone, &[]).succeed();
    let changed = remote.git(&["diff", "--name-only", &format!("{BRANCH}^"), BRANCH]);
    assert!(
        changed.contains("shop/") && !changed.contains("payments/"),
        "{changed}"
    );
}

#[test]
fn a_shallow_clone_with_a_detached_head_is_enough() {
    let remote = Remote::new();
    remote.change("shop/cart.yaml", "2.4.1", "2.4.2");
    let url = format!("file://{}", remote.url());
    let clone = Repository::clone_of(&url, &["--depth=1"]);
    clone.git(&["checkout", "--quiet", "--detach"]);
    push(&clone, &[]).succeed();
    assert_eq!(remote.ahead(), 1);
    let tip = remote.tip(BRANCH);
    remote.change("shop/cart.yaml", "2.4.2", "2.4.3");
    push(&clone, &[]).succeed();
    assert_eq!(remote.tip(BRANCH), tip, "nothing conflicts");
    remote.git(&["fsck", "--strict"]);
}

#[test]
fn a_shallow_clone_stays_as_deep_as_it_is() {
    let remote = Remote::new();
    for version in 2..8 {
        let (from, to) = (format!("2.4.{}", version - 1), format!("2.4.{version}"));
        remote.change("shop/cart.yaml", &from, &to);
    }
    let url = format!("file://{}", remote.url());
    let clone = Repository::clone_of(&url, &["--depth=5"]);
    push(&clone, &[]).succeed();
    remote.change("payments/api.yaml", "replicas: 2", "replicas: 4");
    push(&clone, &[]).succeed();
    let held = clone.git(&["rev-list", "--count", "HEAD"]);
    assert!(held.parse::<usize>().expect("a number") >= 5, "{held}");
    assert_eq!(remote.ahead(), 1);
}

#[test]
fn a_branch_of_ours_is_no_base() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    // As a reviewer has it.
    clone.git(&["fetch", "--quiet", "origin"]);
    clone.git(&["checkout", "--quiet", BRANCH]);
    push(&clone, &[]).succeed();
    assert_eq!(remote.tip(BRANCH), tip, "base is the remote's default");
    let refused = push(&clone, &["--base", BRANCH]).fail(64);
    assert!(
        refused.contains("is a branch that meshroll writes"),
        "{refused}"
    );
}

#[test]
fn a_selection_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &["--namespace", "payments"]).succeed();
    push(&clone, &["--namespace", "shop"]).succeed();
    let changed = remote.git(&["diff", "--name-only", "main", BRANCH]);
    assert!(
        changed.contains("payments/") && changed.contains("shop/"),
        "{changed}"
    );
    assert!(!changed.contains("platform/"), "{changed}");
    let tip = remote.tip(BRANCH);
    push(&clone, &["--namespace", "elsewhere"]).succeed();
    assert_eq!(remote.tip(BRANCH), tip);
}

#[test]
fn an_edit_follows_its_manifest() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &["--namespace", "payments"]).succeed();
    clone.git(&["mv", "payments/api.yaml", "payments/interface.yaml"]);
    clone
        .write("meshroll.yaml", "halt: incident 42\n")
        .commit("move");
    clone.git(&["push", "--quiet", "origin", "main"]);
    push(&clone, &[]).succeed();
    let changed = remote.git(&["diff", "--name-only", "main", BRANCH]);
    assert!(changed.contains("payments/interface.yaml"), "{changed}");
}

#[test]
fn a_dirty_work_tree_is_neither_read_nor_touched() {
    let remote = Remote::new();
    let clone = remote.clone();
    clone.write("shop/cart.yaml", "not: {even yaml");
    push(&clone, &[]).succeed();
    assert_eq!(clone.read("shop/cart.yaml"), "not: {even yaml");
    let cart = remote.git(&["show", &format!("{BRANCH}:shop/cart.yaml")]);
    assert!(cart.contains("meshroll.dev/restarted-for"), "{cart}");
}

#[test]
fn author_committer_and_sign_off_are_the_users() {
    let remote = Remote::new();
    let clone = remote.clone();
    let people = [
        "--author",
        "Ann <ann@a.example>",
        "--committer",
        "Bot <bot@a.example>",
    ];
    push(&clone, &[&people[..], &["--sign-off"]].concat()).succeed();
    let shown = remote.git(&[
        "log",
        "-1",
        "--format=%an <%ae>|%cn <%ce>|%(trailers:key=Signed-off-by,valueonly)",
        BRANCH,
    ]);
    assert_eq!(
        shown.trim(),
        "Ann <ann@a.example>|Bot <bot@a.example>|Bot <bot@a.example>"
    );
    let tip = remote.tip(BRANCH);
    push(&clone, &people).succeed();
    assert_eq!(remote.tip(BRANCH), tip, "it is still ours");
    let refused = push(&clone, &["--author", "Ann"]).fail(64);
    assert!(refused.contains("Name <address>"), "{refused}");
}

#[test]
fn commits_are_signed_with_the_key_of_gits_configuration() {
    let remote = Remote::new();
    let clone = remote.clone();
    let key = clone.path().join(".git/key");
    let key = key.to_str().expect("UTF-8");
    let generated = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", key])
        .stdin(std::process::Stdio::null())
        .status();
    if !generated.is_ok_and(|status| status.success()) {
        return;
    }
    for (name, value) in [("gpg.format", "ssh"), ("user.signingKey", key)] {
        clone.git(&["config", name, value]);
    }
    push(&clone, &["--sign"]).succeed();
    let raw = remote.git(&["cat-file", "commit", BRANCH]);
    assert!(
        raw.contains("gpgsig -----BEGIN SSH SIGNATURE-----"),
        "{raw}"
    );
    assert_eq!(remote.ahead(), 1);
    clone.git(&["config", "user.signingKey", "/nowhere"]);
    remote.git(&["branch", "-D", BRANCH]);
    let refused = push(&clone, &["--sign"]).fail(1);
    assert!(refused.contains("cannot be signed"), "{refused}");
}

#[test]
fn the_branch_of_a_local_run_is_deleted_when_nothing_is_left() {
    let repository = Repository::of(&project().join("fixtures/example/manifests"));
    let snapshot = fixture("example/snapshot.json");
    let apply = ["apply", "--to", "branch", "--snapshot", &snapshot];
    repository.meshroll(&apply).succeed();
    repository.git(&["merge", "--quiet", "--squash", BRANCH]);
    repository.commit("restart");
    let done = repository.meshroll(&apply).succeed();
    assert!(done.contains("meshroll/default/all is deleted"), "{done}");
    assert_eq!(repository.git(&["branch", "--list", BRANCH]), "");
}

#[test]
fn a_broken_manifest_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    let broken = clone.read("payments/api.yaml").replacen("spec:", " : [", 1);
    clone.write("payments/api.yaml", &broken).commit("oops");
    clone.git(&["push", "--quiet", "origin", "main"]);
    let done = push(&clone, &["-o", "json"]).succeed();
    let plan: serde_json::Value = serde_json::from_str(&done).expect("JSON");
    assert_eq!(plan["summary"]["unknown"], 1);
    assert!(
        done.contains("payments/api.yaml cannot be parsed, and may make it"),
        "{done}"
    );
    assert_eq!(plan["written"]["operation"], "kept");
    assert_eq!(remote.tip(BRANCH), tip);
}
