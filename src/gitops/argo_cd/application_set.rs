//! ApplicationSets in Git: which directories their Applications read, and whether several may read
//! one.
//!
//! Generators are not evaluated (`spec/gitops.md` §1.3): placeholders stand for anything. Live
//! Applications tell more, and where they are known nothing here is asked.

use serde_json::Value;

use super::{Application, GROUP};
use crate::gitops::carrier::in_git;
use crate::gitops::path;
use crate::manifest::{ManifestSet, ObjectRef};
use crate::rollout::value;

/// Generators in generators (matrix, merge): deeper ones are no longer Argo CD's.
const MAX_DEPTH: usize = 3;

/// An ApplicationSet as it stands in Git.
#[derive(Debug)]
pub(in crate::gitops) struct ApplicationSet<'a> {
    pub(in crate::gitops) reference: &'a ObjectRef,
    /// The file that it stands in.
    pub(in crate::gitops) file: &'a str,
    /// Glob of the names of its Applications.
    names: String,
    sources: Vec<Pattern>,
}

/// The directories that a source of a template reads.
#[derive(Debug)]
struct Pattern {
    /// Globs of directories.
    paths: Vec<String>,
    /// Whether what lies below is read, too.
    recurses: bool,
    /// Whether several Applications may read one of them.
    fans_out: bool,
}

impl<'a> ApplicationSet<'a> {
    /// Every one in Git.
    pub(in crate::gitops) fn all(manifests: &'a ManifestSet) -> Vec<Self> {
        in_git(manifests, GROUP, "ApplicationSet")
            .map(|(file, object, body)| Self {
                reference: &object.reference,
                file,
                names: glob(
                    value::text(body, &["spec", "template", "metadata", "name"])
                        .unwrap_or_default(),
                ),
                sources: sources(body),
            })
            .collect()
    }

    /// `ApplicationSet namespace/name`.
    pub(in crate::gitops) fn display(&self) -> String {
        self.reference.to_string()
    }

    /// Whether an Application may be of it: its owner says so, else its name tells.
    pub(in crate::gitops) fn may_make(&self, application: &Application<'_>) -> bool {
        let mut owners = application.owners.iter();
        if application.owners.is_empty() {
            return path::glob_matches(&self.names, application.name);
        }
        owners.any(|owner| owner.kind == "ApplicationSet" && owner.name == self.reference.name)
    }

    /// Whether Applications of it may read a directory, and if so, whether several may.
    pub(in crate::gitops) fn reads(&self, directory: &str) -> Option<bool> {
        let matching = self.sources.iter().filter(|source| source.reads(directory));
        matching.map(|source| source.fans_out).max()
    }
}

impl Pattern {
    fn reads(&self, directory: &str) -> bool {
        let above = path::ancestors(directory).take_while(|_| self.recurses);
        std::iter::once(directory)
            .chain(above)
            .any(|at| self.paths.iter().any(|glob| is_directory(glob, at)))
    }
}

/// Whether a glob names a directory; `*` stands for one name, `**` for any number of them.
fn is_directory(glob: &str, directory: &str) -> bool {
    if glob.contains("**") {
        return path::glob_matches(glob, directory);
    }
    let (mut globs, mut names) = (glob.split('/'), directory.split('/'));
    loop {
        match (globs.next(), names.next()) {
            (None, None) => return true,
            (Some(glob), Some(name)) if path::glob_matches(glob, name) => {}
            _ => return false,
        }
    }
}

fn sources(body: &Value) -> Vec<Pattern> {
    let spec = &["spec", "template", "spec"];
    let Some(template) = value::at(body, spec) else {
        return Vec::new();
    };
    let destinations: Vec<&str> = ["server", "name", "namespace"]
        .iter()
        .filter_map(|field| value::text(template, &["destination", field]))
        .flat_map(placeholders)
        .collect();
    let several = value::items(template, &["sources"]).iter();
    several
        .chain(value::at(template, &["source"]))
        .filter_map(|source| {
            let written = value::text(source, &["path"])?;
            let in_path: Vec<&str> = placeholders(written).collect();
            // What a generator finds in Git is one directory each; the rest of a placeholder's names
            // is the cluster's, and a path that holds none of them is the same for all of them.
            let is_of_path = |placeholder: &&str| placeholder.contains("path");
            let is_same = in_path.iter().all(is_of_path);
            Some(Pattern {
                paths: paths(body, written),
                recurses: value::is_true(source, &["directory", "recurse"]),
                fans_out: is_same && !destinations.iter().all(is_of_path),
            })
        })
        .collect()
}

/// The directories that a path with placeholders stands for. Where nothing of it is written, they are
/// those that a generator looks for in Git.
fn paths(body: &Value, written: &str) -> Vec<String> {
    let Some(glob) = path::resolve("", &glob(written)) else {
        return Vec::new();
    };
    match glob.trim_matches(['*', '/']) {
        "" if !glob.is_empty() => generated(value::items(body, &["spec", "generators"]), 0),
        _ => vec![glob],
    }
}

/// The directories that generators look for in Git.
fn generated(generators: &[Value], depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for generator in generators.iter().filter(|_| depth < MAX_DEPTH) {
        for entry in value::items(generator, &["git", "directories"]) {
            let path = value::text(entry, &["path"]).unwrap_or_default();
            if !value::is_true(entry, &["exclude"]) {
                found.extend(path::resolve("", path));
            }
        }
        for kind in ["matrix", "merge"] {
            let inner = value::items(generator, &[kind, "generators"]);
            found.extend(generated(inner, depth + 1));
        }
    }
    found
}

/// The text with `*` in place of each placeholder.
fn glob(written: &str) -> String {
    let mut glob = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("{{") {
        glob.push_str(before);
        glob.push('*');
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    glob + rest
}

/// What stands between `{{` and `}}`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("{{").skip(1);
    parts.map(|part| part.split_once("}}").map_or(part, |(inner, _)| inner))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{is_directory, sources};

    #[track_caller]
    fn check(path: &str, destination: Value, directory: &str, expected: Option<bool>) {
        let body = json!({"spec": {
            "generators": [{"matrix": {"generators": [
                {"clusters": {}},
                {"git": {"directories": [{"path": "tools/*"}, {"path": "tools/x", "exclude": true}]}},
            ]}}],
            "template": {"spec": {"source": {"path": path}, "destination": destination}},
        }});
        let sources = sources(&body);
        let found = sources.iter().filter(|source| source.reads(directory));
        let found = found.map(|source| source.fans_out).max();
        assert_eq!(found, expected, "{path} {destination} {directory}");
    }

    #[test]
    fn a_path_that_is_the_same_for_every_cluster_fans_out() {
        let (fixed, server) = (json!({"name": "eu-1"}), json!({"server": "{{server}}"}));
        check("apps/shop", server.clone(), "apps/shop", Some(true));
        check("./apps/shop/", server.clone(), "apps/shop", Some(true));
        check("apps/shop", fixed.clone(), "apps/shop", Some(false));
        check("apps/shop", server.clone(), "apps", None);
        check("apps/shop", server.clone(), "apps/shop/x", None);
        check("apps/{{name}}", server.clone(), "apps/eu-1", Some(false));
        check(
            "apps/{{.name}}/x",
            server.clone(),
            "apps/eu-1/x",
            Some(false),
        );
        check("apps/{{name}}", server.clone(), "apps/eu-1/x", None);
        check("{{path}}", server.clone(), "tools/a", Some(true));
        check("{{ .path.path }}", server.clone(), "apps/a", None);
        check("{{path}}", fixed, "tools/a", Some(false));
        let by_path = json!({"name": "{{path.basename}}"});
        check("{{path}}", by_path, "tools/a", Some(false));
        let tenants = json!({"name": "eu-1", "namespace": "{{tenant}}"});
        check("tenant", tenants, "tenant", Some(true));
    }

    #[test]
    fn a_star_is_one_name() {
        assert!(is_directory("apps/*", "apps/shop") && is_directory("", ""));
        assert!(!is_directory("apps/*", "apps/shop/prod") && !is_directory("apps/*", "apps"));
        assert!(is_directory("apps/**", "apps/shop/prod"));
    }
}
