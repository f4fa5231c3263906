//! `carry`: a fresh render gets the restarts of the previous commit.

use crate::common::{Repository, fixture, project};

#[test]
fn a_fresh_render_restarts_nothing_a_second_time() {
    let manifests = project().join("fixtures/example/manifests");
    let repository = Repository::of(&manifests);
    let snapshot = fixture("example/snapshot.json");
    repository
        .meshroll(&["apply", "--to", "worktree", "--snapshot", &snapshot])
        .succeed();
    repository.commit("restart");
    let restarted = repository.git(&["rev-parse", "HEAD^{tree}"]);

    // The render writes every file anew, without the restarts.
    crate::common::copy(&manifests, repository.path());
    assert_ne!(repository.git(&["status", "--porcelain"]), "");
    let said = repository.meshroll(&["carry", "--from", "HEAD"]).succeed();
    assert!(said.ends_with("6 carried\n"), "{said}");
    assert!(
        said.contains("Deployment gateways/ingress (gateways/ingress.yaml:14)"),
        "{said}"
    );
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    repository.commit("render");
    assert_eq!(repository.git(&["rev-parse", "HEAD^{tree}"]), restarted);
    assert_eq!(
        repository.meshroll(&["carry"]).succeed(),
        "0 carried: the fresh manifests have every stamp already\n"
    );
    assert_eq!(
        repository
            .meshroll(&["carry", "--from", "HEAD~2"])
            .succeed(),
        "0 carried: there is no stamp in HEAD~2\n"
    );
}

#[test]
fn workloads_that_are_gone_lose_theirs_and_are_named() {
    let repository = Repository::of(&project().join("fixtures/example/manifests"));
    let snapshot = fixture("example/snapshot.json");
    repository
        .meshroll(&["apply", "--to", "worktree", "--snapshot", &snapshot])
        .succeed();
    repository.commit("restart");
    std::fs::remove_file(repository.path().join("gateways/ingress.yaml")).expect("removed");
    let outcome = repository
        .meshroll(&["carry", "--from", "HEAD", "-v"])
        .run();
    assert_eq!(outcome.stdout, "0 carried\n");
    assert!(
        outcome.stderr.contains(
            "the stamp of Deployment gateways/ingress was not carried over: no fresh manifest"
        ),
        "{}",
        outcome.stderr
    );
}
