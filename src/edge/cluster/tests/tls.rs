//! HTTPS with certificates of a test's own, through a kubeconfig.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Taken, cluster, names, now};
use crate::edge::cluster::connect::connect;
use crate::edge::cluster::stand_in::{Certificates, StandIn};
use crate::edge::cluster::{ClusterError, ClusterOptions, Pause, collect};
use crate::error::RunError;

/// Reads the cluster that a kubeconfig names; tells also how long the pauses were.
fn take(server: &str, ca: &str, user: Value) -> (Taken, Vec<Duration>) {
    let directory = tempfile::tempdir().expect("a directory");
    let in_file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let mut user = user;
    for (key, file) in [
        ("client-certificate", "client.crt"),
        ("client-key", "client.key"),
    ] {
        if let Some(pem) = user[key].as_str() {
            user[key] = json!(in_file(file, pem));
        }
    }
    let cluster = json!({"server": server, "certificate-authority": in_file("ca.crt", ca)});
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    });
    let options = ClusterOptions {
        kubeconfig: Some(in_file("kubeconfig", &kubeconfig.to_string())),
        ..ClusterOptions::default()
    };
    let api = connect(&options).expect("a client");
    let (send, waits) = std::sync::mpsc::channel();
    let mut pause = Pause::new(move |wait| send.send(wait).expect("heard"));
    let taken = collect(&api, &options, now(), &mut pause, &mut |_| {});
    drop(pause);
    (taken, waits.iter().collect())
}

#[test]
fn a_cluster_behind_its_own_authority_is_read_with_a_token() {
    let certificates = Certificates::new("cluster");
    let stand_in = StandIn::over_tls(&certificates, cluster);
    let user = json!({"token": "very-secret-token"});
    let (taken, waits) = take(&stand_in.url, &certificates.authority(), user);
    assert_eq!(names(&taken.expect("a snapshot").0), ["a", "b", "c"]);
    assert_eq!(waits.len(), 0);
    let asked = stand_in.asked();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|asked| asked.authorization == "Bearer very-secret-token")
    );
    assert!(asked.iter().all(|asked| !asked.has_certificate));
}

#[test]
fn a_client_shows_its_certificate() {
    let certificates = Certificates::new("cluster");
    let stand_in = StandIn::over_tls(&certificates, cluster);
    let client = certificates.client();
    let user = json!({"client-certificate": client.certificate, "client-key": client.key});
    let (taken, _) = take(&stand_in.url, &certificates.authority(), user);
    assert_eq!(names(&taken.expect("a snapshot").0), ["a", "b", "c"]);
    let asked = stand_in.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.has_certificate && asked.authorization.is_empty())
    );
}

#[test]
fn a_server_of_another_authority_is_refused_at_once() {
    let stand_in = StandIn::over_tls(&Certificates::new("impostor"), cluster);
    let authority = Certificates::new("cluster").authority();
    let user = json!({"token": "very-secret-token"});
    let (taken, waits) = take(&stand_in.url, &authority, user);
    let error = taken.expect_err("an error");
    assert!(matches!(error, ClusterError::List { .. }), "{error:?}");
    assert_eq!(waits.len(), 0, "no certificate gets better by waiting");
    assert_eq!(stand_in.asked(), [], "the token was not told to it");
    let error = RunError::from(error);
    let text = error.to_string();
    assert!(
        text.starts_with(
            "API groups cannot be listed: the API server's certificate is not to be trusted: "
        ),
        "{text}"
    );
    assert!(
        error.hints[0].contains("certificate-authority-data"),
        "{:?}",
        error.hints
    );
    assert!(!format!("{error:?}").contains("very-secret-token"));
}

#[test]
fn a_server_that_is_called_otherwise_is_refused() {
    let certificates = Certificates::new("cluster");
    let stand_in = StandIn::over_tls(&certificates, cluster);
    let url = stand_in.url.replace("127.0.0.1", "localhost");
    let (taken, _) = take(&url, &certificates.authority(), json!({}));
    let text = RunError::from(taken.expect_err("an error")).to_string();
    assert!(text.contains("not to be trusted"), "{text}");
    assert_eq!(stand_in.asked(), []);
}
