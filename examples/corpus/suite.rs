//! The YAML project's own test suite: each case becomes part of a manifest, before and behind the
//! pod template, so that the editor has to find its way around it.

use meshroll::manifest::RawFile;
use serde::Deserialize;

/// One case of a suite file; what it leaves out is that of the case before.
#[derive(Debug, Deserialize)]
struct Case {
    yaml: Option<String>,
}

/// Manifests around the cases of a suite file; none for any other file.
pub(crate) fn manifests(file: &RawFile) -> Vec<RawFile> {
    if !file.path.contains("yaml-test-suite") {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&file.bytes);
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap_or_default();
    let texts = cases.into_iter().filter_map(|case| case.yaml);
    texts
        .enumerate()
        .flat_map(|(number, yaml)| around(&format!("{}#{number}", file.path), &visible(&yaml)))
        .collect()
}

/// The text of a case, which the suite writes with marks for what cannot be seen.
fn visible(yaml: &str) -> String {
    yaml.replace('␣', " ")
        .replace('—', "")
        .replace('»', "\t")
        .replace('←', "\r")
        .replace('⇔', "\u{feff}")
        .replace('↵', "")
        .replace("∎\n", "")
}

/// Manifests that hold a text in several places, and as a document of its own.
fn around(path: &str, case: &str) -> Vec<RawFile> {
    let inner: String = case
        .split_inclusive('\n')
        .map(|line| format!("    {line}"))
        .collect();
    let inner = inner.trim_end_matches('\n');
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";
    let template = "  template:\n    metadata:\n      labels: {a: b}\n    spec:\n      containers: [{name: a}]\n";
    [
        format!("{head}spec:\n  case:\n{inner}\n{template}"),
        format!("{head}spec:\n{template}  case:\n{inner}\n"),
        format!("{head}spec:\n  case: {}\n{template}", inner.trim_start()),
        format!("{head}spec:\n{template}---\n{case}\n---\n{head}spec:\n{template}"),
        format!("{case}\n{head}spec:\n{template}"),
    ]
    .into_iter()
    .enumerate()
    .map(|(place, text)| RawFile {
        path: format!("{path}.{place}"),
        bytes: text.into_bytes(),
    })
    .collect()
}
