//! Fingerprints: the expected sidecar, restricted to what the policy restarts on, as six hex
//! digits (`design.md` §2).
//!
//! The definition is frozen under [`SCHEME`]: whoever changes what is hashed, or how, raises it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Stamp;
use super::expected::ExpectedSidecar;
use super::image::ImageName;
use super::version::split_variant;
use crate::config::DriftClass;

/// The definition of the fingerprint that this version writes.
pub const SCHEME: u8 = 1;

impl ExpectedSidecar {
    /// The stamp of a restart for this sidecar under a policy.
    #[must_use]
    pub fn stamp(&self, restart_on: &BTreeSet<DriftClass>) -> Stamp {
        if let Some(computed) = &self.computed {
            return computed.stamp(restart_on);
        }
        let digest = Sha256::digest(canonical_json(&self.essence(restart_on)).as_bytes());
        let mut hash = String::new();
        for byte in digest.iter().take(3) {
            let _ = write!(hash, "{byte:02x}");
        }
        Stamp {
            version: self.version.clone(),
            revision: self.revision.clone(),
            scheme: SCHEME,
            hash,
            attempt: 1,
        }
    }

    /// What the fingerprint covers, class by class.
    fn essence(&self, restart_on: &BTreeSet<DriftClass>) -> Value {
        let mut essence = Map::new();
        for class in restart_on {
            match class {
                DriftClass::Presence => {
                    essence.insert("templates".to_owned(), json!(self.templates));
                }
                DriftClass::Revision => {
                    essence.insert("revision".to_owned(), json!(self.revision));
                }
                DriftClass::Version => {
                    let image = ImageName::parse(&self.image);
                    essence.insert("version".to_owned(), version_of(&image));
                }
                DriftClass::Variant => {
                    let variant = ImageName::parse(&self.image).variant();
                    essence.insert("variant".to_owned(), json!(variant));
                }
                DriftClass::Registry => {
                    let image = ImageName::parse(&self.image);
                    essence.insert("registry".to_owned(), json!(image.repository));
                }
                DriftClass::Shape => {
                    essence.insert("shape".to_owned(), self.shape());
                }
                DriftClass::Config => {
                    essence.insert("config".to_owned(), json!(self.config));
                    essence.insert("prometheusMerged".to_owned(), json!(self.prometheus_merged));
                }
                DriftClass::Resources => {
                    let resources = json!({
                        "limits": *self.resources.limits,
                        "requests": *self.resources.requests,
                    });
                    essence.insert("resources".to_owned(), resources);
                }
            }
        }
        Value::Object(essence)
    }

    /// An init container with the proxy's own image is told by its name alone.
    fn shape(&self) -> Value {
        let init = self.init.as_ref().map(|(name, image)| {
            let own = (*image != self.image).then_some(image);
            json!({"name": name, "image": own})
        });
        json!({"native": self.native, "init": init})
    }
}

/// The tag without its build variant, and the digest.
fn version_of(image: &ImageName) -> Value {
    let tag = image.tag.as_deref().map(|tag| split_variant(tag).0);
    json!({"tag": tag, "digest": image.digest})
}

/// JSON with sorted keys and no white space.
pub(crate) fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Recursion is bounded by the values: they come from parsers with a depth limit.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            text.push('{');
            for (position, name) in names.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                if let Some(value) = fields.get(name) {
                    write_canonical(value, text);
                }
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for (position, value) in list.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_canonical(value, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
