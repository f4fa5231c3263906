//! Standing: which engine's objects are this cluster's, and which are another's.
//!
//! One repository often holds several clusters, each with objects of the same names. The live ones
//! are this cluster's. One that is known from Git alone is this cluster's where it stands in one of
//! the cluster's directories, else where it is the only one of its name that reads one of them.
//! Every other one is another cluster's: what it applies is shared, and never edited.

use std::collections::BTreeMap;

use super::carrier::Carrier;
use super::{Engine, path};

/// Whose an engine's object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// This cluster's.
    Ours,
    /// One of several definitions of one name, of which only one can be this cluster's.
    OneOfSeveral,
    /// Another cluster's.
    Elsewhere,
}

/// How near a definition in Git is to the cluster's directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Far,
    /// It reads a directory above one of them.
    ReadsAbove,
    /// It reads one of them.
    Reads,
    /// It stands in one of them.
    Stands,
}

/// Tells whose each carrier is, and drops definitions of what is live.
pub(super) fn sort_out(carriers: &mut Vec<Carrier<'_>>, paths: &[String]) {
    let mut groups: BTreeMap<(Engine, String), Vec<usize>> = BTreeMap::new();
    for (number, carrier) in carriers.iter().enumerate() {
        let name = (carrier.engine(), carrier.display_name());
        groups.entry(name).or_default().push(number);
    }
    let above: Vec<usize> = (0..carriers.len())
        .filter(|&number| nearness(&carriers[number], paths) == Nearness::ReadsAbove)
        .collect();
    let mut verdicts: Vec<Option<Standing>> = vec![Some(Standing::Ours); carriers.len()];
    for group in groups.values() {
        let live = group
            .iter()
            .find(|&&number| carriers[number].file.is_none());
        let defined: Vec<usize> = group
            .iter()
            .copied()
            .filter(|&number| carriers[number].file.is_some())
            .collect();
        let found = match live {
            Some(&live) => beside_live(carriers, live, &defined, paths),
            None => alone(carriers, &defined, paths, above.len() == 1),
        };
        for (number, verdict) in found {
            verdicts[number] = verdict;
        }
    }
    let mut verdicts = verdicts.into_iter();
    carriers.retain_mut(|carrier| match verdicts.next().flatten() {
        Some(standing) => {
            carrier.standing = standing;
            true
        }
        None => false,
    });
}

/// What definitions in Git are beside a live object of their name: one that stands in the cluster's
/// directories or reads what it reads is its own.
fn beside_live(
    carriers: &[Carrier<'_>],
    live: usize,
    defined: &[usize],
    paths: &[String],
) -> Vec<(usize, Option<Standing>)> {
    let reads = |number: usize| carriers[number].directories();
    let is_alike = |&number: &usize| reads(number) == reads(live);
    let nearest = defined
        .iter()
        .copied()
        .find(|&number| nearness(&carriers[number], paths) == Nearness::Stands)
        .or_else(|| defined.iter().copied().find(|number| is_alike(number)));
    let whose = |&number: &usize| {
        let is_own = Some(number) == nearest;
        (number, (!is_own).then_some(Standing::Elsewhere))
    };
    defined.iter().map(whose).collect()
}

/// Whose definitions in Git of one name are, of which none is live.
fn alone(
    carriers: &[Carrier<'_>],
    defined: &[usize],
    paths: &[String],
    only_one_above: bool,
) -> Vec<(usize, Option<Standing>)> {
    let near = |number: usize| nearness(&carriers[number], paths);
    let nearest = defined.iter().map(|&number| near(number)).max();
    let nearest = nearest.unwrap_or(Nearness::Far);
    let as_near = |number: usize| near(number) == nearest;
    let count = defined.iter().filter(|&&number| as_near(number)).count();
    let whose = |&number: &usize| {
        let standing = match nearest {
            _ if carriers[number].is_not_live => Standing::Elsewhere,
            _ if paths.is_empty() && defined.len() == 1 => Standing::Ours,
            _ if paths.is_empty() => Standing::OneOfSeveral,
            Nearness::Stands if as_near(number) => Standing::Ours,
            Nearness::Reads if as_near(number) && count == 1 => Standing::Ours,
            Nearness::ReadsAbove if as_near(number) && only_one_above => Standing::Ours,
            _ => Standing::Elsewhere,
        };
        // What stands in our directories and is not live yet applies nothing yet.
        let waits = carriers[number].is_not_live && near(number) == Nearness::Stands;
        (number, (!waits).then_some(standing))
    };
    defined.iter().map(whose).collect()
}

fn nearness(carrier: &Carrier<'_>, paths: &[String]) -> Nearness {
    let Some(file) = carrier.file.filter(|_| !paths.is_empty()) else {
        return Nearness::Far;
    };
    let within = |path: &str| paths.iter().any(|own| path::is_within(path, own));
    let directories = carrier.directories();
    let above = |directory: &String| paths.iter().any(|own| path::is_within(own, directory));
    if within(file) {
        Nearness::Stands
    } else if directories.iter().any(|directory| within(directory)) {
        Nearness::Reads
    } else if directories.iter().any(above) {
        Nearness::ReadsAbove
    } else {
        Nearness::Far
    }
}
