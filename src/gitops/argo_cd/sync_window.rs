//! Sync windows: when an AppProject lets its Applications sync by themselves.
//!
//! Source: `spec/gitops.md` §1.6. An active *deny* window always wins; where any *allow* window
//! applies to an Application, it syncs only inside an active one.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Application;
use super::schedule::Schedule;
use crate::gitops::path::glob_matches;
use crate::rollout::value;

/// How often the search for the next opening may jump from one window to another.
const MAX_JUMPS: usize = 1000;

/// Why an Application may not sync now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// Number of the window that closes it.
    pub(super) window: usize,
    /// Whether it is an active deny window, as opposed to allow windows of which none is active.
    pub(super) denied: bool,
    /// When it may sync again.
    pub(super) opens: Option<Timestamp>,
}

/// One window that applies to an Application.
struct Window {
    number: usize,
    allows: bool,
    schedule: Schedule,
    duration: SignedDuration,
    zone: TimeZone,
}

impl Window {
    /// When the occurrence that covers a time ends.
    fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let earlier = now.checked_sub(self.duration).ok()?;
        let start = self.schedule.after(earlier, &self.zone)?;
        (start <= now).then(|| start.checked_add(self.duration).ok())?
    }

    fn starts_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedule.after(now, &self.zone)
    }
}

/// Why an Application may not sync at a time; none where it may.
///
/// # Errors
///
/// The numbers of windows that apply and cannot be read.
pub(super) fn closed(
    project: &Value,
    application: &Application<'_>,
    now: Timestamp,
) -> Result<Option<Closed>, Vec<usize>> {
    let mut windows = Vec::new();
    let mut unreadable = Vec::new();
    let all = value::items(project, &["spec", "syncWindows"])
        .iter()
        .enumerate();
    for (number, body) in all.filter(|(_, body)| applies(body, application)) {
        match read(number, body) {
            Some(window) => windows.push(window),
            None => unreadable.push(number),
        }
    }
    if !unreadable.is_empty() {
        return Err(unreadable);
    }
    Ok(closing(&windows, now).map(|(window, denied)| Closed {
        window,
        denied,
        opens: next_opening(&windows, now),
    }))
}

/// The window that closes at a time, and whether it denies.
fn closing(windows: &[Window], now: Timestamp) -> Option<(usize, bool)> {
    let is_active = |window: &&Window| window.ends(now).is_some();
    if let Some(denies) = windows
        .iter()
        .filter(|window| !window.allows)
        .find(is_active)
    {
        return Some((denies.number, true));
    }
    let mut allowing = windows.iter().filter(|window| window.allows).peekable();
    let first = allowing.peek()?.number;
    (!allowing.any(|window| is_active(&window))).then_some((first, false))
}

fn next_opening(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let mut time = now;
    for _ in 0..MAX_JUMPS {
        let Some((_, denied)) = closing(windows, time) else {
            return Some(time);
        };
        let next = if denied {
            let denies = windows.iter().filter(|window| !window.allows);
            denies.filter_map(|window| window.ends(time)).max()
        } else {
            let allows = windows.iter().filter(|window| window.allows);
            allows.filter_map(|window| window.starts_after(time)).min()
        };
        time = next.filter(|next| *next > time)?;
    }
    None
}

fn read(number: usize, body: &Value) -> Option<Window> {
    let allows = match value::text(body, &["kind"])? {
        "allow" => true,
        "deny" => false,
        _ => return None,
    };
    let zone = match value::text(body, &["timeZone"]).filter(|name| !name.is_empty()) {
        // The bundled database: the machine's own would make the answer depend on the machine.
        Some(name) => TimeZoneDatabase::bundled().get(name).ok()?,
        None => TimeZone::UTC,
    };
    Some(Window {
        number,
        allows,
        schedule: Schedule::parse(value::text(body, &["schedule"])?)?,
        duration: duration(value::text(body, &["duration"])?)?,
        zone,
    })
}

/// Names, namespaces and clusters are alternatives, unless the window asks for all of them.
fn applies(body: &Value, application: &Application<'_>) -> bool {
    let lists = [
        ("applications", vec![application.name]),
        (
            "namespaces",
            vec![application.text(&["spec", "destination", "namespace"])],
        ),
        (
            "clusters",
            vec![
                application.text(&["spec", "destination", "server"]),
                application.text(&["spec", "destination", "name"]),
            ],
        ),
    ];
    let mut matches = lists.iter().filter_map(|(field, names)| {
        let mut globs = value::texts(body, &[field]).peekable();
        globs.peek()?;
        Some(globs.any(|glob| names.iter().any(|name| glob_matches(glob, name))))
    });
    if value::is_true(body, &["andOperator"]) {
        matches.all(|matches| matches)
    } else {
        matches.any(|matches| matches)
    }
}

/// A duration as Go writes it: `1h30m`, `24h`, `90s`, `0.5h`.
fn duration(text: &str) -> Option<SignedDuration> {
    const LONGEST_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    let readable = seconds > 0.0 && seconds < LONGEST_SECONDS;
    readable.then(|| SignedDuration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::{Window, closing, duration, next_opening, read};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn windows(bodies: &[Value]) -> Vec<Window> {
        let read = |(number, body)| read(number, body).expect("a window");
        bodies.iter().enumerate().map(read).collect()
    }

    fn check(bodies: &[Value], now: &str, expected: Option<(usize, bool)>, opens: &str) {
        let windows = windows(bodies);
        let now: Timestamp = now.parse().expect("a time");
        assert_eq!(closing(&windows, now), expected, "{now}");
        let found = next_opening(&windows, now).map(|time| time.to_string());
        assert_eq!(found.as_deref().unwrap_or("never"), opens, "{now}");
    }

    #[test]
    fn allow_windows_open_and_deny_windows_win() {
        let allow = json!({"kind": "allow", "schedule": "0 9 * * 1-5", "duration": "8h"});
        let deny = json!({"kind": "deny", "schedule": "0 12 * * *", "duration": "1h"});
        let both = [allow.clone(), deny.clone()];
        // 20 November 2026 is a Friday.
        check(&both, "2026-11-20T10:00:00Z", None, "2026-11-20T10:00:00Z");
        check(
            &both,
            "2026-11-20T12:00:00Z",
            Some((1, true)),
            "2026-11-20T13:00:00Z",
        );
        check(
            &both,
            "2026-11-20T17:00:00Z",
            Some((0, false)),
            "2026-11-23T09:00:00Z",
        );
        check(
            &both,
            "2026-11-20T08:59:59Z",
            Some((0, false)),
            "2026-11-20T09:00:00Z",
        );
        check(
            &[deny],
            "2026-11-20T17:00:00Z",
            None,
            "2026-11-20T17:00:00Z",
        );
        check(&[], "2026-11-20T17:00:00Z", None, "2026-11-20T17:00:00Z");
        let always = json!({"kind": "deny", "schedule": "* * * * *", "duration": "1h"});
        check(&[always], "2026-11-20T17:00:00Z", Some((0, true)), "never");
    }

    #[test]
    fn windows_follow_their_time_zone() {
        let berlin = json!({
            "kind": "allow", "schedule": "0 9 * * *", "duration": "1h", "timeZone": "Europe/Berlin",
        });
        check(
            std::slice::from_ref(&berlin),
            "2026-11-20T08:30:00Z",
            None,
            "2026-11-20T08:30:00Z",
        );
        check(
            &[berlin],
            "2026-07-20T08:30:00Z",
            Some((0, false)),
            "2026-07-21T07:00:00Z",
        );
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let check = |text: &str, seconds: Option<i64>| {
            assert_eq!(
                duration(text).map(|found| found.as_secs()),
                seconds,
                "{text}"
            );
        };
        check("1h30m", Some(5400));
        check("24h", Some(86_400));
        check("0.5h", Some(1800));
        check("90s", Some(90));
        check("", None);
        check("5", None);
        check("5d", None);
        check("h", None);
        check("99999999999h", None);
    }
}
