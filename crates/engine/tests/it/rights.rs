//! Who may see and do what.

use std::time::Duration;

use domain::batch::{Commit, Deletion, NotNamed, Parameters};
use domain::find::{Find, Wanted};
use domain::names::Company;
use domain::row::Mode;
use engine::{ApplyOptions, Caller, Error, ProjectFile};

use crate::bed::{Bed, counts};

const MORE: &str = r#"
[project]
code = "ACME"

[[api_key]]
name = "auditor"
key = "auditor-key"
rights = ["read:batches", "read:event"]

[[api_key]]
name = "poster"
key = "poster-key"
rights = ["insert:event", "read:batches"]

[[login]]
name = "ann"
password = "s3cret"
role = "integrator"
"#;

const WITHOUT: &str = r#"
[project]
code = "ACME"

[[field]]
entity = "user"
name = "reports_to"
type = "reference(user)"
"#;

async fn bed() -> (Bed, Caller, Caller) {
    let bed = Bed::new().await;
    let file: ProjectFile = toml::from_str(MORE).unwrap();
    bed.engine.apply(&file, ApplyOptions::default()).await.unwrap();
    let auditor = bed.engine.check_key("auditor-key").await.unwrap();
    let poster = bed.engine.check_key("poster-key").await.unwrap();
    (bed, auditor, poster)
}

#[tokio::test]
async fn rows_of_a_batch_are_told_as_far_as_their_records_may_be_read() {
    let (bed, auditor, poster) = bed().await;
    let report = bed.upsert("customer C1 name=A\nevent E1 label=x\ncustomer C2 user=U9\nevent E2").await;
    let id = report.batch.unwrap();
    let told = |rows: Vec<engine::BatchRow>| rows.iter().map(|row| row.row).collect::<Vec<_>>();
    let rows = |caller| bed.engine.batch_rows(caller, &id, None, 0, 2);
    assert_eq!(told(rows(&auditor).await.unwrap()), [2, 4]);
    assert_eq!(told(rows(&poster).await.unwrap()), [0; 0]);
    // What one sent oneself is no secret.
    let call = bed.call(Mode::Create, Commit::Alone, "event E3 label=y\nevent E4 customer=C9");
    let own = bed.engine.execute(&poster, call).await.unwrap().batch.unwrap();
    let rows = bed.engine.batch_rows(&poster, &own, None, 0, 10).await.unwrap();
    assert_eq!(told(rows), [1, 2]);
}

#[tokio::test]
async fn an_entity_closed_for_reading_is_closed_in_the_journal_too() {
    let (bed, auditor, _) = bed().await;
    bed.upsert("event E1 label=x").await;
    let changes = |caller| bed.engine.changes(caller, 0, 10, Duration::ZERO, Vec::new());
    assert_eq!(changes(&auditor).await.unwrap().0.len(), 1);
    let file: ProjectFile =
        toml::from_str("[project]\ncode = 'ACME'\n[[access]]\nentity = 'event'\nread = false").unwrap();
    bed.engine.apply(&file, ApplyOptions::default()).await.unwrap();
    assert!(changes(&auditor).await.unwrap().0.is_empty());
    assert!(bed.engine.trace(&auditor, "E1", None).await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn a_trace_stays_in_the_company() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A").await;
    let elsewhere = bed.caller.in_company(Company(2));
    let trace = bed.engine.trace(&elsewhere, "C1", None).await.unwrap();
    assert!(!trace.steps.iter().any(|step| matches!(step, engine::TraceStep::Changed(_))));
}

#[tokio::test]
async fn who_may_write_finds_what_rows_name_and_nothing_else() {
    let (bed, auditor, poster) = bed().await;
    bed.upsert("customer C1 name=A").await;
    let catalogue = bed.catalogue();
    let ix = |name: &str| catalogue.find(name).unwrap().ix;
    let find = |name: &str| {
        let wanted = Wanted::Codes(vec!["C1".into()]);
        vec![Find { entity: ix(name), company: Company(1), wanted, fields: Vec::new() }]
    };
    let found = bed.engine.find_for_write(&poster, ix("event"), find("customer")).await.unwrap();
    assert_eq!(found[0].len(), 1);
    assert!(matches!(bed.engine.find(&poster, find("customer")).await, Err(Error::Forbidden { .. })));
    let other = bed.engine.find_for_write(&poster, ix("event"), find("currency")).await;
    assert!(matches!(other, Err(Error::Forbidden { .. })));
    let reader = bed.engine.find_for_write(&auditor, ix("event"), find("customer")).await;
    assert!(matches!(reader, Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn children_go_unnamed_only_by_right_and_as_one_document() {
    let (bed, _, poster) = bed().await;
    let customers: String = (0..6).map(|n| format!("customer C{n} name=N{n}\n")).collect();
    bed.upsert(&customers).await;
    bed.upsert("event A customer=C0\nevent B customer=C0\nevent C customer=C0").await;
    let bed = Bed { engine: bed.engine, caller: bed.caller, clock: bed.clock };
    let catalogue = bed.catalogue();
    let (customer, event) = (catalogue.find("customer").unwrap(), catalogue.find("event").unwrap());
    let parameters = |mode| Parameters {
        not_named: vec![NotNamed {
            child: event.ix,
            via: event.field_ix("customer").unwrap(),
            parent_row: 1,
            deletion: Deletion::Logical,
        }],
        ..Parameters::new(mode, Commit::Together)
    };
    assert_eq!(&*customer.name, "customer");
    let call = bed.call_with(parameters(Mode::Create), "event D customer=C0");
    assert!(matches!(bed.engine.execute(&poster, call).await, Err(Error::Forbidden { .. })));
    let call = bed.call_with(
        parameters(Mode::Upsert),
        "customer C0 name=N0\ncustomer C1 name=N1\ncustomer C2 name=N2\nevent B customer=C0 label=kept",
    );
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!(counts(&report), "+0 ~1 =3 -0 !0 /0");
    assert_eq!(report.effects.deleted, 2);
    assert_eq!(bed.values("event", "label").await, "B=kept");
}

#[tokio::test]
async fn a_document_is_not_parted_by_small_chunks() {
    let bed = Bed::with_chunks(1).await;
    bed.upsert("customer C0 name=N").await;
    bed.upsert("event A customer=C0\nevent B customer=C0").await;
    let catalogue = bed.catalogue();
    let event = catalogue.find("event").unwrap();
    let not_named = vec![NotNamed {
        child: event.ix,
        via: event.field_ix("customer").unwrap(),
        parent_row: 1,
        deletion: Deletion::Logical,
    }];
    let parameters = Parameters { not_named, ..Parameters::new(Mode::Upsert, Commit::Alone) };
    let call = bed.call_with(parameters, "customer C0 city=Brest\nevent B customer=C0 label=kept");
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!((counts(&report).as_str(), report.effects.deleted), ("+0 ~2 =0 -0 !0 /0", 1));
    assert_eq!(bed.values("event", "label").await, "B=kept");
}

#[tokio::test]
async fn too_many_wrong_passwords_are_told_apart_from_a_busy_project() {
    let (bed, _, _) = bed().await;
    let engine = &bed.engine;
    for _ in 0..3 {
        engine.check_password("ACME", "ann", "s3cret").await.map(|_| ()).unwrap();
    }
    for _ in 0..20 {
        assert!(matches!(engine.check_password("ACME", "ann", "x").await, Err(Error::Unauthenticated)));
    }
    let told = engine.check_password("ACME", "ann", "s3cret").await.map(|_| ()).unwrap_err();
    assert!(matches!(told, Error::TooManyTries));
    assert_eq!((told.kind(), Error::Busy.kind()), (domain::Kind::Busy, domain::Kind::Unavailable));
    bed.clock.advance(61_000);
    engine.check_password("ACME", "ann", "s3cret").await.map(|_| ()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_get_no_more_tries() {
    let (bed, _, _) = bed().await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let engine = bed.engine.clone();
            tokio::spawn(async move { engine.check_password("ACME", "ann", "x").await.map(|_| ()) })
        })
        .collect();
    let mut compared = 0;
    for task in tasks {
        compared += u32::from(matches!(task.await.unwrap(), Err(Error::Unauthenticated)));
    }
    assert_eq!(compared, 20);
}

#[tokio::test]
async fn a_name_used_again_does_not_take_up_old_tokens() {
    let (bed, _, _) = bed().await;
    let token = bed.engine.token("ACME", "ann", "s3cret", "native").await.unwrap();
    let without: ProjectFile = toml::from_str(WITHOUT).unwrap();
    let prune = ApplyOptions { prune: true, ..ApplyOptions::default() };
    bed.engine.apply(&without, prune).await.unwrap();
    bed.clock.advance(1_000);
    let again: ProjectFile = toml::from_str(MORE).unwrap();
    bed.engine.apply(&again, ApplyOptions::default()).await.unwrap();
    let told = bed.engine.check_token(&token.text, "native").await.map(|_| ());
    assert!(matches!(told, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let (bed, _, _) = bed().await;
    let token = bed.engine.token("ACME", "ann", "s3cret", "native").await.unwrap().text;
    let parts: Vec<&str> = token.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let rs256 = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    let hostile = [
        String::new(),
        "..".to_owned(),
        format!("{none}.{}.", parts[1]),
        format!("{rs256}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[0]),
        format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], "A".repeat(1 << 20), parts[2]),
        "a.eyJwcmoiOiIuLi8uLi9ldGMifQ.b".to_owned(),
        "a.eyJwcmoiOjF9.b".to_owned(),
    ];
    for text in hostile {
        let told = bed.engine.check_token(&text, "native").await.map(|_| ());
        assert!(matches!(told, Err(Error::Unauthenticated)), "{}", &text[..text.len().min(80)]);
    }
}
