use domain::row::{By, Cell};
use domain::value::Value;
use proptest::prelude::*;

use super::super::json::tests::{all, file, memory, print, shape};
use super::super::{DateForm, Reject, write_rejects};
use super::*;

fn open(body: Body, map: &str) -> Result<CsvRows, String> {
    let map = MapFile::parse(map).unwrap();
    CsvRows::open(body, shape(), Some(&map), None).map_err(|error| error.to_string())
}

fn rows(text: impl Into<Vec<u8>>) -> (CsvRows, Vec<Row>) {
    let mut csv = open(memory(text), "").unwrap();
    let rows = all(&mut csv).unwrap();
    (csv, rows)
}

fn cell<'r>(row: &'r Row, name: &str) -> Option<&'r Cell> {
    row.cell(shape().described().field_ix(name).unwrap())
}

fn text<'r>(row: &'r Row, name: &str) -> Option<&'r str> {
    match cell(row, name) {
        Some(Cell::Set(value)) => value.as_text(),
        _ => None,
    }
}

#[test]
fn a_german_file_is_understood() {
    let (csv, rows) = rows(
        b"code;name;price;since;comptoir_rule\r\nA;\"M\xfcller; \"\"S\xf6hne\"\"\";1.234,50;31.12.2025 14:30;x\r\n\r\nB;;-0,5;1.2.2026;\r\n"
            .to_vec(),
    );
    assert_eq!(
        csv.detected().to_string(),
        "cells separated by semicolon, with quotes; windows-1252; decimal comma with signs between thousands; \
         dates dd.mm.yyyy"
    );
    assert_eq!(csv.columns(), ["code", "name", "price", "since", "comptoir_rule"]);
    assert_eq!(
        rows.iter().map(|row| (row.number, row.line)).collect::<Vec<_>>(),
        [(1, Some(2)), (2, Some(4))]
    );
    assert_eq!(rows[0].problems[0].rule, Rule::TooLong);
    assert_eq!(rows[0].problems[0].value.as_deref(), Some("Müller; \"Söhne\""));
    assert_eq!(cell(&rows[0], "price"), Some(&Cell::Set(Value::Decimal(123_450))));
    assert_eq!(cell(&rows[1], "price"), Some(&Cell::Set(Value::Decimal(-50))));
    assert_eq!(cell(&rows[1], "name"), Some(&Cell::Clear));
    assert_eq!(cell(&rows[0], "since"), Some(&Cell::Set(Value::Datetime(1_767_191_400_000))));
}

#[test]
fn every_encoding_comes_out_the_same() {
    let plain = "code,name\nA,Zoé\nB,日本\n";
    let utf16 = |big: bool| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(plain.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    for (bytes, encoding) in [
        (plain.as_bytes().to_vec(), "UTF-8"),
        (format!("\u{feff}{plain}").into_bytes(), "UTF-8"),
        (utf16(false), "UTF-16LE"),
        (utf16(true), "UTF-16BE"),
    ] {
        for body in [memory(bytes.clone()), file(&bytes)] {
            let mut csv = open(body, "").unwrap();
            assert_eq!(csv.detected().encoding, encoding);
            let rows = all(&mut csv).unwrap();
            assert_eq!((text(&rows[0], "name"), text(&rows[1], "name")), (Some("Zoé"), Some("日本")));
        }
    }
    let csv = CsvRows::open(memory(*b"code,name\nA,\xe9\n"), shape(), None, Some("iso-8859-2")).unwrap();
    assert_eq!(csv.detected().encoding, "ISO-8859-2");
    // A broken byte in a file of UTF-8 is the fault of its row.
    let mut csv = open(memory(*b"code,name\nA,\xc3\xa9\xc3\xa9\nB,\xff\nC,\xc3\xa9\n"), "").unwrap();
    let rows = all(&mut csv).unwrap();
    assert_eq!(rows.iter().map(|row| row.problems.len()).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn days_and_decimals_are_told_apart_by_what_the_file_shows() {
    let of = |cells: &str| {
        let csv = open(memory(format!("code;since;price\n{cells}")), "").unwrap();
        (csv.detected().date, csv.detected().date_assumed, csv.detected().decimal)
    };
    assert_eq!(of("A;01/02/2026;1.5"), (DateForm::DaySlash, true, '.'));
    assert_eq!(of("A;01/02/2026;1,5\nB;13/02/2026;"), (DateForm::DaySlash, false, ','));
    assert_eq!(of("A;01/02/2026;1,000\nB;02/13/2026;"), (DateForm::MonthSlash, false, '.'));
    assert_eq!(of("A;2026-02-01;"), (DateForm::Iso, false, '.'));
    let (_, rows) = rows("code;since;price\nA;02/13/2026;1,000\nB;01/02/2026;1");
    assert_eq!(rows[0].problems[0].rule, Rule::InvalidValue, "a thousand or one: not for us to guess");
    assert_eq!(cell(&rows[1], "since"), Some(&Cell::Set(Value::Datetime(1_767_312_000_000))));
}

#[test]
fn numbers_that_nothing_settles_are_refused() {
    let hint = Some("say decimal = \",\" or decimal = \".\" in a map file");
    // What a cell becomes alone, and beside another one.
    let of = |map: &str, cells: &[&str]| {
        let lines: String = cells.iter().map(|cell| format!("A;{cell}\n")).collect();
        let rows = all(&mut open(memory(format!("code;price\n{lines}")), map).unwrap()).unwrap();
        let price = match cell(&rows[0], "price") {
            Some(Cell::Set(Value::Decimal(price))) => Ok(*price),
            _ => {
                let problem = &rows[0].problems[0];
                assert_eq!(problem.value.as_deref(), Some(cells[0]));
                Err((problem.rule, problem.hint.as_deref() == hint))
            }
        };
        assert_eq!(price.is_err(), !rows[0].problems.is_empty());
        price
    };
    let unclear = Err((Rule::InvalidValue, true));
    for cell in ["1.250", "1,250", "-12.500", "+125,000", " 1.250 "] {
        assert_eq!(of("", &[cell]), unclear, "{cell}");
        assert_eq!(of("", &[cell, "7", "1.000"]), unclear, "{cell}");
        assert_eq!(of("", &[cell, "7,5", "7.5"]), unclear, "{cell}: the file contradicts itself");
    }
    for (cell, value) in [
        ("1.250,50", 125_050),
        ("1,250.50", 125_050),
        ("12.5", 1_250),
        ("12,5", 1_250),
        ("0.120", 12),
        ("0,120", 12),
        ("1250.500", 125_050),
        ("1.250.000", 125_000_000),
        ("1,250,000", 125_000_000),
        ("1250", 125_000),
    ] {
        assert_eq!(of("", &[cell]), Ok(value), "{cell}");
        assert_eq!(of("", &[cell, "7,5", "7.5"]), Ok(value), "{cell}");
    }
    assert_eq!(of("", &["1.250", "12,5"]), Ok(125_000));
    assert_eq!(of("", &["1.250", "12.5"]), Ok(125));
    assert_eq!(of("", &["1,250", "12.5"]), Ok(125_000));
    assert_eq!(of("[csv]\ndecimal = ','", &["1.250"]), Ok(125_000));
    assert_eq!(of("[csv]\ndecimal = '.'", &["1.250"]), Ok(125));
    assert_eq!(of("[csv]\ndecimal = '.'", &["0,125"]), Err((Rule::WrongType, false)));
    assert_eq!(of("[csv]\ndecimal = '.'", &["1,5"]), Err((Rule::WrongType, false)));
}

#[test]
fn days_that_nothing_settles_are_refused() {
    let of = |map: &str, cells: &[&str]| {
        let lines: String = cells.iter().map(|cell| format!("A;{cell}\n")).collect();
        let rows = all(&mut open(memory(format!("code;since\n{lines}")), map).unwrap()).unwrap();
        match (cell(&rows[0], "since"), rows[0].problems.as_slice()) {
            (Some(Cell::Set(Value::Datetime(at))), []) => Ok(at / 86_400_000 - 20_454),
            (None, [problem]) => {
                assert_eq!(problem.rule, Rule::InvalidValue);
                assert_eq!(problem.value.as_deref(), Some(cells[0]));
                Err(problem.hint.as_deref().unwrap_or(&problem.message).to_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    let unclear = Err("say date = \"dd/mm/yyyy\" or date = \"mm/dd/yyyy\" in a map file".to_owned());
    // Days of 2026, from 0 on.
    assert_eq!(of("", &["01/02/2026"]), unclear);
    assert_eq!(of("", &["01/02/2026 08:00", "2026-02-13", "13.02.2026"]), unclear);
    assert_eq!(of("", &["01/02/2026", "13/02/2026", "02/13/2026"]), unclear);
    assert_eq!(of("", &["01/02/2026", "13/02/2026"]), Ok(31));
    assert_eq!(of("", &["01/02/2026", "02/13/2026"]), Ok(1));
    assert_eq!(of("", &["13/01/2026", "02/13/2026"]), Ok(12));
    assert_eq!(of("", &["02/02/2026"]), Ok(32));
    assert_eq!(of("", &["31.12.2026"]), Ok(364));
    assert_eq!(of("[csv]\ndate = 'dd/mm/yyyy'", &["01/02/2026"]), Ok(31));
    assert_eq!(of("[csv]\ndate = 'MM/DD/YYYY'", &["01/02/2026"]), Ok(1));
    for bad in ["31.02.2020", "31/02/2020"] {
        assert_eq!(of("", &[bad]), Err("since is no day of the calendar".to_owned()));
    }
    assert_ne!(of("", &["31.01.2020 27:00"]), Err("since is no day of the calendar".to_owned()));
}

#[test]
fn a_map_says_what_columns_mean() {
    let map = r#"
        [csv]
        null = "NULL"
        [columns]
        "Nr" = "code"
        "Chef" = { field = "owner", by = "number" }
        "x" = ""
        [constants]
        company = "ACME2"
        active = true
        [values.name]
        "H" = "Herr"
    "#;
    let mut csv = open(memory("Nr,Chef,x,name,comptoir_id\nA,P7,1,H,w-1\nB,NULL,,D,\n"), map).unwrap();
    let rows = all(&mut csv).unwrap();
    assert_eq!((rows[0].code.as_deref(), rows[0].id.as_deref()), (Some("A"), Some("w-1")));
    assert!(matches!(cell(&rows[0], "owner"), Some(Cell::Refer(owner)) if matches!(owner.by, By::Key(_))));
    assert_eq!(cell(&rows[1], "owner"), Some(&Cell::Clear));
    assert_eq!((text(&rows[0], "name"), text(&rows[1], "name")), (Some("Herr"), Some("D")));
    assert_eq!(cell(&rows[0], "active"), Some(&Cell::Set(Value::Boolean(true))));
    assert_eq!(rows[0].company.unwrap().0, 2);
    assert_eq!(rows[0].problems, []);
}

#[test]
fn a_header_that_makes_no_sense_refuses_the_call() {
    for (text, map, part) in [
        ("", "", "empty"),
        ("code,nmae\n", "", "did you mean name?"),
        ("code,wat\n", "", "name it in a map file, or set unknown = \"ignore\" there"),
        ("code,name,name\n", "", "two columns"),
        ("code\n", "[columns]\nNr = 'code'", "no column Nr"),
        ("Nr\n", "[columns]\nNr = 'kode'", "did you mean code?"),
        ("Nr\n", "[columns]\nNr = { field = 'name', by = 'number' }", "no reference"),
        ("Nr\n", "[columns]\nNr = { field = 'owner', by = 'size' }", "named by size"),
        ("code\n", "[constants]\ncode = 'A'", "constant"),
        ("code\n", "[values.nme]\na = 'b'", "nme"),
    ] {
        let error = open(memory(text), map).err().unwrap_or_default();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    assert!(open(memory("code,wat\n"), "[csv]\nunknown = 'ignore'").is_ok());
    let error = all(&mut open(memory("code,name\nA,\"open\nB,x\n"), "").unwrap()).unwrap_err();
    assert!(error.contains("line 2") && error.contains("close it"), "{error}");
}

#[test]
fn records_of_another_length_are_refused_alone() {
    let (_, rows) = rows("code,name\nA,x,y\nB\nC,\"two\nlines\"\nD,z\n");
    assert_eq!(rows.iter().map(|row| row.problems.len()).collect::<Vec<_>>(), [1, 1, 0, 0]);
    let told = |row: &Row| (row.problems[0].message.to_string(), row.problems[0].hint.is_some());
    assert_eq!(told(&rows[0]), ("the record has 3 cells, the header has 2".to_owned(), true));
    assert_eq!(told(&rows[1]), ("the record has 1 cell, the header has 2".to_owned(), false));
    assert_eq!(rows.iter().map(|row| row.line.unwrap()).collect::<Vec<_>>(), [2, 3, 4, 6]);
}

#[test]
fn secrets_are_starred_out_of_what_was_received() {
    let (mut csv, rows) = rows("code;pass;name\nA;s3cret;\"a;b\"\nB;s3cret\nC;x;y;s3cret\n");
    let received: Vec<String> = rows.iter().map(|row| csv.received(row.entity, row.span).unwrap()).collect();
    assert_eq!(received, ["A;***;\"a;b\"", "***", "C;***;y;***"]);
}

#[test]
fn rejects_are_the_callers_own_columns() {
    let (mut csv, rows) = rows("code;name;price\nA;\"longer; than ten\";1,5\nB;x;abc\n");
    let received: Vec<String> = rows.iter().map(|row| csv.received(row.entity, row.span).unwrap()).collect();
    let rejects = rows.iter().zip(&received).map(|(row, received)| Reject {
        received,
        outcome: domain::batch::Outcome::Refused,
        problems: &row.problems,
    });
    let text = write_rejects(csv.columns(), rejects);
    assert_eq!(
        text,
        "\u{feff}code;name;price;comptoir_outcome;comptoir_rule;comptoir_message;comptoir_hint\n\
         A;\"longer; than ten\";1,5;refused;too_long;name holds 16 characters, at most 10 are allowed;\n\
         B;x;abc;refused;wrong_type;price must be a decimal number;\n"
    );
    // Mended, it is sent as it is.
    let (csv, rows) = self::rows(text.replace("longer; than ten", "short").replace("abc", "2,5"));
    assert_eq!(csv.detected().decimal, ',');
    assert!(rows.iter().all(|row| row.problems.is_empty()));
}

#[test]
fn rejects_of_json_have_the_members_of_all_rows() {
    let problem = [Problem::new("a", Rule::Required, "a is missing").with_hint("send it")];
    let reject = |received| Reject { received, outcome: domain::batch::Outcome::Refused, problems: &problem };
    let text = write_rejects(
        &[],
        [reject(r#"{"a":1.50,"b":"x,y"}"#), reject(r#"{"b":null,"c":[1]}"#), reject("nonsense")],
    );
    assert_eq!(
        text,
        "\u{feff}a,b,c,comptoir_outcome,comptoir_rule,comptoir_message,comptoir_hint\n\
         1.50,\"x,y\",,refused,required,a is missing,send it\n\
         ,,[1],refused,required,a is missing,send it\n\
         ,,,refused,required,a is missing,send it\n"
    );
}

fn junk() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b";".to_vec()),
        Just(b",".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"code".to_vec()),
        Just(b"price".to_vec()),
        Just(b"since".to_vec()),
        Just(b"1.234,5".to_vec()),
        Just(b"1/2/2026".to_vec()),
        Just("é1.2.".as_bytes().to_vec()),
        Just(vec![0xff, 0xfe]),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in junk()) {
        for map in ["", "[csv]\nunknown = 'ignore'"] {
            let of = |body| open(body, map).and_then(|mut csv| {
                let rows = all(&mut csv)?;
                for row in &rows {
                    assert_eq!(format!("{:?}", csv.again(row).unwrap()), format!("{row:?}"));
                    csv.received(row.entity, row.span).unwrap();
                }
                csv.rewind().unwrap();
                assert_eq!(print(&all(&mut csv)?), print(&rows));
                Ok(print(&rows))
            });
            prop_assert_eq!(of(memory(bytes.clone())), of(file(&bytes)));
        }
    }

    #[test]
    fn what_the_csv_crate_writes_is_read(
        cells in proptest::collection::vec(("[ -~é\"\n,;]{0,8}", "[ -~\"\n\t;]{1,8}"), 1..20),
        sign in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
        quote in any::<bool>(),
    ) {
        let style = if quote { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().delimiter(sign).quote_style(style).from_writer(Vec::new());
        writer.write_record(["name", "code"]).unwrap();
        for (name, code) in &cells {
            writer.write_record([name, code]).unwrap();
        }
        let (csv, rows) = rows(writer.into_inner().unwrap());
        prop_assert_eq!(csv.detected().delimiter, char::from(sign));
        prop_assert_eq!(rows.len(), cells.len());
        for (row, (name, code)) in rows.iter().zip(&cells) {
            prop_assert_eq!(&row.problems, &[]);
            prop_assert_eq!(text(row, "name").unwrap_or_default(), name);
            prop_assert_eq!(row.code.as_deref(), Some(code.as_str()));
        }
    }
}
