//! Map files: what the columns of a caller's file mean.

use std::collections::{BTreeMap, HashMap};

use engine::Error;
use serde::Deserialize;

use super::detect::DateForm;

/// A map file. Its format is described in the README of this crate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapFile {
    /// The form of the file; what is absent is found out.
    pub csv: CsvForm,
    /// Names in the header, with what each is.
    pub columns: BTreeMap<String, MappedColumn>,
    /// What fields hold in every row that is silent about them.
    pub constants: BTreeMap<String, toml::Value>,
    /// For each field: texts with what they stand for.
    pub values: HashMap<String, HashMap<String, String>>,
}

/// The form of a CSV file, as far as a map file fixes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvForm {
    /// What separates cells: a comma, semicolon, tab or bar; `tab` is one too.
    #[serde(deserialize_with = "sign_or_tab")]
    pub delimiter: Option<char>,
    /// Name of the encoding; a byte order mark in the file wins.
    pub encoding: Option<String>,
    /// The decimal sign: a point or a comma.
    pub decimal: Option<char>,
    /// How days are written.
    pub date: Option<DateForm>,
    /// A text that means null, beside the empty one.
    pub null: Option<String>,
    /// What to do with columns that mean nothing.
    pub unknown: Option<UnknownColumns>,
}

/// What to do with columns that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownColumns {
    /// Refuse the call.
    Refuse,
    /// Pass over them.
    Ignore,
}

/// What a column is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum MappedColumn {
    /// The name of a field, `code`, …; empty to leave the column out.
    Name(String),
    /// A reference that names records by something else than their code.
    By(ByField),
}

/// A reference, with the field that names its records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByField {
    /// The reference.
    pub field: String,
    /// A text field of the records it names, or `code`.
    pub by: Option<String>,
}

impl MapFile {
    /// Reads a map file; the error says what is wrong where.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let map: MapFile = toml::from_str(text).map_err(|error| invalid(error.to_string().trim_end()))?;
        if let Some(sign) = map.csv.delimiter.filter(|sign| ![',', ';', '\t', '|'].contains(sign)) {
            return Err(invalid(&format!(
                "delimiter {sign:?} is not known; use a comma, semicolon, tab or bar"
            )));
        }
        if let Some(sign) = map.csv.decimal.filter(|sign| !['.', ','].contains(sign)) {
            return Err(invalid(&format!("decimal {sign:?} is not known; use a point or a comma")));
        }
        if let Some(name) = &map.csv.encoding
            && encoding_rs::Encoding::for_label(name.as_bytes()).is_none()
        {
            return Err(invalid(&format!("encoding {name:?} is not known; use utf-8 or windows-1252")));
        }
        Ok(map)
    }
}

fn sign_or_tab<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<char>, D::Error> {
    let text = String::deserialize(from)?;
    let mut signs = text.chars();
    match (signs.next(), signs.next()) {
        (Some(sign), None) => Ok(Some(sign)),
        _ if text.eq_ignore_ascii_case("tab") => Ok(Some('\t')),
        _ => Err(serde::de::Error::custom(format!(
            "delimiter {text:?} is not known; use a comma, semicolon, tab or bar"
        ))),
    }
}

fn invalid(what: &str) -> Error {
    Error::Invalid(format!("the map file: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_file_is_read() {
        let map = MapFile::parse(
            r#"
            [csv]
            delimiter = ";"
            date = "dd.mm.yyyy"
            null = "NULL"
            [columns]
            "Kunden-Nr" = "code"
            "Vertreter" = { field = "support_rep", by = "number" }
            "x" = ""
            [constants]
            active = true
            [values.status]
            "aktiv" = "ACTIVE"
            "#,
        )
        .unwrap();
        assert_eq!(map.csv.date, Some(DateForm::DayDot));
        assert_eq!(map.columns["Kunden-Nr"], MappedColumn::Name("code".to_owned()));
        assert!(
            matches!(&map.columns["Vertreter"], MappedColumn::By(by) if by.by.as_deref() == Some("number"))
        );
        assert_eq!(map.values["status"]["aktiv"], "ACTIVE");
    }

    #[test]
    fn forms_are_named_in_either_case() {
        for (text, form) in [
            ("DD.MM.YYYY", DateForm::DayDot),
            ("dd/mm/yyyy", DateForm::DaySlash),
            ("MM/DD/YYYY", DateForm::MonthSlash),
            ("ISO", DateForm::Iso),
            ("YYYY-MM-DD", DateForm::Iso),
        ] {
            let map = MapFile::parse(&format!("[csv]\ndate = '{text}'")).unwrap();
            assert_eq!(map.csv.date, Some(form));
        }
        for text in ["tab", "TAB", "\\t"] {
            let map = MapFile::parse(&format!("[csv]\ndelimiter = \"{text}\"")).unwrap();
            assert_eq!(map.csv.delimiter, Some('\t'));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("[cvs]", "cvs"),
            ("[csv]\ndelimiter = '#'", "delimiter"),
            ("[csv]\ndelimiter = 'tabs'", "delimiter"),
            ("[csv]\nencoding = 'klingon'", "klingon"),
            ("[csv]\ndate = 'yy'", "dd.mm.yyyy"),
            ("[csv]\ndecimal = ';'", "decimal"),
        ] {
            let error = MapFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
