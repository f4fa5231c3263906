//! `Drift`: where a pod's sidecar differs from the expected one, class by class
//! (`design.md` §4 and §10).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::baked_config::remove_trusted_proxies;
use super::expected::{ExpectedSidecar, ProxyKind};
use super::image::image_drifts;
use super::observed::ObservedSidecar;
use super::resources::in_words;
use super::version::Version;
use super::{Drift, DriftCode};
use crate::config::DriftClass;

/// Where a pod's sidecar differs from the expected one, sorted by code.
///
/// What could not be computed ([`ExpectedSidecar::limits`]) is not compared.
#[must_use]
pub fn drifts(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Vec<Drift> {
    let mut drifts = Vec::new();
    drifts.extend(presence(expected, observed));
    drifts.extend(revision(expected, observed));
    drifts.extend(image(expected, observed));
    drifts.extend(native(expected, observed));
    drifts.extend(init(expected, observed));
    if is_same_minor(expected, observed) {
        drifts.extend(config(expected, observed));
        drifts.extend(prometheus(expected, observed));
    }
    drifts.extend(resources(expected, observed));
    drifts.sort();
    drifts
}

fn drift(code: DriftCode, class: DriftClass, observed: &str, expected: &str) -> Drift {
    Drift {
        code,
        class,
        observed: observed.to_owned(),
        expected: expected.to_owned(),
    }
}

/// A pod that was injected by templates without a proxy, and would get one now, or the other way
/// round.
fn presence(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    let presence = DriftClass::Presence;
    match (&observed.image, expected.image.as_str()) {
        (None, "") => None,
        (None, wanted) => Some(drift(
            DriftCode::SidecarMissing,
            presence,
            "no proxy",
            wanted,
        )),
        (Some(had), "") => Some(drift(
            DriftCode::SidecarUnexpected,
            presence,
            had,
            "no proxy",
        )),
        (Some(_), _) => None,
    }
}

/// A pod that does not tell its revision (1.10 and earlier without a label) is not judged by it.
fn revision(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    let had = observed.revision.as_deref()?;
    (had != expected.revision).then(|| {
        drift(
            DriftCode::RevisionDiffers,
            DriftClass::Revision,
            had,
            &expected.revision,
        )
    })
}

fn image(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Vec<Drift> {
    match &observed.image {
        Some(had) if !expected.image.is_empty() => image_drifts(had, &expected.image),
        _ => Vec::new(),
    }
}

fn native(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    let wanted = expected.native?;
    if observed.image.is_none() || wanted == observed.native {
        return None;
    }
    let word = |native| if native { "native" } else { "regular" };
    Some(drift(
        DriftCode::NativeSidecarDiffers,
        DriftClass::Shape,
        word(observed.native),
        word(wanted),
    ))
}

/// An init container that has the proxy's own image on both sides says nothing that the proxy's
/// image does not say.
fn init(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    let has_proxies = observed.image.is_some() && !expected.image.is_empty();
    if !has_proxies || is_limited(expected, DriftClass::Shape) {
        return None;
    }
    let name = |init: &Option<(String, String)>| init.as_ref().map(|(name, _)| name.clone());
    let text = |init: &Option<(String, String)>, with_image: bool| match init {
        None => "none".to_owned(),
        Some((name, image)) if with_image => format!("{name} {image}"),
        Some((name, _)) => name.clone(),
    };
    if name(&expected.init) != name(&observed.init) {
        return Some(drift(
            DriftCode::InitContainerDiffers,
            DriftClass::Shape,
            &text(&observed.init, false),
            &text(&expected.init, false),
        ));
    }
    let (_, wanted) = expected.init.as_ref()?;
    let (_, had) = observed.init.as_ref()?;
    let follows = *wanted == expected.image && Some(had) == observed.image.as_ref();
    if follows || image_drifts(had, wanted).is_empty() {
        return None;
    }
    Some(drift(
        DriftCode::InitContainerDiffers,
        DriftClass::Shape,
        &text(&observed.init, true),
        &text(&expected.init, true),
    ))
}

/// Configuration can be compared only under the same built-in defaults.
fn is_same_minor(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> bool {
    if observed.image.as_deref() == Some(expected.image.as_str()) {
        return true;
    }
    let minor = |version: &Option<String>| {
        let version = Version::parse(version.as_deref()?)?;
        Some(version.minor_pair())
    };
    let wanted = minor(&expected.version);
    wanted.is_some() && wanted == minor(&observed.version)
}

fn config(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    if is_limited(expected, DriftClass::Config) || observed.unreadable.is_some() {
        return None;
    }
    let mut had = Cow::Borrowed(&observed.config);
    if expected.kind != ProxyKind::Gateway && had.contains_key("gatewayTopology") {
        remove_trusted_proxies(had.to_mut());
    }
    if *had == expected.config {
        return None;
    }
    let names: BTreeSet<&String> = had.keys().chain(expected.config.keys()).collect();
    let differing: Vec<&String> = names
        .into_iter()
        .filter(|name| {
            let (had, wanted) = (had.get(*name), expected.config.get(*name));
            // Ports are known only of an init container whose arguments are Istio's.
            let is_known = !name.ends_with("ListenPort") || (had.is_some() && wanted.is_some());
            is_known && had != wanted
        })
        .collect();
    if differing.is_empty() {
        return None;
    }
    Some(drift(
        DriftCode::ProxyConfigDiffers,
        DriftClass::Config,
        &excerpt(&had, &differing),
        &excerpt(&expected.config, &differing),
    ))
}

/// The named entries as JSON, sorted by name.
fn excerpt(config: &BTreeMap<String, Value>, names: &[&String]) -> String {
    let entries: BTreeMap<&str, &Value> = names
        .iter()
        .filter_map(|name| Some((name.as_str(), config.get(*name)?)))
        .collect();
    super::fingerprint::canonical_json(&serde_json::json!(entries))
}

fn prometheus(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    let known = !is_limited(expected, DriftClass::Config);
    (known && expected.prometheus_merged != observed.prometheus_merged).then(|| {
        let word = |merged| if merged { "merged" } else { "not merged" };
        drift(
            DriftCode::PrometheusMergeDiffers,
            DriftClass::Config,
            word(observed.prometheus_merged),
            word(expected.prometheus_merged),
        )
    })
}

fn resources(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Drift> {
    if observed.image.is_none()
        || expected.image.is_empty()
        || is_limited(expected, DriftClass::Resources)
        || expected.resources == observed.resources
    {
        return None;
    }
    Some(drift(
        DriftCode::ProxyResourcesDiffer,
        DriftClass::Resources,
        &in_words(&observed.resources),
        &in_words(&expected.resources),
    ))
}

/// Whether a class could not be computed in full.
fn is_limited(expected: &ExpectedSidecar, class: DriftClass) -> bool {
    expected.limits.iter().any(|(limited, _)| *limited == class)
}
