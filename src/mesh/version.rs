//! `Version`: what an image tag or a chart label says about an Istio version.
//!
//! Vendors write tags of their own (`spec/istio.md` §2.4), and semver would call
//! `1.20.0-distroless` a pre-release. A version is therefore only what stands at the start of a
//! tag, the rest is a suffix, and equality of images is never decided here.

use std::fmt;

/// Build variants that Istio and its vendors append to a tag, one after the other.
const VARIANTS: [&str; 3] = ["distroless", "debug", "fips"];

/// An Istio version as read at the start of a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major number; Istio's is 1.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Patch number, absent in `1.29-dev`.
    pub patch: Option<u32>,
    /// What follows the numbers, without the variant: `-asm.19`, `-1`, `-alpha.0f2`.
    pub suffix: String,
}

impl Version {
    /// Reads the version at the start of a tag: `v?(\d+)\.(\d+)(\.(\d+))?`, then a suffix.
    ///
    /// Variants at the end of the suffix are not part of the version: see `split_variant`.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        let (tag, _) = split_variant(tag);
        let rest = tag.strip_prefix('v').unwrap_or(tag);
        let (major, rest) = number(rest)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let patch = rest.strip_prefix('.').and_then(number);
        let (patch, rest) = match patch {
            Some((patch, rest)) => (Some(patch), rest),
            None => (None, rest),
        };
        Some(Self {
            major,
            minor,
            patch,
            suffix: rest.to_owned(),
        })
    }

    /// The version, if it can be one of Istio's: OpenShift's tags and chart sources are not.
    #[must_use]
    pub fn of_istio(tag: &str) -> Option<Self> {
        Self::parse(tag).filter(|version| version.major == 1 && version.minor >= 6)
    }

    /// Whether it is of this minor of Istio 1, or of a later one.
    #[must_use]
    pub fn at_least(&self, minor: u32) -> bool {
        self.major > 1 || self.minor >= minor
    }

    /// Major and minor, which decide the built-in defaults.
    #[must_use]
    pub fn minor_pair(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// Whether it is older, by its numbers alone.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.major, self.minor, self.patch.unwrap_or(0))
            < (other.major, other.minor, other.patch.unwrap_or(0))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        f.write_str(&self.suffix)
    }
}

/// Splits the build variants off the end of a tag: `1.24.3-fips-distroless` is `1.24.3` and
/// `fips-distroless`.
#[must_use]
pub(crate) fn split_variant(tag: &str) -> (&str, &str) {
    let mut end = tag.len();
    while let Some((head, last)) = tag.get(..end).and_then(|head| head.rsplit_once('-')) {
        if !VARIANTS.contains(&last) {
            break;
        }
        end = head.len();
    }
    let variant = tag.get(end + 1..).unwrap_or_default();
    (tag.get(..end).unwrap_or(tag), variant)
}

/// The decimal number at the start, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{Version, split_variant};

    #[track_caller]
    fn check(tag: &str, version: Option<&str>, variant: &str) {
        assert_eq!(
            Version::parse(tag).map(|version| version.to_string()),
            version.map(str::to_owned),
            "{tag}"
        );
        assert_eq!(split_variant(tag).1, variant, "{tag}");
    }

    #[test]
    fn a_version_is_what_stands_at_the_start_of_a_tag() {
        check("1.24.3", Some("1.24.3"), "");
        check("1.24.3-distroless", Some("1.24.3"), "distroless");
        check("1.24.3-debug", Some("1.24.3"), "debug");
        check("1.32.0-alpha.0f2c41", Some("1.32.0-alpha.0f2c41"), "");
        check("1.29-dev", Some("1.29-dev"), "");
        check("v1.27.7-1", Some("1.27.7-1"), "");
        check(
            "1.21.6-asm.19-distroless",
            Some("1.21.6-asm.19"),
            "distroless",
        );
        check(
            "v1.14.3.47-ga31201346f-aliyun",
            Some("1.14.3.47-ga31201346f-aliyun"),
            "",
        );
        check(
            "1.20.1-solo-fips-distroless",
            Some("1.20.1-solo"),
            "fips-distroless",
        );
        check("1.24.3-tetrate-v2", Some("1.24.3-tetrate-v2"), "");
        check("latest", None, "");
        check("", None, "");
        check("1", None, "");
        check("99999999999.1", None, "");
    }

    #[test]
    fn openshift_tags_and_chart_sources_are_no_istio_versions() {
        assert_eq!(Version::of_istio("2.6.1"), None);
        assert_eq!(Version::of_istio("1.0.0"), None);
        assert!(Version::of_istio("1.6.14").is_some());
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let version = |text: &str| Version::parse(text).expect("a version");
        assert!(version("1.9.9").is_older_than(&version("1.10.0")));
        assert!(version("1.30.3").is_older_than(&version("1.30.4")));
        assert!(!version("1.30.4-distroless").is_older_than(&version("1.30.4")));
        assert!(version("1.30.4").at_least(30) && !version("1.30.4").at_least(31));
    }
}
