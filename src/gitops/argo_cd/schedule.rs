//! Schedules: cron expressions of five fields, as Argo CD's sync windows and the library behind
//! them (robfig/cron, its standard parser) read them.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// February 29 falls on a given weekday once in 28 years, and once in 40 around a skipped one.
const MAX_DAYS: usize = 41 * 366;

/// When something starts, in the minutes of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values that a field takes, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Whether it takes everything because nothing was asked for.
    is_any: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads five fields or one of the named schedules.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        let mut fields = text.split_whitespace();
        let mut next = |low, high, names: &[&str], first| {
            Field::parse(fields.next()?, low, high, names, first)
        };
        let schedule = Self {
            minutes: next(0, 59, &[], 0)?,
            hours: next(0, 23, &[], 0)?,
            days: next(1, 31, &[], 0)?,
            months: next(1, 12, &MONTHS, 1)?,
            weekdays: next(0, 6, &WEEKDAYS, 0)?,
        };
        fields.next().is_none().then_some(schedule)
    }

    /// The first start after a time. Times that a change of the clock leaves out never come.
    pub(super) fn after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = zone.to_datetime(time).date();
        let mut date = first;
        for _ in 0..MAX_DAYS {
            if self.has(date)
                && let Some(start) = self.first_on(date, time, zone)
            {
                return Some(start);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// Where both the day of the month and the weekday are restricted, either will do.
    fn has(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        let by_day = self.days.has(date.day());
        let by_weekday = self.weekdays.has(weekday);
        let by_either = if self.days.is_any || self.weekdays.is_any {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        };
        self.months.has(date.month()) && by_either
    }

    fn first_on(&self, date: Date, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let hours = (0..24).filter(|hour| self.hours.has(*hour));
        let times = hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| self.minutes.has(*minute));
            minutes.filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        });
        times
            .filter_map(|time| {
                let ambiguous = zone.to_ambiguous_zoned(date.to_datetime(time));
                let is_gap = matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
                let zoned = ambiguous.earlier().ok()?;
                (!is_gap).then(|| zoned.timestamp())
            })
            .find(|start| *start > after)
    }
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| value < 64 && self.bits & (1 << value) != 0)
    }

    fn parse(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Option<Self> {
        let mut field = Self {
            bits: 0,
            is_any: false,
        };
        for part in text.split(',') {
            let part = Self::part(part, low, high, names, first)?;
            field.bits |= part.bits;
            field.is_any |= part.is_any;
        }
        Some(field)
    }

    /// `*`, `?`, `N`, `N-M`, each with `/STEP`; a lone `N/STEP` runs to the end.
    fn part(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Option<Self> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|n| *n > 0)?)),
            None => (text, None),
        };
        let value = |text: &str| -> Option<u32> {
            let lower = text.to_ascii_lowercase();
            let named = names.iter().position(|name| *name == lower);
            let number = match named {
                Some(position) => u32::try_from(position).ok()? + first,
                None => text.parse().ok()?,
            };
            (low..=high).contains(&number).then_some(number)
        };
        let is_star = matches!(range, "*" | "?");
        let (start, end) = if is_star {
            (low, high)
        } else if let Some((start, end)) = range.split_once('-') {
            (value(start)?, value(end)?)
        } else {
            let start = value(range)?;
            (start, if step.is_some() { high } else { start })
        };
        if start > end {
            return None;
        }
        let step = step.unwrap_or(1);
        let every = usize::try_from(step).ok()?;
        Some(Self {
            bits: (start..=end)
                .step_by(every)
                .fold(0, |bits, n| bits | (1 << n)),
            is_any: is_star && step == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use jiff::Timestamp;
    use jiff::tz::{TimeZone, TimeZoneDatabase};

    fn check_in(zone: &TimeZone, text: &str, after: &str, expected: &str) {
        let schedule = Schedule::parse(text).expect("a schedule");
        let after: Timestamp = after.parse().expect("a time");
        let found = schedule.after(after, zone).map(|time| time.to_string());
        assert_eq!(found.as_deref().unwrap_or("never"), expected, "{text}");
    }

    #[test]
    fn the_next_start_is_strictly_later() {
        let check = |text: &str, after: &str, expected: &str| {
            check_in(&TimeZone::UTC, text, after, expected);
        };
        check("0 9 * * *", "2026-11-20T09:00:00Z", "2026-11-21T09:00:00Z");
        check(
            "*/15 * * * *",
            "2026-11-20T09:01:00Z",
            "2026-11-20T09:15:00Z",
        );
        check(
            "30 22 * * FRI",
            "2026-11-20T09:00:00Z",
            "2026-11-20T22:30:00Z",
        );
        check("0 0 29 2 *", "2026-11-20T09:00:00Z", "2028-02-29T00:00:00Z");
        check("0 0 1 * 1", "2026-11-20T09:00:00Z", "2026-11-23T00:00:00Z");
        check(
            "0 0 */2 * 1",
            "2026-11-20T09:00:00Z",
            "2026-11-21T00:00:00Z",
        );
        check(
            "0 0 ? JAN-mar *",
            "2026-11-20T09:00:00Z",
            "2027-01-01T00:00:00Z",
        );
        check(
            "5/20 0 * * *",
            "2026-11-20T00:05:00Z",
            "2026-11-20T00:25:00Z",
        );
        check("@weekly", "2026-11-20T09:00:00Z", "2026-11-22T00:00:00Z");
        check("0 0 31 2 *", "2026-11-20T09:00:00Z", "never");
    }

    #[test]
    fn a_time_that_the_clock_skips_never_comes() {
        let berlin = TimeZoneDatabase::bundled()
            .get("Europe/Berlin")
            .expect("a zone");
        let check = |after: &str, expected: &str| check_in(&berlin, "30 2 * * *", after, expected);
        check("2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z");
        check("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
        check("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "@every 1h",
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
