//! The door over SQLite: the conformance cases, and what a file cannot say.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use dialect::rows::{Form, JsonRows, RowShape};
use dialect::{Body, Dialect as _};
use dialect_crmcom::Crmcom;
use domain::batch::{Commit, Parameters};
use domain::clock::{FixedClock, SequentialIds};
use domain::row::Mode;
use engine::{ApplyOptions, Call, Config, Engine, ProjectFile};

mod calls;
mod concurrency;
mod ledger;

/// The prefix of every path.
const PREFIX: &str = "/crmcom/crmapi/rest/v2";

#[tokio::test(flavor = "multi_thread")]
async fn every_conformance_case_holds() {
    dialect::scenario::run(&scenarios(), async |project, clock| build(&project, clock).await.0).await;
}

fn scenarios() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The door over the project of the fixtures, with the engine behind it.
async fn door() -> (Router, Engine) {
    let project = std::fs::read_to_string(scenarios().join("fixtures/project.toml")).unwrap();
    build(&project, Arc::new(FixedClock::at(1_772_352_000_000))).await
}

/// The door over a project, with a second organisation beside it.
async fn build(project: &str, clock: Arc<FixedClock>) -> (Router, Engine) {
    let other = std::fs::read_to_string(scenarios().join("fixtures/other.toml")).unwrap();
    let engine = engine(clock);
    for file in [project, &other] {
        apply(&engine, file).await;
    }
    let door = Crmcom;
    let routes = door.routes(engine.clone(), &dialect::Config::default());
    assert_eq!(door.prefix(), PREFIX);
    (Router::new().nest(PREFIX, routes), engine)
}

fn engine(clock: Arc<FixedClock>) -> Engine {
    let store = store_sqlite::open_temporary().unwrap();
    Engine::new(Arc::new(store), clock, Arc::new(SequentialIds::default()), Config::default())
}

/// Makes a project what its file says, records and all.
async fn apply(engine: &Engine, file: &str) {
    let file = ProjectFile::parse(file).unwrap();
    engine.apply(&file, ApplyOptions::default()).await.unwrap();
    let owner = engine.owner(&file.project.code).await.unwrap();
    let project = engine.project(&file.project.code).await.unwrap();
    for records in &file.records {
        let catalogue = project.catalogue();
        let entity = catalogue.find(&records.entity).unwrap().ix;
        let shape = RowShape::native(catalogue, entity, project.reading(true));
        let rows = serde_json::to_vec(&records.rows).unwrap();
        let call = Call {
            door: "test",
            operation: format!("import {}", records.entity),
            parameters: Parameters::new(Mode::Upsert, Commit::Together),
            rows: Box::new(JsonRows::new(Body::from(rows), shape, Form::Array)),
            idempotency: None,
            columns: Vec::new(),
            memo: String::new(),
            progress: None,
        };
        let report = engine.execute(&owner, call).await.unwrap();
        assert_eq!(report.counts.refused, 0, "{:?}", report.refusals);
    }
}
