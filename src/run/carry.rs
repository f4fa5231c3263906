//! `carry`: restarts of a previous commit, written into freshly rendered manifests.

use super::source::{ManifestSource, cluster_policy};
use super::{narration, write};
use crate::cli::{CarryArgs, Cli};
use crate::config::AnnotationKeys;
use crate::decision::{self, Marks};
use crate::diagnostic::DiagnosticCode;
use crate::edge::git::GitRepository;
use crate::edit;
use crate::error::{DONE, RunError};
use crate::manifest::ManifestSet;
use crate::report;

/// Carries the restarts of `--from` into the work tree, and says which.
///
/// # Errors
///
/// When an input cannot be read, or a file cannot be written.
pub(super) fn carry(cli: &Cli, args: &CarryArgs) -> Result<u8, RunError> {
    let repository = GitRepository::open(&args.repository.repo)?;
    let root = repository.work_tree();
    let from = repository.commit(&args.from)?;
    let fresh = ManifestSource {
        repository: &repository,
        root: root.as_deref(),
        base: None,
    };
    let previous = ManifestSource {
        base: Some(from),
        ..fresh
    };
    let policy = fresh.policy(&args.repository)?;
    let cluster = cluster_policy(&policy, &args.repository.cluster)?;
    let paths = fresh.paths(&args.repository, &cluster)?;
    let size_limit = args.repository.max_file_size;
    // No cluster is looked at, so nobody owns anything.
    let none = std::collections::BTreeSet::new();
    // What was wrong with the previous commit is history.
    let (previous, _) = previous.manifests(&paths, size_limit, None, &none)?;
    let (fresh, mut diagnostics) = fresh.manifests(&paths, size_limit, None, &none)?;
    let (carried, mut found) = decision::carry(&previous, &fresh, &policy.annotations);
    diagnostics.append(&mut found);
    let (edits, mut found) = edit::plan_carried(&carried, &policy.annotations);
    diagnostics.append(&mut found);
    diagnostics.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    narration::diagnostics(cli, &diagnostics);
    if !edits.is_empty() {
        write::to_work_tree(root.as_deref(), &fresh, &edits)?;
    }
    let refused = diagnostics.iter().any(|one| {
        let code = one.code;
        code == DiagnosticCode::StampNotCarried || code == DiagnosticCode::EditRefused
    });
    let nothing = match has_stamps(&previous, &policy.annotations) {
        // Why a stamp was left behind is said of each.
        true if refused => None,
        true => Some("the fresh manifests have every stamp already".to_owned()),
        false => Some(format!("there is no stamp in {}", args.from)),
    };
    narration::answer(&report::carried(&edits, nothing.as_deref()))?;
    Ok(DONE)
}

/// Whether anything was ever restarted in these manifests.
fn has_stamps(manifests: &ManifestSet, keys: &AnnotationKeys) -> bool {
    let mut objects = manifests.files.iter().flat_map(|file| &file.objects);
    objects.any(|object| Marks::in_git(object, keys).text.is_some())
}
