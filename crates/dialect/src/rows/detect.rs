//! The form of a CSV file, found out.

use std::borrow::Cow;
use std::fmt;

use domain::field::FieldType;
use serde::Deserialize;

use super::csv::cells;

/// How days are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DateForm {
    /// `2026-03-01`
    #[serde(rename = "iso")]
    Iso,
    /// `01.03.2026`
    #[serde(rename = "dd.mm.yyyy")]
    DayDot,
    /// `01/03/2026`
    #[serde(rename = "dd/mm/yyyy")]
    DaySlash,
    /// `03/01/2026`
    #[serde(rename = "mm/dd/yyyy")]
    MonthSlash,
}

impl DateForm {
    /// As map files have it.
    pub fn name(self) -> &'static str {
        match self {
            DateForm::Iso => "iso",
            DateForm::DayDot => "dd.mm.yyyy",
            DateForm::DaySlash => "dd/mm/yyyy",
            DateForm::MonthSlash => "mm/dd/yyyy",
        }
    }
}

/// The form of a CSV file, found out or fixed. `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// What separates cells.
    pub delimiter: char,
    /// The encoding's name, such as `UTF-8`.
    pub encoding: &'static str,
    /// The decimal sign.
    pub decimal: char,
    /// Numbers have signs between thousands.
    pub grouping: bool,
    /// How days are written.
    pub date: DateForm,
    /// Nothing in the file says which of two date forms it is.
    pub date_assumed: bool,
    /// Cells stand in quotes.
    pub quotes: bool,
}

impl fmt::Display for Detected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delimiter = match self.delimiter {
            ',' => "comma",
            ';' => "semicolon",
            '\t' => "tab",
            _ => "bar",
        };
        let decimal = if self.decimal == ',' { "comma" } else { "point" };
        let grouping = if self.grouping { " with signs between thousands" } else { "" };
        let assumed = if self.date_assumed { " (assumed)" } else { "" };
        let quotes = if self.quotes { "with" } else { "without" };
        write!(
            f,
            "cells separated by {delimiter}, {quotes} quotes; {}; decimal {decimal}{grouping}; dates {}{assumed}",
            self.encoding,
            self.date.name(),
        )
    }
}

/// The delimiter under which the header has most known names, then under which most records are as
/// long as the header.
pub(super) fn delimiter(records: &[&str], is_known: impl Fn(&str) -> bool) -> char {
    let score = |sign: char| {
        let Some((header, rest)) = records.split_first() else { return (0, 0, 0) };
        let header = cells(header, sign);
        let known = header.iter().filter(|name| is_known(name.trim())).count();
        let alike = rest.iter().take(100).filter(|record| cells(record, sign).len() == header.len()).count();
        let alike = if header.len() > 1 { alike } else { 0 };
        (known, alike, header.len())
    };
    // The last of equals wins: the comma.
    ['|', '\t', ';', ','].into_iter().max_by_key(|sign| score(*sign)).unwrap_or(',')
}

/// What the cells of a sample say about numbers and days.
#[derive(Default)]
pub(super) struct Evidence {
    comma: bool,
    point: bool,
    grouping: bool,
    dot: bool,
    slash: bool,
    day_first: bool,
    month_first: bool,
}

impl Evidence {
    /// Looks at one cell of a field.
    pub fn look(&mut self, kind: FieldType, text: &str) {
        match kind {
            FieldType::Integer | FieldType::Decimal { .. } | FieldType::Float => self.number(text.trim()),
            FieldType::Date | FieldType::Datetime => self.day(text.trim()),
            _ => {}
        }
    }

    fn number(&mut self, text: &str) {
        let (comma, point) = (text.rfind(','), text.rfind('.'));
        match (comma, point) {
            (Some(comma), Some(point)) => {
                self.grouping = true;
                if comma > point { self.comma = true } else { self.point = true }
            }
            // Three digits behind the sign may as well be a thousand.
            (Some(at), None) if text.matches(',').count() == 1 && text.len() - at != 4 => self.comma = true,
            (None, Some(at)) if text.matches('.').count() == 1 && text.len() - at != 4 => self.point = true,
            (Some(_), None) if text.matches(',').count() > 1 => (self.grouping, self.point) = (true, true),
            (None, Some(_)) if text.matches('.').count() > 1 => (self.grouping, self.comma) = (true, true),
            _ => {}
        }
    }

    fn day(&mut self, text: &str) {
        if parts(text, '.').is_some() {
            self.dot = true;
        }
        if let Some((first, second, ..)) = parts(text, '/') {
            self.slash = true;
            self.day_first |= first > 12;
            self.month_first |= second > 12;
        }
    }

    /// The decimal sign, and whether thousands have signs.
    pub fn decimal(&self) -> (char, bool) {
        (if self.comma && !self.point { ',' } else { '.' }, self.grouping)
    }

    /// How days are written, and whether that is a guess.
    pub fn date(&self) -> (DateForm, bool) {
        match (self.slash, self.day_first, self.month_first) {
            (true, false, true) => (DateForm::MonthSlash, false),
            (true, day_first, month_first) => (DateForm::DaySlash, day_first == month_first),
            _ if self.dot => (DateForm::DayDot, false),
            _ => (DateForm::Iso, false),
        }
    }
}

/// Two numbers, a year, and what follows: `31.12.2025 14:30`.
fn parts(text: &str, sign: char) -> Option<(u32, u32, u32, &str)> {
    let mut parts = text.splitn(3, sign);
    let (first, second, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let small = |text: &str| -> Option<u32> {
        let good = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse().ok()).flatten()
    };
    let year = rest.get(..4).filter(|year| year.bytes().all(|b| b.is_ascii_digit()))?;
    let behind = &rest[4..];
    if behind.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((small(first)?, small(second)?, year.parse().ok()?, behind))
}

impl Detected {
    /// A number as JSON would have it; `None` when its signs are others than the file's.
    pub(super) fn number<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let text = text.trim();
        let group = if self.decimal == ',' { '.' } else { ',' };
        let mut plain = Cow::Borrowed(text);
        if text.contains(group) {
            if !self.grouping || !is_grouped(text, group, self.decimal) {
                return None;
            }
            plain = Cow::Owned(text.replace(group, ""));
        }
        if self.decimal == ',' && plain.contains(',') {
            plain = Cow::Owned(plain.replace(',', "."));
        }
        Some(plain)
    }

    /// A day or instant as ISO 8601 has it, where it is in the file's form; else as it is.
    pub(super) fn day<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = text.trim();
        let (day, month, year, behind) = match self.date {
            _ if text.contains('.') && !text.contains(['-', '/']) => match parts(text, '.') {
                Some(parts) => parts,
                None => return Cow::Borrowed(text),
            },
            DateForm::DaySlash | DateForm::MonthSlash => match parts(text, '/') {
                Some((first, second, year, behind)) if self.date == DateForm::DaySlash => {
                    (first, second, year, behind)
                }
                Some((first, second, year, behind)) => (second, first, year, behind),
                None => return Cow::Borrowed(text),
            },
            DateForm::Iso | DateForm::DayDot => return Cow::Borrowed(text),
        };
        Cow::Owned(format!("{year:04}-{month:02}-{day:02}{behind}"))
    }
}

/// True for `1.234.567,89`: one to three digits, then groups of three.
fn is_grouped(text: &str, group: char, decimal: char) -> bool {
    let whole = text.split(decimal).next().unwrap_or_default();
    let behind = &text[whole.len()..];
    let mut groups = whole.trim_start_matches(['-', '+']).split(group);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && digits(first));
    first && groups.all(|group| group.len() == 3 && digits(group)) && !behind.contains(group)
}
