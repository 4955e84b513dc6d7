//! Instants and days: read from what callers send, printed for them.

use jiff::{civil, tz::TimeZone};

/// First instant a `datetime` holds: 0001-01-01T00:00:00Z, in milliseconds since 1970.
pub const FIRST_MS: i64 = -62_135_596_800_000;
/// Last instant a `datetime` holds: 9999-12-31T23:59:59.999Z.
pub const LAST_MS: i64 = 253_402_300_799_999;

/// Reads an instant: `2026-03-01T08:00:00`, with `T` or a blank, with or without a fraction,
/// `Z` or an offset; or a bare day, which is midnight.
///
/// A time without zone is meant in `zone`: in autumn the earlier of two, in spring a skipped time
/// moves forward. A fraction is cut to milliseconds. `None` when the text is no instant of the
/// years 1 to 9999.
pub fn parse(text: &str, zone: &TimeZone) -> Option<i64> {
    let (local_ms, rest) = parse_local(text)?;
    let instant = match rest {
        "" => local_to_instant(local_ms, zone)?,
        "Z" | "z" => local_ms,
        _ => local_ms - parse_offset(rest)?,
    };
    (FIRST_MS..=LAST_MS).contains(&instant).then_some(instant)
}

/// Reads a day `2026-03-01`; a time behind it is allowed when it is midnight.
pub fn parse_date(text: &str) -> Option<i32> {
    let day = days(text.get(..10)?)?;
    match &text[10..] {
        "" | "T00:00:00" | " 00:00:00" | "T00:00:00Z" | "T00:00:00.000Z" => Some(day),
        _ => None,
    }
}

/// Prints an instant in UTC: `2026-03-01T08:00:00Z`, with milliseconds only where there are any.
pub fn print_utc(ms: i64) -> String {
    let mut text = print_local_ms(ms);
    text.push('Z');
    text
}

/// Prints an instant with the offset that `zone` has then: `2026-03-01T09:00:00+01:00`.
pub fn print_offset(ms: i64, zone: &TimeZone) -> String {
    let offset_s = offset_s(ms, zone);
    if offset_s == 0 {
        return print_utc(ms);
    }
    let mut text = print_local_ms(ms + i64::from(offset_s) * 1000);
    let sign = if offset_s < 0 { '-' } else { '+' };
    let minutes = offset_s.unsigned_abs() / 60;
    text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    text
}

/// Prints an instant as the clocks of `zone` show it, to the second: `2026-03-01T09:00:00`.
pub fn print_plain(ms: i64, zone: &TimeZone) -> String {
    let local_s = (ms + i64::from(offset_s(ms, zone)) * 1000).div_euclid(1000);
    print_local_ms(local_s * 1000)
}

/// Prints a day: `2026-03-01`.
pub fn print_date(day: i32) -> String {
    let (year, month, day) = civil_of(i64::from(day));
    format!("{year:04}-{month:02}-{day:02}")
}

fn offset_s(ms: i64, zone: &TimeZone) -> i32 {
    if *zone == TimeZone::UTC {
        return 0;
    }
    jiff::Timestamp::from_millisecond(ms).map(|instant| zone.to_offset(instant).seconds()).unwrap_or(0)
}

fn print_local_ms(ms: i64) -> String {
    let (year, month, day) = civil_of(ms.div_euclid(86_400_000));
    let in_day = ms.rem_euclid(86_400_000);
    let (s, ms) = (in_day / 1000, in_day % 1000);
    let mut text = String::with_capacity(30);
    for (number, width, mark) in [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (s / 3600, 2, ':'),
        (s / 60 % 60, 2, ':'),
        (s % 60, 2, ' '),
    ] {
        push_digits(&mut text, number, width);
        if mark != ' ' {
            text.push(mark);
        }
    }
    if ms != 0 {
        text.push('.');
        push_digits(&mut text, ms, 3);
    }
    text
}

fn push_digits(text: &mut String, number: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = (number / 10_i64.pow(place)) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

/// Year, month and day of a count of days since 1970 (Howard Hinnant's `civil_from_days`).
fn civil_of(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Days since 1970 of exactly `YYYY-MM-DD`.
fn days(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || day < 1 || day > length {
        return None;
    }
    i32::try_from(days_of(year, month, day)).ok()
}

/// Splits `2026-03-01T08:00:00.25+01:00` into local milliseconds and the zone part.
fn parse_local(text: &str) -> Option<(i64, &str)> {
    let day_ms = i64::from(days(text.get(..10)?)?) * 86_400_000;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some((day_ms, ""));
    }
    let bytes = rest.as_bytes();
    if !matches!(bytes[0], b'T' | b't' | b' ') || bytes.len() < 6 || bytes[3] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&bytes[1..3])?, digits(&bytes[4..6])?);
    let mut end = 6;
    let mut ms = (hour * 3600 + minute * 60) * 1000;
    if bytes.get(6) == Some(&b':') {
        let second = digits(bytes.get(7..9)?)?;
        if second > 59 {
            return None;
        }
        ms += second * 1000;
        end = 9;
        if matches!(bytes.get(9), Some(b'.' | b',')) {
            let fraction = bytes[10..].iter().take_while(|b| b.is_ascii_digit()).count();
            if fraction == 0 || fraction > 9 {
                return None;
            }
            let cut = fraction.min(3);
            ms += digits(&bytes[10..10 + cut])? * [0, 100, 10, 1][cut];
            end = 10 + fraction;
        }
    }
    if hour > 23 || minute > 59 {
        return None;
    }
    Some((day_ms + ms, rest.get(end..)?))
}

/// Milliseconds that an offset such as `+01:00`, `-0330` or `+01` is ahead of UTC.
fn parse_offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let bytes = &text.as_bytes()[1..];
    let (hours, minutes) = match bytes.len() {
        2 => (digits(bytes)?, 0),
        4 => (digits(&bytes[..2])?, digits(&bytes[2..])?),
        5 if bytes[2] == b':' => (digits(&bytes[..2])?, digits(&bytes[3..])?),
        _ => return None,
    };
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn local_to_instant(local_ms: i64, zone: &TimeZone) -> Option<i64> {
    if *zone == TimeZone::UTC {
        return Some(local_ms);
    }
    let second = local_ms.div_euclid(1000);
    let in_day = second.rem_euclid(86_400);
    let (year, month, day) = civil_of(second.div_euclid(86_400));
    let local = civil::DateTime::new(
        i16::try_from(year).ok()?,
        month as i8,
        day as i8,
        (in_day / 3600) as i8,
        (in_day / 60 % 60) as i8,
        (in_day % 60) as i8,
        0,
    )
    .ok()?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(instant.as_second() * 1000 + local_ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    #[test]
    fn every_published_form_is_read() {
        let utc = TimeZone::UTC;
        let noon = parse("2016-06-22T12:00:00", &utc).unwrap();
        for text in [
            "2016-06-22 12:00:00",
            "2016-06-22T12:00",
            "2016-06-22T12:00:00.000",
            "2016-06-22T12:00:00Z",
            "2016-06-22T14:00:00+02:00",
            "2016-06-22T08:30:00-0330",
        ] {
            assert_eq!(parse(text, &utc), Some(noon), "{text}");
        }
        assert_eq!(parse("2016-06-22", &utc), Some(noon - 43_200_000));
        for text in ["31/01/2020", "2016-13-01", "2015-02-29", "2016-06-22T25:00:00", "", "2016-06-22Tx"] {
            assert_eq!(parse(text, &utc), None, "{text}");
        }
    }

    #[test]
    fn in_autumn_the_earlier_in_spring_forward() {
        let autumn = parse("2025-10-26T02:30:00", &paris()).unwrap();
        assert_eq!(print_utc(autumn), "2025-10-26T00:30:00Z");
        let spring = parse("2025-03-30T02:30:00", &paris()).unwrap();
        assert_eq!(print_plain(spring, &paris()), "2025-03-30T03:30:00");
    }

    proptest! {
        #[test]
        fn printed_then_read_is_the_same(ms in FIRST_MS..=LAST_MS) {
            prop_assert_eq!(parse(&print_utc(ms), &TimeZone::UTC), Some(ms));
        }

        #[test]
        fn printed_with_an_offset_then_read_is_the_same(ms in 0..4_000_000_000_000_i64) {
            prop_assert_eq!(parse(&print_offset(ms, &paris()), &TimeZone::UTC), Some(ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text, &paris());
            let _ = parse_date(&text);
        }
    }
}
