//! Generated trees: directories that somebody else alone may write.
//!
//! Source: `spec/gitops.md` §1.8. Argo CD's source hydrator leaves a `hydrator.metadata` at the
//! branch's root and in each path; other trees are named in the configuration.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::carrier::{Carrier, EngineObject};
use super::path;
use crate::manifest::{ManifestSet, is_hydrator_metadata};

/// What marks generated files.
#[derive(Debug)]
pub(super) struct Generated {
    hydrated: BTreeSet<String>,
    /// Paths that an Application has hydrated, with the Application.
    synced: BTreeMap<String, String>,
    named: GlobSet,
    globs: Vec<String>,
}

impl Generated {
    /// `globs` are the configuration's; one that cannot be read matches nothing, and the
    /// configuration's reader says so.
    pub(super) fn new(manifests: &ManifestSet, carriers: &[Carrier<'_>], globs: &[String]) -> Self {
        let mut builder = GlobSetBuilder::new();
        let mut kept = Vec::new();
        for glob in globs {
            if let Ok(built) = GlobBuilder::new(glob).literal_separator(true).build() {
                builder.add(built);
                kept.push(glob.clone());
            }
        }
        Self {
            hydrated: manifests
                .files
                .iter()
                .filter(|file| is_hydrator_metadata(&file.path))
                .map(|file| path::directory(&file.path).to_owned())
                .collect(),
            synced: carriers.iter().filter_map(synced).collect(),
            named: builder.build().unwrap_or_else(|_| GlobSet::empty()),
            globs: kept,
        }
    }

    /// Who alone may write a file; none where anybody may.
    pub(super) fn by(&self, file: &str) -> Option<String> {
        if let Some(first) = self.named.matches(file).first() {
            let glob = self.globs.get(*first).map_or("", String::as_str);
            return Some(format!("the configuration names it as generated ({glob})"));
        }
        if let Some(application) = path::ancestors(file).find_map(|above| self.synced.get(above)) {
            return Some(format!("the source hydrator writes it for {application}"));
        }
        let marked = path::ancestors(file).find(|above| self.hydrated.contains(*above))?;
        let at = if marked.is_empty() {
            "the root"
        } else {
            marked
        };
        Some(format!(
            "Argo CD's source hydrator writes it (hydrator.metadata in {at})"
        ))
    }
}

/// The path that an Application's source hydrator writes. Where the dry source has the same path, on
/// another branch, the path alone does not tell which of the two this is.
fn synced(carrier: &Carrier<'_>) -> Option<(String, String)> {
    let EngineObject::Application(application) = &carrier.object else {
        return None;
    };
    let hydrated = application.hydrated_path()?;
    let dry = carrier
        .sources
        .iter()
        .filter_map(|source| source.path.as_deref());
    let overlaps = |dry: &str| path::is_within(dry, &hydrated);
    (!dry.into_iter().any(overlaps)).then(|| (hydrated, application.display()))
}
