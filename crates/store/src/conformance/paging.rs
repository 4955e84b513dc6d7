//! Pages: every record once, whatever the order.

use domain::catalogue::FieldIx;
use domain::find::Record;
use domain::names::ProjectCode;
use domain::query::{Column, Select};
use domain::row::State;
use domain::value::{Value, compare};

use super::model::{Specimens, specimens, store_all, text};
use super::read;
use crate::{Error, Reader, Store};

/// Thirty specimens with ties and nulls in every field that they are sorted by.
fn thirty(store: &dyn Store) -> (ProjectCode, Specimens) {
    let (project, specimens) = specimens(store);
    let codes: Vec<String> = (0..30).map(|n| format!("C{:02}", (n * 7) % 30)).collect();
    let some = |n: i64, of: i64, value: Value| if n % of == 0 { Value::Null } else { value };
    let rows = (0..30)
        .map(|n| {
            let values = vec![
                some(n, 5, Value::Integer(n % 4)),
                some(n, 7, text(["x", "é", "", "y"][n as usize % 4])),
                some(n, 3, Value::Float((n % 3) as f64 / 2.0)),
                some(n, 4, Value::Datetime(n % 6)),
                text(["s1", "s2"][n as usize % 2]),
                Value::Integer(n % 3),
            ];
            (n + 1, codes[n as usize].as_str(), values)
        })
        .collect();
    let fields = ["amount", "note", "ratio", "seen_at", "shelf", "rank"];
    let writes = vec![specimens.insert(&fields, rows), specimens.mark(vec![(11, 40, State::Deleted)])];
    store_all(store, &project, writes);
    (project, specimens)
}

fn value_of(record: &Record, column: Column) -> Value {
    match column {
        Column::Id => Value::Integer(record.id.0),
        Column::Code => Value::Text(record.code.clone()),
        Column::Revision => Value::Integer(record.revision as i64),
        Column::CreatedAt => Value::Datetime(record.created_at),
        Column::ChangedAt => Value::Datetime(record.changed_at),
        Column::ExportMark => Value::Integer(i64::from(record.export_mark)),
        Column::Field(FieldIx(n)) => record.values[usize::from(n)].clone(),
    }
}

/// Walks over all pages of a few records and compares with what sorting in memory gives.
fn walk(reader: &mut dyn Reader, specimens: &Specimens, order: &[(Column, bool)]) -> Result<(), Error> {
    let mut expected = reader.select(&specimens.all(None))?;
    assert_eq!(expected.len(), 29);
    expected.sort_by(|a, b| {
        let by_columns = order.iter().map(|(column, descends)| {
            let ordering = compare(&value_of(a, *column), &value_of(b, *column));
            if *descends { ordering.reverse() } else { ordering }
        });
        by_columns.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(a.id.cmp(&b.id))
    });
    for limit in [1, 4, 29, 100] {
        let mut met: Vec<Record> = Vec::new();
        let mut select = Select { order: order.to_vec(), limit, ..specimens.all(None) };
        loop {
            let page = reader.select(&select)?;
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            let mut after: Vec<Value> = order.iter().map(|(column, _)| value_of(last, *column)).collect();
            after.push(Value::Reference(last.id));
            select.after = Some(after);
            met.extend(page);
        }
        let codes = |records: &[Record]| records.iter().map(|one| one.code.to_string()).collect::<Vec<_>>();
        assert_eq!(codes(&met), codes(&expected), "{order:?}, {limit} a page");
    }
    Ok(())
}

const COLUMNS: [&str; 5] = ["amount", "note", "ratio", "seen_at", "shelf"];

/// Ascending by any column, and by none.
pub fn pages_meet_every_record_once(store: &dyn Store) {
    let (project, specimens) = thirty(store);
    read(store, &project, move |reader| {
        walk(reader, &specimens, &[])?;
        COLUMNS.into_iter().try_for_each(|name| walk(reader, &specimens, &[(specimens.column(name), false)]))
    })
    .unwrap();
}

/// Descending by any column.
pub fn pages_meet_every_record_once_descending(store: &dyn Store) {
    let (project, specimens) = thirty(store);
    read(store, &project, move |reader| {
        walk(reader, &specimens, &[(Column::Id, true)])?;
        walk(reader, &specimens, &[(Column::Revision, true)])?;
        COLUMNS.into_iter().try_for_each(|name| walk(reader, &specimens, &[(specimens.column(name), true)]))
    })
    .unwrap();
}

/// By several columns, each in its own direction.
pub fn pages_meet_every_record_once_by_two_columns(store: &dyn Store) {
    let (project, specimens) = thirty(store);
    read(store, &project, move |reader| {
        for first in [false, true] {
            for second in [false, true] {
                let by = |a: &str, b: &str| [(specimens.column(a), first), (specimens.column(b), second)];
                walk(reader, &specimens, &by("amount", "note"))?;
                walk(reader, &specimens, &by("shelf", "rank"))?;
                walk(reader, &specimens, &by("seen_at", "ratio"))?;
                let three = [by("ratio", "amount").as_slice(), &[(Column::Code, first)]].concat();
                walk(reader, &specimens, &three)?;
            }
        }
        Ok(())
    })
    .unwrap();
}

/// An offset leaves out the first records of the answer.
pub fn an_offset_leaves_out_the_first(store: &dyn Store) {
    let (project, specimens) = thirty(store);
    read(store, &project, move |reader| {
        for descends in [false, true] {
            let order = vec![(specimens.column("shelf"), descends)];
            let all = specimens.codes(reader, &Select { order: order.clone(), ..specimens.all(None) })?;
            for offset in [0, 3, 28, 29, 1_000] {
                let select = Select { order: order.clone(), offset, limit: 5, ..specimens.all(None) };
                let expected: Vec<String> = all.iter().skip(offset as usize).take(5).cloned().collect();
                assert_eq!(specimens.codes(reader, &select)?, expected);
            }
        }
        Ok(())
    })
    .unwrap();
}

/// By code, both ways.
pub fn pages_by_code_are_in_code_order(store: &dyn Store) {
    let (project, specimens) = thirty(store);
    read(store, &project, move |reader| {
        walk(reader, &specimens, &[(Column::Code, false)])?;
        walk(reader, &specimens, &[(Column::Code, true)])
    })
    .unwrap();
}
