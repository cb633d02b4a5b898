//! When a collector wants to be asked again.
//!
//! ```text
//! Retry-After   = HTTP-date / delay-seconds
//! delay-seconds = 1*DIGIT
//! HTTP-date     = IMF-fixdate / rfc850-date / asctime-date
//! ```
//! As examples of the three, which are all that a recipient must know:
//!
//! ```text
//! Sun, 06 Nov 1994 08:49:37 GMT
//! Sunday, 06-Nov-94 08:49:37 GMT
//! Sun Nov  6 08:49:37 1994
//! ```
//! Read by hand: a library for it is 9 KB of the module, and this 2. It judges in the tests.
//!
//! Specs: <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>,
//! <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>

use crate::time::UnixNanos;
use std::time::Duration;

/// How long to wait from `now` on, by a header's value.
///
/// `None`, so that the caller's own delay is taken, where the value is in no form, and where it
/// is no time or past: a collector that is overloaded shall not be asked without end. Without a
/// clock (`now` is 0) a date says nothing.
pub(super) fn parse(value: &[u8], now: UnixNanos) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?.trim_ascii();
    let delay = if value.bytes().all(|it| it.is_ascii_digit()) {
        Duration::from_secs(value.parse().ok()?)
    } else {
        let now = Some(now).filter(|it| *it != UnixNanos(0))?;
        let delay = since_1970(value)?.checked_sub(Duration::from_nanos(now.0))?;
        Some(delay).filter(|it| *it < FAR)?
    };
    Some(delay).filter(|it| !it.is_zero())
}

/// The form with two digits leaves the century open: what would be further ahead is past.
const FAR: Duration = Duration::from_hours(50 * 365 * 24);

/// A date in any of the three forms, told apart by the order of their words; what stands between
/// these says no more, and the day of the week does not either.
fn since_1970(date: &str) -> Option<Duration> {
    let mut words = date.split([' ', ',', '-', ':']).filter(|it| !it.is_empty());
    let (day, month, year, time) = match std::array::from_fn(|_| words.next().unwrap_or_default()) {
        [_, day, month, year, hour, minute, second, "GMT", ""] => {
            (day, month, year, [hour, minute, second])
        }
        [_, month, day, hour, minute, second, year, "", ""] => {
            (day, month, year, [hour, minute, second])
        }
        _ => return None,
    };
    let day = number(day, 31)?.checked_sub(1)?;
    let month = u64::try_from(MONTHS.iter().position(|it| *it == month)?).ok()?;
    let century = if year.len() == 2 { 2000 } else { 0 };
    let year = number(year, 9999)?.saturating_add(century);
    let [hour, minute, second] = time;
    // A leap second is one more.
    let (hour, minute, second) = (number(hour, 23)?, number(minute, 59)?, number(second, 60)?);
    let hours = days(year, month)?.saturating_add(day).saturating_mul(24).saturating_add(hour);
    let minutes = hours.saturating_mul(60).saturating_add(minute);
    Some(Duration::from_secs(minutes.saturating_mul(60).saturating_add(second)))
}

/// Days from 1970 to the first of a month, which is counted from 0.
///
/// Years begin in March here: then the day that comes and goes is the last, and the months'
/// lengths follow each other as multiples of 30.6 days, rounded.
fn days(year: u64, month: u64) -> Option<u64> {
    let (year, month) = match month.checked_sub(2) {
        Some(since_march) => (year, since_march),
        None => (year.checked_sub(1)?, month.saturating_add(10)),
    };
    let leap_days = (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    let in_year = month.saturating_mul(153).saturating_add(2) / 5;
    let days = year.saturating_mul(365).saturating_add(leap_days).saturating_add(in_year);
    // From March of the year 0.
    days.checked_sub(719_468)
}

fn number(digits: &str, most: u64) -> Option<u64> {
    digits.parse().ok().filter(|it| *it <= most)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const THEN: u64 = 784_111_777;

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_wait_is_read_in_both_forms() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        for (why, value, now, want) in [
            ("seconds", "7", THEN, wait(7)),
            ("spaces around", " 7\t", THEN, wait(7)),
            ("without a clock", "7", 0, wait(7)),
            ("no time", "0", THEN, None),
            ("nothing", "", THEN, None),
            ("a word", "soon", THEN, None),
            ("less than nothing", "-1", THEN, None),
            ("a fraction", "1.5", THEN, None),
            ("more than there is", "99999999999999999999999", THEN, None),
            ("IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", THEN - 30, wait(30)),
            ("rfc850-date", "Sunday, 06-Nov-94 08:49:37 GMT", THEN - 30, None),
            (
                "rfc850-date of this century",
                "Friday, 06-Nov-26 08:49:37 GMT",
                1_793_954_917,
                wait(60),
            ),
            ("asctime-date", "Sun Nov  6 08:49:37 1994", THEN - 30, wait(30)),
            ("asctime-date, two digits", "Wed Nov 16 08:49:37 1994", THEN, wait(864_000)),
            ("now", "Sun, 06 Nov 1994 08:49:37 GMT", THEN, None),
            ("past", "Sun, 06 Nov 1994 08:49:37 GMT", THEN + 1, None),
            ("long past", "Thu, 01 Jan 1970 00:00:00 GMT", THEN, None),
            ("before there was time", "Thu, 01 Jan 0000 00:00:00 GMT", THEN, None),
            ("a date without a clock", "Sun, 06 Nov 1994 08:49:37 GMT", 0, None),
            (
                "two digits of the last century",
                "Friday, 31-Dec-99 23:59:59 GMT",
                1_793_954_917,
                None,
            ),
            ("another zone", "Sun, 06 Nov 1994 08:49:37 CET", THEN - 30, None),
            ("a word more", "Sun, 06 Nov 1994 08:49:37 GMT x", THEN - 30, None),
            ("a word less", "Sun, 06 Nov 1994 08:49:37", THEN - 30, None),
            ("no such month", "Sun, 06 Nev 1994 08:49:37 GMT", THEN - 30, None),
            ("no such day", "Sun, 32 Nov 1994 08:49:37 GMT", THEN - 30, None),
            ("day 0", "Sun, 00 Nov 1994 08:49:37 GMT", THEN - 30, None),
            ("no such hour", "Sun, 06 Nov 1994 24:49:37 GMT", THEN - 30, None),
            ("no such minute", "Sun, 06 Nov 1994 08:60:37 GMT", THEN - 30, None),
            ("a leap second", "Sun, 06 Nov 1994 08:49:60 GMT", THEN - 30, wait(53)),
            ("no such second", "Sun, 06 Nov 1994 08:49:61 GMT", THEN - 30, None),
        ] {
            assert_eq!(parse(value.as_bytes(), at(now)), want, "{why}: {value:?}");
        }
        assert_eq!(parse(b"\xff", at(THEN)), None);
        let half = UnixNanos(at(THEN).0 - 500_000_000);
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse(date, half), Some(Duration::from_millis(500)), "to the nanosecond");
    }

    proptest! {
        /// Another library's dates, in all their forms.
        #[test]
        fn a_date_is_what_it_is_to_others(
            // Nanoseconds end in the year 2554.
            now in 1..18_446_000_000_u64, ahead in 1..700_000_u64, form in 0..3,
        ) {
            let imf = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now + ahead));
            let [week, day, month, year, time, _] = imf.split([' ']).collect::<Vec<_>>()[..] else {
                panic!("six words: {imf}")
            };
            let date = match form {
                0 => imf.clone(),
                1 if (2000..2100).contains(&year.parse::<u64>().unwrap()) => {
                    format!("{}day, {day}-{month}-{} {time} GMT", &week[..3], &year[2..])
                }
                _ => {
                    let day = day.trim_start_matches('0');
                    format!("{} {month} {day:>2} {time} {year}", &week[..3])
                }
            };
            prop_assert_eq!(parse(date.as_bytes(), at(now)), Some(Duration::from_secs(ahead)), "{}", date);
        }

        #[test]
        fn anything_can_be_read(value: Vec<u8>, now: u64) {
            let wait = parse(&value, UnixNanos(now));
            prop_assert_ne!(wait, Some(Duration::ZERO));
        }

        #[test]
        fn whatever_looks_like_a_date_can_be_read(words in "[A-Z][a-z]{2} (Jan|Feb|Dec) [0-9]{1,20} [0-9]{1,3}:[0-9]{1,3}:[0-9]{1,3} [0-9]{1,20}", now: u64) {
            parse(words.as_bytes(), UnixNanos(now));
        }
    }
}
