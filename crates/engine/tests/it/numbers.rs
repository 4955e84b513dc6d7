//! Numbers, duplicates and rows over several chunks.

use domain::batch::{Commit, Outcome, Parameters, Repeated, Report};
use domain::row::Mode;

use crate::bed::{Bed, counts, refusals};

#[tokio::test]
async fn together_no_number_is_given_that_a_later_chunk_brings() {
    for chunk_rows in [1, 2, 100] {
        let bed = Bed::with_chunks(chunk_rows).await;
        let rows = "event - label=a\nevent - label=b number=1\nevent - label=c number=3\nevent - label=d";
        let call = bed.call(Mode::Create, Commit::Together, rows);
        let report = bed.engine.execute(&bed.caller, call).await.unwrap();
        assert_eq!(counts(&report), "+4 ~0 =0 -0 !0 /0", "{:?}", report.refusals);
        let numbers: Vec<&str> = report.rows.iter().map(|row| &*row.numbers[0].1).collect();
        assert_eq!(numbers, ["2", "1", "3", "4"], "chunks of {chunk_rows}");
    }
}

#[tokio::test]
async fn together_no_code_is_given_that_a_later_chunk_brings() {
    let bed = Bed::with_chunks(1).await;
    let first = bed.upsert("customer - name=A").await;
    let next: i64 = first.rows[0].code.as_deref().unwrap().parse::<i64>().unwrap() + 1;
    let rows = format!("customer - name=B\ncustomer {next} name=C");
    let call = bed.call(Mode::Create, Commit::Together, &rows);
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!(counts(&report), "+2 ~0 =0 -0 !0 /0", "{:?}", report.refusals);
}

#[tokio::test]
async fn the_first_of_repeated_rows_wins_over_chunks_too() {
    for commit in [Commit::Alone, Commit::Together] {
        let parameters =
            Parameters { repeated: Repeated::FirstWins, ..Parameters::new(Mode::Upsert, commit) };
        let rows = "customer C1 name=A\ncustomer C2 name=B\ncustomer C1 name=C";
        let mut told = Vec::new();
        for chunk_rows in [1, 2, 100] {
            let bed = Bed::with_chunks(chunk_rows).await;
            let call = bed.call_with(parameters.clone(), rows);
            let report = bed.engine.execute(&bed.caller, call).await.unwrap();
            told.push((counts(&report), bed.values("customer", "name").await));
        }
        assert!(told.iter().all(|one| *one == told[0]), "{commit:?}: {told:?}");
    }
}

#[tokio::test]
async fn every_refused_row_of_a_small_batch_says_why() {
    let bed = Bed::new().await;
    let rows: String =
        (0..1_500).map(|n| format!("event E{n} customer=X{n} user=Y{n} unit=Z{n}\n")).collect();
    for _ in 0..2 {
        let report = bed.upsert_with_key("k", &rows).await.unwrap();
        assert_eq!(report.counts.refused, 1_500);
        let told = report.refusals.chunk_by(|a, b| a.row == b.row).count();
        assert_eq!((told, report.refusals.len()), (1_500, 4_500));
    }
}

#[tokio::test]
async fn of_a_large_batch_the_first_refused_rows_say_why() {
    let bed = Bed::with_chunks(700).await;
    let rows: String = (0..2_500).map(|n| format!("event E{n} customer=X{n} user=Y{n}\n")).collect();
    for _ in 0..2 {
        let report = bed.upsert_with_key("k", &rows).await.unwrap();
        assert_eq!(report.counts.refused, 2_500);
        assert_eq!(report.refusals.len(), 2 * Report::REFUSALS);
        assert_eq!(report.refusals.last().unwrap().row, 1_000);
    }
}

#[tokio::test]
async fn many_refused_rows_of_a_batch_together_are_all_in_the_ledger() {
    let bed = Bed::with_chunks(1_000).await;
    let rows: String = (0..9_500).map(|n| format!("event E{n} customer=X{n}\n")).collect();
    let rows = format!("{rows}event good label=good\n");
    let call = bed.call(Mode::Create, Commit::Together, &rows);
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!((report.counts.refused, report.counts.skipped), (9_500, 1));
    let entry = bed.batch(&report).await;
    assert_eq!((entry.counts, entry.refused_whole), (report.counts, true));
    let refused =
        bed.engine.batch_rows(&bed.caller, &entry.id, Some(Outcome::Refused), 0, 20_000).await.unwrap();
    assert_eq!(refused.len(), 9_500);
    assert_eq!(bed.values("event", "label").await, "");
}

#[tokio::test]
async fn a_row_that_waited_for_a_late_one_stands_in_its_place_in_the_ledger() {
    let bed = Bed::with_chunks(100).await;
    let mut rows = "user U0 last_name=Boss reports_to=U5999\n".to_owned();
    for n in 1..6_000 {
        rows.push_str(&format!("user U{n} last_name=N{n}\n"));
    }
    let report = bed.upsert(&rows).await;
    assert_eq!(counts(&report), "+6000 ~0 =0 -0 !0 /0");
    let id = report.batch.unwrap();
    let mut told = Vec::new();
    loop {
        let after = told.last().copied().unwrap_or(0);
        let page = bed.engine.batch_rows(&bed.caller, &id, None, after, 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        told.extend(page.iter().map(|row| row.row));
    }
    assert_eq!(told, (1..=6_000).collect::<Vec<u64>>());
}

#[tokio::test]
async fn refusals_are_in_row_order_whatever_was_planned_first() {
    let bed = Bed::with_chunks(1).await;
    let rows = "user U1 last_name=A reports_to=U3 unit=X\nuser U2 last_name=B unit=X\nuser U3 last_name=C";
    let report = bed.upsert(rows).await;
    assert_eq!(refusals(&report), ["1 unit unknown_reference", "2 unit unknown_reference"]);
}

#[tokio::test]
async fn a_dry_run_over_chunks_tells_of_effects_and_stores_no_key() {
    let bed = Bed::with_chunks(1).await;
    let mut call = bed.call_with_key("k", "customer C1 name=A\ncustomer C2 name=B");
    call.parameters.dry_run = true;
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!(counts(&report), "+2 ~0 =0 -0 !0 /0");
    let report = bed.upsert_with_key("k", "customer C1 name=A\ncustomer C2 name=B").await.unwrap();
    assert!(!report.replayed);
}
