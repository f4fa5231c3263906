//! The whole of `--help`: what a user reads is reviewed as a diff.

use std::fmt::Write as _;

use crate::common::{Tool, golden, project};

#[test]
fn help_is_the_expected_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = String::new();
    for verb in [
        &[][..],
        &["plan"],
        &["apply"],
        &["explain"],
        &["carry"],
        &["snapshot"],
    ] {
        let arguments = [verb, &["--help"]].concat();
        let help = Tool::new(directory.path(), &arguments).succeed();
        writeln!(text, "$ meshroll {}\n{help}", arguments.join(" ")).expect("written");
    }
    golden(&project().join("tests/cli/help.txt"), &text);
}

#[test]
fn the_version_is_that_of_the_package() {
    let directory = tempfile::tempdir().expect("a directory");
    let version = Tool::new(directory.path(), &["--version"]).succeed();
    assert_eq!(version, format!("meshroll {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_kind_of_code_is_explained() {
    let directory = tempfile::tempdir().expect("a directory");
    for code in [
        "restart",
        "on-delete",
        "proxy-version-differs",
        "manifest-unparsable",
        "version",
        "recreate",
    ] {
        let text = Tool::new(directory.path(), &["explain", code]).succeed();
        assert!(text.starts_with(code), "{text}");
    }
}
