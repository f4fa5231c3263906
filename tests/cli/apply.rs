//! `apply`: what it writes, and what it never touches.

use std::fs;

use meshroll::edge::git::{GitError, GitRepository};

use crate::common::{Repository, copy, fixture, project};

fn repository() -> Repository {
    Repository::of(&project().join("fixtures/example/manifests"))
}

fn apply(repository: &Repository, arguments: &[&str]) -> String {
    let snapshot = fixture("example/snapshot.json");
    let mut all = vec!["apply", "--snapshot", &snapshot];
    all.extend(arguments);
    repository.meshroll(&all).succeed()
}

fn plan(repository: &Repository) -> serde_json::Value {
    let snapshot = fixture("example/snapshot.json");
    let json = repository
        .meshroll(&["plan", "--snapshot", &snapshot, "-o", "json"])
        .succeed();
    serde_json::from_str(&json).expect("JSON")
}

#[test]
fn the_work_tree_gets_exactly_the_planned_diff() {
    let repository = repository();
    let snapshot = fixture("example/snapshot.json");
    let expected = repository
        .meshroll(&["plan", "--snapshot", &snapshot, "-o", "diff"])
        .succeed();
    apply(&repository, &["--to", "worktree"]);
    let changed = repository.git(&["diff", "--numstat"]);
    assert_eq!(
        changed.lines().count(),
        expected.matches("diff --git").count(),
        "{changed}"
    );
    repository.git(&["stash", "--quiet"]);
    repository
        .write("plan.diff", &expected)
        .git(&["apply", "plan.diff"]);
    fs::remove_file(repository.path().join("plan.diff")).expect("removed");
    let applied = repository.git(&["diff"]);
    repository.git(&["checkout", "--quiet", "."]);
    repository.git(&["stash", "pop", "--quiet"]);
    assert_eq!(applied, repository.git(&["diff"]));
}

#[test]
fn a_second_run_says_pending_and_edits_nothing() {
    let repository = repository();
    apply(&repository, &["--to", "worktree"]);
    repository.commit("restart");
    let again = plan(&repository);
    assert_eq!(again["summary"]["restart"], 0);
    assert_eq!(again["summary"]["pending"], 6);
    assert_eq!(again["edits"], serde_json::json!([]));
    assert!(apply(&repository, &["--to", "worktree"]).contains("nothing to edit"));
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_branch_is_one_commit_and_the_work_tree_stays_as_it_is() {
    let repository = repository();
    repository
        .write("shop/checkout.yaml", "dirty: true\n")
        .write("untracked.txt", "mine");
    let before = repository.git(&["status", "--porcelain"]);
    let head = repository.git(&["rev-parse", "HEAD"]);
    apply(&repository, &["--to", "branch"]);
    assert_eq!(repository.git(&["status", "--porcelain"]), before);
    assert_eq!(repository.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(
        repository
            .git(&["rev-list", "main..meshroll/default/all"])
            .lines()
            .count(),
        1
    );
    assert_eq!(
        repository
            .git(&["diff", "--name-only", "main", "meshroll/default/all"])
            .lines()
            .count(),
        6
    );
    repository.git(&["fsck", "--strict"]);
    let message = repository.git(&["log", "-1", "--format=%B", "meshroll/default/all"]);
    assert!(
        message.starts_with("meshroll: restart 6 workloads for Istio 1.27.3\n"),
        "{message}"
    );
    assert!(
        message.contains("- Deployment shop/cart: 1.26.4 -> 1.27.3"),
        "{message}"
    );
    let trailers = repository.git(&["log", "-1", "--format=%(trailers)", "meshroll/default/all"]);
    assert!(
        trailers.contains("Meshroll-Target: 1.27.3/default"),
        "{trailers}"
    );
    assert!(
        trailers.contains("Meshroll-Snapshot: default 2026-11-20T"),
        "{trailers}"
    );
}

#[test]
fn the_same_input_gives_the_same_commit() {
    let tip = |repository: &Repository| {
        apply(repository, &["--to", "branch"]);
        repository.git(&["rev-parse", "meshroll/default/all"])
    };
    let (one, other) = (repository(), repository());
    let first = tip(&one);
    assert_eq!(first, tip(&other));
    assert_eq!(first, tip(&one), "a second run moves nothing");
}

#[test]
fn a_newer_snapshot_alone_moves_no_branch() {
    let repository = repository();
    apply(&repository, &["--to", "branch"]);
    let tip = repository.git(&["rev-parse", "meshroll/default/all"]);
    let again = apply(
        &repository,
        &["--to", "branch", "--now", "2026-11-21T00:00:00Z"],
    );
    assert!(again.contains("has it already"), "{again}");
    assert_eq!(repository.git(&["rev-parse", "meshroll/default/all"]), tip);
}

#[test]
fn a_branch_of_ours_is_made_anew_when_it_conflicts_with_base() {
    let repository = repository();
    apply(&repository, &["--to", "branch"]);
    let cart = repository
        .read("shop/cart.yaml")
        .replace("# scraped by", "# read by");
    repository
        .write("shop/cart.yaml", &cart)
        .commit("a new cart");
    apply(&repository, &["--to", "branch"]);
    assert_eq!(
        repository
            .git(&["rev-list", "main..meshroll/default/all"])
            .lines()
            .count(),
        1
    );
    assert!(
        repository
            .git(&["show", "meshroll/default/all:shop/cart.yaml"])
            .contains("# read by")
    );
}

#[test]
fn modes_survive_and_no_hook_runs() {
    use std::os::unix::fs::PermissionsExt as _;
    let repository = repository();
    let cart = repository.path().join("shop/cart.yaml");
    fs::set_permissions(&cart, fs::Permissions::from_mode(0o755)).expect("set");
    repository.commit("an executable manifest");
    for hook in ["pre-commit", "post-commit", "reference-transaction"] {
        let hook = format!(".git/hooks/{hook}");
        repository.write(&hook, "#!/bin/sh\ntouch \"$GIT_DIR/../hook-ran\"\nexit 1\n");
        fs::set_permissions(
            repository.path().join(&hook),
            fs::Permissions::from_mode(0o755),
        )
        .expect("set");
    }
    apply(&repository, &["--to", "branch"]);
    apply(&repository, &["--to", "worktree"]);
    assert!(!repository.path().join("hook-ran").exists());
    let tree = repository.git(&["ls-tree", "meshroll/default/all", "shop/cart.yaml"]);
    assert!(tree.starts_with("100755"), "{tree}");
    let mode = fs::metadata(&cart).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn what_was_written_stands_in_the_answer() {
    let repository = repository();
    let json = apply(&repository, &["--to", "branch", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(plan["written"]["to"], "branch");
    assert_eq!(plan["written"]["branch"], "meshroll/default/all");
    assert_eq!(plan["written"]["changed"], true);
}

#[test]
fn a_bare_repository_gets_a_branch() {
    let repository = repository();
    let bare = Repository::empty();
    let source = repository.path().to_str().expect("UTF-8");
    bare.git(&["clone", "--quiet", "--bare", source, "bare.git"]);
    let directory = bare.path().join("bare.git");
    let directory = directory.to_str().expect("UTF-8");
    apply(&bare, &["--to", "branch", "--repo", directory]);
    assert_eq!(
        bare.git(&["-C", directory, "rev-list", "main..meshroll/default/all"])
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_branch_that_moved_meanwhile_is_left_where_it_is() {
    let repository = repository();
    apply(&repository, &["--to", "branch"]);
    let tip = repository.git(&["rev-parse", "meshroll/default/all"]);
    let git = GitRepository::open(repository.path()).expect("a repository");
    let base = git.commit("HEAD").expect("a commit");
    for stale in [Some(base), None] {
        let refused = git.move_to("meshroll/default/all", base, stale);
        assert!(
            matches!(refused, Err(GitError::Moved { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(repository.git(&["rev-parse", "meshroll/default/all"]), tip);
}

/// A repository with the example's manifests for two clusters, and a Flux Kustomization for some.
fn two_clusters(kustomizations: &[&str]) -> Repository {
    let repository = Repository::empty();
    let example = project().join("fixtures/example/manifests");
    for cluster in ["prod", "staging"] {
        copy(&example, &repository.path().join("apps").join(cluster));
    }
    for cluster in kustomizations {
        let text = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: apps, namespace: flux-system}}\n\
             spec: {{path: ./apps/{cluster}, prune: true, interval: 10m, sourceRef: {{kind: GitRepository, name: repo}}}}\n"
        );
        repository.write(&format!("clusters/{cluster}/apps.yaml"), &text);
    }
    repository.commit("two clusters");
    repository
}

#[test]
fn another_clusters_files_are_never_edited() {
    for kustomizations in [&["staging"][..], &["prod", "staging"], &["prod"], &[]] {
        for paths in ["apps/prod", "apps/prod,clusters/prod"] {
            if paths.contains("clusters") && !kustomizations.contains(&"prod") {
                continue;
            }
            let repository = two_clusters(kustomizations);
            apply(&repository, &["--to", "worktree", "--path", paths]);
            let changed = repository.git(&["diff", "--name-only"]);
            assert_eq!(
                changed.lines().count(),
                6,
                "{kustomizations:?} {paths}: {changed}"
            );
            for path in changed.lines() {
                assert!(
                    path.starts_with("apps/prod/"),
                    "{kustomizations:?} {paths}: {path}"
                );
            }
        }
    }
}

#[test]
fn a_commit_is_whose_git_says() {
    let repository = repository();
    let identity = repository.path().join(".git/identity");
    fs::write(&identity, "[user]\nname = New\nemail = new@example.com\n").expect("written");
    let snapshot = fixture("example/snapshot.json");
    let apply = ["apply", "--to", "branch", "--snapshot", &snapshot];
    let shown = || repository.git(&["log", "-1", "--format=%an %cn", "meshroll/default/all"]);
    repository.meshroll(&apply).succeed();
    assert_eq!(
        shown(),
        "Somebody Somebody",
        "as the environment names them"
    );
    repository.git(&["branch", "-D", "meshroll/default/all"]);
    let mut tool = repository.meshroll(&apply);
    for role in ["AUTHOR", "COMMITTER"] {
        for part in ["NAME", "EMAIL"] {
            tool = tool.without(&format!("GIT_{role}_{part}"));
        }
    }
    let file = identity.to_str().expect("UTF-8");
    tool.env("GIT_CONFIG_GLOBAL", file).succeed();
    assert_eq!(shown(), "New New");
}

const KUSTOMIZATION: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: NAME, namespace: flux-system}\n\
                             spec: {path: ./PATH, prune: true, interval: 10m, sourceRef: {kind: GitRepository, name: repo}}\n";

fn kustomization(name: &str, path: &str) -> String {
    KUSTOMIZATION.replace("NAME", name).replace("PATH", path)
}

/// The verdicts of a plan for the example's cluster, with more of a snapshot where there is more.
fn summary(repository: &Repository, paths: &str, live: Option<&str>) -> serde_json::Value {
    let snapshot = fixture("example/snapshot.json");
    let mut all = vec!["plan", "--snapshot", &snapshot, "-o", "json"];
    if !paths.is_empty() {
        all.extend(["--path", paths]);
    }
    if let Some(live) = live {
        repository.write(".git/live.yaml", live);
        all.extend(["--snapshot", ".git/live.yaml"]);
    }
    let json = repository.meshroll(&all).succeed();
    let plan: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    plan["summary"].clone()
}

#[test]
fn what_two_clusters_apply_is_never_edited() {
    let example = project().join("fixtures/example/manifests");
    let live = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        kustomization("apps", "apps")
            .trim_end()
            .replace('\n', "\n  ")
    );
    // One directory, and a Kustomization of one name in each cluster.
    let repository = Repository::empty();
    copy(&example, &repository.path().join("apps"));
    for cluster in ["prod", "staging"] {
        let path = format!("clusters/{cluster}/apps.yaml");
        repository.write(&path, &kustomization("apps", "apps"));
    }
    repository.commit("two clusters");
    for paths in ["", "clusters/prod", "clusters/prod,apps", "apps"] {
        for live in [None, Some(live.as_str())] {
            let summary = summary(&repository, paths, live);
            assert_eq!(
                summary["restart"],
                0,
                "{paths} {}: {summary}",
                live.is_some()
            );
        }
    }
    // A base, and an overlay in each cluster.
    let repository = Repository::empty();
    copy(&example, &repository.path().join("apps/base"));
    let all = "resources: [gateways/ingress.yaml, payments/api.yaml, payments/ledger.yaml, platform/agents.yaml, shop]\n";
    repository.write("apps/base/kustomization.yaml", all);
    for cluster in ["prod", "staging"] {
        let overlay = format!("apps/{cluster}/kustomization.yaml");
        repository.write(&overlay, "resources: [../base]\n");
        let path = format!("clusters/{cluster}/apps.yaml");
        repository.write(&path, &kustomization(cluster, &format!("apps/{cluster}")));
    }
    repository.commit("overlays");
    for paths in ["", "clusters/prod,apps/prod"] {
        let summary = summary(&repository, paths, None);
        assert_eq!(summary["restart"], 0, "{paths}: {summary}");
    }
    // The other overlay cannot be read: whether it shares the base is not known.
    repository.write("apps/staging/kustomization.yaml", "resources: [\n");
    repository.commit("oops");
    let summary = summary(&repository, "clusters/prod,apps/prod", None);
    assert_eq!(summary["restart"], 0, "{summary}");
    assert_ne!(summary["unknown"], 0, "{summary}");
}

#[test]
fn a_kustomization_that_cannot_be_read_may_share_what_it_lists() {
    let example = project().join("fixtures/example/manifests");
    let repository = Repository::empty();
    copy(&example, &repository.path().join("apps"));
    repository.write("clusters/prod/apps.yaml", &kustomization("apps", "apps"));
    for (text, restarts) in [
        ("resources: [../apps/shop, ../apps/payments/api.yaml\n", 3),
        ("resources: [cart.yaml, shop\n", 6),
    ] {
        repository.write("staging/kustomization.yaml", text);
        repository.commit("oops");
        let summary = summary(&repository, "", None);
        assert_eq!(summary["restart"], restarts, "{text}: {summary}");
    }
}

#[test]
fn one_cluster_alone_is_edited_in_every_layout() {
    let example = project().join("fixtures/example/manifests");
    let repository = Repository::empty();
    copy(&example, &repository.path().join("clusters/prod/apps"));
    let sync = kustomization("flux-system", "clusters/prod");
    repository.write("clusters/prod/flux-system/gotk-sync.yaml", &sync);
    repository.commit("flux bootstrap");
    for paths in ["", "clusters/prod", "clusters/prod/apps"] {
        let summary = summary(&repository, paths, None);
        assert_eq!(summary["restart"], 6, "{paths}: {summary}");
    }
    let repository = Repository::empty();
    copy(&example, &repository.path().join("apps"));
    repository.write("clusters/prod/apps.yaml", &kustomization("apps", "apps"));
    repository.commit("one cluster");
    let live = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        kustomization("apps", "apps")
            .trim_end()
            .replace('\n', "\n  ")
    );
    for paths in ["", "apps", "clusters/prod", "clusters,apps"] {
        for live in [None, Some(live.as_str())] {
            let summary = summary(&repository, paths, live);
            assert_eq!(
                summary["restart"],
                6,
                "{paths} {}: {summary}",
                live.is_some()
            );
        }
    }
}
