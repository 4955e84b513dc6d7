use std::sync::Arc;

use domain::batch::Commit;
use domain::row::Mode;

use crate::bed::{Bed, counts};

/// Callers at once, with overlapping records: the result is that of the batches one after the
/// other in the order of the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_batches_come_to_the_same_as_one_after_the_other() {
    let bed = Arc::new(Bed::with_chunks(7).await);
    bed.upsert("user U1 last_name=Ann\nuser U2 last_name=Bob").await;
    let mut tasks = Vec::new();
    for caller in 0..8_usize {
        let bed = bed.clone();
        tasks.push(tokio::spawn(async move {
            let mut sent = Vec::new();
            for round in 0..12_usize {
                let mut text = String::new();
                for n in 0..20_usize {
                    let code = (n * 3 + caller + round) % 40;
                    let user = ["U1", "U2", "U9"][(n + caller * round) % 3];
                    text.push_str(&format!(
                        "customer C{code} name=N{} city=K{caller}x{round} user={user}\n",
                        code % 5
                    ));
                }
                let commit = if round % 4 == 0 { Commit::Together } else { Commit::Alone };
                let text: String = dedup(&text);
                let report =
                    bed.engine.execute(&bed.caller, bed.call(Mode::Upsert, commit, &text)).await.unwrap();
                counts(&report);
                sent.push((report, text, commit));
            }
            sent
        }));
    }
    let mut sent = Vec::new();
    for task in tasks {
        sent.extend(task.await.unwrap());
    }
    // What the journal says, applied in its order, is what is stored.
    let changes = bed.changes().await;
    let mut cities = std::collections::BTreeMap::new();
    for (n, change) in changes.iter().enumerate() {
        assert_eq!(change.seq, n as u64 + 1, "no gap and no double in the journal");
        for field in change.fields.iter().filter(|field| &*field.name == "city") {
            let held = cities.insert(change.code.clone(), field.after.clone());
            assert_eq!(
                held.flatten().filter(|v| !v.is_null()),
                field.before.clone().filter(|v| !v.is_null())
            );
        }
    }
    let shown: std::collections::BTreeSet<String> =
        bed.values("customer", "city").await.split(' ').map(str::to_owned).collect();
    let expected: std::collections::BTreeSet<String> = cities
        .iter()
        .map(|(code, city)| {
            format!("{code}={}", city.as_ref().and_then(|city| city.as_text()).unwrap_or("-"))
        })
        .collect();
    assert_eq!(shown, expected);
    // The ledger agrees with the journal, batch by batch.
    let mut changed = std::collections::HashMap::new();
    for change in &changes {
        *changed.entry(change.batch.clone()).or_insert(0_u64) += 1;
    }
    for (report, _, _) in &sent {
        let id = report.batch.clone().unwrap();
        let effective = report.counts.added + report.counts.updated + report.counts.deleted;
        assert_eq!(changed.get(&id).copied().unwrap_or(0), effective);
    }
}

fn dedup(text: &str) -> String {
    let mut seen = std::collections::HashSet::new();
    text.lines().filter(|line| seen.insert(line.split(' ').nth(1))).map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_new_code_wanted_by_many_is_added_once() {
    let bed = Arc::new(Bed::new().await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let bed = bed.clone();
            tokio::spawn(async move {
                let call = bed.call(Mode::Create, Commit::Alone, "customer C1 name=A number=N1");
                bed.engine.execute(&bed.caller, call).await.unwrap()
            })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        let report = task.await.unwrap();
        added += report.counts.added;
        assert_eq!(report.counts.added + report.counts.refused, 1);
    }
    assert_eq!(added, 1);
}
