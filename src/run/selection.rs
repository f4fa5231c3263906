//! The workloads that the command line asks for: `--namespace` and `--selector`.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector, SelectorExt as _};

use crate::cli::InputArgs;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::error::{ErrorKind, RunError};
use crate::manifest::StringMap;
use crate::rollout::Member;
use crate::snapshot::ClusterSnapshot;

/// Namespaces and labels to look at; nothing named means everything.
pub(super) struct Selection<'a> {
    namespaces: &'a [String],
    selector: Selector,
}

impl<'a> Selection<'a> {
    /// The selection of a command line.
    ///
    /// # Errors
    ///
    /// When the selector is none that kubectl takes.
    pub(super) fn new(args: &'a InputArgs) -> Result<Self, RunError> {
        let selector = args
            .selector
            .as_deref()
            .map_or(Ok(Selector::default()), parse);
        let selector = selector.map_err(|part| {
            RunError::new(
                ErrorKind::Usage,
                format!("--selector: `{part}` is no label selector"),
            )
            .hint("write it as kubectl takes it: app=cart,tier!=test,env in (a, b),!legacy")
        })?;
        Ok(Self {
            namespaces: &args.namespaces,
            selector,
        })
    }

    /// What is said of namespaces that are asked for and not there.
    ///
    /// A snapshot without Namespaces tells nothing of them, and what is in a namespace proves it.
    pub(super) fn diagnostics(
        &self,
        snapshot: &ClusterSnapshot,
        members: &[Member<'_>],
    ) -> Vec<Diagnostic> {
        let is_there = |name: &String| {
            let holds = |member: &Member<'_>| member.reference.namespace == *name;
            snapshot.namespaces.contains_key(name) || members.iter().any(holds)
        };
        let missing = |name: &&String| !snapshot.namespaces.is_empty() && !is_there(name);
        let diagnostic = |name: &String| {
            let message = format!("the snapshot holds no namespace {name}");
            Diagnostic::warning(DiagnosticCode::NoSuchNamespace, message)
                .hint("correct --namespace, or record the snapshot again")
        };
        let named = self.namespaces.iter();
        named.filter(missing).map(diagnostic).collect()
    }

    /// Whether a workload is asked for; a selector looks at the labels of the workload itself.
    pub(super) fn covers(&self, member: &Member<'_>) -> bool {
        let labels = member.live.map(|live| &live.metadata.labels);
        let labels = labels.or_else(|| member.pods.first().map(|pod| &pod.metadata.labels));
        let namespace = &member.reference.namespace;
        (self.namespaces.is_empty() || self.namespaces.contains(namespace))
            && self.selector.matches(labels.unwrap_or(&StringMap::new()))
    }
}

/// Reads kubectl's syntax for label selectors.
///
/// # Errors
///
/// The requirement that is none.
fn parse(text: &str) -> Result<Selector, &str> {
    let mut expressions = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let set = rest.find('(').filter(|open| !rest[..*open].contains(','));
        let end = match set {
            Some(open) => open + rest[open..].find(')').ok_or(rest)? + 1,
            None => rest.find(',').unwrap_or(rest.len()),
        };
        let (requirement, after) = rest.split_at(end);
        expressions.push(expression(requirement.trim()).ok_or(requirement)?);
        rest = match after.trim_start() {
            "" => "",
            after => after.strip_prefix(',').ok_or(after)?.trim_start(),
        };
    }
    Ok(expressions.into_iter().collect())
}

fn expression(requirement: &str) -> Option<Expression> {
    if let Some((head, values)) = requirement.split_once('(') {
        let values = values
            .strip_suffix(')')?
            .split(',')
            .map(|value| value.trim().to_owned());
        let values: BTreeSet<String> = values.collect();
        let mut words = head.split_whitespace();
        let key = label_key(words.next()?)?;
        return match (words.next()?, words.next()) {
            ("in", None) => Some(Expression::In(key, values)),
            ("notin", None) => Some(Expression::NotIn(key, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return Some(Expression::NotEqual(
            label_key(key)?,
            value.trim().to_owned(),
        ));
    }
    if let Some((key, value)) = requirement
        .split_once("==")
        .or_else(|| requirement.split_once('='))
    {
        return Some(Expression::Equal(label_key(key)?, value.trim().to_owned()));
    }
    match requirement.strip_prefix('!') {
        Some(key) => Some(Expression::DoesNotExist(label_key(key)?)),
        None => Some(Expression::Exists(label_key(requirement)?)),
    }
}

fn label_key(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt as _;

    use super::parse;

    #[test]
    fn a_selector_selects_as_kubectl_does() {
        let labels: BTreeMap<String, String> = [("app", "cart"), ("tier", "1")]
            .map(|(key, value)| (key.into(), value.into()))
            .into();
        for (text, expected) in [
            ("", true),
            ("app=cart", true),
            ("app==cart,tier!=2", true),
            ("app in (cart, shop), tier", true),
            ("app notin (cart)", false),
            ("!legacy", true),
            ("tier,!app", false),
        ] {
            let selector = parse(text).expect("a selector");
            assert_eq!(selector.matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "app in cart)",
            "a b",
            "app in (x",
            "=x",
            "app within (x)",
            "a,,b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
