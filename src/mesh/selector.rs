//! `LabelSelector`: evaluated as the API server evaluates it.
//!
//! A selector that cannot be read is an error of its own and never "matches nothing":
//! what it selects is then unknown. The four operators and the meaning of an absent key are those
//! of `k8s.io/apimachinery/pkg/labels` (`spec/istio.md` §1.1).

use std::fmt;

use serde_json::Value;

use crate::manifest::StringMap;

/// A label selector; without requirements it matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    /// Every one of them must be met.
    pub(crate) requirements: Vec<Requirement>,
}

/// One requirement on the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// Label key.
    pub(crate) key: String,
    /// How the value is tested.
    pub(crate) operator: Operator,
    /// Values of `In` and `NotIn`.
    pub(crate) values: Vec<String>,
}

/// Operators of label selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// The key is there and its value is one of those named.
    In,
    /// The key is absent or its value is none of those named.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Reads a selector as it stands in an object; absent and `null` select everything.
    ///
    /// # Errors
    ///
    /// In words, when it is not what the API server would accept.
    pub(crate) fn parse(value: Option<&Value>) -> Result<Self, String> {
        let fields = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err("a selector is not an object".to_owned()),
        };
        let mut requirements = labels(fields.get("matchLabels"))?;
        match fields.get("matchExpressions") {
            None | Some(Value::Null) => {}
            Some(Value::Array(expressions)) => {
                for expression in expressions {
                    requirements.push(requirement(expression)?);
                }
            }
            Some(_) => return Err("matchExpressions is not a list".to_owned()),
        }
        Ok(Self { requirements })
    }

    /// The first requirement that the labels do not meet; none where they match.
    #[must_use]
    pub(crate) fn unmet(&self, labels: &StringMap) -> Option<&Requirement> {
        self.requirements
            .iter()
            .find(|requirement| !requirement.is_met(labels))
    }

    /// Whether the labels match.
    #[must_use]
    pub(crate) fn matches(&self, labels: &StringMap) -> bool {
        self.unmet(labels).is_none()
    }

    /// The values that the selector asks for in this key.
    pub(crate) fn values_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.requirements
            .iter()
            .filter(move |requirement| {
                requirement.key == key && requirement.operator == Operator::In
            })
            .flat_map(|requirement| requirement.values.iter().map(String::as_str))
    }
}

impl Requirement {
    fn is_met(&self, labels: &StringMap) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Requirement {
    /// `istio.io/rev In [prod]`, `istio-injection DoesNotExist`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match self.operator {
            Operator::In => write!(f, "{key} In [{}]", self.values.join(", ")),
            Operator::NotIn => write!(f, "{key} NotIn [{}]", self.values.join(", ")),
            Operator::Exists => write!(f, "{key} Exists"),
            Operator::DoesNotExist => write!(f, "{key} DoesNotExist"),
        }
    }
}

/// `matchLabels` as requirements.
fn labels(value: Option<&Value>) -> Result<Vec<Requirement>, String> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("matchLabels is not an object".to_owned()),
    };
    let mut requirements = Vec::new();
    for (key, value) in fields {
        let value = value
            .as_str()
            .ok_or_else(|| format!("the value of {key} in matchLabels is not a string"))?;
        requirements.push(Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.to_owned()],
        });
    }
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(requirements)
}

/// One of `matchExpressions`.
fn requirement(value: &Value) -> Result<Requirement, String> {
    let key = value
        .get("key")
        .and_then(Value::as_str)
        .ok_or("an expression has no key")?;
    let values = match value.get("values") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("a value for {key} is not a string"))?,
        Some(_) => return Err(format!("the values for {key} are not a list")),
    };
    let operator = match value.get("operator").and_then(Value::as_str) {
        Some("In") if !values.is_empty() => Operator::In,
        Some("NotIn") if !values.is_empty() => Operator::NotIn,
        Some("Exists") if values.is_empty() => Operator::Exists,
        Some("DoesNotExist") if values.is_empty() => Operator::DoesNotExist,
        Some(operator) => return Err(format!("{key} {operator} cannot be evaluated")),
        None => return Err(format!("the expression for {key} has no operator")),
    };
    Ok(Requirement {
        key: key.to_owned(),
        operator,
        values,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::LabelSelector;
    use crate::manifest::StringMap;

    #[track_caller]
    fn check(selector: &Value, labels: &[(&str, &str)], unmet: Option<&str>) {
        let selector = LabelSelector::parse(Some(selector)).expect("a selector");
        let labels: StringMap = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let found = selector.unmet(&labels).map(ToString::to_string);
        assert_eq!(found.as_deref(), unmet);
    }

    #[test]
    fn operators_mean_what_they_mean_to_the_api_server() {
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]});
        check(&expression("In", &["a", "b"]), &[("k", "b")], None);
        check(&expression("In", &["a"]), &[("k", "b")], Some("k In [a]"));
        check(&expression("In", &["a"]), &[], Some("k In [a]"));
        check(&expression("NotIn", &["a"]), &[], None);
        check(&expression("NotIn", &["a"]), &[("k", "")], None);
        check(
            &expression("NotIn", &["a"]),
            &[("k", "a")],
            Some("k NotIn [a]"),
        );
        check(&expression("Exists", &[]), &[("k", "")], None);
        check(&expression("Exists", &[]), &[], Some("k Exists"));
        check(&expression("DoesNotExist", &[]), &[], None);
        check(
            &expression("DoesNotExist", &[]),
            &[("k", "")],
            Some("k DoesNotExist"),
        );
    }

    #[test]
    fn labels_and_expressions_must_both_hold_and_nothing_selects_everything() {
        let both = json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]});
        check(&both, &[("a", "1"), ("b", "")], None);
        check(&both, &[("a", "2"), ("b", "")], Some("a In [1]"));
        check(&both, &[("a", "1")], Some("b Exists"));
        check(&json!({}), &[], None);
        check(&json!(null), &[("x", "y")], None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_match() {
        for bad in [
            json!("all"),
            json!({"matchLabels": []}),
            json!({"matchLabels": {"a": 1}}),
            json!({"matchExpressions": {}}),
            json!({"matchExpressions": [{"operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "a"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": "b"}]}),
        ] {
            assert!(LabelSelector::parse(Some(&bad)).is_err(), "{bad}");
        }
    }
}
