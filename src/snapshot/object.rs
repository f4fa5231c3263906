//! One object: from the bytes of an item to what is kept of it.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::Deserialize;
use serde::de::{DeserializeSeed as _, IgnoredAny};
use serde_json::Value;

use super::injection::{self, Injection};
use super::json::{self, Repeats};
use super::kinds::{Kind, Reading, Role, find};
use super::metadata::RawMetadata;
use super::pod::{RawPod, RawPodTemplate};
use super::window::{Refusal, one, one_like};
use super::{ClusterObject, LiveWorkload, Metadata, Pod, ReplicaSet};
use crate::manifest::{ObjectRef, PodTemplate, StringMap, group_of, null_default};

/// An object that is kept.
#[derive(Debug)]
pub(super) enum Found {
    Namespace(Box<Metadata>),
    Pod(Box<Pod>),
    ReplicaSet(Box<ReplicaSet>),
    Workload(Box<LiveWorkload>),
    Object(Box<ClusterObject>),
}

/// What one item of an input turned out to be.
#[derive(Debug)]
pub(super) enum Item {
    /// Something to keep, and its `resourceVersion`.
    Kept {
        kind: &'static Kind,
        found: Found,
        version: Option<u64>,
    },
    /// An object of a kind that is kept, which itself does not matter.
    Passed(&'static Kind),
    /// What a dry run gave.
    Injection(Box<Injection>),
    /// A Secret, which is never looked at.
    Secret,
    /// An object of a kind that is not kept.
    Other,
    /// No kind is given; what the list says of its items decides, once it is known.
    Untyped,
}

/// What reading an item may look at besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'c> {
    /// Keys of annotations that are kept besides the known ones.
    pub(super) annotation_keys: &'c [String],
    /// The pod before this one, which often is of the same template.
    pub(super) previous: Option<&'c Pod>,
    /// What the items before this one had in common with each other.
    pub(super) repeats: Option<&'c RefCell<Repeats>>,
}

/// `apiVersion` and `kind`, which come first in what kubectl prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TypeMeta<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    pub(super) api_version: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "null_default")]
    pub(super) kind: Cow<'a, str>,
}

impl TypeMeta<'_> {
    /// What the items of a typed list are: `Pod` for a `PodList`.
    pub(super) fn item_type(&self) -> Option<TypeMeta<'static>> {
        let kind = self
            .kind
            .strip_suffix("List")
            .filter(|kind| !kind.is_empty())?;
        Some(TypeMeta {
            api_version: Cow::Owned(self.api_version.clone().into_owned()),
            kind: Cow::Owned(kind.to_owned()),
        })
    }
}

/// Reads the item at the start of `text`; `typed` is what its list says of its items.
pub(super) fn read(
    text: &str,
    typed: Option<&TypeMeta<'_>>,
    context: Context<'_>,
) -> Result<(Item, usize), Refusal> {
    if !text.starts_with('{') {
        return Err(Refusal::new("an item that is no object"));
    }
    let head = match typed {
        Some(typed) => Head::Typed(typed),
        None => match leading_type(text) {
            Some(own) => Head::Own(own),
            None => Head::Own(one::<TypeMeta<'_>>(text)?.0),
        },
    };
    let type_meta = head.type_meta();
    if type_meta.kind.is_empty() {
        return Ok((Item::Untyped, skip(text)?));
    }
    let group = group_of(&type_meta.api_version);
    match find(group, &type_meta.kind) {
        Some(reading) => read_kind(text, reading, &type_meta.api_version, context),
        None if group == injection::GROUP && type_meta.kind == injection::KIND => {
            let (injection, length) = injection::read(text, context)?;
            Ok((Item::Injection(Box::new(injection)), length))
        }
        None if group.is_empty() && type_meta.kind == "Secret" => Ok((Item::Secret, skip(text)?)),
        None if type_meta.kind.ends_with("List") && one::<Nested>(text)?.0.items.is_some() => {
            Err(Refusal::new("a List inside of a List"))
        }
        None => Ok((Item::Other, skip(text)?)),
    }
}

enum Head<'t, 'a> {
    Typed(&'t TypeMeta<'t>),
    Own(TypeMeta<'a>),
}

impl Head<'_, '_> {
    fn type_meta(&self) -> &TypeMeta<'_> {
        match self {
            Self::Typed(typed) => typed,
            Self::Own(own) => own,
        }
    }
}

#[derive(Deserialize)]
struct Nested {
    items: Option<IgnoredAny>,
}

fn skip(text: &str) -> Result<usize, Refusal> {
    one::<IgnoredAny>(text).map(|(_, length)| length)
}

/// The type of an object whose first keys are `apiVersion` and `kind`, found without reading on.
fn leading_type(text: &str) -> Option<TypeMeta<'_>> {
    let rest = after(text, "{")?;
    let rest = after(after(rest, "\"apiVersion\"")?, ":")?;
    let (api_version, rest) = plain_string(rest)?;
    let rest = after(after(after(rest, ",")?, "\"kind\"")?, ":")?;
    let (kind, _) = plain_string(rest)?;
    Some(TypeMeta {
        api_version: Cow::Borrowed(api_version),
        kind: Cow::Borrowed(kind),
    })
}

fn after<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    text.trim_ascii_start().strip_prefix(token)
}

/// A string without escapes, and what follows it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let rest = after(text, "\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
    let (text, rest) = rest.split_at_checked(end)?;
    Some((text, rest.strip_prefix('"')?))
}

fn read_kind(
    text: &str,
    reading: &'static Reading,
    api_version: &str,
    context: Context<'_>,
) -> Result<(Item, usize), Refusal> {
    let kind = reading.kind;
    let kept = |(found, version)| Item::Kept {
        kind,
        found,
        version,
    };
    match kind.role {
        Role::Pod => {
            let (raw, length) = one_like::<RawPod<'_>>(text, context.repeats)?;
            let (pod, version) = raw.keep(context).map_err(Refusal::new)?;
            Ok((kept((Found::Pod(Box::new(pod)), version)), length))
        }
        Role::ReplicaSet => {
            let (raw, length) = one_like::<RawReplicaSet<'_>>(text, context.repeats)?;
            let found = raw.keep(api_version, context).map_err(Refusal::new)?;
            Ok((kept(found), length))
        }
        Role::Namespace => {
            let (raw, length) = one::<RawNamespace<'_>>(text)?;
            let metadata = raw
                .metadata
                .keep(context.annotation_keys, false)
                .map_err(Refusal::new)?;
            let version = raw.metadata.version();
            Ok((
                kept((Found::Namespace(Box::new(metadata)), version)),
                length,
            ))
        }
        Role::Workload | Role::CronWorkload => {
            let length = skip(text)?;
            let found = read_workload(text, reading, api_version, context)?;
            Ok((kept(found), length))
        }
        Role::Object => {
            let length = skip(text)?;
            let item = match read_object(text, reading, api_version, context)? {
                Some(found) => kept(found),
                None => Item::Passed(kind),
            };
            Ok((item, length))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawNamespace<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: RawMetadata<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawReplicaSet<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: RawMetadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawReplicaSetSpec<'a>,
    #[serde(deserialize_with = "null_default")]
    status: RawReplicaSetStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawReplicaSetSpec<'a> {
    replicas: Option<i64>,
    #[serde(borrow)]
    template: Option<RawPodTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawReplicaSetStatus {
    #[serde(deserialize_with = "null_default")]
    replicas: i64,
    #[serde(deserialize_with = "null_default")]
    ready_replicas: i64,
}

impl RawReplicaSet<'_> {
    fn keep(
        &self,
        api_version: &str,
        context: Context<'_>,
    ) -> Result<(Found, Option<u64>), String> {
        let metadata = self.metadata.keep(context.annotation_keys, false)?;
        let template = match metadata.controller() {
            Some(_) => None,
            None => self.spec.template.as_ref(),
        };
        let replica_set = ReplicaSet {
            api_version: api_version.to_owned(),
            template: template.map(|template| Box::new(template.keep(context.annotation_keys))),
            metadata,
            replicas: self.spec.replicas.unwrap_or(1),
            current_replicas: self.status.replicas,
            ready_replicas: self.status.ready_replicas,
        };
        let found = Found::ReplicaSet(Box::new(replica_set));
        Ok((found, self.metadata.version()))
    }
}

/// The pod template of a workload, at either of its places.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTemplated<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawTemplatedSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawTemplatedSpec<'a> {
    #[serde(borrow)]
    template: Option<RawPodTemplate<'a>>,
    #[serde(borrow)]
    job_template: Option<RawJobTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawJobTemplate<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawJobSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawJobSpec<'a> {
    #[serde(borrow)]
    template: Option<RawPodTemplate<'a>>,
}

impl RawTemplatedSpec<'_> {
    fn keep(&self, role: Role, context: Context<'_>) -> Option<PodTemplate> {
        let template = match role {
            Role::CronWorkload => self.job_template.as_ref()?.spec.template.as_ref(),
            _ => self.template.as_ref(),
        };
        template.map(|template| template.keep(context.annotation_keys))
    }
}

fn read_workload(
    text: &str,
    reading: &'static Reading,
    api_version: &str,
    context: Context<'_>,
) -> Result<(Found, Option<u64>), Refusal> {
    let raw = one::<RawNamespace<'_>>(text)?.0.metadata;
    let metadata = raw
        .keep(context.annotation_keys, false)
        .map_err(Refusal::new)?;
    let template = one::<RawTemplated<'_>>(text)?.0.spec;
    let mut body = keep(text, reading)?;
    let workload = LiveWorkload {
        api_version: api_version.to_owned(),
        reference: reference(reading.kind, &metadata),
        template: template.keep(reading.kind.role, context),
        spec: body.remove("spec").unwrap_or(Value::Null),
        status: body.remove("status").unwrap_or(Value::Null),
        metadata,
    };
    Ok((Found::Workload(Box::new(workload)), raw.version()))
}

fn read_object(
    text: &str,
    reading: &'static Reading,
    api_version: &str,
    context: Context<'_>,
) -> Result<Option<(Found, Option<u64>)>, Refusal> {
    let kind = reading.kind;
    let raw = one::<RawNamespace<'_>>(text)?.0.metadata;
    let metadata = raw
        .keep(context.annotation_keys, is_managed(kind))
        .map_err(Refusal::new)?;
    let body = keep(text, reading)?;
    if !matters(kind, &metadata, &body) {
        return Ok(None);
    }
    let mut body = Value::Object(body);
    withhold_credentials(&mut body);
    let object = ClusterObject {
        api_version: api_version.to_owned(),
        reference: reference(kind, &metadata),
        metadata,
        body,
    };
    Ok(Some((Found::Object(Box::new(object)), raw.version())))
}

fn keep(text: &str, reading: &Reading) -> Result<serde_json::Map<String, Value>, Refusal> {
    if reading.kind.fields().is_empty() {
        return Ok(serde_json::Map::new());
    }
    let kept = match json::read(&reading.kept, text, None) {
        Some((kept, _)) => kept,
        None => {
            let mut deserializer = serde_json::Deserializer::from_str(text);
            let kept = (&reading.kept).deserialize(&mut deserializer);
            kept.map_err(|error| Refusal::json(&error, text))?
        }
    };
    match kept {
        Value::Object(map) => Ok(map),
        _ => Err(Refusal::new("an item that is no object")),
    }
}

fn reference(kind: &Kind, metadata: &Metadata) -> ObjectRef {
    ObjectRef::new(kind.group, kind.kind, &metadata.namespace, &metadata.name)
}

/// Whether the time of the last change is kept: it tells when injection settled (`design.md` §2).
fn is_managed(kind: &Kind) -> bool {
    matches!(kind.kind, "MutatingWebhookConfiguration" | "ConfigMap")
}

/// Whether an object of a kind matters: of ConfigMaps the mesh's and Argo CD's, of Services and
/// validating webhooks istiod's.
fn matters(kind: &Kind, metadata: &Metadata, body: &serde_json::Map<String, Value>) -> bool {
    let name = metadata.name.as_str();
    let says_istiod = |labels: &StringMap| {
        labels.contains_key("istio.io/rev")
            || labels.get("app").is_some_and(|app| app == "istiod")
            || labels.get("istio").is_some_and(|istio| istio == "pilot")
    };
    match (kind.group, kind.kind) {
        ("", "ConfigMap") => {
            let has_mesh = body
                .get("data")
                .is_some_and(|data| data.get("mesh").is_some());
            has_mesh
                || name.starts_with("istio-sidecar-injector")
                || name == "argocd-cm"
                || name == "argocd-cmd-params-cm"
        }
        ("", "Service") => {
            let selector = body.get("spec").and_then(|spec| spec.get("selector"));
            let selects = selector.and_then(|selector| selector.get("app"));
            name.starts_with("istiod")
                || says_istiod(&metadata.labels)
                || selects.and_then(Value::as_str) == Some("istiod")
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            name.contains("istio") || says_istiod(&metadata.labels)
        }
        _ => true,
    }
}

/// Takes user names and passwords out of the URLs of repositories.
fn withhold_credentials(body: &mut Value) {
    let Some(spec) = body.get_mut("spec") else {
        return;
    };
    for place in [
        "/url",
        "/source/repoURL",
        "/sourceHydrator/drySource/repoURL",
        "/sourceHydrator/syncSource/repoURL",
    ] {
        withhold(spec.pointer_mut(place));
    }
    for source in list_mut(spec, "sources") {
        withhold(source.get_mut("repoURL"));
    }
    // Of an AppProject.
    for repository in list_mut(spec, "sourceRepos") {
        withhold(Some(repository));
    }
}

fn list_mut<'v>(value: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Value> {
    let items = value.get_mut(key).and_then(Value::as_array_mut);
    items.into_iter().flatten()
}

fn withhold(url: Option<&mut Value>) {
    let Some(Value::String(url)) = url else {
        return;
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return;
    };
    let host = rest.split('/').next().unwrap_or_default();
    // `ssh://git@host` names no secret, and without its user it is another address.
    if let Some((user, _)) = host.rsplit_once('@')
        && (user.contains(':') || scheme.starts_with("http"))
    {
        let rest = rest.get(user.len() + 1..).unwrap_or_default();
        *url = format!("{scheme}://{rest}");
    }
}
