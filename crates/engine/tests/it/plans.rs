use std::time::Duration;

use domain::batch::Commit;
use domain::row::Mode;
use engine::{ApplyOptions, ProjectFile};

use crate::bed::{Bed, counts};

#[tokio::test]
async fn numbers_are_given_in_row_order_without_gaps() {
    let bed = Bed::new().await;
    let report = bed.upsert("event - label=a\nevent - label=b customer=C9\nevent - label=c").await;
    assert_eq!(counts(&report), "+2 ~0 =0 -0 !1 /0");
    let numbers: Vec<&str> =
        report.rows.iter().filter_map(|row| row.numbers.first().map(|(_, text)| &**text)).collect();
    assert_eq!(numbers, ["1", "2"]);
    let refused = bed.call(Mode::Upsert, Commit::Together, "event - label=d\nevent - label=e customer=C9");
    bed.engine.execute(&bed.caller, refused).await.unwrap();
    let next = bed.upsert("event - label=f").await;
    assert_eq!(&*next.rows[0].numbers[0].1, "3");
}

#[tokio::test]
async fn a_field_added_at_run_time_is_there_at_once() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A").await;
    let file: ProjectFile = toml::from_str(
        "[project]\ncode = 'ACME'\n[[field]]\nentity = 'customer'\nname = 'loyalty_tier'\ntype = 'text(20)'",
    )
    .unwrap();
    bed.engine.apply(&file, ApplyOptions::default()).await.unwrap();
    let report = bed.upsert("customer C1 loyalty_tier=gold").await;
    assert_eq!(counts(&report), "+0 ~1 =0 -0 !0 /0");
    assert_eq!(bed.values("customer", "loyalty_tier").await, "C1=gold");
}

#[tokio::test]
async fn who_waits_for_changes_is_woken() {
    let bed = Bed::new().await;
    let wait = bed.engine.changes(&bed.caller, 0, 10, Duration::from_secs(30), Vec::new());
    let write = async {
        tokio::task::yield_now().await;
        bed.upsert("customer C1 name=A").await
    };
    let (changes, _) = tokio::join!(wait, write);
    assert_eq!(changes.unwrap().0.len(), 1);
}

#[tokio::test]
async fn own_changes_can_be_left_out() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A").await;
    let except = vec!["login:erp".to_owned()];
    let (changes, _, next) = bed.engine.changes(&bed.caller, 0, 10, Duration::ZERO, except).await.unwrap();
    assert!(changes.is_empty());
    assert_eq!(next, 1, "what was left out is not offered again");
}
