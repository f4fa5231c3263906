//! Where manifests and the configuration are read from: the work tree, or a commit.

use std::collections::BTreeSet;
use std::path::Path;

use git2::Oid;

use crate::cli::RepositoryArgs;
use crate::config::{ClusterPolicy, Policy};
use crate::diagnostic::Diagnostic;
use crate::edge::files;
use crate::edge::git::GitRepository;
use crate::error::{ErrorKind, RunError};
use crate::manifest::{self, ManifestSet, ObjectRef, Screen};

/// The work tree or a commit.
#[derive(Clone, Copy)]
pub(super) struct ManifestSource<'a> {
    pub(super) repository: &'a GitRepository,
    /// The root of the work tree; none for a bare repository.
    pub(super) root: Option<&'a Path>,
    /// The commit to read; none for the work tree.
    pub(super) base: Option<Oid>,
}

/// Where the configuration is looked for.
const CONFIG_FILES: [&str; 2] = ["meshroll.yaml", ".github/meshroll.yaml"];

/// What to do about a directory that is none of the repository's.
const RELATIVE: &str = "name a directory of the repository, from its root on: --path clusters/prod";

impl ManifestSource<'_> {
    /// The configuration: the named file, else that of the tree that manifests are read from.
    pub(super) fn policy(self, args: &RepositoryArgs) -> Result<Policy, RunError> {
        match &args.config {
            Some(path) => named_policy(path),
            None => own_policy(|name| self.file(name)),
        }
    }

    fn file(self, name: &str) -> Result<Option<Vec<u8>>, RunError> {
        match (self.base, self.root) {
            (Some(commit), _) => Ok(self.repository.file(commit, name)?),
            (None, Some(root)) => Ok(files::read_if_present(root, name)?),
            (None, None) => Ok(None),
        }
    }

    /// The directories that belong to the cluster: the command line's, else the configuration's.
    pub(super) fn paths(
        self,
        args: &RepositoryArgs,
        cluster: &ClusterPolicy,
    ) -> Result<Vec<String>, RunError> {
        let mut paths = Vec::new();
        for given in &args.paths {
            let path = given.trim_start_matches("./").trim_matches('/');
            let outside = Path::new(path)
                .components()
                .any(|part| !matches!(part, std::path::Component::Normal(_)));
            if outside && path != "." {
                let message = format!("--path {given} leads out of the repository");
                return Err(RunError::new(ErrorKind::Usage, message).hint(RELATIVE));
            }
            paths.push(if path == "." {
                String::new()
            } else {
                path.to_owned()
            });
        }
        if paths.is_empty() {
            paths.clone_from(&cluster.paths);
        }
        let given = args.paths.iter().chain(&cluster.paths);
        for (path, given) in paths.iter().zip(given) {
            if !self.holds_directory(path)? {
                let message = format!("there is no directory {given} in the repository");
                return Err(RunError::new(ErrorKind::Input, message).hint(RELATIVE));
            }
        }
        Ok(paths)
    }

    fn holds_directory(self, path: &str) -> Result<bool, RunError> {
        match (self.base, self.root) {
            (Some(commit), _) => Ok(self.repository.holds_directory(commit, path)?),
            (None, Some(root)) => Ok(files::is_directory(root, path)),
            (None, None) => Ok(false),
        }
    }

    /// Every manifest in some directories (none means all) that can matter for workloads of these
    /// names, and the objects that own some of them.
    ///
    /// Names narrow what is parsed, so they help only where files hold them: where something
    /// prefixes or suffixes names on their way to the cluster, everything is parsed.
    pub(super) fn manifests(
        self,
        paths: &[String],
        size_limit: u64,
        names: Option<&BTreeSet<&str>>,
        owners: &BTreeSet<ObjectRef>,
    ) -> Result<(ManifestSet, Vec<Diagnostic>), RunError> {
        let wide = Screen::new().with_owners(owners.iter().cloned());
        let Some(names) = names else {
            return self.screened(paths, size_limit, &wide);
        };
        let owner_names = owners.iter().map(|owner| owner.name.as_str());
        let narrow = wide
            .clone()
            .with_names(names.iter().copied().chain(owner_names));
        let (manifests, diagnostics) = self.screened(paths, size_limit, &narrow)?;
        if manifests.renames() {
            return self.screened(paths, size_limit, &wide);
        }
        Ok((manifests, diagnostics))
    }

    fn screened(
        self,
        paths: &[String],
        size_limit: u64,
        screen: &Screen,
    ) -> Result<(ManifestSet, Vec<Diagnostic>), RunError> {
        let (files, mut diagnostics) = match (self.base, self.root) {
            (Some(commit), _) => self
                .repository
                .read_manifests(commit, paths, size_limit, screen)?,
            (None, Some(root)) => {
                let tracked = self.repository.tracked()?;
                let selection = files::Selection {
                    root,
                    paths,
                    tracked: &tracked,
                    size_limit,
                };
                files::read_manifests(selection, screen)
            }
            (None, None) => Default::default(),
        };
        let (manifests, mut found) = manifest::parse(files, screen);
        diagnostics.append(&mut found);
        Ok((manifests, diagnostics))
    }
}

fn named_policy(path: &Path) -> Result<Policy, RunError> {
    let text = files::read_text(path)?;
    Ok(Policy::parse(&path.display().to_string(), &text)?)
}

/// The configuration among the files of a tree.
fn own_policy(
    file: impl Fn(&str) -> Result<Option<Vec<u8>>, RunError>,
) -> Result<Policy, RunError> {
    for name in CONFIG_FILES {
        if let Some(bytes) = file(name)? {
            let text = String::from_utf8(bytes).map_err(|_| {
                RunError::new(ErrorKind::Input, format!("{name} is not valid UTF-8"))
            })?;
            return Ok(Policy::parse(name, &text)?);
        }
    }
    Ok(Policy::default())
}

/// The configuration where only a snapshot is taken: the named file, else that of the directory,
/// which need not be a repository, nor one that Git trusts.
///
/// # Errors
///
/// When there is one and it cannot be read.
pub(super) fn policy_of(directory: &Path, config: Option<&Path>) -> Result<Policy, RunError> {
    if let Some(path) = config {
        return named_policy(path);
    }
    let Ok(repository) = GitRepository::open(directory) else {
        return own_policy(|name| Ok(files::read_if_present(directory, name)?));
    };
    let root = repository.work_tree();
    let head = match root {
        Some(_) => None,
        None => repository.commit("HEAD").ok(),
    };
    let source = ManifestSource {
        repository: &repository,
        root: root.as_deref(),
        base: head,
    };
    own_policy(|name| source.file(name))
}

/// What the configuration says of the cluster; nothing where it names no cluster at all.
pub(super) fn cluster_policy(policy: &Policy, name: &str) -> Result<ClusterPolicy, RunError> {
    if let Some(cluster) = policy.clusters.get(name) {
        return Ok(cluster.clone());
    }
    if policy.clusters.is_empty() {
        return Ok(ClusterPolicy::default());
    }
    let known: Vec<&str> = policy.clusters.keys().map(String::as_str).collect();
    let message = format!("the configuration has no cluster `{name}`");
    Err(RunError::new(ErrorKind::Usage, message).hint(format!(
        "name one of them with --cluster: {}",
        known.join(", ")
    )))
}
