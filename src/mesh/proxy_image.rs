//! `ComputedImage`: the images that an injector gives the proxy and the init container
//! (`spec/istio.md` §2.2).

use serde_json::Value;

use super::control_plane::{Configuration, ControlPlane};
use super::expected::{Failure, Shaping, Subject, TEMPLATES};
use super::observed::STATUS;
use super::proxy_config::Fields;
use super::template::{INIT, ImageBody, ImageLines, PROXY, VALIDATION};
use crate::config::DriftClass;
use crate::manifest::{Container, PodTemplate};

/// The annotation that names a proxy image, or a part of one.
pub(crate) const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";
/// The annotation that names an image type.
const PROXY_IMAGE_TYPE: &str = "sidecar.istio.io/proxyImageType";

/// An image with where it came from.
pub(crate) struct ComputedImage {
    pub(crate) image: String,
    /// Whether the workload chose it.
    pub(crate) is_custom: bool,
    /// Inputs by name.
    pub(crate) inputs: Vec<(String, String)>,
}

impl ComputedImage {
    /// An image that is taken as it is.
    fn verbatim(source: &str, image: &str, is_custom: bool) -> Self {
        Self {
            image: image.to_owned(),
            is_custom,
            inputs: vec![(source.to_owned(), image.to_owned())],
        }
    }
}

/// The proxy's image (§2.2).
pub(crate) fn proxy_image(
    plane: &ControlPlane,
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    subject: &Subject<'_>,
) -> Result<ComputedImage, Failure> {
    let own = own_container(subject.template, PROXY).and_then(own_image);
    if let Some(image) = own.filter(|_| configuration.version.at_least(9)) {
        let source = "the pod's own istio-proxy container";
        return Ok(ComputedImage::verbatim(source, image, true));
    }
    let Some(lines) = shaping.proxy else {
        return Ok(ComputedImage {
            image: String::new(),
            is_custom: false,
            inputs: Vec::new(),
        });
    };
    if let Some(image) = verbatim(configuration, lines, subject) {
        return Ok(image);
    }
    match &lines.body {
        ImageBody::Computed => {
            let (image_type, source) = image_type(configuration, effective, subject);
            Ok(put_together(configuration, &image_type, source))
        }
        ImageBody::Plain => Ok(put_together(configuration, "", "none")),
        ImageBody::Literal(image) => Ok(ComputedImage::verbatim("the template", image, false)),
        ImageBody::Absent | ImageBody::ComputedInit | ImageBody::Custom(_) => {
            witnessed(plane, configuration, subject)
        }
    }
}

/// An image that has a slash, by annotation or in the values, is taken as it is.
fn verbatim(
    configuration: &Configuration,
    lines: &ImageLines,
    subject: &Subject<'_>,
) -> Option<ComputedImage> {
    let annotation = subject.template.metadata.annotations.get(PROXY_IMAGE);
    let image = match annotation {
        Some(image) if lines.from_annotation => {
            ComputedImage::verbatim(&format!("annotation {PROXY_IMAGE}"), image, true)
        }
        _ if lines.from_values => {
            let image = configuration.values.proxy_image();
            ComputedImage::verbatim("values.global.proxy.image", image, false)
        }
        _ => return None,
    };
    image.image.contains('/').then_some(image)
}

/// Hub, name and tag of the values, with a type.
fn put_together(configuration: &Configuration, image_type: &str, source: &str) -> ComputedImage {
    let values = &configuration.values;
    let tag = values.tag();
    let input = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ComputedImage {
        image: image_url(values.hub(), values.proxy_image(), &tag, image_type),
        is_custom: false,
        inputs: vec![
            input("values.global.hub", values.hub()),
            input("values.global.proxy.image", values.proxy_image()),
            input("values.global.tag", &tag),
            input(&format!("image type, from {source}"), image_type),
        ],
    }
}

/// A template whose image line is its own: only pods that it injected since it settled can tell
/// the image, and only if they all agree.
fn witnessed(
    plane: &ControlPlane,
    configuration: &Configuration,
    subject: &Subject<'_>,
) -> Result<ComputedImage, Failure> {
    let templates = subject
        .template
        .metadata
        .annotations
        .get(TEMPLATES)
        .cloned();
    let images = plane.witnessed.get(&templates);
    let mut images = images.into_iter().flatten();
    match (images.next(), images.next()) {
        (Some(image), None) => Ok(ComputedImage::verbatim(
            "the pods injected since the control plane settled",
            image,
            false,
        )),
        _ => Err(Failure::unknown(format!(
            "the templates of ConfigMap {}/{} make the proxy's image in a way of their own",
            plane.namespace, configuration.config_map
        ))),
    }
}

/// The type of the image and where it comes from: annotation, ProxyConfig, values.
fn image_type(
    configuration: &Configuration,
    effective: &Fields,
    subject: &Subject<'_>,
) -> (String, &'static str) {
    if let Some(own) = subject.template.metadata.annotations.get(PROXY_IMAGE_TYPE) {
        return (own.clone(), "the pod's annotation");
    }
    let version = &configuration.version;
    let variant = || {
        let variant = configuration.values.text("/global/variant");
        if version.at_least(22) {
            (variant.to_owned(), "values.global.variant")
        } else {
            (String::new(), "none")
        }
    };
    match effective.get("image") {
        None => variant(),
        Some(image) => match image.get("imageType").and_then(Value::as_str) {
            None | Some("") if version.at_least(31) => variant(),
            image_type => (image_type.unwrap_or_default().to_owned(), "the ProxyConfig"),
        },
    }
}

/// Hub, name and tag put together; a type replaces the one at the end of the tag.
fn image_url(hub: &str, name: &str, tag: &str, image_type: &str) -> String {
    if image_type.is_empty() {
        return format!("{hub}/{name}:{tag}");
    }
    let stem = ["-distroless", "-debug"]
        .into_iter()
        .find_map(|suffix| tag.strip_suffix(suffix))
        .unwrap_or(tag);
    match image_type {
        "default" => format!("{hub}/{name}:{stem}"),
        image_type => format!("{hub}/{name}:{stem}-{image_type}"),
    }
}

/// A container that the user's own template declares under the name of an injected one.
pub(crate) fn own_container<'a>(template: &'a PodTemplate, name: &str) -> Option<&'a Container> {
    // The output of kube-inject is stripped and injected again, so nothing in it is the user's.
    if template.metadata.annotations.contains_key(STATUS) {
        return None;
    }
    template
        .spec
        .container(name)
        .map(|(container, _)| container)
}

/// An image that the user chose; `auto` asks for the computed one.
fn own_image(container: &Container) -> Option<&str> {
    container
        .image
        .as_deref()
        .filter(|image| !matches!(*image, "" | "auto"))
}

/// The init container that captures traffic, with its image (§2.2, §3.2).
pub(crate) fn init_container(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    subject: &Subject<'_>,
    limits: &mut Vec<(DriftClass, String)>,
) -> Option<(String, String)> {
    let lines = shaping.init?;
    let annotations = &subject.template.metadata.annotations;
    let mode = annotations
        .get("sidecar.istio.io/interceptionMode")
        .map(String::as_str)
        .or_else(|| effective.get("interceptionMode")?.as_str());
    if mode == Some("NONE") {
        return None;
    }
    let template = shaping.main?;
    let name = if configuration.values.uses_cni(template.cni) {
        VALIDATION
    } else {
        INIT
    };
    let own = own_container(subject.template, name).and_then(own_image);
    if let Some(image) = own.filter(|_| configuration.version.at_least(9)) {
        return Some((name.to_owned(), image.to_owned()));
    }
    let image = match init_image(configuration, lines, effective, subject) {
        Ok(image) => image,
        Err(why) => {
            limits.push((DriftClass::Shape, why));
            String::new()
        }
    };
    Some((name.to_owned(), image))
}

fn init_image(
    configuration: &Configuration,
    lines: &ImageLines,
    effective: &Fields,
    subject: &Subject<'_>,
) -> Result<String, String> {
    let values = &configuration.values;
    let annotations = &subject.template.metadata.annotations;
    let annotation = annotations
        .get(PROXY_IMAGE)
        .filter(|_| lines.from_annotation);
    let verbatim = annotation.map_or(values.init_image(), String::as_str);
    if lines.from_values && verbatim.contains('/') {
        return Ok(verbatim.to_owned());
    }
    match &lines.body {
        ImageBody::Computed => {
            let (image_type, _) = image_type(configuration, effective, subject);
            let (hub, name) = (values.hub(), values.proxy_image());
            Ok(image_url(hub, name, &values.tag(), &image_type))
        }
        ImageBody::ComputedInit => {
            // Since 1.31 the ProxyConfig's image type does not count for the init container.
            let own = annotations.get(PROXY_IMAGE_TYPE).map(String::as_str);
            let image_type = own.unwrap_or(values.text("/global/variant"));
            Ok(image_url(
                values.hub(),
                values.init_image(),
                &values.tag(),
                image_type,
            ))
        }
        ImageBody::Plain => Ok(image_url(
            values.hub(),
            values.init_image(),
            &values.tag(),
            "",
        )),
        ImageBody::Literal(image) => Ok(image.clone()),
        ImageBody::Absent | ImageBody::Custom(_) => {
            Err("the template makes the init container's image in a way of its own".to_owned())
        }
    }
}
