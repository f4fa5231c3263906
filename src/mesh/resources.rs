//! `Quantity`: compute resources of the proxy, compared by value (`spec/istio.md` §4.4).

use crate::manifest::{Resources, StringMap};

/// The four annotations that replace the default resources, all of them at once.
pub(crate) const ANNOTATIONS: [(&str, Part, &str); 4] = [
    ("sidecar.istio.io/proxyCPU", Part::Requests, "cpu"),
    ("sidecar.istio.io/proxyMemory", Part::Requests, "memory"),
    ("sidecar.istio.io/proxyCPULimit", Part::Limits, "cpu"),
    ("sidecar.istio.io/proxyMemoryLimit", Part::Limits, "memory"),
];

/// Half of a container's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What is reserved.
    Requests,
    /// What is allowed.
    Limits,
}

/// The resources that the four annotations ask for; none where a pod has none of them.
pub(crate) fn annotated(annotations: &StringMap) -> Option<Resources> {
    let mut resources = Resources::default();
    for (annotation, part, name) in ANNOTATIONS {
        if let Some(quantity) = annotations.get(annotation) {
            let part = match part {
                Part::Requests => &mut resources.requests,
                Part::Limits => &mut resources.limits,
            };
            part.insert(name.to_owned(), quantity.clone());
        }
    }
    let is_empty = resources.requests.is_empty() && resources.limits.is_empty();
    (!is_empty).then_some(resources)
}

/// Lays the resources that the user declared on the container over the computed ones.
pub(crate) fn overlay(mut base: Resources, own: &Resources) -> Resources {
    base.requests.extend(own.requests.clone());
    base.limits.extend(own.limits.clone());
    base
}

/// The resources as the API server stores them: a missing request is the limit, and equal
/// quantities have one spelling.
pub(crate) fn stored(resources: &Resources) -> Resources {
    let canonical = |map: &StringMap| -> StringMap {
        map.iter()
            .map(|(name, quantity)| (name.clone(), canonical_quantity(quantity)))
            .collect()
    };
    let limits = canonical(&resources.limits);
    let mut requests = canonical(&resources.requests);
    for (name, limit) in &limits {
        requests
            .entry(name.clone())
            .or_insert_with(|| limit.clone());
    }
    Resources { requests, limits }
}

/// A quantity in one spelling: its value in nano-units, or the text itself if it is none.
fn canonical_quantity(text: &str) -> String {
    match nano(text) {
        Some(nano) if nano % 1_000_000_000 == 0 => (nano / 1_000_000_000).to_string(),
        Some(nano) if nano % 1_000_000 == 0 => format!("{}m", nano / 1_000_000),
        Some(nano) => format!("{nano}n"),
        None => text.to_owned(),
    }
}

/// Whether the text is a quantity as Kubernetes reads them.
pub(crate) fn is_quantity(text: &str) -> bool {
    nano(text).is_some()
}

/// The value in nano-units, rounded up as Kubernetes does.
pub(crate) fn nano(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, suffix) = text.split_at_checked(digits)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) || number.len() > 24 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiplier, divisor) = scale(suffix)?;
    let places = u32::try_from(fraction.len()).ok()?;
    let divisor = 10_i128.checked_pow(places)?.checked_mul(divisor)?;
    let value = mantissa.checked_mul(multiplier)?;
    let value = value.checked_add(divisor - 1)?.checked_div(divisor)?;
    Some(if negative { -value } else { value })
}

/// What a suffix multiplies and divides nano-units by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    const NANO: i128 = 1_000_000_000;
    let binary = |power: u32| Some((NANO.checked_mul(1024_i128.checked_pow(power)?)?, 1));
    let decimal = |power: u32| Some((NANO.checked_mul(1000_i128.checked_pow(power)?)?, 1));
    match suffix {
        "" => Some((NANO, 1)),
        "n" => Some((1, 1)),
        "u" => Some((1_000, 1)),
        "m" => Some((1_000_000, 1)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix),
    }
}

/// `e3`, `E-3`.
fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs().min(30))?;
    if power < 0 {
        Some((1_000_000_000, factor))
    } else {
        Some((1_000_000_000_i128.checked_mul(factor)?, 1))
    }
}

/// Resources in one line: `requests cpu=100m memory=128Mi, limits cpu=2`.
pub(crate) fn in_words(resources: &Resources) -> String {
    let list = |map: &StringMap| {
        let list: Vec<_> = map
            .iter()
            .map(|(name, quantity)| format!(" {name}={quantity}"))
            .collect();
        list.concat()
    };
    let mut parts = Vec::new();
    if !resources.requests.is_empty() {
        parts.push(format!("requests{}", list(&resources.requests)));
    }
    if !resources.limits.is_empty() {
        parts.push(format!("limits{}", list(&resources.limits)));
    }
    if parts.is_empty() {
        return "none".to_owned();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{annotated, canonical_quantity, in_words, is_quantity, stored};
    use crate::manifest::{Resources, StringMap};

    #[test]
    fn equal_quantities_have_one_spelling() {
        for (text, expected) in [
            ("2000m", "2"),
            ("2", "2"),
            ("0.1", "100m"),
            ("100m", "100m"),
            ("1Gi", "1073741824"),
            ("1024Mi", "1073741824"),
            ("1e3", "1000"),
            ("1k", "1000"),
            ("5e-1", "500m"),
            ("1n", "1n"),
            ("-1", "-1"),
            ("junk", "junk"),
        ] {
            assert_eq!(canonical_quantity(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_not_one() {
        for text in [
            "",
            ".",
            "1.2.3",
            "1 Gi",
            "Gi",
            "1gi",
            "one",
            "99999999999999999999999999",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn the_api_server_copies_a_limit_to_a_missing_request() {
        let map = |entries: &[(&str, &str)]| -> StringMap {
            let entries = entries.iter();
            entries
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let resources = Resources {
            requests: map(&[("cpu", "0.1")]),
            limits: map(&[("cpu", "2000m"), ("memory", "1Gi")]),
        };
        let stored = stored(&resources);
        assert_eq!(
            in_words(&stored),
            "requests cpu=100m memory=1073741824, limits cpu=2 memory=1073741824"
        );
    }

    #[test]
    fn one_annotation_replaces_all_resources() {
        let annotations =
            StringMap::from([("sidecar.istio.io/proxyCPU".to_owned(), "1".to_owned())]);
        let resources = annotated(&annotations).expect("resources");
        assert_eq!(in_words(&resources), "requests cpu=1");
        assert_eq!(annotated(&StringMap::new()), None);
    }
}
