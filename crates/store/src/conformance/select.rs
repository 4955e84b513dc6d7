//! Questions: which records, in which order.

use domain::names::Company;
use domain::query::{Column, Comparison, Condition, Select};
use domain::value::Value;

use super::model::{COMPANY, INSTANT, Specimens, specimens, store_all, text};
use super::read;
use crate::Store;

/// Stores specimens with one field each and asks questions about them.
fn ask(
    store: &dyn Store,
    field: &'static str,
    values: Vec<(&'static str, Value)>,
    cases: impl Fn(&Specimens) -> Vec<(Condition, &'static [&'static str])>,
) {
    let (project, specimens) = specimens(store);
    let rows = values.into_iter().zip(1..).map(|((code, value), n)| (n, code, vec![value])).collect();
    store_all(store, &project, vec![specimens.insert(&[field], rows)]);
    let cases = cases(&specimens);
    read(store, &project, move |reader| {
        for (condition, expected) in cases {
            let select = specimens.all(Some(condition.clone()));
            assert_eq!(specimens.codes(reader, &select)?, expected, "{condition:?}");
            assert_eq!(reader.count(&select)?, expected.len() as u64, "{condition:?}");
        }
        Ok(())
    })
    .unwrap();
}

fn integers() -> Vec<(&'static str, Value)> {
    vec![("A", Value::Integer(1)), ("B", Value::Integer(2)), ("C", Value::Integer(3)), ("N", Value::Null)]
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// The six comparisons.
pub fn conditions_compare(store: &dyn Store) {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    ask(store, "amount", integers(), |specimens| {
        let is = |comparison| Condition::Compare(specimens.column("amount"), comparison, Value::Integer(2));
        vec![
            (is(Eq), &["B"]),
            (is(Ne), &["A", "C"]),
            (is(Lt), &["A"]),
            (is(Le), &["A", "B"]),
            (is(Gt), &["C"]),
            (is(Ge), &["B", "C"]),
            (Condition::And(vec![is(Le), is(Ge)]), &["B"]),
            (Condition::Or(vec![is(Lt), is(Gt)]), &["A", "C"]),
        ]
    });
}

/// A comparison with null is neither true nor false, also under `Not`.
pub fn null_is_neither_true_nor_false(store: &dyn Store) {
    ask(store, "amount", integers(), |specimens| {
        let amount = specimens.column("amount");
        let is = |value| Condition::Compare(amount, Comparison::Eq, value);
        let two = || Value::Integer(2);
        vec![
            (not(is(two())), &["A", "C"]),
            (not(not(is(two()))), &["B"]),
            (is(Value::Null), &[]),
            (not(is(Value::Null)), &[]),
            (Condition::Compare(amount, Comparison::Ne, Value::Null), &[]),
            (Condition::IsNull(amount), &["N"]),
            (not(Condition::IsNull(amount)), &["A", "B", "C"]),
            (Condition::In(amount, vec![two(), Value::Null]), &["B"]),
            (not(Condition::In(amount, vec![two(), Value::Null])), &[]),
            (not(Condition::In(amount, vec![two()])), &["A", "C"]),
            (Condition::Or(vec![is(Value::Null), is(two())]), &["B"]),
            (not(Condition::And(vec![is(Value::Null), is(two())])), &["A", "C"]),
        ]
    });
}

/// No condition of an `And` fails, none of an `Or` holds, nothing is in an empty list.
pub fn empty_groups_have_their_meaning(store: &dyn Store) {
    ask(store, "amount", integers(), |specimens| {
        let all: &[&str] = &["A", "B", "C", "N"];
        let none = || Condition::In(specimens.column("amount"), Vec::new());
        vec![
            (Condition::And(Vec::new()), all),
            (Condition::Or(Vec::new()), &[]),
            (Condition::Never, &[]),
            (not(Condition::Never), all),
            (none(), &[]),
            (not(none()), all),
        ]
    });
}

/// A list may hold thousands of values of any type.
pub fn long_lists_are_searched(store: &dyn Store) {
    ask(store, "title", vec![("A", text("t1")), ("B", text("t\"2\\")), ("N", Value::Null)], |specimens| {
        let mut texts: Vec<Value> = (10..40_000).map(|n| text(&format!("t{n}"))).collect();
        let numbers: Vec<Value> = (0..40_000).map(|n| Value::Integer(specimens.id(n).0)).collect();
        let instants = (0..100).map(|n| Value::Datetime(INSTANT - n)).collect();
        let title = specimens.column("title");
        let missing = Condition::In(title, texts.clone());
        texts.push(text("t\"2\\"));
        vec![
            (Condition::In(title, texts.clone()), &["B"]),
            (not(Condition::In(title, texts)), &["A"]),
            (missing, &[]),
            (Condition::In(Column::Id, numbers), &["A", "B", "N"]),
            (Condition::In(Column::CreatedAt, instants), &["A", "B", "N"]),
        ]
    });
}

/// A thousand alternatives are a question like any other.
pub fn deep_conditions_are_answered(store: &dyn Store) {
    ask(store, "amount", integers(), |specimens| {
        let is = |n| Condition::Compare(specimens.column("amount"), Comparison::Eq, Value::Integer(n));
        vec![
            (Condition::Or((3..3_000).map(is).collect()), &["C"]),
            (Condition::And((3..3_000).map(|n| not(is(n))).collect()), &["A", "B"]),
        ]
    });
}

/// Where a field has a folded form, searches ignore case and accents; comparisons do not.
pub fn searches_fold_case_and_accents(store: &dyn Store) {
    let titles =
        vec![("A", text("Éclair au café")), ("B", text("ECLAIR")), ("C", text("100%_x")), ("N", Value::Null)];
    ask(store, "title", titles, |specimens| {
        let title = specimens.column("title");
        let is = |comparison, value: &str| Condition::Compare(title, comparison, text(value));
        vec![
            (is(Comparison::Contains, "eCLaîr"), &["A", "B"]),
            (is(Comparison::Contains, "CAFE"), &["A"]),
            (is(Comparison::Contains, ""), &["A", "B", "C"]),
            (is(Comparison::Contains, "%"), &["C"]),
            (is(Comparison::Contains, "_x"), &["C"]),
            (is(Comparison::Contains, "_y"), &[]),
            (not(is(Comparison::Contains, "eclair")), &["C"]),
            (is(Comparison::StartsWith, "ÉCLAIR"), &["A", "B"]),
            (is(Comparison::StartsWith, "éclair "), &["A"]),
            (is(Comparison::StartsWith, "clair"), &[]),
            (is(Comparison::Eq, "eclair"), &[]),
            (is(Comparison::Eq, "ECLAIR"), &["B"]),
        ]
    });
}

/// Where a field has no folded form, searches are exact.
pub fn searches_without_folded_form_are_exact(store: &dyn Store) {
    let notes = vec![("A", text("Éclair")), ("B", text("éclair")), ("C", text("a%b")), ("D", text("a_b"))];
    ask(store, "note", notes, |specimens| {
        let is =
            |comparison, value: &str| Condition::Compare(specimens.column("note"), comparison, text(value));
        vec![
            (is(Comparison::Contains, "clair"), &["A", "B"]),
            (is(Comparison::Contains, "É"), &["A"]),
            (is(Comparison::StartsWith, "é"), &["B"]),
            (is(Comparison::StartsWith, "a_"), &["D"]),
            (is(Comparison::Contains, "a%"), &["C"]),
            (Condition::Compare(Column::Code, Comparison::StartsWith, text("C")), &["C"]),
        ]
    });
}

/// A prefix is exact up to the last character there is.
pub fn prefixes_are_exact_at_the_edges(store: &dyn Store) {
    let notes = vec![
        ("A", text("a\u{d7ff}")),
        ("B", text("a\u{e000}")),
        ("C", text("a\u{10ffff}z")),
        ("D", text("b")),
        ("E", text("")),
        ("F", text("\u{10ffff}\u{10ffff}")),
        ("N", Value::Null),
    ];
    ask(store, "note", notes, |specimens| {
        let begins =
            |value: &str| Condition::Compare(specimens.column("note"), Comparison::StartsWith, text(value));
        vec![
            (begins(""), &["A", "B", "C", "D", "E", "F"]),
            (begins("a"), &["A", "B", "C"]),
            (begins("a\u{d7ff}"), &["A"]),
            (begins("a\u{10ffff}"), &["C"]),
            (begins("\u{10ffff}"), &["F"]),
            (not(begins("a")), &["D", "E", "F"]),
        ]
    });
}

fn ordered(specimens: &Specimens, field: &str, descends: bool) -> Select {
    Select { order: vec![(specimens.column(field), descends)], ..specimens.all(None) }
}

/// Null comes first ascending and last descending; ties are in the order of ids either way.
pub fn orders_put_null_first(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = [("A", Some(2)), ("B", None), ("C", Some(1)), ("D", Some(2)), ("E", None)];
    let rows = rows.into_iter().zip(1..);
    let rows = rows.map(|((code, n), id)| (id, code, vec![n.map_or(Value::Null, Value::Integer)])).collect();
    store_all(store, &project, vec![specimens.insert(&["amount"], rows)]);
    read(store, &project, move |reader| {
        let ascending = specimens.codes(reader, &ordered(&specimens, "amount", false))?;
        let descending = specimens.codes(reader, &ordered(&specimens, "amount", true))?;
        assert_eq!(ascending, ["B", "E", "C", "A", "D"]);
        assert_eq!(descending, ["A", "D", "C", "B", "E"]);
        Ok(())
    })
    .unwrap();
}

/// Texts are sorted and compared by code point, whatever people's alphabets say.
pub fn texts_are_sorted_by_code_point(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let texts = ["\u{1f600}", "\u{ff5e}", "é", "z", "a", "Z", "10", "9", "", "a "];
    let rows = texts.into_iter().zip(1..).map(|(one, n)| (n, one, vec![text(one)])).collect();
    store_all(store, &project, vec![specimens.insert(&["note"], rows)]);
    read(store, &project, move |reader| {
        let sorted = ["", "10", "9", "Z", "a", "a ", "z", "é", "\u{ff5e}", "\u{1f600}"];
        assert_eq!(specimens.codes(reader, &ordered(&specimens, "note", false))?, sorted);
        let by_code = Select { order: vec![(Column::Code, false)], ..specimens.all(None) };
        assert_eq!(specimens.codes(reader, &by_code)?, sorted);
        let behind = Condition::Compare(specimens.column("note"), Comparison::Gt, text("é"));
        assert_eq!(specimens.codes(reader, &specimens.all(Some(behind)))?, ["\u{1f600}", "\u{ff5e}"]);
        Ok(())
    })
    .unwrap();
}

/// A count is of all records, whatever page is asked for.
pub fn counts_ignore_page_bounds(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = (1..=5).map(|n| (n, ["A", "B", "C", "D", "E"][n as usize - 1], Vec::new())).collect();
    store_all(store, &project, vec![specimens.insert(&[], rows)]);
    read(store, &project, move |reader| {
        let after = Some(vec![Value::Integer(specimens.id(3).0)]);
        let select = Select { limit: 1, offset: 1, after, ..specimens.all(None) };
        assert_eq!(
            (specimens.codes(reader, &select)?.join(","), reader.count(&select)?),
            ("E".to_owned(), 5)
        );
        let nothing = Select { limit: 0, ..specimens.all(None) };
        assert!(reader.select(&nothing)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// A question is about one company.
pub fn companies_are_apart(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let row = |n, code| vec![(n, code, Vec::new())];
    let writes = vec![
        specimens.insert(&[], row(1, "A")),
        specimens.insert_in(Company(2), &[], row(2, "A")),
        specimens.insert_in(Company::SHARED, &[], row(3, "S")),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        for (company, id) in [(COMPANY, 1), (Company(2), 2), (Company::SHARED, 3)] {
            let select = Select { company, ..specimens.all(None) };
            let found: Vec<_> = reader.select(&select)?.into_iter().map(|record| record.id).collect();
            assert_eq!((found, reader.count(&select)?), (vec![specimens.id(id)], 1));
        }
        Ok(())
    })
    .unwrap();
}

/// System columns are asked like fields.
pub fn system_columns_can_be_asked(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![(1, "A", Vec::new()), (2, "B", Vec::new()), (3, "C", Vec::new())];
    let writes = vec![specimens.insert(&[], rows), specimens.update(&[], vec![(2, 9, Vec::new())])];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let is = |column, comparison, value| Condition::Compare(column, comparison, value);
        for (condition, expected) in [
            (is(Column::Id, Comparison::Eq, Value::Reference(specimens.id(2))), &["B"][..]),
            (is(Column::Id, Comparison::Gt, Value::Integer(specimens.id(1).0)), &["B", "C"]),
            (is(Column::Code, Comparison::Eq, text("C")), &["C"]),
            (is(Column::Revision, Comparison::Ge, Value::Integer(3)), &["B", "C"]),
            (is(Column::ChangedAt, Comparison::Gt, Value::Datetime(INSTANT)), &["B"]),
            (is(Column::CreatedAt, Comparison::Eq, Value::Datetime(INSTANT)), &["A", "B", "C"]),
            (is(Column::ExportMark, Comparison::Eq, Value::Integer(1)), &["A", "C"]),
        ] {
            assert_eq!(specimens.codes(reader, &specimens.all(Some(condition)))?, expected);
        }
        Ok(())
    })
    .unwrap();
}
