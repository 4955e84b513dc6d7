//! What a project may add to the standard model, and when.

use std::sync::mpsc::channel;

use domain::catalogue::file::{FieldFile, KeyFile};
use domain::find::Wanted;
use domain::query::{Comparison, Condition};
use domain::value::Value;

use super::model::{Specimens, fired, overlay, specimens, store_all, text};
use super::{project, read, write};
use crate::{Error, Store};

fn field(name: &str, kind: &str) -> FieldFile {
    serde_json::from_str(&format!(r#"{{"name": "{name}", "type": "{kind}"}}"#)).unwrap()
}

fn key(name: &str, fields: &[&str]) -> KeyFile {
    KeyFile {
        name: name.to_owned(),
        fields: fields.iter().map(|name| (*name).to_owned()).collect(),
        null_is_value: Vec::new(),
    }
}

/// A new project has the standard model and nothing else.
pub fn a_new_project_has_the_standard_model(store: &dyn Store) {
    let project = project(store);
    let (catalogue, head, overlay) =
        read(store, &project, |reader| Ok((reader.catalogue(), reader.head()?, reader.overlay()?))).unwrap();
    assert_eq!((catalogue.version, head), (0, domain::settle::Head::default()));
    assert_eq!(overlay, domain::catalogue::file::Overlay::default());
    for entity in catalogue.entities() {
        let all = domain::query::Select::all(entity, super::model::COMPANY);
        assert!(read(store, &project, move |reader| reader.select(&all)).unwrap().is_empty());
    }
}

/// A field added to an entity with records is null in them, and can be filled at once.
pub fn an_overlay_adds_fields_online(store: &dyn Store) {
    let (project, old) = specimens(store);
    store_all(store, &project, vec![old.insert(&["amount"], vec![(1, "A", vec![Value::Integer(1)])])]);
    let mut wider = overlay();
    wider.version = 2;
    wider.fields.push(("specimen".to_owned(), field("colour", "text(20)")));
    wider.fields.push(("specimen".to_owned(), field("friend", "reference(specimen)")));
    let expected = wider.clone();
    let new = write(store, &project, move |writer| {
        let new = Specimens::of(&*writer.put_overlay(&wider)?);
        let values = vec![text("red"), Value::Reference(new.id(1))];
        writer.write(vec![new.insert(&["colour", "friend"], vec![(2, "B", values)])])?;
        Ok(new)
    })
    .unwrap();
    read(store, &project, move |reader| {
        assert_eq!((reader.catalogue().version, reader.head()?.catalogue_version), (2, 2));
        assert_eq!(reader.overlay()?, expected);
        let found = new.find(reader, Wanted::Codes(vec!["A".into(), "B".into()]))?;
        assert_eq!(new.value(&found[0].record, "colour"), &Value::Null);
        assert_eq!(new.value(&found[1].record, "colour"), &text("red"));
        Ok(())
    })
    .unwrap();
}

/// An entity added has a table like any other.
pub fn an_overlay_adds_entities_online(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&[], vec![(1, "A", Vec::new())])]);
    let found = read(store, &project, move |reader| specimens.find(reader, Wanted::Codes(vec!["A".into()])));
    assert_eq!(found.unwrap().len(), 1);
}

/// A new unique key that stored records break is refused, with everything of its turn.
pub fn a_new_key_that_records_break_is_refused(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    let rows = vec![(1, "A", vec![text("same")]), (2, "B", vec![text("same")])];
    store_all(store, &project, vec![specimens.insert(&["title"], rows)]);
    let mut keyed = overlay();
    keyed.version = 2;
    keyed.keys.push(("specimen".to_owned(), key("title", &["title"])));
    fired(write(store, &project, move |writer| writer.put_overlay(&keyed)));
    let version =
        read(store, &project, |reader| Ok((reader.catalogue().version, reader.head()?.catalogue_version)));
    assert_eq!(version.unwrap(), (1, 1));
}

/// A new unique key that stored records keep holds from then on.
pub fn a_new_key_holds_from_then_on(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&["title"], vec![(1, "A", vec![text("one")])])]);
    let mut keyed = overlay();
    keyed.version = 2;
    keyed.keys.push(("specimen".to_owned(), key("title", &["title"])));
    write(store, &project, move |writer| writer.put_overlay(&keyed)).unwrap();
    let again = specimens.insert(&["title"], vec![(2, "B", vec![text("one")])]);
    fired(write(store, &project, move |writer| writer.write(vec![again])));
}

/// An overlay whose turn fails leaves nothing, neither in the database nor in memory.
pub fn an_overlay_that_is_undone_leaves_nothing(store: &dyn Store) {
    let project = project(store);
    let failed = write(store, &project, |writer| {
        writer.put_overlay(&overlay())?;
        Err::<(), _>(Error::Undone)
    });
    assert!(matches!(failed, Err(Error::Undone)));
    let there = write(store, &project, |writer| {
        Ok((
            writer.catalogue().version,
            writer.catalogue().find("specimen").is_some(),
            writer.overlay()?.version,
        ))
    });
    assert_eq!(there.unwrap(), (0, false, 0));
    write(store, &project, |writer| writer.put_overlay(&overlay())).unwrap();
}

/// A reader that began before an overlay was committed keeps the catalogue it began with; the next
/// one has the new one.
pub fn readers_see_the_catalogue_of_their_moment(store: &dyn Store) {
    let project = project(store);
    let (began, begun) = channel();
    let (go, gone) = channel::<()>();
    let (tell, told) = channel();
    store.read(
        &project,
        Box::new(move |reader| {
            let reader = reader.unwrap();
            began.send(()).unwrap();
            gone.recv().unwrap();
            tell.send((reader.catalogue().version, reader.head().unwrap().catalogue_version)).unwrap();
        }),
    );
    begun.recv().unwrap();
    write(store, &project, |writer| writer.put_overlay(&overlay())).unwrap();
    go.send(()).unwrap();
    assert_eq!(told.recv().unwrap(), (0, 0));
    let after =
        read(store, &project, |reader| Ok((reader.catalogue().version, reader.head()?.catalogue_version)));
    assert_eq!(after.unwrap(), (1, 1));
}

/// A field that becomes searchable finds the records that were there before.
pub fn a_field_that_becomes_searchable_finds_old_records(store: &dyn Store) {
    let (project, specimens) = specimens(store);
    store_all(store, &project, vec![specimens.insert(&["note"], vec![(1, "A", vec![text("Éclair")])])]);
    let mut searchable = overlay();
    searchable.version = 2;
    searchable.entities[0].fields[1].search = true;
    let found = write(store, &project, move |writer| {
        let new = Specimens::of(&*writer.put_overlay(&searchable)?);
        let filter = Condition::Compare(new.column("note"), Comparison::Contains, text("ECL"));
        new.codes(&mut *writer, &new.all(Some(filter)))
    });
    assert_eq!(found.unwrap(), ["A"]);
}
