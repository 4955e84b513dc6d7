//! Records: written as sets, found by sets.

use domain::find::{Find, Wanted};
use domain::names::InternalId;
use domain::row::{By, State};
use domain::settle::Write;
use domain::value::Value;

use super::model::{COMPANY, INSTANT, Specimens, places, specimens, store_all, text};
use super::{read, write};
use crate::Store;

fn ids(specimens: &Specimens, numbers: &[i64]) -> Vec<InternalId> {
    numbers.iter().map(|n| specimens.id(*n)).collect()
}

fn codes(codes: &[&str]) -> Wanted {
    Wanted::Codes(codes.iter().map(|code| (*code).into()).collect())
}

/// Inserted records are found by id and code, with their system columns.
pub fn inserted_records_are_found(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&["amount"], vec![(7, "A", vec![Value::Integer(5)])])]);
    read(store, &project, move |reader| {
        for wanted in [codes(&["A"]), Wanted::Ids(vec![specimens.id(7)])] {
            let found = specimens.find(reader, wanted)?;
            let record = &found[0].record;
            assert_eq!((record.id, record.company, &*record.code), (specimens.id(7), COMPANY, "A"));
            assert_eq!((record.revision, record.state, record.export_mark), (7, State::Live, 1));
            assert_eq!((record.created_at, record.changed_at), (INSTANT, INSTANT));
            assert_eq!(specimens.value(record, "amount"), &Value::Integer(5));
            assert_eq!(specimens.value(record, "title"), &Value::Null);
        }
        Ok(())
    })
    .unwrap();
}

/// What is not there is not found, and codes are exact.
pub fn missing_records_are_not_found(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&[], vec![(1, "Abc", Vec::new())])]);
    read(store, &project, move |reader| {
        assert!(specimens.find(reader, codes(&["ABC", "Abc ", "", "abc"]))?.is_empty());
        assert!(specimens.find(reader, Wanted::Ids(ids(&specimens, &[2])))?.is_empty());
        assert!(specimens.find(reader, codes(&[]))?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Found records come in the order of the keys; a key twice finds twice; only the fields asked for
/// come, in the order asked.
pub fn finds_keep_the_order_of_keys(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = (1..=3).map(|n| (n, ["A", "B", "C"][n as usize - 1], vec![Value::Integer(n), text("t")]));
    store_all(store, &project, vec![specimens.insert(&["amount", "title"], rows.collect())]);
    read(store, &project, move |reader| {
        let found = specimens.find(reader, codes(&["C", "x", "A", "C"]))?;
        assert_eq!(places(&found), [(0, "C"), (2, "A"), (3, "C")]);
        let found = specimens.find(reader, Wanted::Ids(ids(&specimens, &[2, 1])))?;
        assert_eq!(places(&found), [(0, "B"), (1, "A")]);
        let fields = vec![specimens.field("title"), specimens.field("amount")];
        let entity = specimens.entity.ix;
        let found = reader.find(&Find { entity, company: COMPANY, wanted: codes(&["B"]), fields })?;
        assert_eq!(found[0].record.values, [text("t"), Value::Integer(2)]);
        Ok(())
    })
    .unwrap();
}

/// Several records share a value of a field; all live ones are found, in the order of their ids.
pub fn a_field_finds_several_records(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = [(1, "A", "x"), (2, "B", "y"), (3, "C", "x"), (4, "D", "x")];
    let rows = rows.into_iter().map(|(n, code, shelf)| (n, code, vec![text(shelf), text(shelf)])).collect();
    let writes =
        vec![specimens.insert(&["shelf", "title"], rows), specimens.mark(vec![(4, 5, State::Deleted)])];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        for field in ["shelf", "title"] {
            let wanted = Wanted::Fields(specimens.field(field), ["y", "z", "x"].map(text).to_vec());
            assert_eq!(places(&specimens.find(reader, wanted)?), [(0, "B"), (2, "A"), (2, "C")]);
        }
        let wanted = Wanted::Fields(specimens.field("number"), vec![Value::Null]);
        assert!(specimens.find(reader, wanted)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Many values of a field without index are found like few.
pub fn many_values_of_a_plain_field_are_found(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = [(1, "A", Value::Float(0.5)), (2, "B", Value::Float(-1.0)), (3, "C", Value::Float(0.5))];
    let rows = rows.into_iter().map(|(n, code, value)| (n, code, vec![value])).collect();
    store_all(store, &project, vec![specimens.insert(&["ratio"], rows)]);
    read(store, &project, move |reader| {
        let mut values: Vec<Value> = (0..20).map(|n| Value::Float(f64::from(n) + 0.25)).collect();
        values.extend([Value::Null, Value::Float(0.5), Value::Float(-1.0), Value::Float(0.5)]);
        let found = specimens.find(reader, Wanted::Fields(specimens.field("ratio"), values))?;
        assert_eq!(places(&found), [(21, "A"), (21, "C"), (22, "B"), (23, "A"), (23, "C")]);
        Ok(())
    })
    .unwrap();
}

/// A deleted or merged record still answers by code, id and key, with its state.
pub fn deleted_records_answer_by_code_alone(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![(1, "A", vec![text("n1")]), (2, "B", vec![text("n2")]), (3, "C", vec![text("n3")])];
    let marks = vec![(1, 4, State::Deleted), (2, 5, State::Merged(specimens.id(3)))];
    store_all(store, &project, vec![specimens.insert(&["number"], rows), specimens.mark(marks)]);
    read(store, &project, move |reader| {
        let number = specimens.entity.find_key("number").unwrap().0;
        let keys = ["n1", "n2", "n3"].map(|number| vec![text(number)]).to_vec();
        for wanted in
            [codes(&["A", "B", "C"]), Wanted::Ids(ids(&specimens, &[1, 2, 3])), Wanted::Keys(number, keys)]
        {
            let states: Vec<State> =
                specimens.find(reader, wanted)?.into_iter().map(|found| found.record.state).collect();
            assert_eq!(states, [State::Deleted, State::Merged(specimens.id(3)), State::Live]);
        }
        assert_eq!(specimens.codes(reader, &specimens.all(None))?, ["C"]);
        let mut all = specimens.all(None);
        all.with_deleted = true;
        assert_eq!(specimens.codes(reader, &all)?, ["A", "B", "C"]);
        assert_eq!((reader.count(&specimens.all(None))?, reader.count(&all)?), (1, 3));
        Ok(())
    })
    .unwrap();
}

/// An update touches the columns it names, the revision and the instant of the change.
pub fn updates_touch_named_columns_only(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let values = || vec![text("t"), Value::Integer(1), Value::Boolean(true)];
    let rows = vec![(1, "A", values()), (2, "B", values())];
    let changed = vec![(1, 9, vec![Value::Integer(2), Value::Null])];
    let writes = vec![
        specimens.insert(&["title", "amount", "active"], rows),
        specimens.update(&["amount", "title"], changed),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let record = specimens.one(reader, 1)?.unwrap();
        assert_eq!(specimens.value(&record, "title"), &Value::Null);
        assert_eq!(specimens.value(&record, "amount"), &Value::Integer(2));
        assert_eq!(specimens.value(&record, "active"), &Value::Boolean(true));
        assert_eq!((record.revision, record.created_at, record.changed_at), (9, INSTANT, INSTANT + 1));
        assert_eq!((record.export_mark, &*record.code), (2, "A"));
        let other = specimens.one(reader, 2)?.unwrap();
        assert_eq!((other.revision, other.changed_at, other.export_mark), (2, INSTANT, 1));
        assert_eq!(specimens.value(&other, "title"), &text("t"));
        Ok(())
    })
    .unwrap();
}

/// An update without an export mark leaves the one there is; one without fields still counts.
pub fn an_export_mark_is_left_alone(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let Write::Update(mut update) = specimens.update(&[], vec![(1, 8, Vec::new())]) else { unreachable!() };
    update.export_mark = None;
    let writes = vec![specimens.insert(&[], vec![(1, "A", Vec::new())]), Write::Update(update)];
    store_all(store, &project, writes);
    let record = read(store, &project, move |reader| specimens.one(reader, 1)).unwrap().unwrap();
    assert_eq!((record.export_mark, record.revision, record.changed_at), (1, 8, INSTANT + 1));
}

/// A rename moves the code and nothing else; what refers to the record still does.
pub fn a_rename_moves_the_code(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rename = Write::Rename(specimens.entity.ix, vec![(specimens.id(1), "Z".into())]);
    let writes = vec![
        specimens.insert(&[], vec![(1, "A", Vec::new())]),
        specimens.insert(&["parent"], vec![(2, "B", vec![Value::Reference(specimens.id(1))])]),
        rename,
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        assert_eq!(places(&specimens.find(reader, codes(&["A", "Z"]))?), [(1, "Z")]);
        let child = specimens.one(reader, 2)?.unwrap();
        assert_eq!(specimens.value(&child, "parent"), &Value::Reference(specimens.id(1)));
        Ok(())
    })
    .unwrap();
}

/// Marks set a state and clear it again; without an export mark they leave it.
pub fn marks_set_and_clear_the_state(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let insert = specimens.insert(&[], vec![(1, "A", Vec::new()), (2, "B", Vec::new())]);
    store_all(store, &project, vec![insert, specimens.mark(vec![(1, 3, State::Merged(specimens.id(2)))])]);
    let (looked, again) = (specimens.clone(), specimens.clone());
    let merged = read(store, &project, move |reader| looked.one(reader, 1)).unwrap().unwrap();
    assert_eq!((merged.state, merged.revision), (State::Merged(specimens.id(2)), 3));
    assert_eq!((merged.export_mark, merged.changed_at), (1, INSTANT + 2));
    store_all(store, &project, vec![specimens.mark(vec![(1, 4, State::Live)])]);
    let live = read(store, &project, move |reader| again.one(reader, 1)).unwrap().unwrap();
    assert_eq!((live.state, live.revision), (State::Live, 4));
}

/// Removed records are gone, and their code is free.
pub fn removed_records_are_gone(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let writes = vec![
        specimens.insert(&[], vec![(1, "A", Vec::new()), (2, "B", Vec::new())]),
        Write::Remove(specimens.entity.ix, vec![specimens.id(1)]),
        specimens.insert(&[], vec![(3, "A", Vec::new())]),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let found = specimens.find(reader, codes(&["A"]))?;
        assert_eq!((found.len(), found[0].record.id), (1, specimens.id(3)));
        assert!(specimens.one(reader, 1)?.is_none());
        Ok(())
    })
    .unwrap();
}

fn family(store: &dyn Store) -> (domain::names::ProjectCode, Specimens) {
    let (project, specimens) = specimens(store);
    let to = |n: i64| Value::Reference(specimens.id(n));
    let writes = vec![
        specimens.insert(
            &[],
            ["A", "B", "C"].into_iter().zip(1..).map(|(code, n)| (n, code, Vec::new())).collect(),
        ),
        specimens.insert(
            &["parent", "plain_parent"],
            vec![(4, "D", vec![to(1), to(2)]), (5, "E", vec![to(1), to(2)]), (6, "F", vec![to(2), to(3)])],
        ),
        specimens.mark(vec![(6, 7, State::Deleted)]),
    ];
    store_all(store, &project, writes);
    (project, specimens)
}

/// `referred` names the ids that records refer to, deleted records included, with an index and
/// without.
pub fn referred_names_what_is_referred_to(store: &dyn Store) {
    let (project, specimens) = family(store);
    read(store, &project, move |reader| {
        let wanted = ids(&specimens, &[1, 2, 3]);
        let (entity, none) = (specimens.entity.ix, []);
        let mut referred = |field: &str| -> Vec<i64> {
            let mut there = reader.referred(entity, specimens.field(field), &wanted, &none).unwrap();
            there.sort();
            there.iter().map(|id| id.0 % InternalId::SPAN).collect()
        };
        assert_eq!(referred("parent"), [1, 2]);
        assert_eq!(referred("plain_parent"), [2, 3]);
        Ok(())
    })
    .unwrap();
}

/// `referred` leaves out what only exceptions refer to.
pub fn referred_leaves_out_exceptions(store: &dyn Store) {
    let (project, specimens) = family(store);
    read(store, &project, move |reader| {
        for (field, except, expected) in
            [("parent", &[4, 6][..], &[1][..]), ("parent", &[4, 5], &[2]), ("plain_parent", &[4, 5, 6], &[])]
        {
            let wanted = ids(&specimens, &[1, 2, 3]);
            let except = ids(&specimens, except);
            let there = reader.referred(specimens.entity.ix, specimens.field(field), &wanted, &except)?;
            assert_eq!(there, ids(&specimens, expected));
        }
        Ok(())
    })
    .unwrap();
}

/// A list of references refers to each of its records.
pub fn lists_of_references_refer_too(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let friends = Value::References(ids(&specimens, &[2, 1]).into());
    let writes = vec![
        specimens.insert(&[], vec![(1, "A", Vec::new()), (2, "B", Vec::new()), (3, "C", Vec::new())]),
        specimens.insert(&["friends"], vec![(4, "D", vec![friends])]),
    ];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let (entity, via) = (specimens.entity.ix, specimens.field("friends"));
        let mut there = reader.referred(entity, via, &ids(&specimens, &[1, 2, 3]), &[])?;
        there.sort();
        assert_eq!(there, ids(&specimens, &[1, 2]));
        let children = reader.children(entity, via, &ids(&specimens, &[1]), &[])?;
        assert_eq!((children.len(), &*children[0].code), (1, "D"));
        Ok(())
    })
    .unwrap();
}

/// Children are the live records that name a parent, with the fields asked for.
pub fn children_are_live_records(store: &dyn Store) {
    let (project, specimens) = family(store);
    read(store, &project, move |reader| {
        let (entity, fields) = (specimens.entity.ix, [specimens.field("plain_parent")]);
        let children =
            reader.children(entity, specimens.field("parent"), &ids(&specimens, &[1, 2, 3]), &fields)?;
        let codes: Vec<&str> = children.iter().map(|child| &*child.code).collect();
        assert_eq!(codes, ["D", "E"]);
        assert_eq!(children[0].values, [Value::Reference(specimens.id(2))]);
        assert!(reader.children(entity, fields[0], &[], &[])?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Neighbours are the nearest existing live keys on both sides of a text.
pub fn neighbours_are_next_to_the_text(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = [(1, "A1", "n1"), (2, "A3", "n3"), (3, "A4", "n4"), (4, "A7", "n7")];
    let rows = rows.into_iter().map(|(n, code, number)| (n, code, vec![text(number)])).collect();
    let writes = vec![specimens.insert(&["number"], rows), specimens.mark(vec![(3, 5, State::Deleted)])];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let entity = specimens.entity.ix;
        let number = By::Key(specimens.entity.find_key("number").unwrap().0);
        let mut near = |by, text: &str| -> Vec<String> {
            let mut near: Vec<String> =
                reader.neighbours(entity, COMPANY, by, text).unwrap().into_iter().map(Into::into).collect();
            near.sort();
            near
        };
        assert_eq!(near(By::Code, "A4"), ["A3", "A7"]);
        assert_eq!(near(By::Code, "A"), ["A1"]);
        assert_eq!(near(By::Code, "Z"), ["A7"]);
        assert_eq!(near(number, "n2"), ["n1", "n3"]);
        Ok(())
    })
    .unwrap();
}

/// A find or a set of a write is a few statements, however many rows it has.
pub fn statements_count_sets(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    write(store, &project, move |writer| {
        assert_eq!(writer.statements(), 0);
        let many: Vec<String> = (0..500).map(|n| format!("C{n}")).collect();
        let rows =
            many.iter().zip(1..).map(|(code, n)| (n, code.as_str(), vec![Value::Integer(n)])).collect();
        writer.write(vec![specimens.insert(&["amount"], rows)])?;
        let found =
            specimens.find(&mut *writer, codes(&many.iter().map(String::as_str).collect::<Vec<_>>()))?;
        assert_eq!(found.len(), 500);
        assert!((2..=6).contains(&writer.statements()), "{} statements", writer.statements());
        Ok(())
    })
    .unwrap();
}
