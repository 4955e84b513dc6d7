//! What remains when a batch stops in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::batch::Commit;
use domain::names::ProjectCode;
use domain::row::Mode;
use engine::Error;
use store::{BatchState, ControlJob, ReadJob, Store, Turn, Writer};

use crate::bed::{Bed, counts};

/// SQLite behind a connection that breaks at the n-th turn from now.
struct Breaking {
    store: Arc<dyn Store>,
    /// Turns until one is told that it failed, though it was committed.
    lose_answer_in: AtomicI64,
    /// Turns until one is not done.
    fail_in: AtomicI64,
}

impl Breaking {
    fn new() -> Arc<Self> {
        let store = Arc::new(store_sqlite::open_temporary().unwrap());
        Arc::new(Breaking { store, lose_answer_in: AtomicI64::new(0), fail_in: AtomicI64::new(0) })
    }
}

fn broken() -> store::Error {
    store::Error::Unreachable("the connection broke".into())
}

impl Store for Breaking {
    fn read(&self, project: &ProjectCode, job: ReadJob) {
        self.store.read(project, job);
    }

    fn write(&self, project: &ProjectCode, turn: Box<dyn Turn>) {
        if self.fail_in.fetch_sub(1, Ordering::SeqCst) == 1 {
            return turn.done(Err(broken()));
        }
        let lost = self.lose_answer_in.fetch_sub(1, Ordering::SeqCst) == 1;
        self.store.write(project, Box::new(Unsure { turn, lost }));
    }

    fn control(&self, job: ControlJob) {
        self.store.control(job);
    }

    fn close(&self) {
        self.store.close();
    }
}

struct Unsure {
    turn: Box<dyn Turn>,
    lost: bool,
}

impl Turn for Unsure {
    fn is_small(&self) -> bool {
        self.turn.is_small()
    }

    fn run(&mut self, writer: &mut dyn Writer) -> Result<(), store::Error> {
        self.turn.run(writer)
    }

    fn done(self: Box<Self>, result: Result<(), store::Error>) {
        self.turn.done(if self.lost { result.and(Err(broken())) } else { result });
    }
}

fn events(count: usize) -> String {
    (1..=count).map(|n| format!("@{n} event - label=e{n}\n")).collect()
}

async fn labels(bed: &Bed) -> usize {
    let values = bed.values("event", "label").await;
    values.split(' ').filter(|value| !value.is_empty()).count()
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_looked_up_in_the_ledger() {
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    for commit in [Commit::Alone, Commit::Together] {
        for turn in 1..=3 {
            store.lose_answer_in.store(turn, Ordering::SeqCst);
            let report =
                bed.engine.execute(&bed.caller, bed.call(Mode::Create, commit, &events(6))).await.unwrap();
            assert_eq!(counts(&report), "+6 ~0 =0 -0 !0 /0");
            assert_eq!(bed.batch(&report).await.state, BatchState::Done);
        }
    }
    assert_eq!(labels(&bed).await, 36);
}

#[tokio::test]
async fn an_interrupted_batch_tells_the_truth_and_goes_on() {
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    let rows = format!("{}@x event - label=bad customer=C9\n", events(5));
    // The second chunk fails, and on the second call the third.
    for (turn, added, skipped) in [(2, 2, 4), (2, 4, 2)] {
        store.fail_in.store(turn, Ordering::SeqCst);
        let told = bed.upsert_with_key("k", &rows).await;
        let Err(Error::Interrupted { batch, .. }) = told else { panic!("{told:?}") };
        let entry = bed.engine.batch(&bed.caller, &batch).await.unwrap().unwrap();
        assert_eq!(entry.state, BatchState::Interrupted);
        assert_eq!((entry.counts.added, entry.counts.skipped), (added, skipped));
        assert!(entry.counts.balance());
    }
    // Once more nothing is done before it stops.
    store.fail_in.store(1, Ordering::SeqCst);
    assert!(matches!(bed.upsert_with_key("k", &rows).await, Err(Error::Interrupted { .. })));
    let report = bed.upsert_with_key("k", &rows).await.unwrap();
    assert_eq!(counts(&report), "+5 ~0 =0 -0 !1 /0");
    assert_eq!((report.rows.len(), report.refusals.len()), (6, 1));
    assert_eq!(bed.batch(&report).await.state, BatchState::Done);
    assert_eq!(labels(&bed).await, 5);
    let again = bed.upsert_with_key("k", &rows).await.unwrap();
    assert!(again.replayed && !again.forgotten);
    assert_eq!((again.counts, again.refusals), (report.counts, report.refusals));
}

#[tokio::test]
async fn a_first_chunk_that_fails_leaves_nothing_and_frees_the_key() {
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    store.fail_in.store(1, Ordering::SeqCst);
    assert!(matches!(bed.upsert_with_key("k", &events(4)).await, Err(Error::Store(_))));
    assert!(bed.engine.batches(&bed.caller, None, 10).await.unwrap().is_empty());
    assert_eq!(counts(&bed.upsert_with_key("k", &events(4)).await.unwrap()), "+4 ~0 =0 -0 !0 /0");
}

#[tokio::test]
async fn a_server_that_starts_again_cuts_a_batch_as_it_was_cut() {
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    store.fail_in.store(2, Ordering::SeqCst);
    assert!(bed.upsert_with_key("k", &events(7)).await.is_err());
    let later = Bed::over(store.clone(), 3).await;
    let report = later.upsert_with_key("k", &events(7)).await.unwrap();
    assert_eq!(counts(&report), "+7 ~0 =0 -0 !0 /0");
    assert_eq!(later.batch(&report).await.chunks, 4);
    assert_eq!(labels(&later).await, 7);
}

#[tokio::test]
async fn what_a_server_left_running_is_interrupted_at_the_next_start() {
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    // Neither the second chunk nor the word that it failed gets through.
    store.fail_in.store(2, Ordering::SeqCst);
    let (store_again, progress) = (store.clone(), Some(()));
    let mut call = bed.call_with_key("k", &events(5));
    call.progress = progress.map(|()| {
        let store = store_again;
        Box::new(move |_| store.fail_in.store(1, Ordering::SeqCst)) as Box<dyn Fn(u64) + Send + Sync>
    });
    let told = bed.engine.execute(&bed.caller, call).await;
    assert!(matches!(told, Err(Error::Interrupted { .. })), "{told:?}");
    let later = Bed::over(store.clone(), 2).await;
    let entry = later.engine.batches(&later.caller, None, 10).await.unwrap().remove(0);
    assert_eq!(entry.state, BatchState::Interrupted);
    assert_eq!((entry.counts.added, entry.counts.skipped), (2, 3));
    let report = later.upsert_with_key("k", &events(5)).await.unwrap();
    assert_eq!(counts(&report), "+5 ~0 =0 -0 !0 /0");
    assert_eq!(labels(&later).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_does_not_stop_a_batch() {
    let bed = Arc::new(Bed::with_chunks(1).await);
    let rows = events(40);
    let (left, begun) = tokio::sync::oneshot::channel();
    let mut call = bed.call_with_key("k", &rows);
    let left = std::sync::Mutex::new(Some(left));
    call.progress = Some(Box::new(move |_| {
        if let Some(left) = left.lock().unwrap().take() {
            let _ = left.send(());
        }
    }));
    let caller = bed.clone();
    let task = tokio::spawn(async move { caller.engine.execute(&caller.caller, call).await });
    begun.await.unwrap();
    task.abort();
    let report = bed.upsert_with_key("k", &rows).await.unwrap();
    assert!(report.replayed);
    assert_eq!(counts(&report), "+40 ~0 =0 -0 !0 /0");
    assert_eq!(labels(&bed).await, 40);
}

#[tokio::test]
async fn a_repeated_answer_says_when_its_rows_are_forgotten() {
    const DAY_MS: i64 = 86_400_000;
    let store = Breaking::new();
    let bed = Bed::over(store.clone(), 2).await;
    store.fail_in.store(2, Ordering::SeqCst);
    assert!(bed.upsert_with_key("k", &events(4)).await.is_err());
    bed.clock.advance(80 * DAY_MS);
    bed.upsert_with_key("k", &events(4)).await.unwrap();
    bed.clock.advance(15 * DAY_MS);
    bed.engine.forget_old().await.unwrap();
    let report = bed.upsert_with_key("k", &events(4)).await.unwrap();
    assert!(report.replayed && report.forgotten);
    assert_eq!((counts(&report).as_str(), report.rows.len()), ("+4 ~0 =0 -0 !0 /0", 2));
    bed.clock.advance(20 * DAY_MS);
    bed.engine.forget_old().await.unwrap();
    // The key is older than 30 days now: the call is a new one.
    assert!(!bed.upsert_with_key("k", &events(4)).await.unwrap().replayed);
}

#[tokio::test]
async fn who_follows_changes_too_late_is_told() {
    let bed = Bed::new().await;
    bed.upsert("customer C1 name=A\ncustomer C2 name=B").await;
    bed.clock.advance(100 * 86_400_000);
    bed.upsert("customer C1 name=C").await;
    bed.engine.forget_old().await.unwrap();
    let from = |after| bed.engine.changes(&bed.caller, after, 10, Duration::ZERO, Vec::new());
    assert!(matches!(from(1).await, Err(Error::Forgotten { first: 3 })));
    assert_eq!(from(2).await.unwrap().0.len(), 1);
    assert!(from(3).await.unwrap().0.is_empty());
    bed.clock.advance(100 * 86_400_000);
    bed.engine.forget_old().await.unwrap();
    assert!(matches!(from(2).await, Err(Error::Forgotten { first: 4 })));
    assert!(from(3).await.unwrap().0.is_empty());
}
