//! An edit changes its keys and nothing else, whatever the file; a second edit changes nothing.
//!
//! `cargo +nightly fuzz run edit`, seeded with any directory of manifests.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshroll::edit::{Assignment, EditRequest, FileOutcome, plan_file};
use meshroll::manifest::{self, ManifestFile, RawFile, Screen};

fuzz_target!(|bytes: &[u8]| {
    let Some(file) = read(bytes.to_vec()) else {
        return;
    };
    let outcome = plan(&file);
    let Some(edit) = outcome.edit else {
        return;
    };
    let new = edit.edit.apply(&file.bytes).expect("an edit of this file");
    let again = read(new.clone()).expect("still a manifest");
    assert_eq!(file.objects.len(), again.objects.len());
    assert_eq!(plan(&again).edit, None);

    // Putting the old bytes back gives the old file.
    let (mut undone, mut at) = (Vec::new(), 0);
    let mut new_at = 0;
    for one in edit.edit.replacements() {
        let kept = one.range.start - at;
        undone.extend_from_slice(&new[new_at..new_at + kept]);
        undone.extend_from_slice(&file.bytes[one.range.clone()]);
        at = one.range.end;
        new_at += kept + one.text.len();
    }
    undone.extend_from_slice(&new[new_at..]);
    assert_eq!(undone, file.bytes);
});

fn read(bytes: Vec<u8>) -> Option<ManifestFile> {
    let raw = RawFile {
        path: "a.yaml".to_owned(),
        bytes,
    };
    let (set, _) = manifest::parse(vec![raw], &Screen::new());
    set.files.into_iter().next()
}

fn plan(file: &ManifestFile) -> FileOutcome {
    let requests: Vec<_> = file
        .objects
        .iter()
        .filter_map(|object| {
            let template = object.workload()?.template_path;
            let path = [template, &["metadata", "annotations"]].concat();
            let assignments = [("r/at", "2026-11-20T09:00:00Z"), ("r/for", "s2")]
                .map(|(key, value)| Assignment {
                    path: path.clone(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                })
                .to_vec();
            Some(EditRequest {
                object,
                assignments,
            })
        })
        .collect();
    plan_file(file, &requests).0
}
