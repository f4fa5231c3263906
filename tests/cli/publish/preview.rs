//! The one comment on a pull request that bumps Istio.

use std::path::PathBuf;

use super::Remote;
use super::hub::{Hub, TOKEN};
use crate::common::{Outcome, Repository, copy, fixture, project};

fn preview(repository: &Repository, hub: &Hub, arguments: &[&str]) -> Outcome {
    let snapshot = fixture("bump/snapshot.yaml");
    let mut all = vec![
        "plan",
        "--assume-applied",
        "--base",
        "HEAD^",
        "--comment-on",
        "7",
    ];
    all.extend([
        "--github-repository",
        "acme/gitops",
        "--github-api-url",
        &hub.url,
    ]);
    all.extend(["--snapshot", &snapshot]);
    all.extend(arguments);
    let outcome = repository.meshroll(&all).env("GH_TOKEN", TOKEN).run();
    assert_eq!(hub.with(|hub| hub.faults.clone()), [""; 0]);
    outcome
}

fn bump() -> Repository {
    let repository = Repository::of(&project().join("fixtures/bump/base"));
    copy(&project().join("fixtures/bump/head"), repository.path());
    repository.commit("istio: 1.28.0");
    repository
}

#[test]
fn the_comment_is_one_and_goes_when_the_mesh_stays_as_it_is() {
    let hub = Hub::new(PathBuf::new());
    let repository = bump();
    hub.with(|hub| {
        hub.comments.push((
            900,
            7,
            "<!-- meshroll: preview default --> LGTM".into(),
            false,
        ));
    });
    let outcome = preview(&repository, &hub, &[]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let comments = hub.with(|hub| hub.comments.clone());
    let [_, (_, 7, text, true)] = comments.as_slice() else {
        panic!("{comments:?}");
    };
    assert!(
        text.starts_with("<!-- meshroll: preview default -->\n### Istio sidecars"),
        "{text}"
    );
    assert!(text.contains("will be due for a restart"), "{text}");
    // The same again asks and writes nothing.
    hub.with(|hub| hub.log.clear());
    preview(&repository, &hub, &[]);
    let asked = hub.with(|hub| hub.log.clone());
    assert_eq!(asked, ["POST /graphql", "POST /graphql"]);
    // Another cluster has a comment of its own.
    preview(&repository, &hub, &["--cluster", "prod"]);
    assert_eq!(hub.with(|hub| hub.comments.len()), 3);
    // The next push takes the bump back.
    repository
        .write("README.md", "no bump")
        .commit("something else");
    assert_eq!(preview(&repository, &hub, &[]).status, 0);
    let left = hub.with(|hub| hub.comments.clone());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].2.ends_with("LGTM"), "nobody else's is touched");
}

#[test]
fn a_token_that_may_not_comment_is_said() {
    let hub = Hub::new(PathBuf::new());
    let body = "{\"message\":\"Resource not accessible by integration\"}";
    hub.with(|hub| hub.next = vec![("POST /repos", 403, "", body)]);
    let outcome = preview(&bump(), &hub, &[]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stderr.contains("`pull-requests: write`"),
        "{}",
        outcome.stderr
    );
}

/// Flux in front of the bump: the applications after istiod, or not.
fn flux(depends_on: &str) -> String {
    let of = |name: &str, depends_on: &str| {
        format!(
            "{{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {{name: {name}, \
             namespace: flux-system}}, spec: {{path: ./{name}, wait: true, prune: true, interval: 10m, \
             dependsOn: {depends_on}, sourceRef: {{kind: GitRepository, name: repo}}}}}}"
        )
    };
    let (istio, apps) = (of("istio", "[]"), of("apps", depends_on));
    format!("apiVersion: v1\nkind: List\nitems:\n- {istio}\n- {apps}\n")
}

/// A remote whose branch `bump` is the pull request, and a clone of it.
fn pull_request(depends_on: &str) -> (Remote, Repository) {
    let remote = Remote::of(&project().join("fixtures/bump/base"));
    let clone = remote.clone();
    clone.git(&["checkout", "--quiet", "-b", "bump"]);
    copy(&project().join("fixtures/bump/head"), clone.path());
    clone.commit("istio: 1.28.0");
    clone.git(&["push", "--quiet", "origin", "bump"]);
    clone.write(".git/flux.yaml", &flux(depends_on));
    (remote, clone)
}

#[test]
fn restarts_join_the_bump_where_the_order_is_proven() {
    let (remote, clone) = pull_request("[{name: istio}]");
    let snapshot = fixture("bump/snapshot.yaml");
    let mut arguments = vec!["apply", "--same-pr", "--snapshot", &snapshot];
    arguments.extend(["--snapshot", ".git/flux.yaml"]);
    let mut push = arguments.clone();
    push.extend(["--to", "branch", "--push", "--base", "bump"]);
    let done = clone.meshroll(&push).succeed();
    assert!(done.contains("edited on origin bump"), "{done}");
    assert_eq!(remote.git(&["rev-list", "--count", "main..bump"]), "2");
    let changed = remote.git(&["diff", "--name-only", "bump^", "bump"]);
    assert_eq!(changed, "apps/shop.yaml");
    let again = clone.meshroll(&push).succeed();
    assert!(
        again.contains("1 pending") && again.contains("nothing to edit"),
        "{again}"
    );
    let mut here = arguments.clone();
    here.extend(["--to", "worktree"]);
    clone.meshroll(&here).succeed();
    assert_eq!(clone.git(&["diff", "--name-only"]), "apps/shop.yaml");
}

#[test]
fn without_a_proof_the_restarts_wait_for_the_merge() {
    let (remote, clone) = pull_request("[]");
    let snapshot = fixture("bump/snapshot.yaml");
    let mut push = vec!["apply", "--same-pr", "--snapshot", &snapshot];
    push.extend([
        "--snapshot",
        ".git/flux.yaml",
        "--to",
        "branch",
        "--push",
        "--base",
        "bump",
    ]);
    let done = clone.meshroll(&push).succeed();
    assert!(done.contains("order-not-proven"), "{done}");
    assert_eq!(remote.git(&["rev-list", "--count", "main..bump"]), "1");
    let elsewhere = [
        "apply",
        "--same-pr",
        "--to",
        "pull-request",
        "--snapshot",
        &snapshot,
    ];
    let refused = clone.meshroll(&elsewhere).fail(64);
    assert!(
        refused.contains("use --to worktree in its checkout"),
        "{refused}"
    );
}
