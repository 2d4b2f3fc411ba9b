//! Date ([RFC 3261 §20.17]): always GMT.
//!
//! [RFC 3261 §20.17]: https://www.rfc-editor.org/rfc/rfc3261#section-20.17

use std::fmt;

use super::{Fault, HeaderError};
use crate::grammar;
use crate::message::Name;

/// A moment, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00:00 GMT.
    pub unix: i64,
}

impl Date {
    /// Reads `Sat, 13 Nov 2010 23:29:00 GMT`; another time zone is an error.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        read(value).ok_or(HeaderError::new(Name::Date, Fault::Malformed))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.unix.div_euclid(DAY), self.unix.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let name = |names: &[&'static str], at: i64| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
        };
        // 1970-01-01 was a Thursday.
        let weekday = name(&WEEKDAYS, (days + 4).rem_euclid(7));
        let month = name(&MONTHS, month - 1);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

fn read(value: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(grammar::trim(value)).ok()?;
    let (weekday, rest) = text.split_once(", ")?;
    let (date, time) = rest.split_at_checked("13 Nov 2010 ".len())?;
    let [day, month, year] = parts(date.strip_suffix(' ')?, ' ')?;
    let [hour, minute, second] = parts(time.strip_suffix(" GMT")?, ':')?;
    let digits = |text: &str, length: usize, range: std::ops::RangeInclusive<i64>| {
        let number = i64::from(grammar::number(text.as_bytes()).ok()?);
        (text.len() == length && range.contains(&number)).then_some(number)
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = i64::try_from(month).ok()? + 1;
    let (year, day) = (digits(year, 4, 1..=9999)?, digits(day, 2, 1..=31)?);
    let days = days_since_1970(year, month, day);
    // A leap second has no number of its own since 1970: it is the one before.
    let time = digits(hour, 2, 0..=23)? * 3600
        + digits(minute, 2, 0..=59)? * 60
        + digits(second, 2, 0..=60)?.min(59);
    let known = WEEKDAYS.contains(&weekday) && civil(days) == (year, month, day);
    known.then_some(Date { unix: days * DAY + time })
}

fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years start in March, so that the leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_OF_ERA + day_of_era - DAYS_TO_1970
}

/// The inverse: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

const DAY: i64 = 86_400;
/// Days of 400 years.
const DAYS_OF_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for (text, unix) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ] {
            assert_eq!(Date::parse(text.as_bytes()), Ok(Date { unix }), "{text}");
            assert_eq!(Date { unix }.to_string(), text);
        }
    }

    #[test]
    fn another_zone_or_day_is_refused() {
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 31 Feb 2010 16:00:00 GMT",
            "Fri, 29 Feb 2001 16:00:00 GMT",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Foo, 01 Jan 2010 16:00:00 GMT",
            "2010-01-01T00:00:00Z",
            "",
        ] {
            assert!(Date::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
