//! The kinds that a snapshot holds, as `--help` lists them.

use crate::snapshot::{KINDS, Kind};

/// The long help of `--snapshot`.
pub(super) fn snapshot_help() -> String {
    let (built_in, custom): (Vec<&Kind>, Vec<&Kind>) =
        KINDS.iter().partition(|kind| kind.is_built_in());
    let list = |kinds: Vec<&Kind>| {
        let resources: Vec<String> = kinds.into_iter().map(Kind::resource).collect();
        resources.join(", ")
    };
    format!(
        "The recorded cluster: what `kubectl get … -A -o json` prints; a file, a directory, or `-`; \
         repeatable.\n\n\
         One list of everything, or several. meshroll looks at {}; and, where they are installed, at \
         {}.",
        list(built_in),
        list(custom)
    )
}
