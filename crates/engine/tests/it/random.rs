//! Random batches: the same whatever the size of chunks, and nothing to do the second time.

use std::time::Duration;

use domain::batch::{Commit, Outcome, Parameters};
use domain::row::Mode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bed::{Bed, counts};

/// One row: entity and key by number, a value, a reference.
type Small = (u8, u8, u8, u8);

#[derive(Debug, Clone)]
struct Random {
    mode: Mode,
    commit: Commit,
    rows: Vec<Small>,
}

fn batch() -> impl Strategy<Value = Random> {
    let mode = prop_oneof![
        3 => Just(Mode::Upsert),
        1 => Just(Mode::Create),
        1 => Just(Mode::Update),
        1 => Just(Mode::Replace),
        1 => Just(Mode::Delete),
    ];
    let commit = prop_oneof![Just(Commit::Alone), Just(Commit::Together)];
    let rows = prop::collection::vec((0..2_u8, 0..6_u8, 0..3_u8, 0..14_u8), 1..9);
    // Mostly each record once, so that many batches are accepted as a whole.
    let rows = (rows, 0..4_u8).prop_map(|(mut rows, often)| {
        let mut seen = std::collections::HashSet::new();
        rows.retain(|(entity, key, ..)| often == 0 || seen.insert((*entity, *key)));
        rows
    });
    (mode, commit, rows).prop_map(|(mode, commit, rows)| Random { mode, commit, rows })
}

/// The rows, with codes of their own for every case: cases share a project.
fn text(case: usize, rows: &[Small]) -> String {
    let line = |(entity, key, value, reference): &Small| match entity {
        0 if *reference > 5 => format!("user U{case}-{key} last_name=N{value}\n"),
        0 => format!("user U{case}-{key} last_name=N{value} reports_to=U{case}-{reference}\n"),
        _ if *reference > 5 => {
            format!("customer C{case}-{key} name=N{value} number=K{case}-{reference}{value}\n")
        }
        _ => format!("customer C{case}-{key} name=N{value} user=U{case}-{reference}\n"),
    };
    rows.iter().map(line).collect()
}

fn is_of(value: &str, case: usize) -> bool {
    value.get(1..).is_some_and(|rest| rest.starts_with(&format!("{case}-")))
}

/// Everything stored of a case, but for what only the order of writing decides.
async fn stored(bed: &Bed, case: usize) -> Vec<String> {
    let mut stored = Vec::new();
    let entities = [("user", &["last_name", "reports_to"][..]), ("customer", &["name", "number", "user"])];
    for (entity, fields) in entities {
        for field in fields {
            let values = bed.values(entity, field).await;
            // Numbers that we give count on from case to case.
            let own = values.split(' ').filter(|value| is_of(value, case) && !value.contains("=ACR"));
            let mut values: Vec<String> = own.map(|value| format!("{entity}.{field} {value}")).collect();
            values.sort();
            stored.append(&mut values);
        }
    }
    stored
}

/// Applies batches; gives what each was told and what is stored in the end.
async fn apply(bed: &Bed, case: usize, batches: &[Random]) -> (Vec<String>, Vec<String>) {
    let mut told = Vec::new();
    for random in batches {
        let before = bed.engine.last_seq(&bed.caller).await.unwrap();
        let call = bed.call_with(Parameters::new(random.mode, random.commit), &text(case, &random.rows));
        let report = bed.engine.execute(&bed.caller, call).await.unwrap();
        let entry = bed.batch(&report).await;
        assert_eq!((entry.counts, entry.effects), (report.counts, report.effects));
        assert_eq!(entry.state, store::BatchState::Done);
        // The ledger agrees with the report, row by row, and the journal with both.
        let rows = bed.engine.batch_rows(&bed.caller, &entry.id, None, 0, 100).await.unwrap();
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Skipped) {
            let kept = rows.iter().filter(|row| row.outcome == outcome).count() as u64;
            assert_eq!(kept, *report.counts.clone().of(outcome), "{outcome:?}");
        }
        let changes = bed.engine.changes(&bed.caller, before, 1_000, Duration::ZERO, Vec::new());
        let changes = changes.await.unwrap().0;
        let effective = report.counts.added + report.counts.updated + report.counts.deleted;
        assert_eq!(changes.len() as u64, effective);
        for (n, change) in changes.iter().enumerate() {
            assert_eq!(change.seq, before + n as u64 + 1);
        }
        told.push(counts(&report));
    }
    (told, stored(bed, case).await)
}

/// One project for each size of chunks; the first has chunks that hold every batch.
async fn beds() -> Vec<Bed> {
    let mut beds = vec![Bed::new().await];
    for chunk_rows in 1..8 {
        beds.push(Bed::with_chunks(chunk_rows).await);
    }
    beds
}

fn for_all(cases: u32, property: impl AsyncFn(&[Bed], usize, Vec<Random>, usize)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let beds = runtime.block_on(beds());
    let strategy = (prop::collection::vec(batch(), 1..5), 1..8_usize);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let next = std::cell::Cell::new(0);
    let result = runner.run(&strategy, |(batches, chunk_rows)| {
        next.set(next.get() + 1);
        runtime.block_on(property(&beds, next.get(), batches, chunk_rows));
        Ok(())
    });
    result.unwrap();
}

/// Together all rows stand in one moment, so chunks do not show. (Alone each chunk stands on those
/// before it, which shows where a row refers to one that is refused or deleted.)
#[test]
fn chunks_of_any_size_come_to_the_same() {
    for_all(200, async |beds, case, batches, chunk_rows| {
        let together: Vec<Random> =
            batches.into_iter().map(|one| Random { commit: Commit::Together, ..one }).collect();
        let whole = apply(&beds[0], case, &together).await;
        assert_eq!(whole, apply(&beds[chunk_rows], case, &together).await, "chunks of {chunk_rows}");
    });
}

#[test]
fn what_was_accepted_is_unchanged_the_second_time() {
    for_all(200, async |beds, case, batches, chunk_rows| {
        let bed = &beds[chunk_rows];
        apply(bed, case, &batches).await;
        let rows = text(case, &batches[0].rows);
        let once = bed.upsert(&rows).await;
        let before = stored(bed, case).await;
        let seq = bed.engine.last_seq(&bed.caller).await.unwrap();
        let twice = bed.upsert(&rows).await;
        let accepted = once.counts.added + once.counts.updated + once.counts.unchanged;
        assert!(twice.counts.unchanged >= accepted, "{:?} {:?}", once.counts, twice.counts);
        if once.counts.refused == 0 {
            assert_eq!(stored(bed, case).await, before);
            assert_eq!(bed.engine.last_seq(&bed.caller).await.unwrap(), seq);
        }
    });
}
