//! Any bytes are refused or read, and what is read survives being recorded.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use meshroll::snapshot::{self, ClusterSnapshot, Input, ReadOptions};

fn read(bytes: Vec<u8>, allow_partial: bool) -> Option<ClusterSnapshot> {
    let input = Input {
        name: "fuzz".to_owned(),
        reader: Box::new(Cursor::new(bytes)),
    };
    let options = ReadOptions {
        allow_partial,
        ..ReadOptions::default()
    };
    let read = snapshot::read_with(vec![input], &options).ok()?;
    Some(read.0)
}

fuzz_target!(|bytes: &[u8]| {
    for allow_partial in [false, true] {
        let Some(first) = read(bytes.to_vec(), allow_partial) else {
            continue;
        };
        let mut recording = Vec::new();
        snapshot::record(&first, &mut recording).expect("in memory");
        assert_eq!(read(recording, false).as_ref(), Some(&first));
    }
});
