//! `ImageName`: an image reference taken apart, and how two of them differ.
//!
//! The differences are classed as `spec/istio.md` §2.3 asks: registry, variant, version, digest.
//! Equality is on the full string, except that Docker Hub's short forms are the same as its long
//! ones (§2.4).

use super::version::{Version, split_variant};
use super::{Drift, DriftCode};
use crate::config::DriftClass;

/// `[registry/path/]name[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// Registry and path, with Docker Hub written out: `docker.io/istio`.
    pub repository: String,
    /// Last component of the path: `proxyv2`.
    pub name: String,
    /// Tag, if there is one.
    pub tag: Option<String>,
    /// Digest with its algorithm, if there is one.
    pub digest: Option<String>,
}

impl ImageName {
    /// Takes an image reference apart. Every text is one; nothing is checked.
    #[must_use]
    pub fn parse(image: &str) -> Self {
        let (image, digest) = match image.split_once('@') {
            Some((image, digest)) => (image, Some(digest.to_owned())),
            None => (image, None),
        };
        let (path, last) = match image.rsplit_once('/') {
            Some((path, last)) => (Some(path), last),
            None => (None, image),
        };
        let (name, tag) = match last.split_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (last, None),
        };
        Self {
            repository: written_out(path),
            name: name.to_owned(),
            tag,
            digest,
        }
    }

    /// The version that the tag tells.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Version::of_istio(self.tag.as_deref()?)
    }

    /// The build variant: that of the tag, else that of the image's name.
    #[must_use]
    pub fn variant(&self) -> String {
        let variant = self.tag.as_deref().map_or("", |tag| split_variant(tag).1);
        match (self.name.as_str(), variant) {
            ("proxyv2", "") => "default".to_owned(),
            ("proxyv2", variant) => variant.to_owned(),
            (name, "") => name.to_owned(),
            (name, variant) => format!("{name} {variant}"),
        }
    }
}

/// Registry and path with Docker Hub's short forms written out.
fn written_out(path: Option<&str>) -> String {
    let Some(path) = path else {
        return "docker.io/library".to_owned();
    };
    let first = path.split('/').next().unwrap_or_default();
    let is_host = first.contains(['.', ':']) || first == "localhost";
    match path.strip_prefix("index.docker.io") {
        Some(rest) => format!("docker.io{rest}"),
        None if is_host => path.to_owned(),
        None => format!("docker.io/{path}"),
    }
}

/// How two proxy images differ, class by class; nothing where they are the same image.
#[must_use]
pub(crate) fn image_drifts(observed: &str, expected: &str) -> Vec<Drift> {
    if observed == expected {
        return Vec::new();
    }
    let (old, new) = (ImageName::parse(observed), ImageName::parse(expected));
    if old == new {
        return Vec::new();
    }
    let drift = |code, class, observed: &str, expected: &str| Drift {
        code,
        class,
        observed: observed.to_owned(),
        expected: expected.to_owned(),
    };
    let mut drifts = Vec::new();
    if old.repository != new.repository {
        drifts.push(drift(
            DriftCode::ProxyRegistryDiffers,
            DriftClass::Registry,
            &old.repository,
            &new.repository,
        ));
    }
    // Equal digests are equal contents, whatever the tags say.
    if old.digest.is_some() && old.digest == new.digest && old.name == new.name {
        return drifts;
    }
    if let (Some(old), Some(new)) = (old.version(), new.version())
        && old != new
    {
        drifts.push(drift(
            DriftCode::ProxyVersionDiffers,
            DriftClass::Version,
            &old.to_string(),
            &new.to_string(),
        ));
    }
    if old.variant() != new.variant() {
        drifts.push(drift(
            DriftCode::ProxyVariantDiffers,
            DriftClass::Variant,
            &old.variant(),
            &new.variant(),
        ));
    }
    if !explained(&old, &new, &drifts) {
        drifts.push(drift(
            DriftCode::ProxyImageDiffers,
            DriftClass::Version,
            observed,
            expected,
        ));
    }
    drifts
}

/// Whether the drifts found so far account for the whole difference.
fn explained(old: &ImageName, new: &ImageName, drifts: &[Drift]) -> bool {
    let has = |code| drifts.iter().any(|drift| drift.code == code);
    if has(DriftCode::ProxyVersionDiffers) {
        return true;
    }
    if old.digest != new.digest {
        return false;
    }
    if old.tag == new.tag {
        return true;
    }
    let stem = |image: &ImageName| {
        let tag = image.tag.as_deref()?;
        Some(split_variant(tag).0.to_owned())
    };
    has(DriftCode::ProxyVariantDiffers) && stem(old) == stem(new)
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
