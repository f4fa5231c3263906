//! The independent check: what the editor's own proof does not share code with.
//!
//! Lines are compared with a diff, values with another parser, and the new file is edited again.

use meshroll::edit::{Assignment, EditRequest, plan_file};
use meshroll::manifest::{self, ManifestFile, RawFile, Screen};
use serde::Deserialize as _;

use super::{RESTARTED_AT, RESTARTED_FOR, Tally};

/// Checks a new file against the old one: values document by document, and lines.
pub(crate) fn check(
    file: &ManifestFile,
    new: &[u8],
    requests: &[&EditRequest<'_>],
    tally: &mut Tally,
) -> Result<(), String> {
    let old = std::str::from_utf8(&file.bytes).map_err(|error| error.to_string())?;
    let new = std::str::from_utf8(new).map_err(|error| error.to_string())?;
    check_lines(old, new, tally)?;
    check_values(old, new, requests, tally)?;
    check_again(file, new, requests)
}

/// Only lines of the restart may come or change.
fn check_lines(old: &str, new: &str, tally: &mut Tally) -> Result<(), String> {
    let is_ours = |line: &str| {
        let text = line.trim().trim_end_matches(['{', '}', ',', ' ']);
        line.contains(RESTARTED_AT.0)
            || line.contains(RESTARTED_FOR.0)
            || matches!(
                text.trim_matches(['"', '\'', ':'])
                    .trim_end_matches(['"', '\'']),
                "metadata" | "annotations" | ""
            )
    };
    let diff = similar::TextDiff::from_lines(old, new);
    let (mut added, mut removed) = (0, Vec::new());
    for change in diff.iter_all_changes() {
        let line = change.value();
        match change.tag() {
            similar::ChangeTag::Equal => {}
            similar::ChangeTag::Delete => removed.push(line.trim_end()),
            similar::ChangeTag::Insert if is_ours(line) => added += 1,
            // A last line that gets an end counts as changed.
            similar::ChangeTag::Insert if removed.contains(&line.trim_end()) => added += 1,
            similar::ChangeTag::Insert => return Err(format!("a line that is not ours: {line:?}")),
        }
    }
    let removed = removed.len();
    if added < removed {
        return Err("lines are lost".to_owned());
    }
    tally.added_lines += added - removed;
    tally.replaced_lines += removed;
    Ok(())
}

/// A second reading of both files gives the intended difference and no other.
fn check_values(
    old: &str,
    new: &str,
    requests: &[&EditRequest<'_>],
    tally: &mut Tally,
) -> Result<(), String> {
    let (Some(mut old), new) = (documents(old), documents(new)) else {
        tally.unchecked += 1;
        return Ok(());
    };
    let new = new.ok_or("the new file cannot be read")?;
    for request in requests {
        let name = &request.object.reference.name;
        let kind = &request.object.reference.kind;
        let mut objects = old.iter_mut().flat_map(objects_of);
        let object = objects
            .find(|object| {
                let field = |path: &[&str]| {
                    let mut value: &serde_yaml::Value = object;
                    for key in path {
                        value = value.get(*key)?;
                    }
                    value.as_str().map(str::to_owned)
                };
                let is_edited = get(object, &request.assignments[0].path)
                    .and_then(|annotations| annotations.get(RESTARTED_FOR.0))
                    .and_then(serde_yaml::Value::as_str)
                    == Some(RESTARTED_FOR.1);
                field(&["kind"]).as_ref() == Some(kind)
                    && field(&["metadata", "name"]).as_ref() == Some(name)
                    && !is_edited
            })
            .ok_or_else(|| format!("{kind} {name} is not found"))?;
        for assignment in &request.assignments {
            set(object, assignment).ok_or("no place for the annotations")?;
        }
    }
    match old == new {
        true => Ok(()),
        false => Err("values differ".to_owned()),
    }
}

fn documents(text: &str) -> Option<Vec<serde_yaml::Value>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_yaml::Value::deserialize(document).ok())
        .collect()
}

/// The document, or the items of a list.
fn objects_of(document: &mut serde_yaml::Value) -> Vec<&mut serde_yaml::Value> {
    let is_list = document
        .get("kind")
        .and_then(serde_yaml::Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if !is_list {
        return vec![document];
    }
    let items = document.get_mut("items");
    let items = items.and_then(serde_yaml::Value::as_sequence_mut);
    items
        .map(|items| items.iter_mut().collect())
        .unwrap_or_default()
}

fn get<'v>(value: &'v serde_yaml::Value, path: &[&str]) -> Option<&'v serde_yaml::Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

fn set(object: &mut serde_yaml::Value, assignment: &Assignment) -> Option<()> {
    let mut level = object;
    for key in &assignment.path {
        let mapping = level.as_mapping_mut()?;
        level = mapping
            .entry((*key).into())
            .or_insert(serde_yaml::Value::Null);
        if level.is_null() {
            *level = serde_yaml::Mapping::new().into();
        }
    }
    let key = assignment.key.as_str().into();
    level
        .as_mapping_mut()?
        .insert(key, assignment.value.as_str().into());
    Some(())
}

/// Editing the new file once more changes nothing.
fn check_again(
    file: &ManifestFile,
    new: &str,
    requests: &[&EditRequest<'_>],
) -> Result<(), String> {
    let raw = RawFile {
        path: file.path.clone(),
        bytes: new.as_bytes().to_vec(),
    };
    let (set, _) = manifest::parse(vec![raw], &Screen::new());
    let again = set.files.first().ok_or("the new file holds nothing")?;
    let requests: Vec<EditRequest<'_>> = file
        .objects
        .iter()
        .zip(&again.objects)
        .filter_map(|(old, object)| {
            let request = requests
                .iter()
                .find(|request| std::ptr::eq(request.object, old))?;
            let assignments = request.assignments.clone();
            Some(EditRequest {
                object,
                assignments,
            })
        })
        .collect();
    let (outcome, _) = plan_file(again, &requests);
    match outcome.edit.is_none() && outcome.refusals.is_empty() {
        true => Ok(()),
        false => Err(format!("a second edit changes it again: {outcome:?}")),
    }
}
