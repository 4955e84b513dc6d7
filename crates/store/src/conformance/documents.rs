//! Documents and idempotency keys.

use domain::names::BatchId;

use super::{project, read, write};
use crate::{IdempotencyEntry, Store};

/// A document is stored, replaced and removed by kind and name.
pub fn documents_round_trip(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        writer.put_document("login", "erp", "{\"a\":1}")?;
        writer.put_document("login", "erp", "{\"a\":2}")?;
        writer.put_document("setting", "erp", "other")
    })
    .unwrap();
    read(store, &project, |reader| {
        assert_eq!(reader.document("login", "erp")?.as_deref(), Some("{\"a\":2}"));
        assert_eq!(reader.document("login", "ERP")?, None);
        Ok(())
    })
    .unwrap();
    let removed = write(store, &project, |writer| {
        Ok((writer.remove_document("login", "erp")?, writer.remove_document("login", "erp")?))
    });
    assert_eq!(removed.unwrap(), (true, false));
    let left = read(store, &project, |reader| {
        Ok((reader.document("login", "erp")?, reader.document("setting", "erp")?))
    });
    assert_eq!(left.unwrap(), (None, Some("other".to_owned())));
}

/// Documents of a kind come in the order of their names, by code point.
pub fn documents_are_listed_by_name(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        ["b", "a", "Z", "é"].into_iter().try_for_each(|name| writer.put_document("hook", name, name))
    })
    .unwrap();
    let listed = read(store, &project, |reader| reader.documents("hook")).unwrap();
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Z", "a", "b", "é"]);
    assert!(read(store, &project, |reader| reader.documents("other")).unwrap().is_empty());
}

/// An idempotency key belongs to a login; it is stored, replaced and removed.
pub fn idempotency_round_trips(store: &dyn Store) {
    let project = project(store);
    let entry = |login: &str, batch: &str| IdempotencyEntry {
        login: login.to_owned(),
        key: "k-1".to_owned(),
        hash: vec![0, 1, 255],
        batch: BatchId(batch.into()),
        instant: 5,
    };
    let (first, second, other) = (entry("a", "01A"), entry("a", "01B"), entry("b", "01C"));
    let expected = (Some(second.clone()), Some(other.clone()), None);
    write(store, &project, move |writer| {
        [first, second, other].iter().try_for_each(|entry| writer.put_idempotency(entry))
    })
    .unwrap();
    let there = read(store, &project, |reader| {
        Ok((
            reader.idempotency("a", "k-1")?,
            reader.idempotency("b", "k-1")?,
            reader.idempotency("a", "k-2")?,
        ))
    });
    assert_eq!(there.unwrap(), expected);
    write(store, &project, |writer| writer.remove_idempotency("a", "k-1")).unwrap();
    let left = read(store, &project, |reader| {
        Ok((reader.idempotency("a", "k-1")?.is_some(), reader.idempotency("b", "k-1")?.is_some()))
    });
    assert_eq!(left.unwrap(), (false, true));
}
