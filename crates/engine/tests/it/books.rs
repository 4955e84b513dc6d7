use domain::batch::{Commit, Outcome, Parameters, Repeated};
use domain::row::Mode;
use store::BatchState;

use crate::bed::{Bed, counts, refusals};

#[tokio::test]
async fn every_row_is_accounted_for() {
    let bed = Bed::new().await;
    let report = bed
        .upsert(
            "customer C1 name=Quai_Sud city=Brest
             @x customer C2 name=Nord user=U9
             customer C1x name=Solo",
        )
        .await;
    assert_eq!(counts(&report), "+2 ~0 =0 -0 !1 /0");
    assert_eq!(refusals(&report), ["2 user unknown_reference"]);
    assert_eq!(bed.values("customer", "city").await, "C1=Brest C1x=-");
    let entry = bed.batch(&report).await;
    assert_eq!((entry.state, entry.counts), (BatchState::Done, report.counts));
    let rows = bed.engine.batch_rows(&bed.caller, &entry.id, None, 0, 10).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.row, row.outcome, row.code.as_deref())).collect();
    assert_eq!(
        told,
        [(1, Outcome::Added, Some("C1")), (2, Outcome::Refused, None), (3, Outcome::Added, Some("C1x"))]
    );
    assert_eq!(rows[1].received.as_deref(), Some("@x customer C2 name=Nord user=U9"));
    assert_eq!(rows[1].id.as_deref(), Some("x"));
}

#[tokio::test]
async fn an_equal_row_is_left_alone() {
    let bed = Bed::new().await;
    let rows = "customer C1 name=Quai_Sud city=Brest\ncustomer C2 name=Nord";
    bed.upsert(rows).await;
    let before = bed.changes().await.len();
    let again = bed.upsert(rows).await;
    assert_eq!(counts(&again), "+0 ~0 =2 -0 !0 /0");
    assert_eq!(bed.changes().await.len(), before);
    let one = bed.upsert("customer C1 name=Quai_Sud city=Lyon\ncustomer C2 name=Nord").await;
    assert_eq!(counts(&one), "+0 ~1 =1 -0 !0 /0");
    let changes = bed.changes().await;
    assert_eq!(changes.len(), before + 1);
    let field = &changes[before].fields[0];
    assert_eq!(changes[before].fields.len(), 1);
    assert_eq!(&*field.name, "city");
    assert_eq!(field.before.as_ref().and_then(|v| v.as_text()), Some("Brest"));
    assert_eq!(field.after.as_ref().and_then(|v| v.as_text()), Some("Lyon"));
}

#[tokio::test]
async fn together_one_refused_row_stores_nothing() {
    for chunk_rows in [2_000, 2] {
        let bed = Bed::with_chunks(chunk_rows).await;
        let call = bed.call(
            Mode::Upsert,
            Commit::Together,
            "customer C1 name=A
             customer C2 name=B
             customer C3 name=C user=U9
             customer C4 name=D",
        );
        let report = bed.engine.execute(&bed.caller, call).await.unwrap();
        assert!(report.refused_whole);
        assert_eq!(counts(&report), "+0 ~0 =0 -0 !1 /3");
        assert_eq!(bed.values("customer", "name").await, "");
        assert!(bed.changes().await.is_empty());
        assert_eq!(bed.batch(&report).await.counts, report.counts);
    }
}

#[tokio::test]
async fn together_rows_refer_to_one_another_over_chunks_in_any_order() {
    for (chunk_rows, commit) in
        [(2_000, Commit::Together), (1, Commit::Together), (2, Commit::Alone), (1, Commit::Alone)]
    {
        let bed = Bed::with_chunks(chunk_rows).await;
        let call = bed.call(
            Mode::Upsert,
            commit,
            "user U1 last_name=Ann reports_to=U3
             user U2 last_name=Bob reports_to=U1
             user U3 last_name=Eve
             user U4 last_name=Max reports_to=U4x",
        );
        let report = bed.engine.execute(&bed.caller, call).await.unwrap();
        if commit == Commit::Together {
            assert_eq!(counts(&report), "+0 ~0 =0 -0 !1 /3", "chunks of {chunk_rows}");
            continue;
        }
        assert_eq!(counts(&report), "+3 ~0 =0 -0 !1 /0", "chunks of {chunk_rows}");
        let mut stored: Vec<String> =
            bed.values("user", "reports_to").await.split(' ').map(str::to_owned).collect();
        stored.sort();
        assert_eq!(stored, ["U1=U3", "U2=U1", "U3=-"]);
        let call = bed.call(
            Mode::Upsert,
            commit,
            "user U1 reports_to=U3\nuser U2 reports_to=U1\nuser U3 last_name=Eve",
        );
        assert_eq!(counts(&bed.engine.execute(&bed.caller, call).await.unwrap()), "+0 ~0 =3 -0 !0 /0");
    }
}

#[tokio::test]
async fn together_a_circle_over_chunks_is_stored() {
    let bed = Bed::with_chunks(1).await;
    let rows = "user U1 last_name=Ann reports_to=U2\nuser U2 last_name=Bob reports_to=U3\nuser U3 last_name=Eve reports_to=U1";
    let report =
        bed.engine.execute(&bed.caller, bed.call(Mode::Upsert, Commit::Together, rows)).await.unwrap();
    assert_eq!(counts(&report), "+3 ~0 =0 -0 !0 /0", "{:?}", report.refusals);
}

#[tokio::test]
async fn a_code_that_comes_twice_refuses_its_rows_over_chunks() {
    for chunk_rows in [2_000, 1] {
        let bed = Bed::with_chunks(chunk_rows).await;
        let report = bed.upsert("customer C1 name=A\ncustomer C2 name=B\ncustomer C1 name=C").await;
        assert_eq!(counts(&report), "+1 ~0 =0 -0 !2 /0");
        assert_eq!(refusals(&report), ["1 code duplicate_in_batch", "3 code duplicate_in_batch"]);
    }
}

#[tokio::test]
async fn in_turn_the_same_record_changes_step_by_step() {
    for commit in [Commit::Alone, Commit::Together] {
        let bed = Bed::new().await;
        let parameters = Parameters { repeated: Repeated::InTurn, ..Parameters::new(Mode::Upsert, commit) };
        let call =
            bed.call_with(parameters, "customer C1 name=A\ncustomer C1 city=Brest\ncustomer C1 city=Brest");
        let report = bed.engine.execute(&bed.caller, call).await.unwrap();
        assert_eq!(counts(&report), "+1 ~1 =1 -0 !0 /0", "{commit:?}");
        assert_eq!(bed.values("customer", "city").await, "C1=Brest");
    }
}

#[tokio::test]
async fn a_dry_run_tells_and_stores_nothing() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A city=Brest").await;
    let before = bed.changes().await.len();
    let parameters = Parameters { dry_run: true, ..Parameters::new(Mode::Upsert, Commit::Alone) };
    let call =
        bed.call_with(parameters, "customer C1 name=A city=Lyon\ncustomer C2 name=B\ncustomer C3 user=U9");
    let report = bed.engine.execute(&bed.caller, call).await.unwrap();
    assert_eq!((counts(&report).as_str(), report.batch), ("+1 ~1 =0 -0 !1 /0", None));
    assert_eq!(report.differences.len(), 3);
    assert_eq!(report.differences[0].fields.len(), 1);
    assert_eq!(bed.changes().await.len(), before);
    assert_eq!(bed.engine.batches(&bed.caller, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn deleting_and_reviving() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A city=Brest").await;
    let delete = |text| bed.engine.execute(&bed.caller, bed.call(Mode::Delete, Commit::Alone, text));
    assert_eq!(counts(&delete("customer C1").await.unwrap()), "+0 ~0 =0 -1 !0 /0");
    assert_eq!(refusals(&delete("customer C1").await.unwrap()), ["1 code not_found"]);
    assert_eq!(bed.values("customer", "city").await, "");
    let revived = bed.upsert("customer C1 name=Anew").await;
    assert_eq!(counts(&revived), "+1 ~0 =0 -0 !0 /0");
    assert_eq!(bed.values("customer", "city").await, "C1=-");
    let revisions: Vec<u64> = bed.changes().await.iter().map(|change| change.seq).collect();
    assert_eq!(revisions, [1, 2, 3]);
}

#[tokio::test]
async fn a_stale_revision_is_refused() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A").await;
    assert_eq!(refusals(&bed.upsert("customer C1 revision=7 name=B").await), ["1 revision stale_revision"]);
    assert_eq!(counts(&bed.upsert("customer C1 revision=1 name=B").await), "+0 ~1 =0 -0 !0 /0");
}

#[tokio::test]
async fn a_large_call_is_read_again_instead_of_kept() {
    let bed = Bed::with_chunks(3).await;
    let mut text = String::new();
    for n in 0..500 {
        text.push_str(&format!("customer C{n} name={}\n", "x".repeat(200)));
    }
    let report = bed.upsert(&text).await;
    assert_eq!(counts(&report), "+500 ~0 =0 -0 !0 /0");
    assert_eq!(report.rows.len(), 500);
    assert_eq!(bed.batch(&report).await.chunks, 167);
}

#[tokio::test]
async fn an_empty_call_has_its_entry() {
    let bed = Bed::new().await;
    let report = bed.upsert("").await;
    assert_eq!(counts(&report), "+0 ~0 =0 -0 !0 /0");
    assert_eq!(bed.batch(&report).await.state, BatchState::Done);
}

#[tokio::test]
async fn a_key_is_traced_through_rows_changes_and_refusals() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A number=N-4711").await;
    bed.upsert("customer C2 name=B\nevent - label=call customer=C1").await;
    bed.upsert("event - label=lost customer=N-4711").await;
    let trace = bed.engine.trace(&bed.caller, "N-4711", None).await.unwrap();
    assert_eq!(trace.steps.len(), 2, "the change, and the refused row: {:?}", trace.steps);
    let trace = bed.engine.trace(&bed.caller, "C1", Some("customer".to_owned())).await.unwrap();
    assert_eq!(trace.steps.len(), 2, "the row and the change");
}
