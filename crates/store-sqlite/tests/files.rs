//! What is true of the files of SQLite alone: who owns them, and which versions are opened.

use std::path::Path;
use std::sync::mpsc::channel;

use domain::names::ProjectCode;
use store::conformance::{make_project, project, read, turn, write};
use store::{Error, Store, Writer};
use store_sqlite::{Config, SqliteStore};

fn open(data: &Path) -> Result<SqliteStore, Error> {
    store_sqlite::open(Config { data: data.to_owned(), ..Config::default() })
}

fn newer(file: &Path) {
    rusqlite::Connection::open(file).unwrap().pragma_update(None, "user_version", 999).unwrap();
}

#[test]
fn a_folder_in_use_names_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let Err(Error::InUse { pid }) = open(folder.path()) else { panic!("two own the folder") };
    assert_eq!(pid, std::process::id());
    store.close();
    open(folder.path()).unwrap();
}

#[test]
fn a_newer_project_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    project(&open(folder.path()).unwrap());
    let file = folder.path().join("projects/acme.db");
    newer(&file);
    let store = open(folder.path()).unwrap();
    let code = ProjectCode::new("ACME").unwrap();
    for told in [read(&store, &code, |_| Ok(())), write(&store, &code, |_| Ok(()))] {
        assert!(matches!(told, Err(Error::Newer { found: 999, known: 1 })));
    }
}

#[test]
fn a_newer_control_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    newer(&folder.path().join("control.db"));
    assert!(matches!(open(folder.path()), Err(Error::Newer { found: 999, known: 1 })));
    // Who was refused does not keep the folder.
    assert!(!matches!(open(folder.path()), Err(Error::InUse { .. })));
}

#[test]
fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    project(&open(folder.path()).unwrap());
    std::fs::write(folder.path().join("projects/acme.db"), vec![b'x'; 8192]).unwrap();
    let store = open(folder.path()).unwrap();
    let told = read(&store, &ProjectCode::new("ACME").unwrap(), |_| Ok(()));
    assert!(matches!(told, Err(Error::Damaged(_))), "{told:?}");
}

#[test]
fn a_missing_file_cannot_be_reached_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    project(&open(folder.path()).unwrap());
    let file = folder.path().join("projects/acme.db");
    std::fs::remove_file(&file).unwrap();
    let store = open(folder.path()).unwrap();
    for _ in 0..2 {
        let told = write(&store, &ProjectCode::new("ACME").unwrap(), |_| Ok(()));
        assert!(matches!(told, Err(Error::Unreachable(_))), "{told:?}");
    }
    assert!(!file.exists());
}

#[test]
fn a_closed_store_leaves_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let project = project(&store);
    write(&store, &project, |writer| writer.put_document("d", "a", "")).unwrap();
    read(&store, &project, |reader| reader.documents("d")).unwrap();
    store.close();
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("projects"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["acme.db"]);
}

/// Gives small and large turns to a project whose turn is taken, and counts the commits they took.
fn commits(small: &[bool]) -> u64 {
    let store = store_sqlite::open_temporary().unwrap();
    let project = project(&store);
    let (go, gone) = channel::<()>();
    let (tell, told) = channel();
    let hold = move |_: &mut dyn Writer| {
        gone.recv().unwrap();
        Ok(())
    };
    // It is large, so that nobody shares its commit.
    store.write(&project, turn(false, tell.clone(), hold));
    for (n, small) in small.iter().enumerate() {
        let job = move |writer: &mut dyn Writer| writer.put_document("d", &n.to_string(), "");
        store.write(&project, turn(*small, tell.clone(), job));
    }
    drop(tell);
    go.send(()).unwrap();
    assert!(told.iter().all(|result| result.is_ok()));
    assert_eq!(read(&store, &project, |reader| reader.documents("d")).unwrap().len(), small.len());
    store.commits(&project) - 1
}

#[test]
fn sixteen_small_turns_share_a_commit() {
    assert_eq!(commits(&[true; 16]), 1);
    assert_eq!(commits(&[true; 40]), 3);
}

#[test]
fn a_large_turn_has_a_commit_of_its_own() {
    assert_eq!(commits(&[true, true, false, true, true]), 3);
    assert_eq!(commits(&[false, false]), 2);
}

#[test]
fn a_log_is_moved_into_the_database_while_turns_come() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_sqlite::open(Config {
        data: folder.path().to_owned(),
        checkpoint_bytes: 64 << 10,
        restart_bytes: 256 << 10,
        ..Config::default()
    })
    .unwrap();
    let project = project(&store);
    let file = folder.path().join("projects/acme.db");
    let before = std::fs::metadata(&file).unwrap().len();
    let moved = (0..10_000_u32).any(|n| {
        let body = "x".repeat(16 << 10);
        write(&store, &project, move |writer| writer.put_document("d", &n.to_string(), &body)).unwrap();
        std::fs::metadata(&file).unwrap().len() > before + (1 << 20)
    });
    assert!(moved, "nothing reached the database");
}

#[test]
fn an_idle_project_is_closed_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_sqlite::open(Config {
        data: folder.path().to_owned(),
        idle_close: std::time::Duration::ZERO,
        ..Config::default()
    })
    .unwrap();
    let projects = ["A", "B"].map(|code| make_project(&store, code));
    for n in 0..50_u32 {
        for project in &projects {
            write(&store, project, move |writer| writer.put_document("d", &n.to_string(), "")).unwrap();
            assert_eq!(read(&store, project, |reader| reader.documents("d")).unwrap().len() as u32, n + 1);
        }
    }
}
