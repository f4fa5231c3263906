//! Pods as `kubectl get pods -A -o json` prints them: pretty, keys sorted, indented by four.
//!
//! Deterministic: the same number of pods gives the same bytes. Every third workload runs the old
//! proxy; half of the workloads have a native sidecar, the other half a regular one.

use std::io::{self, Write};

use serde_json::ser::PrettyFormatter;
use serde_json::{Serializer, Value, json};

/// Pods of one template.
const REPLICAS: usize = 5;
/// The proxy that injection gives now.
pub(crate) const NEW_PROXY: &str = "docker.io/istio/proxyv2:1.27.3";
const OLD_PROXY: &str = "docker.io/istio/proxyv2:1.26.1";

/// How many pods run another proxy than `$image`: what mesh guides ask jq.
pub(crate) const JQ_RECIPE: &str =
    "[.items[] | select([.spec.containers[], (.spec.initContainers // [])[]]
    | any(.name == \"istio-proxy\" and .image != $image))] | length";

/// Writes a List of so many pods.
pub(crate) fn write(count: usize, mut sink: impl Write) -> io::Result<()> {
    sink.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n")?;
    let mut template = String::new();
    for number in 0..count {
        if number % REPLICAS == 0 {
            template = indented(&pod(number / REPLICAS))?;
        }
        let text = template
            .replace("@POD@", &format!("{:05x}", number * 7919 % 1_048_576))
            .replace("@HEX@", &format!("{:012x}", number * 6_700_417))
            .replace("@NODE@", &format!("node-{}", number * 31 % 500));
        let separator = if number == 0 { "" } else { ",\n" };
        sink.write_all(separator.as_bytes())?;
        sink.write_all(text.as_bytes())?;
    }
    sink.write_all(b"\n    ],\n    \"kind\": \"List\",\n")?;
    sink.write_all(b"    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n")?;
    sink.flush()
}

fn indented(pod: &Value) -> io::Result<String> {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(pod, &mut serializer)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(format!("        {}", text.replace('\n', "\n        ")))
}

fn pod(template: usize) -> Value {
    let name = format!("service-{template:05}");
    let namespace = format!("team-{:03}", template % 100);
    let hash = format!("{:010x}", template * 2_654_435_761 % 1_099_511_627_776);
    let image = if template.is_multiple_of(3) {
        OLD_PROXY
    } else {
        NEW_PROXY
    };
    let is_native = template.is_multiple_of(2);
    let proxy = proxy(&name, &namespace, image, is_native);
    let (mut containers, mut init) = (vec![app(&name)], vec![init(image)]);
    if is_native {
        &mut init
    } else {
        &mut containers
    }
    .push(proxy);
    let mut statuses = vec![status(&name, "registry.example.com/shop/service:2.14.0")];
    let mut init_statuses = vec![status("istio-init", image)];
    if is_native {
        &mut init_statuses
    } else {
        &mut statuses
    }
    .push(status("istio-proxy", image));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": annotations(&name, is_native),
            "creationTimestamp": "2026-11-19T08:15:42Z",
            "generateName": format!("{name}-{hash}-"),
            "generation": 1,
            "labels": {
                "app.kubernetes.io/instance": name,
                "app.kubernetes.io/name": name,
                "pod-template-hash": hash,
                "security.istio.io/tlsMode": "istio",
                "service.istio.io/canonical-name": name,
                "service.istio.io/canonical-revision": "latest",
            },
            "name": format!("{name}-{hash}-@POD@"),
            "namespace": namespace,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true,
                "kind": "ReplicaSet", "name": format!("{name}-{hash}"),
                "uid": format!("5d0c1a52-7d5e-4c11-8f0e-{template:012x}"),
            }],
            "resourceVersion": "88123401",
            "uid": "0f2f43aa-91c5-4d0b-b0a9-@HEX@",
        },
        "spec": {
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
                    "topologyKey": "kubernetes.io/hostname"},
                "weight": 100}]}},
            "containers": containers,
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "initContainers": init,
            "nodeName": "@NODE@",
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {"fsGroup": 1337, "runAsNonRoot": true, "runAsUser": 10001},
            "serviceAccount": name,
            "serviceAccountName": name,
            "terminationGracePeriodSeconds": 30,
            "tolerations": [toleration("not-ready"), toleration("unreachable")],
            "topologySpreadConstraints": [{
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway"}],
            "volumes": volumes(),
        },
        "status": {
            "conditions": conditions(),
            "containerStatuses": statuses,
            "hostIP": "10.12.0.7",
            "hostIPs": [{"ip": "10.12.0.7"}],
            "initContainerStatuses": init_statuses,
            "phase": "Running",
            "podIP": "10.244.17.93",
            "podIPs": [{"ip": "10.244.17.93"}],
            "qosClass": "Burstable",
            "startTime": "2026-11-19T08:15:42Z",
        },
    })
}

fn annotations(name: &str, is_native: bool) -> Value {
    let (init, containers) = match is_native {
        true => (json!(["istio-init", "istio-proxy"]), Value::Null),
        false => (json!(["istio-init"]), json!(["istio-proxy"])),
    };
    let status = json!({
        "initContainers": init, "containers": containers,
        "volumes": ["workload-socket", "credential-socket", "workload-certs", "istio-envoy",
            "istio-data", "istio-podinfo", "istio-token", "istiod-ca-cert", "istio-ca-crl"],
        "imagePullSecrets": null, "revision": "default",
    });
    json!({
        "checksum/config": format!("{:064x}", name.len() * 982_451_653),
        "istio.io/rev": "default",
        "kubectl.kubernetes.io/default-container": name,
        "kubectl.kubernetes.io/default-logs-container": name,
        "prometheus.io/path": "/stats/prometheus",
        "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true",
        "sidecar.istio.io/status": status.to_string(),
    })
}

fn toleration(key: &str) -> Value {
    json!({"effect": "NoExecute", "key": format!("node.kubernetes.io/{key}"),
        "operator": "Exists", "tolerationSeconds": 300})
}

fn conditions() -> Value {
    let kinds = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    Value::from_iter(kinds.map(condition))
}

fn condition(kind: &str) -> Value {
    json!({"lastProbeTime": null, "lastTransitionTime": "2026-11-19T08:15:47Z",
        "observedGeneration": 1, "status": "True", "type": kind})
}

fn probe(path: &str, port: u16) -> Value {
    json!({"failureThreshold": 4, "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": 15, "successThreshold": 1, "timeoutSeconds": 3})
}

fn mount(name: &str, path: &str) -> Value {
    json!({"mountPath": path, "name": name, "readOnly": true})
}

fn security() -> Value {
    json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "privileged": false, "readOnlyRootFilesystem": true, "runAsGroup": 1337,
        "runAsNonRoot": true, "runAsUser": 1337, "seccompProfile": {"type": "RuntimeDefault"}})
}

fn app(name: &str) -> Value {
    let mut env: Vec<Value> = (0..24)
        .map(|n| json!({"name": format!("SETTING_{n:02}"), "value": format!("https://{name}.example.com/{n}")}))
        .collect();
    env.extend((0..8).map(|n| {
        json!({"name": format!("SECRET_{n}"),
            "valueFrom": {"secretKeyRef": {"key": format!("key-{n}"), "name": name}}})
    }));
    json!({
        "args": ["--listen=:8080", "--log-format=json"],
        "env": env,
        "image": "registry.example.com/shop/service:2.14.0",
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": probe("/app-health/service/livez", 15020),
        "name": name,
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"},
            {"containerPort": 9090, "name": "metrics", "protocol": "TCP"}],
        "readinessProbe": probe("/app-health/service/readyz", 15020),
        "resources": resources("500m", "512Mi"),
        "securityContext": security(),
        "startupProbe": probe("/app-health/service/startupz", 15020),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [mount("config", "/etc/service"), mount("tmp", "/tmp"), token_mount()],
    })
}

fn token_mount() -> Value {
    mount(
        "kube-api-access-@POD@",
        "/var/run/secrets/kubernetes.io/serviceaccount",
    )
}

fn resources(cpu: &str, memory: &str) -> Value {
    json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": cpu, "memory": memory}})
}

fn init(image: &str) -> Value {
    json!({
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT",
            "-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020",
            "--log_output_level=default:info"],
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "name": "istio-init",
        "resources": resources("100m", "128Mi"),
        "securityContext": security(),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [token_mount()],
    })
}

fn proxy(name: &str, namespace: &str, image: &str, is_native: bool) -> Value {
    let literal = |(name, value): (&str, &str)| json!({"name": name, "value": value});
    let field = |(name, path): (&str, &str)| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let owner = format!("kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let mut env: Vec<Value> = [
        ("PILOT_CERT_PROVIDER", "istiod"),
        ("CA_ADDR", "istiod.istio-system.svc:15012"),
        (
            "PROXY_CONFIG",
            "{\"proxyMetadata\":{\"EXIT_ON_ZERO_ACTIVE_CONNECTIONS\":\"true\"}}\n",
        ),
        (
            "ISTIO_META_POD_PORTS",
            "[\n    {\"name\":\"http\",\"containerPort\":8080}\n]",
        ),
        ("ISTIO_META_APP_CONTAINERS", name),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        ("ISTIO_META_WORKLOAD_NAME", name),
        ("ISTIO_META_OWNER", &owner),
        ("ISTIO_META_MESH_ID", "cluster.local"),
        ("TRUST_DOMAIN", "cluster.local"),
        (
            "ISTIO_KUBE_APP_PROBERS",
            "{\"/app-health/service/livez\":{\"httpGet\":{\"port\":8080}}}",
        ),
    ]
    .map(literal)
    .into();
    env.extend(
        [
            ("POD_NAME", "metadata.name"),
            ("POD_NAMESPACE", "metadata.namespace"),
            ("INSTANCE_IP", "status.podIP"),
            ("SERVICE_ACCOUNT", "spec.serviceAccountName"),
            ("HOST_IP", "status.hostIP"),
            ("ISTIO_META_NODE_NAME", "spec.nodeName"),
        ]
        .map(field),
    );
    let mounts = [
        ("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        ("credential-socket", "/var/run/secrets/credential-uds"),
        (
            "workload-certs",
            "/var/run/secrets/workload-spiffe-credentials",
        ),
        ("istiod-ca-cert", "/var/run/secrets/istio"),
        ("istio-ca-crl", "/var/run/secrets/istio/crl"),
        ("istio-data", "/var/lib/istio/data"),
        ("istio-envoy", "/etc/istio/proxy"),
        ("istio-token", "/var/run/secrets/tokens"),
        ("istio-podinfo", "/etc/istio/pod"),
    ];
    let mut container = json!({
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local",
            "--proxyLogLevel=warning", "--proxyComponentLogLevel=misc:error",
            "--log_output_level=default:info"],
        "env": env,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "lifecycle": {"preStop": {"exec": {"command": ["pilot-agent", "request",
            "--debug-port=15020", "POST", "drain"]}}},
        "name": "istio-proxy",
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": probe("/healthz/ready", 15021),
        "resources": resources("100m", "128Mi"),
        "securityContext": security(),
        "startupProbe": probe("/healthz/ready", 15021),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": Value::from_iter(mounts.map(|(name, path)| mount(name, path))),
    });
    if is_native && let Some(fields) = container.as_object_mut() {
        fields.insert("restartPolicy".to_owned(), json!("Always"));
    }
    container
}

fn volumes() -> Value {
    let field = |label: &str| {
        json!({"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.{label}")},
            "path": label})
    };
    json!([
        {"emptyDir": {}, "name": "workload-socket"},
        {"emptyDir": {}, "name": "credential-socket"},
        {"emptyDir": {}, "name": "workload-certs"},
        {"emptyDir": {"medium": "Memory"}, "name": "istio-envoy"},
        {"emptyDir": {}, "name": "istio-data"},
        {"downwardAPI": {"defaultMode": 420, "items": [field("labels"), field("annotations")]},
            "name": "istio-podinfo"},
        {"name": "istio-token", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200,
                "path": "istio-token"}}]}},
        {"configMap": {"defaultMode": 420, "name": "istio-ca-root-cert"}, "name": "istiod-ca-cert"},
        {"configMap": {"defaultMode": 420, "name": "service"}, "name": "config"},
        {"emptyDir": {}, "name": "tmp"},
        {"name": "kube-api-access-@POD@", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}],
                "name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [field("namespace")]}}]}},
    ])
}

fn status(name: &str, image: &str) -> Value {
    json!({
        "containerID": "containerd://8a3c5f4f4c0e5b8b0b6f9c2d7e1a4b3c5d6e7f8091a2b3c4d5e6@HEX@",
        "image": image,
        "imageID": format!("{image}@sha256:2f0d1c6b7a5948e3d2c1b0a9f8e7d6c5b4a3928170f6e5d4c3b2a19080706050"),
        "lastState": {},
        "name": name,
        "ready": true,
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"},
            "requests": {"cpu": "100m", "memory": "128Mi"}},
        "restartCount": 0,
        "started": true,
        "state": {"running": {"startedAt": "2026-11-19T08:15:45Z"}},
        "volumeMounts": [token_mount()],
    })
}
