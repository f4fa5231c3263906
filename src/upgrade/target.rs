//! `Target`: the version of a revision that a chart or an operator is asked for, where the
//! repository does not hold what it renders (`spec/istio.md` §5.3, `spec/gitops.md` §2).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::{Body, ManifestSet, Object, ObjectRef, is_inside};
use crate::mesh::Version;

/// What one object asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The object that asks: `HelmRelease flux-system/istiod`.
    pub(super) by: String,
    /// Namespace of istiod, where the object names it.
    pub(super) namespace: Option<String>,
    /// The revision, `default` for an unrevisioned install.
    pub(super) revision: String,
    /// The version: the tag of the images, without `v`.
    pub(super) version: String,
    /// Registry of the images, where the object names one.
    pub(super) hub: Option<String>,
    /// Variant of the images, where the object names one.
    pub(super) variant: Option<String>,
    /// Tags that point to the revision.
    pub(super) tags: Vec<String>,
    /// Where the object stands.
    pub(super) location: Location,
}

impl Target {
    /// Whether two targets ask for the same, wherever they stand.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let without_place = |target: &Self| Self {
            location: Location::file(""),
            ..target.clone()
        };
        without_place(self) == without_place(other)
    }
}

/// What every object of some directories (none means all) asks for.
pub(super) fn targets(manifests: &ManifestSet, paths: &[String]) -> (Vec<Target>, Vec<Diagnostic>) {
    let (mut targets, mut diagnostics) = (Vec::new(), Vec::new());
    let sources = sources(manifests);
    let mut operators: BTreeMap<String, String> = BTreeMap::new();
    let mut tags: Vec<(String, String)> = Vec::new();
    for file in &manifests.files {
        if !paths.is_empty() && !paths.iter().any(|path| is_inside(&file.path, path)) {
            continue;
        }
        for object in &file.objects {
            let Body::Configuration(value) = &object.body else {
                continue;
            };
            let location = Location::line(&file.path, object.line);
            let asked = match (
                object.reference.group.as_str(),
                object.reference.kind.as_str(),
            ) {
                ("helm.toolkit.fluxcd.io", "HelmRelease") => vec![helm_release(value, &sources)],
                ("argoproj.io", "Application") => application(value),
                ("sailoperator.io", "Istio") => {
                    let target = istio(object, value);
                    if let Some(Ok(asked)) = &target {
                        operators.insert(object.reference.name.clone(), asked.revision.clone());
                    }
                    vec![target]
                }
                ("sailoperator.io", "IstioRevision") => vec![istio_revision(object, value)],
                ("sailoperator.io", "IstioRevisionTag") => {
                    tags.extend(revision_tag(object, value));
                    Vec::new()
                }
                ("install.istio.io", "IstioOperator") => vec![istio_operator(object, value)],
                _ => Vec::new(),
            };
            for asked in asked.into_iter().flatten() {
                match asked {
                    Ok(asked) => targets.push(asked.of(object, location.clone())),
                    Err(why) => {
                        let message = format!("{}: {why}", title(&object.reference));
                        diagnostics.push(
                            Diagnostic::warning(DiagnosticCode::AssumptionIncomplete, message)
                                .at(location.clone()),
                        );
                    }
                }
            }
        }
    }
    for (tag, referred) in tags {
        let revision = operators.get(&referred).unwrap_or(&referred);
        if let Some(target) = targets
            .iter_mut()
            .find(|target| target.revision == *revision)
        {
            target.tags.push(tag);
        }
    }
    (targets, diagnostics)
}

/// What an object asks for, before it is known whose it is.
struct Asked {
    namespace: Option<String>,
    revision: String,
    version: String,
    hub: Option<String>,
    variant: Option<String>,
    tags: Vec<String>,
}

impl Asked {
    fn of(self, object: &Object, location: Location) -> Target {
        Target {
            by: title(&object.reference),
            namespace: self.namespace,
            revision: self.revision,
            version: self.version,
            hub: self.hub,
            variant: self.variant,
            tags: self.tags,
            location,
        }
    }
}

fn title(reference: &ObjectRef) -> String {
    reference.to_string()
}

/// `None` where the object is not about istiod; `Err` says why what it asks for is not known.
type Asks = Option<Result<Asked, String>>;

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// Whether a chart of this name holds istiod.
fn is_istiod_chart(chart: &str) -> bool {
    let name = chart.trim_end_matches('/').rsplit('/').next();
    matches!(name, Some("istiod" | "istio-discovery"))
}

/// The version that a chart is pinned to.
fn pinned(version: Option<&str>) -> Result<String, String> {
    let version = version.ok_or("no chart version is named, so the newest is taken")?;
    let plain = version.strip_prefix('v').unwrap_or(version);
    let is_exact = plain.split('.').count() >= 3
        && !plain.contains(['*', 'x', 'X', '>', '<', '~', '^', '|', ' ', ',']);
    match Version::of_istio(plain) {
        Some(_) if is_exact => Ok(plain.to_owned()),
        _ => Err(format!(
            "`{version}` is no exact version, so what it comes to cannot be told"
        )),
    }
}

/// What a chart's values say beside its version.
fn of_chart(
    version: Result<String, String>,
    namespace: Option<&str>,
    values: &Value,
) -> Result<Asked, String> {
    let tag = text(values, "/global/tag").or_else(|| text(values, "/pilot/tag"));
    let version = match tag {
        Some(tag) => tag.to_owned(),
        None => version?,
    };
    let tags = values.pointer("/revisionTags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(Value::as_str);
    Ok(Asked {
        namespace: namespace.map(str::to_owned),
        revision: text(values, "/revision").unwrap_or("default").to_owned(),
        version,
        hub: text(values, "/global/hub").map(str::to_owned),
        variant: text(values, "/global/variant").map(str::to_owned),
        tags: tags.map(str::to_owned).collect(),
    })
}

/// Flux's chart sources by kind, namespace and name: the chart, and its version.
type Sources<'a> = BTreeMap<(&'a str, &'a str, &'a str), &'a Value>;

fn sources(manifests: &ManifestSet) -> Sources<'_> {
    let objects = manifests.files.iter().flat_map(|file| &file.objects);
    objects
        .filter_map(|object| match &object.body {
            Body::Configuration(value) if object.reference.group == "source.toolkit.fluxcd.io" => {
                let reference = &object.reference;
                let key = (
                    reference.kind.as_str(),
                    reference.namespace.as_str(),
                    reference.name.as_str(),
                );
                Some((key, value))
            }
            _ => None,
        })
        .collect()
}

fn helm_release(value: &Value, sources: &Sources<'_>) -> Asks {
    let empty = Value::Null;
    let values = value.pointer("/spec/values").unwrap_or(&empty);
    let own = text(value, "/metadata/namespace").unwrap_or_default();
    let namespace = text(value, "/spec/targetNamespace").or(text(value, "/metadata/namespace"));
    let version = if let Some(chart) = text(value, "/spec/chart/spec/chart") {
        if !is_istiod_chart(chart) {
            return None;
        }
        pinned(text(value, "/spec/chart/spec/version"))
    } else {
        let name = text(value, "/spec/chartRef/name")?;
        let kind = text(value, "/spec/chartRef/kind")?;
        let of = text(value, "/spec/chartRef/namespace").unwrap_or(own);
        let Some(source) = sources.get(&(kind, of, name)) else {
            let says_istiod = name.contains("istiod");
            return says_istiod.then(|| {
                Err(format!(
                    "{kind} {of}/{name} of its chart is not in the repository"
                ))
            });
        };
        let chart = text(source, "/spec/chart").or(text(source, "/spec/url"))?;
        if !is_istiod_chart(chart) {
            return None;
        }
        pinned(text(source, "/spec/version").or(text(source, "/spec/ref/tag")))
    };
    Some(of_chart(version, namespace, values))
}

fn application(value: &Value) -> Vec<Asks> {
    let namespace = text(value, "/spec/destination/namespace");
    let one = value.pointer("/spec/source").into_iter();
    let many = value.pointer("/spec/sources").and_then(Value::as_array);
    let asks = |source: &Value| -> Asks {
        let chart = text(source, "/chart")?;
        if !is_istiod_chart(chart) {
            return None;
        }
        let version = pinned(text(source, "/targetRevision"));
        Some(helm_values(source).and_then(|values| of_chart(version, namespace, &values)))
    };
    one.chain(many.into_iter().flatten()).map(asks).collect()
}

/// Values of an Application's Helm source: `values` below `valuesObject`, `parameters` over both.
fn helm_values(source: &Value) -> Result<Value, String> {
    let mut values = match source.pointer("/helm/valuesObject") {
        Some(values) => values.clone(),
        None => match text(source, "/helm/values") {
            Some(text) => serde_yaml::from_str(text)
                .map_err(|_| "its Helm values are no YAML mapping".to_owned())?,
            None => Value::Null,
        },
    };
    let parameters = source.pointer("/helm/parameters").and_then(Value::as_array);
    for parameter in parameters.into_iter().flatten() {
        let (Some(name), Some(value)) = (text(parameter, "/name"), text(parameter, "/value"))
        else {
            continue;
        };
        // Only the few that matter: a parameter of any other name changes nothing that is read.
        if matches!(
            name,
            "revision" | "global.tag" | "global.hub" | "global.variant" | "pilot.tag"
        ) {
            set(&mut values, name, value);
        }
    }
    Ok(values)
}

fn set(values: &mut Value, path: &str, value: &str) {
    let mut place = values;
    for key in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(fields) = place else {
            return;
        };
        place = fields.entry(key).or_insert(Value::Null);
    }
    *place = Value::String(value.to_owned());
}

/// Sail's `Istio`: one revision in place, or one for each version.
fn istio(object: &Object, value: &Value) -> Asks {
    let name = &object.reference.name;
    let version = pinned(text(value, "/spec/version"));
    let by_revision = text(value, "/spec/updateStrategy/type") == Some("RevisionBased");
    let empty = Value::Null;
    let values = value.pointer("/spec/values").unwrap_or(&empty);
    let namespace = Some(text(value, "/spec/namespace").unwrap_or("istio-system"));
    let asked = of_chart(version, namespace, values).map(|asked| {
        let revision = if by_revision {
            format!("{name}-v{}", asked.version.replace('.', "-"))
        } else {
            name.clone()
        };
        Asked { revision, ..asked }
    });
    Some(asked)
}

fn istio_revision(object: &Object, value: &Value) -> Asks {
    let version = pinned(text(value, "/spec/version"));
    let empty = Value::Null;
    let values = value.pointer("/spec/values").unwrap_or(&empty);
    let asked = of_chart(version, text(value, "/spec/namespace"), values);
    Some(asked.map(|asked| Asked {
        revision: object.reference.name.clone(),
        ..asked
    }))
}

/// The tag, and the name of the `Istio` or `IstioRevision` that it points to.
fn revision_tag(object: &Object, value: &Value) -> Option<(String, String)> {
    let referred = text(value, "/spec/targetRef/name")?;
    Some((object.reference.name.clone(), referred.to_owned()))
}

fn istio_operator(object: &Object, value: &Value) -> Asks {
    let of_values = || text(value, "/spec/values/global/tag");
    let tag = text(value, "/spec/tag").or_else(of_values)?;
    let hub = text(value, "/spec/hub").or(text(value, "/spec/values/global/hub"));
    let namespace = Some(object.reference.namespace.clone()).filter(|name| !name.is_empty());
    Some(Ok(Asked {
        namespace,
        revision: text(value, "/spec/revision")
            .unwrap_or("default")
            .to_owned(),
        version: tag.to_owned(),
        hub: hub.map(str::to_owned),
        variant: None,
        tags: Vec::new(),
    }))
}
