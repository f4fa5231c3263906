//! `InjectorConfig` and `Values`: the two texts of the injector's ConfigMap, parsed once.
//!
//! `data.config` is YAML (policy, selectors, templates), `data.values` JSON (hub, tag, …)
//! (`spec/istio.md` §2.1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::selector::LabelSelector;
use super::template::{CniKey, Template};

/// `data.config` of the injector's ConfigMap.
#[derive(Debug, Clone, Default)]
pub(crate) struct InjectorConfig {
    /// Whether pods are injected that say nothing of it.
    pub(crate) policy: Policy,
    /// Pods that are not injected by default; selectors that cannot be read are ignored, as istiod
    /// does.
    pub(crate) never: Vec<LabelSelector>,
    /// Pods that are injected by default.
    pub(crate) always: Vec<LabelSelector>,
    /// Templates of pods that name none.
    pub(crate) default_templates: Vec<String>,
    /// Names that stand for several templates.
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    /// Templates by name.
    pub(crate) templates: BTreeMap<String, Template>,
}

/// `policy` of the injector's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// Pods are injected unless they object.
    #[default]
    Enabled,
    /// Pods are injected only if they ask.
    Disabled,
    /// Anything else: no pod is ever injected.
    Other,
}

impl InjectorConfig {
    /// Reads `data.config`.
    ///
    /// # Errors
    ///
    /// In words, when it is not what istiod could read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if !config.is_object() {
            return Err("it is not a mapping".to_owned());
        }
        let mut templates = BTreeMap::new();
        match config.get("templates") {
            Some(Value::Object(named)) => {
                for (name, text) in named {
                    let text = text
                        .as_str()
                        .ok_or_else(|| format!("template {name} is not a text"))?;
                    templates.insert(name.clone(), Template::read(text));
                }
            }
            // 1.8 and earlier have a single template.
            _ => {
                let text = config.get("template").and_then(Value::as_str);
                let text = text.ok_or("it has no templates")?;
                templates.insert("sidecar".to_owned(), Template::read(text));
            }
        }
        let mut default_templates = strings(config.get("defaultTemplates"));
        if default_templates.is_empty() {
            default_templates.push("sidecar".to_owned());
        }
        Ok(Self {
            policy: match config.get("policy").and_then(Value::as_str) {
                Some("enabled") => Policy::Enabled,
                Some("disabled") => Policy::Disabled,
                _ => Policy::Other,
            },
            never: selectors(config.get("neverInjectSelector")),
            always: selectors(config.get("alwaysInjectSelector")),
            default_templates,
            aliases: aliases(config.get("aliases")),
            templates,
        })
    }

    /// The names of the templates that a pod gets, aliases resolved: those of its annotation
    /// `inject.istio.io/templates`, else the default ones.
    pub(crate) fn template_names(&self, annotation: Option<&str>) -> Vec<String> {
        let named: Vec<String> = match annotation {
            Some(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
            None => self.default_templates.clone(),
        };
        named
            .into_iter()
            .flat_map(|name| self.aliases.get(&name).cloned().unwrap_or(vec![name]))
            .collect()
    }
}

/// A list of selectors; one that is empty or cannot be read selects nothing (`injectRequired`).
fn selectors(value: Option<&Value>) -> Vec<LabelSelector> {
    let list = value
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    list.iter()
        .filter_map(|selector| LabelSelector::parse(Some(selector)).ok())
        .filter(|selector| !selector.requirements.is_empty())
        .collect()
}

/// The texts of a list.
fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    list.iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn aliases(value: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let Some(fields) = value.and_then(Value::as_object) else {
        return BTreeMap::new();
    };
    fields
        .iter()
        .map(|(name, list)| (name.clone(), strings(Some(list))))
        .collect()
}

/// `data.values` of the injector's ConfigMap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(Value);

impl Values {
    /// Reads `data.values`.
    ///
    /// # Errors
    ///
    /// In words, when it is not the JSON object that the chart renders.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let values: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match values.get("global") {
            Some(Value::Object(_)) => Ok(Self(values)),
            _ => Err("it has no `global` object".to_owned()),
        }
    }

    fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The text at a JSON pointer; empty where there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `global.hub`.
    pub(crate) fn hub(&self) -> &str {
        self.text("/global/hub")
    }

    /// `global.tag`, formatted as Go's `%v` does.
    pub(crate) fn tag(&self) -> String {
        self.at("/global/tag").map_or_else(String::new, go_text)
    }

    /// `global.proxy.image`, `proxyv2` where it is empty.
    pub(crate) fn proxy_image(&self) -> &str {
        match self.text("/global/proxy/image") {
            "" => "proxyv2",
            image => image,
        }
    }

    /// `global.proxy_init.image`, `proxyv2` where it is empty.
    pub(crate) fn init_image(&self) -> &str {
        match self.text("/global/proxy_init/image") {
            "" => "proxyv2",
            image => image,
        }
    }

    /// Whether the CNI plugin sets up traffic capture.
    pub(crate) fn uses_cni(&self, key: Option<CniKey>) -> bool {
        let pointer = match key {
            Some(CniKey::Pilot) => "/pilot/cni/enabled",
            Some(CniKey::Top) => "/istio_cni/enabled",
            None => return false,
        };
        self.at(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    /// `global.proxy.resources`, one of `requests` and `limits`.
    pub(crate) fn proxy_resources(&self, part: &str) -> impl Iterator<Item = (String, String)> {
        self.at("/global/proxy/resources")
            .and_then(|resources| resources.get(part))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, quantity)| !quantity.is_null())
            .map(|(name, quantity)| (name.clone(), go_text(quantity)))
    }
}

/// A JSON scalar as Go's `fmt.Sprintf("%v")` prints it after decoding into `interface{}`: numbers
/// are floats in their shortest form, so `1.20` is `1.2` and `20240101` is `2.0240101e+07`.
fn go_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(String::new, go_float),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// Go's `%v` of a float: the shortest digits, with an exponent below -4 and from 6 on.
fn go_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{InjectorConfig, Policy, Values};

    #[test]
    fn a_numeric_tag_is_formatted_as_go_formats_it() {
        for (tag, expected) in [
            (json!("1.27.3"), "1.27.3"),
            (json!(1.20), "1.2"),
            (json!(11), "11"),
            (json!(0.5), "0.5"),
            (json!(20240101), "2.0240101e+07"),
            (json!(100000), "100000"),
            (json!(1000000), "1e+06"),
            (json!(true), "true"),
            (json!(null), ""),
        ] {
            let values = json!({"global": {"tag": tag}}).to_string();
            let values = Values::parse(&values).expect("values");
            assert_eq!(values.tag(), expected);
        }
    }

    #[test]
    fn values_that_no_chart_renders_are_an_error() {
        for text in ["", "[]", "{}", "{\"global\": 1}", "not json"] {
            assert!(Values::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_configuration_that_istiod_could_not_read_is_an_error() {
        for text in [
            "",
            "- a",
            "policy: enabled",
            "templates: {sidecar: 1}",
            "a: [b",
        ] {
            assert!(InjectorConfig::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn templates_are_named_by_the_pod_or_by_default_and_aliases_stand_for_several() {
        let text = "policy: enabled\naliases: {both: [sidecar, custom]}\ntemplates: {sidecar: a}\n";
        let config = InjectorConfig::parse(text).expect("a configuration");
        assert_eq!(config.policy, Policy::Enabled);
        assert_eq!(config.template_names(None), ["sidecar"]);
        assert_eq!(
            config.template_names(Some("both, gateway")),
            ["sidecar", "custom", "gateway"]
        );
        assert_eq!(config.template_names(Some("")), [""]);
    }

    #[test]
    fn the_single_template_of_old_releases_is_the_sidecar() {
        let config =
            InjectorConfig::parse("policy: off-ish\ntemplate: |\n  containers:\n").expect("read");
        assert_eq!(config.policy, Policy::Other);
        assert!(config.templates.contains_key("sidecar"));
    }
}
