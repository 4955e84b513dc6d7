//! Keys and references: what finds, and what must not be.

use domain::catalogue::KeyIx;
use domain::find::Wanted;
use domain::names::{Company, InternalId};
use domain::settle::Write;
use domain::value::Value;

use super::model::{Specimens, fired, places, specimens, store_all, text};
use super::{read, write};
use crate::Store;

fn key(specimens: &Specimens, name: &str) -> KeyIx {
    specimens.entity.find_key(name).unwrap().0
}

/// A unique key finds its record, and only by its exact value.
pub fn a_key_finds_its_record(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![(1, "A", vec![text("n1")]), (2, "B", vec![text("n2")])];
    store_all(store, &project, vec![specimens.insert(&["number"], rows)]);
    read(store, &project, move |reader| {
        let wanted = ["n2", "N1", "n1", ""].map(|number| vec![text(number)]).to_vec();
        let found = specimens.find(reader, Wanted::Keys(key(&specimens, "number"), wanted))?;
        assert_eq!(places(&found), [(0, "B"), (2, "A")]);
        Ok(())
    })
    .unwrap();
}

/// Null counts as a value in a field whose key says so; it is another one than the empty text.
pub fn null_is_a_value_where_the_key_says_so(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![
        (1, "A", vec![Value::Null, text("r")]),
        (2, "B", vec![text(""), text("r")]),
        (3, "C", vec![text("s"), text("r")]),
        (4, "D", vec![text("s"), Value::Null]),
    ];
    store_all(store, &project, vec![specimens.insert(&["system", "reference"], rows)]);
    read(store, &project, move |reader| {
        let wanted = vec![
            vec![text("s"), text("r")],
            vec![Value::Null, text("r")],
            vec![text(""), text("r")],
            vec![Value::Null, text("q")],
        ];
        let found = specimens.find(reader, Wanted::Keys(key(&specimens, "external"), wanted))?;
        assert_eq!(places(&found), [(0, "C"), (1, "A"), (2, "B")]);
        Ok(())
    })
    .unwrap();
}

/// A null where it does not count means that the record has no such key, as often as one likes.
pub fn a_key_with_null_elsewhere_is_no_key(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![
        (1, "A", vec![text("s"), Value::Null, Value::Null]),
        (2, "B", vec![text("s"), Value::Null, Value::Null]),
        (3, "C", vec![Value::Null, Value::Null, Value::Null]),
        (4, "D", vec![Value::Null, Value::Null, Value::Null]),
    ];
    store_all(store, &project, vec![specimens.insert(&["system", "reference", "number"], rows)]);
    read(store, &project, move |reader| {
        let external = Wanted::Keys(key(&specimens, "external"), vec![vec![text("s"), Value::Null]]);
        let number = Wanted::Keys(key(&specimens, "number"), vec![vec![Value::Null]]);
        assert!(specimens.find(reader, external)?.is_empty());
        assert!(specimens.find(reader, number)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Codes and keys are unique in a company, not in a project.
pub fn keys_are_of_one_company(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = |n| vec![(n, "A", vec![text("n1")])];
    let writes =
        vec![specimens.insert(&["number"], rows(1)), specimens.insert_in(Company(2), &["number"], rows(2))];
    store_all(store, &project, writes);
    read(store, &project, move |reader| {
        let by_key =
            specimens.find(reader, Wanted::Keys(key(&specimens, "number"), vec![vec![text("n1")]]))?;
        let by_code = specimens.find(reader, Wanted::Codes(vec!["A".into()]))?;
        let by_id = specimens.find(reader, Wanted::Ids(vec![specimens.id(2)]))?;
        assert_eq!((by_key.len(), by_code.len(), by_id.len()), (1, 1, 1));
        assert_eq!(by_key[0].record.id, specimens.id(1));
        assert_eq!(by_code[0].record.id, specimens.id(1));
        assert_eq!(by_id[0].record.company, Company(2));
        Ok(())
    })
    .unwrap();
}

fn refused(store: &dyn Store, writes: impl Fn(&Specimens) -> (Vec<Write>, Vec<Write>)) -> String {
    let (project, specimens) = specimens(store);
    let (first, second) = writes(&specimens);
    store_all(store, &project, first);
    let name = fired(write(store, &project, move |writer| writer.write(second)));
    let left = read(store, &project, move |reader| specimens.codes(reader, &specimens.all(None)));
    assert_eq!(left.unwrap(), ["A", "B"]);
    name
}

/// A code twice in a company is a constraint, though the first record is deleted.
pub fn a_taken_code_is_a_constraint(store: &dyn Store) {
    let name = refused(store, |specimens| {
        let first = vec![(1, "A", Vec::new()), (2, "B", Vec::new())];
        (vec![specimens.insert(&[], first)], vec![specimens.insert(&[], vec![(3, "A", Vec::new())])])
    });
    assert_eq!(name, "u_specimen_code");
}

/// A key twice in a company is a constraint; the error names it.
pub fn a_taken_key_is_a_constraint(store: &dyn Store) {
    let name = refused(store, |specimens| {
        let first = vec![(1, "A", vec![text("n1")]), (2, "B", vec![text("n2")])];
        let second = vec![(3, "C", vec![text("n3")]), (4, "D", vec![text("n1")])];
        (vec![specimens.insert(&["number"], first)], vec![specimens.insert(&["number"], second)])
    });
    assert_eq!(name, "u_specimen_number");
}

/// A key whose null is a value is a constraint with null too.
pub fn a_taken_null_key_is_a_constraint(store: &dyn Store) {
    let name = refused(store, |specimens| {
        let fields = ["system", "reference"];
        let first = vec![(1, "A", vec![Value::Null, text("r")]), (2, "B", vec![text("s"), text("r")])];
        let second = vec![(3, "C", vec![Value::Null, text("r")])];
        (vec![specimens.insert(&fields, first)], vec![specimens.insert(&fields, second)])
    });
    assert_eq!(name, "u_specimen_external");
}

/// A reference to a record that does not exist is a constraint.
pub fn a_reference_to_nothing_is_a_constraint(store: &dyn Store) {
    refused(store, |specimens| {
        let first = vec![(1, "A", Vec::new()), (2, "B", Vec::new())];
        let second = vec![(3, "C", vec![Value::Reference(specimens.id(9))])];
        (vec![specimens.insert(&[], first)], vec![specimens.insert(&["parent"], second)])
    });
}

/// A record that another refers to cannot go for good.
pub fn a_record_referred_to_cannot_go(store: &dyn Store) {
    refused(store, |specimens| {
        let first = vec![specimens.insert(&[], vec![(1, "A", Vec::new())]), {
            let parent = Value::Reference(specimens.id(1));
            specimens.insert(&["plain_parent"], vec![(2, "B", vec![parent])])
        }];
        let ids: Vec<InternalId> = vec![specimens.id(1)];
        (first, vec![Write::Remove(specimens.entity.ix, ids)])
    });
}
