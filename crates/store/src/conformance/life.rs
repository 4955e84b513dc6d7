//! Opening, closing, and what lies outside projects.

use domain::catalogue::file::Overlay;
use domain::names::ProjectCode;
use domain::settle::{Head, Write};
use domain::value::Value;

use super::model::{Specimens, overlay, specimens, specimens_in, store_all, text};
use super::{control, ledger, make_project, read, write};
use crate::{BatchState, Error, IdempotencyEntry, Store};

/// Opens a place; each call opens the same one.
pub type Open<'o> = &'o dyn Fn() -> Box<dyn Store>;

/// Stores something of everything.
fn fill(store: &dyn Store, project: &ProjectCode, specimens: &Specimens) {
    let insert = specimens.insert(
        &["title", "price", "ratio", "photo", "extra"],
        vec![(
            1,
            "A",
            vec![
                text("Éclair"),
                Value::Decimal(-12_500),
                Value::Float(0.1),
                Value::Binary([0, 255].into()),
                Value::Json("{\"a\":1}".into()),
            ],
        )],
    );
    write(store, project, move |writer| {
        let catalogue = writer.catalogue();
        writer.write(vec![insert, Write::Blobs(vec![([7; 32], vec![1, 2, 3])])])?;
        writer.put_page(&ledger::page(catalogue.find("event").unwrap(), "01A", 0, 1, 10, &["A"]))?;
        writer.put_batch(&ledger::batch("01A", BatchState::Done))?;
        writer.put_document("login", "erp", "{}")?;
        writer.put_idempotency(&IdempotencyEntry {
            login: "erp".to_owned(),
            key: "k".to_owned(),
            hash: vec![1],
            batch: domain::names::BatchId("01A".into()),
            instant: 10,
        })?;
        let mut head = writer.head()?;
        head.counters.insert("specimen".into(), 1);
        writer.put_head(&Head { seq: 1, instant: 10, ..head })
    })
    .unwrap();
}

/// What was answered is there when the place is opened again.
pub fn what_was_stored_is_there_again(open: Open<'_>) {
    let store = open();
    let (project, specimens) = specimens(&*store);
    fill(&*store, &project, &specimens);
    let before = read(&*store, &project, |reader| Ok((reader.head()?, reader.overlay()?))).unwrap();
    store.close();
    drop(store);
    let store = open();
    let after = read(&*store, &project, |reader| Ok((reader.head()?, reader.overlay()?))).unwrap();
    assert_eq!(after, before);
    assert_eq!(after.1, overlay());
    read(&*store, &project, move |reader| {
        let again = Specimens::of(&reader.catalogue());
        assert_eq!(again.value(&again.one(reader, 1)?.unwrap(), "title"), &text("Éclair"));
        assert_eq!(reader.document("login", "erp")?.as_deref(), Some("{}"));
        assert_eq!(reader.blob(&[7; 32])?, Some(vec![1, 2, 3]));
        Ok(())
    })
    .unwrap();
    let more = specimens.insert(&[], vec![(2, "B", Vec::new())]);
    store_all(&*store, &project, vec![more]);
}

/// A dump says the same after the place was opened again.
pub fn a_dump_is_the_same_after_opening_again(open: Open<'_>) {
    let store = open();
    let (project, specimens) = specimens(&*store);
    fill(&*store, &project, &specimens);
    let before = read(&*store, &project, |reader| reader.dump()).unwrap();
    drop(store);
    let after = read(&*open(), &project, |reader| reader.dump()).unwrap();
    assert_eq!(after, before);
}

/// Projects with the same content print the same, and any difference shows.
pub fn equal_projects_have_equal_dumps(open: Open<'_>) {
    let store = open();
    let (one, specimens) = specimens_in(&*store, "ONE");
    let (two, _) = specimens_in(&*store, "TWO");
    let dump = |project: &ProjectCode| read(&*store, project, |reader| reader.dump()).unwrap();
    fill(&*store, &one, &specimens);
    assert_ne!(dump(&one), dump(&two));
    fill(&*store, &two, &specimens);
    assert_eq!(dump(&one), dump(&two));
    for part in [
        "[e_specimen]\n9900000000001 company=1 code=\"A\" revision=1",
        "title=\"Éclair\" price=-1.2500 ratio=0.1 photo=AP8= extra={\"a\":1}",
        "[head]\nseq=1 instant=1970-01-01T00:00:00.010Z catalogue=1",
        "[counter]\nspecimen=1",
        "seq=1 added event",
        "[document]\n\"login\" \"erp\" \"{}\"",
    ] {
        assert!(dump(&one).contains(part), "{part} is not in\n{}", dump(&one));
    }
    let change = specimens.update(&["title"], vec![(1, 1, vec![text("Eclair")])]);
    store_all(&*store, &two, vec![change]);
    assert_ne!(dump(&one), dump(&two));
}

/// What is stored in one project is not there in another.
pub fn projects_do_not_see_each_other(open: Open<'_>) {
    let store = open();
    let (one, specimens) = specimens_in(&*store, "ONE");
    let two = make_project(&*store, "TWO");
    fill(&*store, &one, &specimens);
    read(&*store, &two, |reader| {
        assert_eq!((reader.head()?, reader.overlay()?), (Head::default(), Overlay::default()));
        assert!(reader.catalogue().find("specimen").is_none());
        assert_eq!(reader.document("login", "erp")?, None);
        assert!(reader.batches(None, 10)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Making a project that exists leaves it as it is, however its code is written.
pub fn a_project_that_exists_is_left_alone(open: Open<'_>) {
    let store = open();
    let (project, specimens) = specimens(&*store);
    fill(&*store, &project, &specimens);
    let other_case = make_project(&*store, "acme");
    assert_eq!(read(&*store, &other_case, |reader| Ok(reader.head()?.seq)).unwrap(), 1);
    make_project(&*store, "Beta");
    let listed = control(&*store, |control| {
        let codes: Vec<String> = control.projects()?.iter().map(|code| code.as_str().to_owned()).collect();
        let found = control.project("aCmE")?.map(|code| code.as_str().to_owned());
        Ok((codes, found, control.project("gamma")?.is_none()))
    });
    assert_eq!(listed.unwrap(), (vec!["ACME".to_owned(), "Beta".to_owned()], Some("ACME".to_owned()), true));
}

/// A project that does not exist is told as such, to readers and turns.
pub fn a_missing_project_is_told(open: Open<'_>) {
    let store = open();
    let missing = ProjectCode::new("nobody").unwrap();
    assert!(matches!(read(&*store, &missing, |_| Ok(())), Err(Error::NoProject)));
    assert!(matches!(write(&*store, &missing, |_| Ok(())), Err(Error::NoProject)));
    assert!(matches!(
        control(&*store, move |control| control.put_key(b"h", &missing)),
        Err(Error::NoProject)
    ));
}

/// A hash of a key leads to its project, until it is forgotten.
pub fn keys_lead_to_projects(open: Open<'_>) {
    let store = open();
    let project = make_project(&*store, "ACME");
    control(&*store, move |control| {
        control.put_key(&[0, 1], &project)?;
        control.put_key(&[0, 1], &project)?;
        control.put_key(&[0, 2], &project)
    })
    .unwrap();
    drop(store);
    let store = open();
    let found = control(&*store, |control| {
        control.remove_key(&[0, 2])?;
        let code = control.project_of_key(&[0, 1])?.map(|code| code.as_str().to_owned());
        Ok((code, control.project_of_key(&[0, 2])?.is_none(), control.project_of_key(&[])?.is_none()))
    });
    assert_eq!(found.unwrap(), (Some("ACME".to_owned()), true, true));
}

/// A closed store has finished what waited, and refuses what comes later.
pub fn a_closed_store_refuses(open: Open<'_>) {
    let store = open();
    let project = make_project(&*store, "ACME");
    let (tell, told) = std::sync::mpsc::channel();
    for n in 0..40 {
        let job = move |writer: &mut dyn crate::Writer| writer.put_document("d", &n.to_string(), "");
        store.write(&project, super::turn(true, tell.clone(), job));
    }
    drop(tell);
    store.close();
    assert_eq!(told.iter().filter(|result| result.is_ok()).count(), 40);
    assert!(matches!(read(&*store, &project, |_| Ok(())), Err(Error::Closed)));
    assert!(matches!(write(&*store, &project, |_| Ok(())), Err(Error::Closed)));
    assert!(matches!(control(&*store, |_| Ok(())), Err(Error::Closed)));
    let nobody = ProjectCode::new("nobody").unwrap();
    assert!(matches!(read(&*store, &nobody, |_| Ok(())), Err(Error::Closed)));
    store.close();
    drop(store);
    let listed = read(&*open(), &project, |reader| reader.documents("d")).unwrap();
    assert_eq!(listed.len(), 40);
}
