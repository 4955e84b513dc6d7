//! Values of every type come back as they were.

use domain::value::Value;

use super::model::{Specimens, specimens, specimens_in, store_all, text};
use super::read;
use crate::Store;

/// Stores values in a field, once by insert and once by update, and reads them back.
fn come_back(store: &dyn Store, field: &'static str, values: impl Fn(&Specimens) -> Vec<Value>) {
    let (project, specimens) = specimens_in(store, &format!("of_{field}"));
    let values = values(&specimens);
    let first = 100;
    let codes: Vec<String> = (0..values.len() * 2).map(|n| format!("V{n}")).collect();
    let count = values.len() as i64;
    let inserted = (0..count)
        .map(|n| (first + n, codes[n as usize].as_str(), vec![values[n as usize].clone()]))
        .collect();
    let empty =
        (0..count).map(|n| (first + count + n, codes[(count + n) as usize].as_str(), Vec::new())).collect();
    let updated = (0..count).map(|n| (first + count + n, 1, vec![values[n as usize].clone()])).collect();
    let targets = vec![(1, "T1", Vec::new()), (2, "T2", Vec::new())];
    let writes = vec![
        specimens.insert(&[], targets),
        specimens.insert(&[field], inserted),
        specimens.insert(&[], empty),
        specimens.update(&[field], updated),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        for (n, value) in (0..count).zip(&values) {
            for id in [first + n, first + count + n] {
                let record = specimens.one(reader, id)?.unwrap();
                assert_eq!(specimens.value(&record, field), value, "{field}");
            }
        }
        Ok(())
    })
    .unwrap();
}

/// Text of any script and length, empty text, quotes and line ends.
pub fn texts_come_back(store: &dyn Store) {
    let long = "é".repeat(200_000);
    let texts = [
        "",
        " ",
        "'\"`;--",
        "a\nb\r\n\t",
        "日本語 😀 e\u{301}",
        "\u{10ffff}\u{e000}\u{1}",
        "%_\\",
        long.as_str(),
    ];
    come_back(store, "note", move |_| texts.iter().map(|one| text(one)).collect());
}

/// Whole numbers and decimals to their ends.
pub fn numbers_come_back(store: &dyn Store) {
    let numbers = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993];
    come_back(store, "amount", move |_| numbers.map(Value::Integer).to_vec());
    let decimals = [0, 1, -1, 12_500, 999_999_999_999_999_999, -999_999_999_999_999_999];
    come_back(store, "price", move |_| decimals.map(Value::Decimal).to_vec());
    come_back(store, "active", |_| vec![Value::Boolean(true), Value::Boolean(false)]);
}

/// Doubles bit by bit, whole ones and the tiniest included.
pub fn floats_come_back(store: &dyn Store) {
    let floats =
        [0.0, 1.0, -3.0, 0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e22, 9_007_199_254_740_993.0];
    come_back(store, "ratio", move |_| floats.map(Value::Float).to_vec());
}

/// Instants and days from the year 1 to the year 9999.
pub fn times_come_back(store: &dyn Store) {
    let instants = [0, 1, -1, domain::instant::FIRST_MS, domain::instant::LAST_MS];
    come_back(store, "seen_at", move |_| instants.map(Value::Datetime).to_vec());
    come_back(store, "born", |_| [0, -719_162, 2_932_896].map(Value::Date).to_vec());
}

/// Bytes of every value and none, and JSON as text.
pub fn bytes_and_json_come_back(store: &dyn Store) {
    let all: Vec<u8> = (0..=255).collect();
    come_back(store, "photo", move |_| vec![Value::Binary([].into()), Value::Binary(all.clone().into())]);
    let texts = ["null", "true", "0", "\"\"", "[]", "{\"a\":[1,2.50,1e400],\"b\":\"é\"}"];
    come_back(store, "extra", move |_| texts.map(|text| Value::Json(text.into())).to_vec());
}

/// References and lists of them, in order and with repeats.
pub fn references_come_back(store: &dyn Store) {
    come_back(store, "parent", |specimens| vec![Value::Reference(specimens.id(1)), Value::Null]);
    come_back(store, "friends", |specimens| {
        let (one, two) = (specimens.id(1), specimens.id(2));
        vec![Value::References([].into()), Value::References([two, one, two].into())]
    });
}

/// A null is a null in a field of every type, and in one whose name is a word of SQL.
pub fn nulls_come_back(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let names: Vec<&str> = specimens.entity.fields.iter().map(|field| &*field.name).collect();
    let nulls = vec![Value::Null; names.len()];
    let writes = vec![
        specimens.insert(&names, vec![(1, "A", nulls.clone())]),
        specimens.insert(&["select"], vec![(2, "B", vec![text("from")])]),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        assert_eq!(specimens.one(reader, 1)?.unwrap().values, nulls);
        let record = specimens.one(reader, 2)?.unwrap();
        assert_eq!(specimens.value(&record, "select"), &text("from"));
        Ok(())
    })
    .unwrap();
}
