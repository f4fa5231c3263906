//! When a control plane settled, and who uses it.

use serde_json::{Value, json};

use super::control_planes::{changed, default_namespace, plain};
use crate::mesh::testing::{Istiod, cluster, expect, mesh, sidecar};
use crate::mesh::{Expectation, Mesh};

#[test]
fn settling_is_the_oldest_ready_pod_or_a_later_change() {
    let at = |change: fn(&mut Vec<Value>)| {
        let mesh = changed(&Istiod::new("1.30.3"), change);
        let settled = mesh.revisions[0].settled_at.map(|at| at.to_string());
        let of_sidecar = sidecar(&mesh, &plain()).settled_at.map(|at| at.to_string());
        assert_eq!(settled, of_sidecar);
        settled
    };
    assert_eq!(at(|_| {}).as_deref(), Some("2026-11-20T10:00:00Z"));
    // A pod that was added later moves nothing.
    let scaled = at(|objects| {
        let mut second = objects[2].clone();
        second["metadata"]["name"] = json!("istiod-1-b");
        second["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-11-20T12:00:00Z");
        objects.push(second);
    });
    assert_eq!(scaled.as_deref(), Some("2026-11-20T10:00:00Z"));
    let later = at(|objects| {
        objects[4]["metadata"]["managedFields"] =
            json!([{"manager": "helm", "time": "2026-11-20T11:00:00Z"}]);
    });
    assert_eq!(later.as_deref(), Some("2026-11-20T11:00:00Z"));
    let earlier = at(|objects| {
        objects[4]["metadata"]["managedFields"] =
            json!([{"manager": "helm", "time": "2026-11-20T09:00:00Z"}]);
    });
    assert_eq!(earlier.as_deref(), Some("2026-11-20T10:00:00Z"));
    assert_eq!(at(|objects| objects[2]["status"] = json!({})), None);
}

#[test]
fn a_tag_that_moved_later_settles_later() {
    let istiod = Istiod::new("1.30.3");
    let mut tag = istiod.tag("prod");
    tag["metadata"]["managedFields"] =
        json!([{"manager": "istioctl", "time": "2026-11-21T00:00:00Z"}]);
    let mesh = istiod.mesh_with(vec![tag]);
    let of = |namespace: Value| match expect(&mesh, &namespace, &plain()) {
        Expectation::Sidecar(sidecar) => sidecar.settled_at.map(|at| at.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of(json!({"istio.io/rev": "prod"})).as_deref(),
        Some("2026-11-21T00:00:00Z")
    );
    assert_eq!(
        of(default_namespace()).as_deref(),
        Some("2026-11-20T10:00:00Z")
    );
}

#[test]
fn pods_of_an_earlier_template_do_not_date_the_settling() {
    let mesh = changed(&Istiod::new("1.30.3"), |objects| {
        let mut old_set = objects[1].clone();
        old_set["metadata"]["name"] = json!("istiod-0");
        old_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("0");
        let mut old = objects[2].clone();
        old["metadata"]["name"] = json!("istiod-0-a");
        old["metadata"]["ownerReferences"][0]["name"] = json!("istiod-0");
        old["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-11-01T00:00:00Z");
        objects.extend([old_set, old]);
    });
    let settled = mesh.revisions[0].settled_at.map(|at| at.to_string());
    assert_eq!(settled.as_deref(), Some("2026-11-20T10:00:00Z"));
}

#[test]
fn injection_by_old_releases_relabels_the_pod_for_later_webhooks() {
    // A second configuration selects by the label that the first injector wrote.
    let by_label = |version: &str| {
        let first = Istiod::new(version);
        let second = Istiod::new("1.30.3").revision("b");
        let named = json!([{"key": "istio.io/rev", "operator": "In", "values": ["default"]}]);
        let mut objects = first.installed();
        objects.extend(second.objects());
        let entry = second.entry("z.", json!([]), named);
        objects.push(second.configuration("zz", None, vec![entry]));
        match expect(&mesh(objects), &default_namespace(), &plain()) {
            Expectation::Sidecar(sidecar) => sidecar.revision,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(by_label("1.10.6"), "b");
    assert_eq!(by_label("1.11.8"), "default");
}

#[test]
fn users_are_counted_by_what_counts_for_them() {
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let pod = |namespace: &str, name: &str, labels: Value| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels,
                "annotations": {"sidecar.istio.io/status": "{\"revision\":\"default\"}"}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "istio/proxyv2:1.30.3"}]}})
    };
    let istiod = Istiod::new("1.30.3");
    let mut objects = istiod.installed();
    objects.extend([
        istiod.tag("prod"),
        namespace("on", json!({"istio-injection": "enabled"})),
        namespace(
            "off",
            json!({"istio-injection": "disabled", "istio.io/rev": "prod"}),
        ),
        namespace("tagged", json!({"istio.io/rev": "prod"})),
        namespace("free", json!({})),
        pod("on", "a", json!({"istio.io/rev": "ignored"})),
        pod("tagged", "b", json!({"istio.io/rev": "ignored"})),
        pod("free", "c", json!({"istio.io/rev": "prod"})),
        pod(
            "free",
            "d",
            json!({"istio.io/rev": "prod", "sidecar.istio.io/inject": "false"}),
        ),
        pod("off", "e", json!({"istio.io/rev": "prod"})),
    ]);
    let snapshot = cluster(objects);
    let (mesh, _) = Mesh::from_snapshot(&snapshot);
    let usage: Vec<String> = mesh
        .usage(&snapshot)
        .iter()
        .map(|one| {
            let (name, tag, proxies) = (&one.name, one.is_tag, one.proxies);
            format!("{name} {tag} {proxies} {:?} {:?}", one.namespaces, one.pods)
        })
        .collect();
    assert_eq!(
        usage,
        [
            "default false 5 [\"on\"] []",
            "prod true 2 [\"tagged\"] [\"free/c\"]",
        ]
    );
}
