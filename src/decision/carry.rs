//! Carrying: stamps of the previous commit's manifests that belong in the freshly rendered ones.
//!
//! A render rewrites its files and knows nothing of stamps. Without them the next delivery changes
//! the pod template once more, which restarts the workload a second time (`spec/gitops.md` T2). So
//! every stamp goes over, whatever became of the workload's sidecar since; only those of workloads
//! that are gone are dropped. No cluster and no clock is needed: this runs one step after a render.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Marks;
use super::marks::is_argo_rollout;
use crate::config::AnnotationKeys;
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::{ManifestFile, ManifestSet, Object, ObjectRef};

/// What to write into one object of the fresh manifests.
#[derive(Debug, Clone)]
pub struct Carried<'a> {
    /// The file.
    pub file: &'a ManifestFile,
    /// The object in it.
    pub object: &'a Object,
    /// The stamp, as it was written.
    pub stamp: String,
    /// The restart time as it was written; none where the fresh manifest has a later one, or where
    /// there was none.
    pub restarted_at: Option<String>,
}

/// Works out which stamps of the previous manifests go into which objects of the fresh ones, in the
/// order of the fresh files.
///
/// An object is the same when group, kind, name and the namespace as written are equal: first in the
/// file of the same path, then in the only file that holds it anew, then in the only such one of the
/// same directory. A file that held it before has a history of its own: it may be another cluster's,
/// and a restart of one is none of the other's. A fresh object that carries a stamp and a restart time no older than the previous ones
/// keeps its own.
#[must_use]
pub fn carry<'a>(
    previous: &ManifestSet,
    fresh: &'a ManifestSet,
    keys: &AnnotationKeys,
) -> (Vec<Carried<'a>>, Vec<Diagnostic>) {
    let places = Places::new(previous, fresh);
    let mut carried = BTreeMap::new();
    let mut diagnostics = Vec::new();
    let mut turn: HashMap<(&str, &ObjectRef), usize> = HashMap::new();
    for file in &previous.files {
        for object in file
            .objects
            .iter()
            .filter(|object| object.workload().is_some())
        {
            let nth = turn.entry((&file.path, &object.reference)).or_default();
            let number = *nth;
            *nth += 1;
            let Some(written) = Written::of(object, keys) else {
                continue;
            };
            match places.find(&file.path, &object.reference, number) {
                Ok(place) => {
                    if let Some(found) = written.into_place(fresh, place, keys) {
                        carried.insert(place, found);
                    }
                }
                Err(why) => {
                    let message = format!(
                        "the stamp of {} was not carried over: {why}",
                        object.reference
                    );
                    let at = Location::line(&*file.path, object.line);
                    let code = DiagnosticCode::StampNotCarried;
                    diagnostics.push(Diagnostic::warning(code, message).at(at));
                }
            }
        }
    }
    (carried.into_values().collect(), diagnostics)
}

/// An object's place in a set: indices of its file and of itself.
type Place = (usize, usize);

/// Workloads of a set by identity.
struct Places<'a> {
    manifests: &'a ManifestSet,
    by_identity: HashMap<&'a ObjectRef, Vec<Place>>,
    /// Files that held a workload before.
    before: HashSet<(&'a str, &'a ObjectRef)>,
}

impl<'a> Places<'a> {
    fn new(previous: &'a ManifestSet, manifests: &'a ManifestSet) -> Self {
        let held = |file: &'a ManifestFile| {
            let objects = file.objects.iter();
            objects.map(|object| (&*file.path, &object.reference))
        };
        let mut by_identity: HashMap<&ObjectRef, Vec<Place>> = HashMap::new();
        for (file_number, file) in manifests.files.iter().enumerate() {
            for (number, object) in file.objects.iter().enumerate() {
                if object.workload().is_some() {
                    let places = by_identity.entry(&object.reference).or_default();
                    places.push((file_number, number));
                }
            }
        }
        Self {
            manifests,
            by_identity,
            before: previous.files.iter().flat_map(held).collect(),
        }
    }

    /// The place of an object that stood in a file as the nth of its identity.
    fn find(&self, path: &str, reference: &ObjectRef, nth: usize) -> Result<Place, &'static str> {
        let Some(places) = self.by_identity.get(reference) else {
            return Err("no fresh manifest makes this workload");
        };
        let in_file = |place: &&Place| self.path(place.0) == path;
        if let Some(place) = places.iter().filter(in_file).nth(nth) {
            return Ok(*place);
        }
        let is_new = |place: &&Place| !self.before.contains(&(self.path(place.0), reference));
        let anew: Vec<Place> = places.iter().filter(is_new).copied().collect();
        match anew.as_slice() {
            [] => return Err("no fresh manifest makes this workload in its place"),
            [only] => return Ok(*only),
            _ => {}
        }
        let beside = |place: &&Place| directory(self.path(place.0)) == directory(path);
        let mut found = anew.iter().filter(beside);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(*only),
            _ => Err("several fresh manifests make a workload of this name"),
        }
    }

    fn path(&self, file: usize) -> &str {
        let file = self.manifests.files.get(file);
        file.map_or("", |file| file.path.as_str())
    }
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Marks as they stand in a manifest, to the letter.
struct Written {
    stamp: String,
    restarted_at: Option<String>,
}

impl Written {
    /// The marks of an object; none where it carries no stamp.
    fn of(object: &Object, keys: &AnnotationKeys) -> Option<Self> {
        let workload = object.workload()?;
        if is_argo_rollout(&object.reference.group, &object.reference.kind) {
            let restart_at = workload
                .spec
                .get("restartAt")
                .and_then(|time| time.as_str());
            return Some(Self {
                stamp: object.annotations.get(&keys.restarted_for)?.clone(),
                restarted_at: restart_at.map(str::to_owned),
            });
        }
        let annotations = &workload.template.metadata.annotations;
        let restarted_at = keys.restarted_at.as_ref();
        Some(Self {
            stamp: annotations.get(&keys.restarted_for)?.clone(),
            restarted_at: restarted_at.and_then(|key| annotations.get(key)).cloned(),
        })
    }

    fn into_place<'a>(
        self,
        fresh: &'a ManifestSet,
        place: Place,
        keys: &AnnotationKeys,
    ) -> Option<Carried<'a>> {
        let file = fresh.files.get(place.0)?;
        let object = file.objects.get(place.1)?;
        let own = Marks::in_git(object, keys);
        let was = self
            .restarted_at
            .as_deref()
            .and_then(|time| time.parse().ok());
        let is_later = own.restarted_at >= was;
        let keeps_time = own.restarted_at.is_some() && is_later;
        // Of two stamps the one that came with the later restart is the newer.
        if own.text.is_some() && is_later {
            return None;
        }
        Some(Carried {
            file,
            object,
            stamp: self.stamp,
            restarted_at: self.restarted_at.filter(|_| !keeps_time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::carry;
    use crate::config::AnnotationKeys;
    use crate::gitops::fixture::manifests;

    const STAMP: &str = "1.27.3/default/1.9f2c41";
    const TIME: &str = "2026-11-20T09:00:00Z";

    fn deployment(name: &str, annotations: &str) -> String {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: shop}}, spec: \
             {{template: {{metadata: {{annotations: {{{annotations}}}}}, spec: {{containers: [{{name: a}}]}}}}}}}}\n"
        )
    }

    fn marks(stamp: &str, time: &str) -> String {
        let mut marks = format!("meshroll.dev/restarted-for: {stamp:?}");
        if !time.is_empty() {
            marks.push_str(&format!(", kubectl.kubernetes.io/restartedAt: {time:?}"));
        }
        marks
    }

    fn check(previous: &[(&str, &str)], fresh: &[(&str, &str)], expected: &[&str], said: &[&str]) {
        let (previous, fresh) = (manifests(previous), manifests(fresh));
        let (carried, diagnostics) = carry(&previous, &fresh, &AnnotationKeys::default());
        let found: Vec<String> = carried
            .iter()
            .map(|one| {
                let time = one.restarted_at.as_deref().unwrap_or("-");
                format!(
                    "{}#{} {} {time}",
                    one.file.path, one.object.document.index, one.stamp
                )
            })
            .collect();
        assert_eq!(found, expected);
        let messages: Vec<&str> = diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, said);
    }

    #[test]
    fn a_stamp_goes_into_the_same_object_of_the_same_file() {
        let stamped = deployment("cart", &marks(STAMP, TIME));
        let bare = deployment("cart", "");
        let expected = format!("a.yaml#0 {STAMP} {TIME}");
        check(
            &[("a.yaml", &stamped)],
            &[("a.yaml", &bare)],
            &[&expected],
            &[],
        );
        let twice = [("a.yaml", &*bare), ("b.yaml", &*bare)];
        check(&[("a.yaml", &stamped)], &twice, &[&expected], &[]);
        check(&[("a.yaml", &bare)], &[("a.yaml", &bare)], &[], &[]);
    }

    #[test]
    fn a_moved_manifest_is_found_by_identity() {
        let stamped = deployment("cart", &marks(STAMP, ""));
        let two = format!("{}---\n{}", deployment("other", ""), deployment("cart", ""));
        let expected = format!("new/all.yaml#1 {STAMP} -");
        check(
            &[("old.yaml", &stamped)],
            &[("new/all.yaml", &two)],
            &[&expected],
            &[],
        );
        let bare = deployment("cart", "");
        let clusters = [("a/new.yaml", &*bare), ("b/new.yaml", &*bare)];
        let expected = format!("b/new.yaml#0 {STAMP} -");
        check(&[("b/old.yaml", &stamped)], &clusters, &[&expected], &[]);
    }

    #[test]
    fn a_restart_of_one_cluster_is_none_of_anothers() {
        let stamped = deployment("cart", &marks(STAMP, TIME));
        let bare = deployment("cart", "");
        let before = [("a/cart.yaml", &*stamped), ("b/cart.yaml", &*bare)];
        let expected = format!("a/cart.yaml#0 {STAMP} {TIME}");
        let both = [("a/cart.yaml", &*bare), ("b/cart.yaml", &*bare)];
        check(&before, &both, &[&expected], &[]);
        let gone = "the stamp of Deployment shop/cart was not carried over: no fresh manifest makes this \
                    workload in its place";
        check(&before, &both[1..], &[], &[gone]);
        let expected = format!("a/new.yaml#0 {STAMP} {TIME}");
        check(
            &before,
            &[("a/new.yaml", &bare), both[1]],
            &[&expected],
            &[],
        );
    }

    #[test]
    fn stamp_not_carried() {
        let stamped = deployment("cart", &marks(STAMP, TIME));
        let gone = "the stamp of Deployment shop/cart was not carried over: no fresh manifest makes this workload";
        check(
            &[("a.yaml", &stamped)],
            &[("a.yaml", &deployment("web", ""))],
            &[],
            &[gone],
        );
        let bare = deployment("cart", "");
        let unclear = "the stamp of Deployment shop/cart was not carried over: several fresh manifests make a \
                       workload of this name";
        check(
            &[("a/x.yaml", &stamped)],
            &[("b/x.yaml", &bare), ("c/x.yaml", &bare)],
            &[],
            &[unclear],
        );
    }

    #[test]
    fn a_fresh_manifest_keeps_what_is_no_older() {
        let stamped = deployment("cart", &marks(STAMP, TIME));
        let with = |annotations: &str, expected: &[&str]| {
            let fresh = deployment("cart", annotations);
            check(
                &[("a.yaml", &stamped)],
                &[("a.yaml", &fresh)],
                expected,
                &[],
            );
        };
        with(&marks(STAMP, TIME), &[]);
        with(
            &marks("1.28.0/default/1.aaaaaa", "2026-11-21T00:00:00+01:00"),
            &[],
        );
        let both = format!("a.yaml#0 {STAMP} {TIME}");
        with(
            &marks("1.26.0/default/1.aaaaaa", "2026-11-20T09:30:00+01:00"),
            &[&both],
        );
        let stamp_alone = format!("a.yaml#0 {STAMP} -");
        with(
            "kubectl.kubernetes.io/restartedAt: \"2026-11-20T10:00:00Z\"",
            &[&stamp_alone],
        );
        with(
            "kubectl.kubernetes.io/restartedAt: \"2026-11-20T08:00:00Z\"",
            &[&both],
        );
    }

    #[test]
    fn an_argo_rollout_carries_its_own_fields() {
        let rollout = |annotations: &str, spec: &str| {
            format!(
                "{{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {{name: r, namespace: shop, \
                 annotations: {{{annotations}}}}}, spec: {{{spec}template: {{spec: {{containers: [{{name: a}}]}}}}}}}}\n"
            )
        };
        let stamped = rollout(&marks(STAMP, ""), &format!("restartAt: {TIME:?}, "));
        let expected = format!("a.yaml#0 {STAMP} {TIME}");
        check(
            &[("a.yaml", &stamped)],
            &[("a.yaml", &rollout("", ""))],
            &[&expected],
            &[],
        );
    }
}
