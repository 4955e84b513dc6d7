use std::sync::Arc;

use domain::batch::Commit;
use domain::row::Mode;
use engine::{Error, Idempotency};

use crate::bed::{Bed, counts};

#[tokio::test]
async fn a_repeated_call_does_nothing_again() {
    let bed = Bed::new().await;
    let rows = "@a event - label=one\n@b event - label=two customer=C9\n@c event - label=three";
    let first = bed.upsert_with_key("k1", rows).await.unwrap();
    let again = bed.upsert_with_key("k1", rows).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.batch, first.batch);
    assert_eq!(again.counts, first.counts);
    assert_eq!(again.refusals, first.refusals);
    let shown = |report: &domain::batch::Report| {
        let rows = report.rows.iter();
        rows.map(|row| (row.row, row.id.clone(), row.outcome, row.code.clone(), row.numbers.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&again), shown(&first));
    assert_eq!(bed.values("event", "label").await.split(' ').count(), 2);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_a_conflict() {
    let bed = Bed::new().await;
    bed.upsert_with_key("k1", "customer C1 name=A").await.unwrap();
    let told = bed.upsert_with_key("k1", "customer C1 name=B").await;
    assert!(matches!(told, Err(Error::KeyConflict)));
}

#[tokio::test]
async fn a_refused_together_batch_may_run_again() {
    let bed = Bed::new().await;
    let call = || {
        let mut call = bed.call(Mode::Upsert, Commit::Together, "customer C1 name=A user=U1");
        call.idempotency = Some(Idempotency { key: "k".to_owned(), hash: [7; 32] });
        call
    };
    let refused = bed.engine.execute(&bed.caller, call()).await.unwrap();
    assert_eq!(counts(&refused), "+0 ~0 =0 -0 !1 /0");
    bed.upsert("user U1 last_name=Ann").await;
    let done = bed.engine.execute(&bed.caller, call()).await.unwrap();
    assert_eq!((counts(&done).as_str(), done.replayed), ("+1 ~0 =0 -0 !0 /0", false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_once_with_one_key_do_it_once() {
    let bed = Arc::new(Bed::with_chunks(5).await);
    let rows: String = (0..60).map(|n| format!("@{n} event - label=e{n}\n")).collect();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (bed, rows) = (bed.clone(), rows.clone());
            tokio::spawn(async move { bed.upsert_with_key("once", &rows).await.unwrap() })
        })
        .collect();
    let mut batches = std::collections::HashSet::new();
    let mut fresh = 0;
    for task in tasks {
        let report = task.await.unwrap();
        fresh += u64::from(!report.replayed);
        assert_eq!(counts(&report), "+60 ~0 =0 -0 !0 /0");
        batches.insert(report.batch.unwrap());
    }
    assert_eq!((batches.len(), fresh), (1, 1));
    assert_eq!(bed.values("event", "label").await.split(' ').count(), 60);
}
