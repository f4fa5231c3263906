//! The one comment on a pull request that bumps Istio.

use std::path::PathBuf;

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
        hub.comments
            .push((900, 7, "LGTM <!-- meshroll: preview default -->".into()));
    });
    assert_eq!(preview(&repository, &hub, &[]).status, 0);
    let comments = hub.with(|hub| hub.comments.clone());
    let [_, (_, 7, text)] = comments.as_slice() else {
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
    assert_eq!(asked, ["GET /repos/acme/gitops/issues/7/comments"]);
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
    assert!(left[0].2.starts_with("LGTM"), "nobody else's is touched");
}

#[test]
fn a_token_that_may_not_comment_is_said() {
    let hub = Hub::new(PathBuf::new());
    let body = "{\"message\":\"Resource not accessible by integration\"}";
    hub.with(|hub| hub.next = vec![("POST", 403, "", body)]);
    let outcome = preview(&bump(), &hub, &[]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.stderr.contains("`pull-requests: write`"),
        "{}",
        outcome.stderr
    );
}
