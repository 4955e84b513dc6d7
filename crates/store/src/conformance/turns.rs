//! The write turn: all or nothing, one after the other, and one moment for readers.

use std::sync::mpsc::channel;

use domain::names::ProjectCode;
use domain::settle::Head;
use domain::value::Value;

use super::model::{specimens, store_all};
use super::{project, read, turn, write, write_large};
use crate::{Error, Reader, Store, Writer};

fn documents(store: &dyn Store, project: &ProjectCode) -> Vec<String> {
    let listed = read(store, project, |reader| reader.documents("d")).unwrap();
    listed.into_iter().map(|(name, _)| name).collect()
}

fn put(writer: &mut dyn Writer, name: &str) -> Result<(), Error> {
    writer.put_document("d", name, "")
}

fn set_seq(writer: &mut dyn Writer, seq: u64) -> Result<(), Error> {
    let head = Head { seq, ..writer.head()? };
    writer.put_head(&head)
}

/// Head and counters are what was last written; a counter not named keeps its value.
pub fn head_and_counters_survive(store: &dyn Store) {
    let project = project(store);
    let counters = |list: &[(&str, i64)]| list.iter().map(|(name, n)| ((*name).into(), *n)).collect();
    let first =
        Head { seq: 7, instant: 70, catalogue_version: 0, counters: counters(&[("a", 1), ("b", i64::MAX)]) };
    let second =
        Head { seq: 9, instant: 90, catalogue_version: 5, counters: counters(&[("a", 2), ("é", -1)]) };
    let merged = counters(&[("a", 2), ("b", i64::MAX), ("é", -1)]);
    let expected = Head { seq: 9, instant: 90, catalogue_version: 0, counters: merged };
    let stored = first.clone();
    write(store, &project, move |writer| writer.put_head(&stored)).unwrap();
    assert_eq!(read(store, &project, |reader| reader.head()).unwrap(), first);
    let in_turn = write(store, &project, move |writer| {
        writer.put_head(&second)?;
        writer.head()
    });
    assert_eq!(in_turn.unwrap(), expected);
    assert_eq!(read(store, &project, |reader| reader.head()).unwrap(), expected);
}

/// A turn that fails gets its own error back and changes nothing.
pub fn a_turn_that_fails_changes_nothing(store: &dyn Store) {
    let project = project(store);
    let failed = write(store, &project, |writer| {
        put(writer, "a")?;
        Err::<(), _>(Error::Undone)
    });
    assert!(matches!(failed, Err(Error::Undone)));
    assert!(documents(store, &project).is_empty());
}

/// The same for a turn too large to share its commit.
pub fn a_large_turn_that_fails_changes_nothing(store: &dyn Store) {
    let project = project(store);
    let failed = write_large(store, &project, |writer| {
        put(writer, "a")?;
        Err::<(), _>(Error::Undone)
    });
    assert!(matches!(failed, Err(Error::Undone)));
    write_large(store, &project, |writer| put(writer, "b")).unwrap();
    assert_eq!(documents(store, &project), ["b"]);
}

type Job = Box<dyn FnOnce(&mut dyn Writer) -> Result<(), Error> + Send>;

/// Holds the project's turn until `turns` wait behind it, then lets them go; gives their results.
fn together(store: &dyn Store, project: &ProjectCode, turns: Vec<Job>) -> Vec<Result<(), Error>> {
    let (go, gone) = channel::<()>();
    let (first_tell, first_told) = channel();
    store.write(
        project,
        turn(true, first_tell, move |writer| {
            gone.recv().unwrap();
            put(writer, "first")
        }),
    );
    let told: Vec<_> = turns
        .into_iter()
        .map(|job| {
            let (tell, told) = channel();
            store.write(project, turn(true, tell, job));
            told
        })
        .collect();
    go.send(()).unwrap();
    first_told.recv().unwrap().unwrap();
    told.into_iter().map(|told| told.recv().unwrap()).collect()
}

/// The neighbours of a turn that fails stand, before it and behind it.
pub fn neighbours_of_a_failure_stand(store: &dyn Store) {
    let project = project(store);
    let results = together(
        store,
        &project,
        vec![
            Box::new(|writer| put(writer, "a")),
            Box::new(|writer| {
                put(writer, "b")?;
                put(writer, "a")?;
                Err(Error::Undone)
            }),
            Box::new(|writer| put(writer, "c")),
        ],
    );
    assert!(matches!(results.as_slice(), [Ok(()), Err(Error::Undone), Ok(())]));
    assert_eq!(documents(store, &project), ["a", "c", "first"]);
}

/// A turn that panics is undone, its neighbours stand, and the project goes on.
pub fn a_panic_undoes_its_turn_alone(store: &dyn Store) {
    let project = project(store);
    let results = together(
        store,
        &project,
        vec![
            Box::new(|writer| put(writer, "a")),
            Box::new(|writer| {
                put(writer, "b")?;
                // Unwinds without a message on the terminal.
                std::panic::resume_unwind(Box::new("on purpose"))
            }),
            Box::new(|writer| put(writer, "c")),
        ],
    );
    assert!(matches!(results.as_slice(), [Ok(()), Err(Error::Undone), Ok(())]));
    assert_eq!(documents(store, &project), ["a", "c", "first"]);
    let project_2 = project.clone();
    read(store, &project_2, |_| Ok(())).unwrap();
    write(store, &project, |writer| put(writer, "d")).unwrap();
}

/// A constraint that fires undoes its turn, and its neighbours stand.
pub fn a_constraint_undoes_its_turn_alone(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let insert = |n| specimens.insert(&["amount"], vec![(n, "A", vec![Value::Integer(n)])]);
    let (first, second) = (insert(1), insert(2));
    let results = together(
        store,
        &project,
        vec![
            Box::new(move |writer| writer.write(vec![first])),
            Box::new(move |writer| {
                put(writer, "b")?;
                writer.write(vec![second])
            }),
            Box::new(|writer| put(writer, "c")),
        ],
    );
    assert!(matches!(results.as_slice(), [Ok(()), Err(Error::Constraint { .. }), Ok(())]));
    assert_eq!(documents(store, &project), ["c", "first"]);
}

/// Turns run in the order in which they were given, small and large alike.
pub fn turns_come_in_order(store: &dyn Store) {
    let project = project(store);
    let (log, logged) = channel();
    let (tell, told) = channel();
    for n in 0..60_u64 {
        let log = log.clone();
        let job = move |writer: &mut dyn Writer| {
            log.send(n).unwrap();
            let head = writer.head()?;
            assert_eq!(head.seq, n);
            writer.put_head(&Head { seq: n + 1, ..head })
        };
        store.write(&project, turn(n % 7 != 3, tell.clone(), job));
    }
    drop((log, tell));
    assert!(told.iter().all(|result| result.is_ok()));
    assert!(logged.iter().eq(0..60));
}

/// A turn sees what it wrote before it is committed.
pub fn a_turn_sees_what_it_wrote(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    write(store, &project, move |writer| {
        writer.write(vec![specimens.insert(&["amount"], vec![(1, "A", vec![Value::Integer(1)])])])?;
        writer.write(vec![specimens.update(&["amount"], vec![(1, 2, vec![Value::Integer(2)])])])?;
        let record = specimens.one(&mut *writer, 1)?.unwrap();
        assert_eq!(specimens.value(&record, "amount"), &Value::Integer(2));
        assert_eq!(writer.count(&specimens.all(None))?, 1);
        Ok(())
    })
    .unwrap();
}

/// A reader sees one moment, though turns commit while it reads.
pub fn a_reader_sees_one_moment(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&[], vec![(1, "A", Vec::new())])]);
    let (began, begun) = channel();
    let (go, gone) = channel::<()>();
    let (tell, told) = channel();
    let looked = specimens.clone();
    store.read(
        &project,
        Box::new(move |reader| {
            let reader = reader.unwrap();
            let look = |reader: &mut dyn Reader| {
                let codes = looked.codes(reader, &looked.all(None)).unwrap();
                (codes, reader.head().unwrap().seq, reader.documents("d").unwrap().len())
            };
            // The moment is that of the beginning, before the first question.
            began.send(()).unwrap();
            gone.recv().unwrap();
            tell.send((look(reader), look(reader))).unwrap();
        }),
    );
    begun.recv().unwrap();
    let insert = specimens.insert(&[], vec![(2, "B", Vec::new())]);
    write(store, &project, move |writer| {
        writer.write(vec![insert])?;
        set_seq(writer, 5)?;
        put(writer, "a")
    })
    .unwrap();
    go.send(()).unwrap();
    let (first, second) = told.recv().unwrap();
    assert_eq!(first, (vec!["A".to_owned()], 0, 0));
    assert_eq!(second, first);
    let after = read(store, &project, move |reader| {
        Ok((specimens.codes(reader, &specimens.all(None))?.len(), reader.head()?.seq))
    });
    assert_eq!(after.unwrap(), (2, 5));
}

/// A turn that fails leaves the head of the turn before it, in memory too.
pub fn a_failed_turn_leaves_the_head(store: &dyn Store) {
    let project = project(store);
    let (seen, saw) = channel();
    let results = together(
        store,
        &project,
        vec![
            Box::new(|writer| set_seq(writer, 3)),
            Box::new(|writer| {
                let mut head = writer.head()?;
                head.seq = 4;
                head.counters.insert("x".into(), 1);
                writer.put_head(&head)?;
                Err(Error::Undone)
            }),
            Box::new(move |writer| {
                let head = writer.head()?;
                seen.send((head.seq, head.counters.len())).unwrap();
                Ok(())
            }),
        ],
    );
    assert!(matches!(results.as_slice(), [Ok(()), Err(Error::Undone), Ok(())]));
    assert_eq!(saw.recv().unwrap(), (3, 0));
}
