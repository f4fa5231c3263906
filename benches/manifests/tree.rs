//! A repository like the large ones: one file in five holds a workload, the others are what
//! surrounds it. The same number of files gives the same bytes.

use std::fs;
use std::io;
use std::path::Path;

/// Files in one directory.
const DIRECTORY: usize = 100;

/// Writes a tree of so many files, about two kilobytes each.
pub(crate) fn write(root: &Path, files: usize) -> io::Result<()> {
    for start in (0..files).step_by(DIRECTORY) {
        let directory = root.join(format!("apps/team-{:03}/group-{start:06}", start / 5000));
        fs::create_dir_all(&directory)?;
        for number in start..(start + DIRECTORY).min(files) {
            let (name, text) = file(number);
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&directory))?;
            fs::write(path, text)?;
        }
    }
    Ok(())
}

/// The name of the workload in a file that holds one.
pub(crate) fn workload_name(number: usize) -> String {
    format!("service-{number:06}")
}

/// Name and text of a file.
fn file(number: usize) -> (String, String) {
    let name = workload_name(number);
    let shop = format!("shop-{:03}", number / DIRECTORY);
    match number % 20 {
        0 | 5 | 10 | 15 => (format!("{name}.yaml"), deployment(&name, &shop)),
        1 => (format!("{name}/kustomization.yaml"), kustomization(number)),
        2 | 7 | 12 | 17 => (format!("{name}-values.yaml"), values(number)),
        3 | 8 | 13 | 18 => (format!("{name}-config.yaml"), config_map(&name, &shop)),
        4 => (format!("{name}-dashboard.json"), dashboard(number)),
        _ => (format!("{name}-service.yaml"), service(&name, &shop)),
    }
}

fn deployment(name: &str, namespace: &str) -> String {
    let environment: String = (0..24)
        .map(|number| {
            format!("            - name: SETTING_{number}\n              value: \"{number}\"\n")
        })
        .collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels:\n    \
         app: {name}\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: {name}\n  template:\n    \
         metadata:\n      labels:\n        app: {name}\n    spec:\n      serviceAccountName: {name}\n      \
         containers:\n        - name: {name}\n          image: registry.example.com/{name}:1.2.3\n          ports:\n            \
         - containerPort: 8080\n          env:\n{environment}          resources:\n            requests:\n              \
         cpu: 100m\n              memory: 128Mi\n"
    )
}

fn service(name: &str, namespace: &str) -> String {
    let ports: String = (0..24)
        .map(|number| {
            format!(
                "    - name: port-{number}\n      port: {}\n      targetPort: 8080\n",
                8000 + number
            )
        })
        .collect();
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {namespace}\nspec:\n  selector:\n    \
         app: {name}\n  ports:\n{ports}"
    )
}

fn config_map(name: &str, namespace: &str) -> String {
    let lines: String = (0..40)
        .map(|number| format!("    setting.{number} = value of the setting with number {number}\n"))
        .collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n  settings: |\n{lines}"
    )
}

fn values(number: usize) -> String {
    let entries: String = (0..60)
        .map(|entry| {
            format!(
                "entry{entry}:\n  enabled: true\n  weight: {}\n",
                entry + number
            )
        })
        .collect();
    format!("# Settings of a chart.\n{entries}")
}

fn kustomization(number: usize) -> String {
    let name = workload_name(number.saturating_sub(1));
    format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - {name}.yaml\n"
    )
}

fn dashboard(number: usize) -> String {
    let panels: Vec<String> = (0..20)
        .map(|panel| format!("    {{\"id\": {panel}, \"title\": \"\\u003cpanel {number}\\u003e\", \"type\": \"graph\"}}"))
        .collect();
    format!("{{\n  \"panels\": [\n{}\n  ]\n}}\n", panels.join(",\n"))
}
