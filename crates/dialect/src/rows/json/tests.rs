use std::sync::Arc;

use domain::catalogue::file::{EntityFile, compile};
use domain::field::Reading;
use domain::names::Company;
use domain::row::{By, Cell};
use domain::rule::Rule;
use domain::value::Value;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::body::SpooledFile;
use crate::rows::{Empty, NdjsonRows, Null, RepeatedMember, Unknown};

const ENTITIES: &str = r#"
[[entity]]
name = "thing"
plural = "things"
prefix = 900
field = [
  { name = "name", type = "text(10)" },
  { name = "price", type = "decimal(12,2)" },
  { name = "count", type = "integer" },
  { name = "active", type = "boolean" },
  { name = "since", type = "datetime" },
  { name = "owner", type = "reference(person)" },
  { name = "helpers", type = "references(person)" },
  { name = "extra", type = "json" },
  { name = "pass", type = "text(40)", secret = true },
  { name = "balance", type = "decimal(12,2)", read_only = true },
]
[[entity]]
name = "person"
plural = "persons"
prefix = 901
field = [{ name = "number", type = "text(20)" }, { name = "city", type = "text(20)" }]
key = [{ name = "number", fields = ["number"] }]
"#;

#[derive(serde::Deserialize)]
struct Entities {
    entity: Vec<EntityFile>,
}

pub(crate) fn shape() -> RowShape {
    let entities: Entities = toml::from_str(ENTITIES).unwrap();
    let catalogue = Arc::new(compile(1, &entities.entity).unwrap());
    let entity = catalogue.find("thing").unwrap().ix;
    let reading = Reading { zone: TimeZone::UTC, lenient: false };
    RowShape::native(catalogue, entity, reading).with_companies(["ACME", "ACME2"])
}

pub(crate) fn memory(text: impl Into<Vec<u8>>) -> Body {
    Body::from(text.into())
}

pub(crate) fn file(text: impl AsRef<[u8]>) -> Body {
    Body::File(SpooledFile::keep(&std::env::temp_dir(), &mut text.as_ref()).unwrap())
}

pub(crate) fn all(rows: &mut dyn Rows) -> Result<Vec<Row>, String> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(|error| error.to_string())? {
        found.push(row);
    }
    Ok(found)
}

/// Everything a row has, as text.
pub(crate) fn print(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{row:?}")).collect()
}

fn one(text: &str, shape: RowShape) -> Row {
    all(&mut JsonRows::new(memory(text), shape, Form::One)).unwrap().remove(0)
}

fn rules(row: &Row) -> Vec<(&str, Rule)> {
    row.problems.iter().map(|problem| (&*problem.field, problem.rule)).collect()
}

fn cell<'r>(row: &'r Row, name: &str) -> Option<&'r Cell> {
    row.cell(shape().described().field_ix(name).unwrap())
}

#[test]
fn every_type_is_read() {
    let row = one(
        r#" {"code":"T1","comptoir_id":"w-1","revision":7,"company":"acme2","name":"Ré\u0061l","price":12.50,
            "count":-3,"active":true,"since":"2026-03-01T08:00:00Z","owner":{"number":"P7"},
            "helpers":["A",{"city":"Brest"},12],"extra":{"b":1,"a":[null]},
            "id":"9","created_at":"x","changed_at":"y","entity":"thing"} "#,
        shape(),
    );
    assert_eq!(row.problems, []);
    assert_eq!((row.code.as_deref(), row.id.as_deref(), row.revision), (Some("T1"), Some("w-1"), Some(7)));
    assert_eq!(row.company, Some(Company(2)));
    assert_eq!(cell(&row, "name"), Some(&Cell::Set(Value::text("Réal"))));
    assert_eq!(cell(&row, "price"), Some(&Cell::Set(Value::Decimal(1250))));
    assert_eq!(cell(&row, "count"), Some(&Cell::Set(Value::Integer(-3))));
    let Some(Cell::Refer(owner)) = cell(&row, "owner") else { panic!() };
    assert!(matches!(owner.by, By::Key(_)));
    let Some(Cell::ReferMany(helpers)) = cell(&row, "helpers") else { panic!() };
    assert!(matches!(helpers[1].by, By::Field(_)));
    assert_eq!(&*helpers[2].text, "12");
    assert_eq!(cell(&row, "extra"), Some(&Cell::Set(Value::Json("{\"a\":[null],\"b\":1}".into()))));
}

#[test]
fn all_problems_of_a_row_are_told() {
    let row = one(
        r#"{"code":true,"nmae":"x","name":"longer than ten","price":"1.5","price":2,"count":1.5,"owner":[1],
            "helpers":["A",null],"since":"yesterday","balance":1,"pass":5,"company":"ACME3","revision":"x",
            "a\u0000b":1,"\ud800":1}"#,
        shape(),
    );
    use Rule::*;
    let wanted = [
        ("code", WrongType),
        ("nmae", UnknownField),
        ("name", TooLong),
        ("price", WrongType),
        ("price", InvalidValue),
        ("count", InvalidValue),
        ("owner", WrongType),
        ("helpers[1]", WrongType),
        ("since", InvalidValue),
        ("balance", ReadOnly),
        ("pass", WrongType),
        ("company", InvalidValue),
        ("revision", WrongType),
        ("a\u{2400}b", InvalidValue),
        ("\\ud800", InvalidValue),
    ];
    assert_eq!(rules(&row), wanted);
    assert_eq!(row.problems[1].hint.as_deref(), Some("did you mean name?"));
    assert_eq!(row.problems[10].value, None, "a secret is not shown");
}

#[test]
fn texts_that_no_database_holds_are_refused() {
    for text in
        [r#"{"name":"a\u0000"}"#, r#"{"name":"\udc00"}"#, r#"{"owner":"\u0000"}"#, r#"{"code":"\ud83d"}"#]
    {
        assert_eq!(one(text, shape()).problems[0].rule, Rule::InvalidValue, "{text}");
    }
    assert_eq!(rules(&one(r#"{"extra":{"a":"\ud83d"}}"#, shape())), [("extra", Rule::InvalidValue)]);
    assert_eq!(rules(&one(r#"{"extra":["\u0000"]}"#, shape())), [("extra", Rule::InvalidValue)]);
}

#[test]
fn doors_differ_in_nulls_empties_and_repetitions() {
    let text = r#"{"name":null,"count":1,"count":2,"pass":"","wat":1}"#;
    let row = one(text, RowShape { repeated: RepeatedMember::LastWins, unknown: Unknown::Ignore, ..shape() });
    assert_eq!(row.problems, []);
    assert_eq!(cell(&row, "name"), Some(&Cell::Clear));
    assert_eq!(cell(&row, "count"), Some(&Cell::Set(Value::Integer(2))));
    assert_eq!(cell(&row, "pass"), Some(&Cell::Set(Value::text(""))));
    let row =
        one(r#"{"name":null,"pass":""}"#, RowShape { null: Null::Leave, empty: Empty::Null, ..shape() });
    assert_eq!(row.cells, []);
    let row =
        one(r#"{"name":null,"pass":""}"#, RowShape { null: Null::Refuse, empty: Empty::Refuse, ..shape() });
    assert_eq!(rules(&row), [("name", Rule::Required), ("pass", Rule::Required)]);
}

#[test]
fn an_element_that_is_no_object_refuses_its_row() {
    let rows =
        all(&mut JsonRows::new(memory("[{\"code\":\"A\"}, 1, [2], \"x\", null]"), shape(), Form::Array))
            .unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows[1..].iter().all(|row| row.problems[0].rule == Rule::WrongType));
}

#[test]
fn what_is_not_json_refuses_the_call() {
    for text in [
        "",
        "  ",
        "{}",
        "[",
        "[{}",
        "[{},]",
        "[,]",
        "[{}}",
        "[{}] x",
        "[{}][{}]",
        "[{\"a\" 1}]",
        "[{\"name\":\"x]",
        "[nul]",
        "[{} {}]",
        "\u{feff}",
        "12",
        "[{\"a\":\"\u{1}\"}]",
    ] {
        let of = |body| all(&mut JsonRows::new(body, shape(), Form::Array)).unwrap_err();
        assert_eq!(of(memory(text)), of(file(text)));
    }
    let bytes = b"[{\"name\":\"\xff\"}]";
    assert!(all(&mut JsonRows::new(memory(*bytes), shape(), Form::Array)).unwrap_err().contains("UTF-8"));
    assert_eq!(all(&mut JsonRows::new(memory("\u{feff} [ ] "), shape(), Form::Array)).unwrap().len(), 0);
}

#[test]
fn deep_nesting_is_a_clear_error() {
    for deep in ["[".repeat(10_000), format!("[{}{}]", "{\"extra\":".repeat(10_000), "}".repeat(10_000))] {
        let error = all(&mut JsonRows::new(memory(deep), shape(), Form::Array)).unwrap_err();
        assert!(error.starts_with("the body is not JSON"), "{error}");
    }
    let line = format!("{{\"extra\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let rows = all(&mut NdjsonRows::new(memory(line), shape())).unwrap();
    assert!(rows[0].problems[0].message.contains("deeper than 128 levels"));
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let text = b"\xef\xbb\xbf{\"code\":\"A\"}\r\n\r\n  \nnonsense\n{\"code\":\"\xff\"}\n{\"code\":\"B\"}";
    for body in [memory(*text), file(text)] {
        let mut lines = NdjsonRows::new(body, shape());
        let rows = all(&mut lines).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.number, row.line, row.problems.len())).collect();
        assert_eq!(seen, [(1, Some(1), 0), (2, Some(4), 1), (3, Some(5), 1), (4, Some(6), 0)]);
        assert_eq!(lines.received(rows[3].entity, rows[3].span).unwrap(), "{\"code\":\"B\"}");
    }
}

#[test]
fn secrets_are_starred_out_of_what_was_received() {
    let text = r#"[{"code":"A","pass": "s3cret","name":"x"},{"pass":{"a":"s3cret"}}]"#;
    let mut rows = JsonRows::new(memory(text), shape(), Form::Array);
    let found = all(&mut rows).unwrap();
    let received: Vec<String> =
        found.iter().map(|row| rows.received(row.entity, row.span).unwrap()).collect();
    assert_eq!(received, [r#"{"code":"A","pass": "***","name":"x"}"#, r#"{"pass":"***"}"#]);
    let mut lines = NdjsonRows::new(memory("{\"pass\":\"s3cret\" oops"), shape());
    let row = all(&mut lines).unwrap().remove(0);
    assert_eq!(lines.received(row.entity, row.span).unwrap(), "***");
}

#[test]
fn sets_of_several_entities_are_numbered_through() {
    let text = r#"{"records":[{"rows":[{"code":"A"},{"code":"B"}],"entity":"thing"},
        {"entity":"person","rows":[]},{"entity":"person","rows":[{"code":"P"}]},{"entity":"thing","rows":[7]}]}"#;
    let of = |name: &str| {
        let shape = shape();
        let Some(entity) = shape.catalogue.find(name) else { return Err(Error::NoEntity(name.to_owned())) };
        Ok(RowShape::native(shape.catalogue.clone(), entity.ix, shape.reading.clone()))
    };
    for body in [memory(text), file(text)] {
        let mut sets = JsonSets::open(body, of).unwrap();
        assert_eq!(sets.entities().len(), 2);
        let rows = all(&mut sets).unwrap();
        let codes: Vec<_> = rows.iter().map(|row| (row.number, row.entity, row.code.as_deref())).collect();
        let (thing, person) = (rows[0].entity, rows[2].entity);
        assert_eq!(
            codes,
            [(1, thing, Some("A")), (2, thing, Some("B")), (3, person, Some("P")), (4, thing, None)]
        );
        sets.rewind().unwrap();
        assert_eq!(print(&all(&mut sets).unwrap()), print(&rows));
        let again = sets.again(&rows[2]).unwrap();
        assert_eq!(print(&[again]), print(&rows[2..3]));
        assert_eq!(sets.received(person, rows[2].span).unwrap(), "{\"code\":\"P\"}");
    }
    for bad in [
        "",
        "[]",
        "{}",
        "{\"records\":[{\"entity\":\"thing\"}]}",
        "{\"records\":[{\"rows\":[]}]}",
        "{\"records\":[]} x",
        "{\"records\":[{\"entity\":\"thing\",\"rows\":[{]}]}",
        "{\"record\":[]}",
        "{\"records\":[{\"entity\":\"nothing\",\"rows\":[]}]}",
        "{\"records\":[{\"entity\":1,\"rows\":[]}]}",
    ] {
        let failed = JsonSets::open(memory(bad), of).and_then(|mut sets| {
            while sets.next()?.is_some() {}
            Ok(())
        });
        assert!(failed.is_err(), "{bad}");
    }
}

fn junk() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"{".to_vec()),
        Just(b"}".to_vec()),
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b",".to_vec()),
        Just(b":".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"null".to_vec()),
        Just(b"\"name\":".to_vec()),
        Just(b"\"owner\":".to_vec()),
        Just(b"\"helpers\":[".to_vec()),
        Just(b"{\"code\":\"A\"}".to_vec()),
        Just(b"\"\\ud800\"".to_vec()),
        Just(b"-1.5e3".to_vec()),
        Just(b"{\"records\":[{\"entity\":\"thing\",\"rows\":[".to_vec()),
        Just(vec![0xff]),
        Just(vec![0]),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn objects() -> impl Strategy<Value = Vec<String>> {
    let object = ("\\PC{0,12}", any::<i64>(), any::<bool>(), proptest::option::of(any::<f64>())).prop_map(
        |(name, count, active, odd)| {
            let mut object = serde_json::json!({"name": name, "count": count, "active": active});
            if let Some(odd) = odd {
                object["price"] = odd.into();
                object["extra"] = serde_json::json!({ "deep": [name, odd] });
            }
            object.to_string()
        },
    );
    proptest::collection::vec(object, 0..20)
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in junk()) {
        for form in [Form::Array, Form::One] {
            let from_memory = all(&mut JsonRows::new(memory(bytes.clone()), shape(), form)).map(|rows| print(&rows));
            let from_file = all(&mut JsonRows::new(file(&bytes), shape(), form)).map(|rows| print(&rows));
            prop_assert_eq!(from_memory, from_file);
        }
        let mut lines = NdjsonRows::new(memory(bytes.clone()), shape());
        for row in all(&mut lines).unwrap() {
            let again = lines.again(&row).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{row:?}"));
            lines.received(row.entity, row.span).unwrap();
        }
        let sets = JsonSets::open(memory(bytes), |_| Ok(shape()));
        if let Ok(mut sets) = sets {
            let _ = all(&mut sets);
        }
    }

    #[test]
    fn arrays_lines_memory_and_files_agree(objects in objects()) {
        let array = format!("[{}]", objects.join(" ,\n"));
        let lines = objects.join("\n");
        let bare = |rows: Vec<Row>| -> Vec<String> {
            print(&rows.into_iter().map(|row| Row { line: None, span: Span::default(), ..row }).collect::<Vec<_>>())
        };
        let wanted = bare(all(&mut JsonRows::new(memory(array.clone()), shape(), Form::Array)).unwrap());
        prop_assert_eq!(wanted.len(), objects.len());
        let mut from_file = JsonRows::new(file(&array), shape(), Form::Array);
        let rows = all(&mut from_file).unwrap();
        for row in &rows {
            let again = from_file.again(row).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{row:?}"));
        }
        prop_assert_eq!(&wanted, &bare(rows));
        prop_assert_eq!(&wanted, &bare(all(&mut NdjsonRows::new(memory(lines.clone()), shape())).unwrap()));
        prop_assert_eq!(&wanted, &bare(all(&mut NdjsonRows::new(file(lines), shape())).unwrap()));
    }
}
