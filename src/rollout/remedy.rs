//! Remedies: commands that the reader of a report can paste into a shell.
//!
//! Names in a snapshot are untrusted, so whatever is not plainly a name is quoted, and control
//! characters never reach a command.

use crate::manifest::ObjectRef;
use crate::snapshot::Pod;

/// How many pods a remedy names before it counts the rest.
const NAMED_PODS: usize = 3;

/// A word for a POSIX shell: as it is where that is safe, else in single quotes.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/:@%+=,-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('\'');
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str(r"'\''"),
            c if c.is_control() => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// `kubectl VERB RESOURCE -n NAMESPACE NAME`.
#[must_use]
pub fn kubectl(verb: &str, resource: &str, namespace: &str, name: &str) -> String {
    let name = shell_word(name);
    let scope = if namespace.is_empty() {
        String::new()
    } else {
        format!(" -n {}", shell_word(namespace))
    };
    // A name that looks like an option must not be read as one.
    let separator = if name.starts_with('-') { " --" } else { "" };
    format!("kubectl {verb} {resource}{scope}{separator} {name}")
}

/// Deleting pods one at a time, in words and with commands.
#[must_use]
pub fn delete_pods(namespace: &str, pods: &[&Pod]) -> String {
    let Some((first, rest)) = pods.split_first() else {
        return "delete its pods one at a time".to_owned();
    };
    let command = kubectl("delete", "pod", namespace, &first.metadata.name);
    if rest.is_empty() {
        return format!("run `{command}`");
    }
    let named: Vec<String> = rest
        .iter()
        .take(NAMED_PODS - 1)
        .map(|pod| shell_word(&pod.metadata.name))
        .collect();
    let more = match rest.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "run `{command}`, and once its replacement is ready the same for {}{more}",
        named.join(", ")
    )
}

/// `kubectl rollout VERB KIND/NAME -n NAMESPACE`.
#[must_use]
pub(super) fn rollout(verb: &str, reference: &ObjectRef) -> String {
    let target = format!("{}/{}", reference.kind.to_lowercase(), reference.name);
    format!(
        "kubectl rollout {verb} -n {} {}",
        shell_word(&reference.namespace),
        shell_word(&target)
    )
}
