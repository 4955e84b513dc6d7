//! The form of a CSV file, found out.

use std::borrow::Cow;
use std::fmt;

use domain::field::FieldType;
use serde::Deserialize;

use super::csv::cells;

/// How days are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DateForm {
    /// `2026-03-01`
    Iso,
    /// `01.03.2026`
    DayDot,
    /// `01/03/2026`
    DaySlash,
    /// `03/01/2026`
    MonthSlash,
}

impl TryFrom<String> for DateForm {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "iso" | "yyyy-mm-dd" => Ok(DateForm::Iso),
            "dd.mm.yyyy" => Ok(DateForm::DayDot),
            "dd/mm/yyyy" => Ok(DateForm::DaySlash),
            "mm/dd/yyyy" => Ok(DateForm::MonthSlash),
            _ => Err(format!("date {text:?} is not known; use iso, dd.mm.yyyy, dd/mm/yyyy or mm/dd/yyyy")),
        }
    }
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
        let assumed = if self.date_assumed { " or mm/dd/yyyy" } else { "" };
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
        if let Signs::Clear { decimal, grouped } = signs(text) {
            self.grouping |= grouped;
            if decimal == ',' { self.comma = true } else { self.point = true }
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

    /// The decimal sign, where cells agree on one.
    pub fn decimal(&self) -> Option<char> {
        match (self.comma, self.point) {
            (true, false) => Some(','),
            (false, true) => Some('.'),
            _ => None,
        }
    }

    /// True where thousands have signs.
    pub fn grouping(&self) -> bool {
        self.grouping
    }

    /// In what order days with slashes are, where cells agree on one.
    pub fn order(&self) -> Option<DateForm> {
        match (self.day_first, self.month_first) {
            (true, false) => Some(DateForm::DaySlash),
            (false, true) => Some(DateForm::MonthSlash),
            _ => None,
        }
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

/// What the signs of a number say.
enum Signs {
    /// It has none, or is no number.
    Silent,
    /// `1.250`: a thousand and more, or one and a bit.
    Unclear,
    Clear {
        decimal: char,
        grouped: bool,
    },
}

fn other(sign: char) -> char {
    if sign == ',' { '.' } else { ',' }
}

fn signs(text: &str) -> Signs {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (text, power) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], true),
        None => (text, false),
    };
    let Some(last) = text.rfind(['.', ',']) else { return Signs::Silent };
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b',')) {
        return Signs::Silent;
    }
    let sign = if text.as_bytes()[last] == b',' { ',' } else { '.' };
    let (whole, behind) = (&text[..last], &text[last + 1..]);
    match (text.matches(sign).count(), text.contains(other(sign))) {
        (1, true) if is_grouped(text, other(sign), sign) => Signs::Clear { decimal: sign, grouped: true },
        (_, true) => Signs::Silent,
        (1, false) => {
            // No thousands begin with a zero, or with four digits.
            let may_group = (1..=3).contains(&whole.len()) && whole != "0" && behind.len() == 3;
            match may_group && !power {
                true => Signs::Unclear,
                false => Signs::Clear { decimal: sign, grouped: false },
            }
        }
        _ if is_grouped(text, sign, other(sign)) => Signs::Clear { decimal: other(sign), grouped: true },
        _ => Signs::Silent,
    }
}

/// Why a number or a day is not read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unread {
    /// It has two meanings, and nothing says which one counts.
    Unclear,
    /// Its signs are others than the file's.
    OtherSigns,
}

/// What settles the meaning of numbers and days: a map file, or the file's own cells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settled {
    /// The decimal sign.
    pub decimal: Option<char>,
    /// How days are written.
    pub date: Option<DateForm>,
}

impl Settled {
    /// A number as JSON would have it. What nothing settles must be clear by itself.
    pub fn number<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Unread> {
        let text = text.trim();
        let decimal = match (self.decimal, signs(text)) {
            (Some(decimal), _) | (None, Signs::Clear { decimal, .. }) => decimal,
            (None, Signs::Unclear) => return Err(Unread::Unclear),
            (None, Signs::Silent) => return Ok(Cow::Borrowed(text)),
        };
        let group = other(decimal);
        let mut plain = Cow::Borrowed(text);
        if text.contains(group) {
            if !is_grouped(text, group, decimal) {
                return Err(Unread::OtherSigns);
            }
            plain = Cow::Owned(text.replace(group, ""));
        }
        if decimal == ',' && plain.contains(',') {
            plain = Cow::Owned(plain.replace(',', "."));
        }
        Ok(plain)
    }

    /// A day or instant as ISO 8601 has it, where it is in a form that counts; else as it is.
    pub fn day<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Unread> {
        let text = text.trim();
        let (day, month, year, behind) = if let Some(parts) = parts(text, '.') {
            parts
        } else if let Some((first, second, year, behind)) = parts(text, '/') {
            let form = match self.date {
                Some(form) => form,
                None if first > 12 || first == second => DateForm::DaySlash,
                None if second > 12 => DateForm::MonthSlash,
                None => return Err(Unread::Unclear),
            };
            match form {
                DateForm::DaySlash => (first, second, year, behind),
                DateForm::MonthSlash => (second, first, year, behind),
                DateForm::Iso | DateForm::DayDot => return Ok(Cow::Borrowed(text)),
            }
        } else {
            return Ok(Cow::Borrowed(text));
        };
        Ok(Cow::Owned(format!("{year:04}-{month:02}-{day:02}{behind}")))
    }
}

/// True for `1.234.567,89`: one to three digits, then groups of three.
fn is_grouped(text: &str, group: char, decimal: char) -> bool {
    let whole = text.split(decimal).next().unwrap_or_default();
    let behind = &text[whole.len()..];
    let mut groups = whole.trim_start_matches(['-', '+']).split(group);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let first =
        groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && first != "0" && digits(first));
    first && groups.all(|group| group.len() == 3 && digits(group)) && !behind.contains(group)
}
