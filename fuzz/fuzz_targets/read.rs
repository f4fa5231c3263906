//! Reading never panics, and whatever holds an object passes the screen.
//!
//! `cargo +nightly fuzz run read`, seeded with any directory of manifests.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshroll::manifest::{self, RawFile, Screen};

fuzz_target!(|bytes: &[u8]| {
    let screen = Screen::new();
    let raw = RawFile {
        path: "a.yaml".to_owned(),
        bytes: bytes.to_vec(),
    };
    let (set, _) = manifest::parse(vec![raw], &screen);
    for file in &set.files {
        assert!(screen.passes(&file.bytes));
        for object in &file.objects {
            assert!(object.document.span.end <= bytes.len());
        }
    }
});
