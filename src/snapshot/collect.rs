//! Collecting: a snapshot from the lists of a live API server, page by page.
//!
//! The bytes go the way of a recording's: a live cluster and its recording give the same snapshot.

use std::io::Read;

use jiff::Timestamp;

use super::assembly::Assembly;
use super::document;
use super::kinds::Kind;
use super::window::Window;
use super::{ClusterSnapshot, ReadOptions, SnapshotError};
use crate::diagnostic::{Diagnostic, DiagnosticCode};

/// A snapshot in the making.
#[derive(Debug)]
pub struct Collector {
    assembly: Assembly,
}

/// What a page of a list says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where the next page begins; none for the last one.
    pub next: Option<String>,
    /// How many objects the page has.
    pub objects: usize,
}

impl Collector {
    /// An empty one.
    #[must_use]
    pub fn new(options: &ReadOptions) -> Self {
        Self {
            assembly: Assembly::new(options.annotation_keys.clone()),
        }
    }

    /// Takes in a page of a list: the body of the API server's response.
    ///
    /// What is read before a fault stays; the page may be given again.
    ///
    /// # Errors
    ///
    /// When the page cannot be read, or is no list.
    pub fn page(
        &mut self,
        kind: &Kind,
        reader: Box<dyn Read + Send>,
    ) -> Result<Page, SnapshotError> {
        let before = self.assembly.seen();
        let page = document::read(&mut Window::new(reader), &mut self.assembly)
            .map_err(|fault| fault.named(&kind.resource()))?;
        Ok(Page {
            next: (!page.next.is_empty()).then_some(page.next),
            objects: self.assembly.seen() - before,
        })
    }

    /// Notes that a kind was listed to its end, or is not served: there is no other object of it.
    pub fn complete(&mut self, kind: &Kind) {
        self.assembly.hold_kind(kind.group, kind.kind);
    }

    /// Forgets what there is of a kind: its list is begun again, or given up.
    pub fn discard(&mut self, kind: &Kind) {
        self.assembly.discard(kind);
    }

    /// The snapshot, taken at a moment.
    ///
    /// # Errors
    ///
    /// When there is no pod in it.
    pub fn finish(
        mut self,
        captured_at: Timestamp,
    ) -> Result<(ClusterSnapshot, Vec<Diagnostic>), SnapshotError> {
        self.assembly.captured(captured_at);
        let (snapshot, mut diagnostics) = self.assembly.finish()?;
        // An object that changed while a page was read twice is no contradiction.
        diagnostics.retain(|it| it.code != DiagnosticCode::SnapshotContradiction);
        Ok((snapshot, diagnostics))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::Collector;
    use crate::snapshot::{KINDS, Kind, ReadOptions};

    fn kind(name: &str) -> &'static Kind {
        let kind = KINDS.iter().find(|kind| kind.kind == name);
        kind.expect("a kind of the table")
    }

    fn page(collector: &mut Collector, kind: &Kind, names: &[&str], next: &str) -> Option<String> {
        let items = names.iter().map(|name| {
            format!(r#"{{"metadata": {{"name": "{name}", "namespace": "shop", "uid": "{name}"}}}}"#)
        });
        let items = Vec::from_iter(items).join(",");
        let (list, api_version) = (kind.kind, "v1");
        let text = format!(
            r#"{{"kind": "{list}List", "apiVersion": "{api_version}",
                "metadata": {{"continue": "{next}"}}, "items": [{items}]}}"#
        );
        let page = collector.page(kind, Box::new(Cursor::new(text)));
        let page = page.expect("a page");
        assert_eq!(page.objects, names.len());
        page.next
    }

    #[test]
    fn pages_make_one_snapshot() {
        let mut collector = Collector::new(&ReadOptions::default());
        let pod = kind("Pod");
        let next = page(&mut collector, pod, &["a", "b"], "more");
        assert_eq!(next.as_deref(), Some("more"));
        assert_eq!(page(&mut collector, pod, &["b", "c"], ""), None);
        collector.complete(pod);
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let (snapshot, _) = collector.finish(now).expect("a snapshot");
        let names = snapshot.pods.iter().map(|pod| pod.metadata.name.as_str());
        assert_eq!(Vec::from_iter(names), ["a", "b", "c"]);
        assert_eq!(snapshot.capture.captured_at, Some(now));
        assert!(!snapshot.capture.inferred);
    }

    #[test]
    fn a_list_that_is_given_up_leaves_nothing_behind() {
        let mut collector = Collector::new(&ReadOptions::default());
        page(&mut collector, kind("Pod"), &["a"], "");
        page(
            &mut collector,
            kind("PersistentVolumeClaim"),
            &["data"],
            "more",
        );
        collector.discard(kind("PersistentVolumeClaim"));
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let (snapshot, _) = collector.finish(now).expect("a snapshot");
        assert!(snapshot.objects.is_empty());
        assert!(!snapshot.holds("", "PersistentVolumeClaim"));
    }
}
