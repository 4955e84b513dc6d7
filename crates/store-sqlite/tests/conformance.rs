//! SQLite keeps every promise of the contract.

use store::Store;
use store_sqlite::Config;

/// A fresh folder, and what opens it.
fn place() -> impl Fn() -> Box<dyn Store> {
    let folder = tempfile::tempdir().unwrap();
    move || {
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        Box::new(store_sqlite::open(config).unwrap())
    }
}

store::conformance!(place);
