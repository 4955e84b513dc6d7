//! Journal and ledger.

use domain::batch::{Commit, Counts, Effects, Outcome};
use domain::catalogue::Entity;
use domain::names::{BatchId, InternalId};
use domain::page::{Entry, Operation, PageBuilder, RowFate};
use domain::settle::{Head, Write};

use super::model::COMPANY;
use super::{project, read, write};
use crate::{BatchEntry, BatchState, PageRow, RefusedRow, Store};

/// A batch of the ledger.
pub fn batch(id: &str, state: BatchState) -> BatchEntry {
    BatchEntry {
        id: BatchId(id.into()),
        login: "erp-sync".to_owned(),
        door: "native".to_owned(),
        operation: "import customer".to_owned(),
        commit: Commit::Alone,
        state,
        refused_whole: false,
        counts: Counts { received: 10, added: 1, updated: 2, unchanged: 3, deleted: 4, ..Counts::default() },
        effects: Effects { added: 5, updated: 6, deleted: 7 },
        started_at: 1_000,
        finished_at: None,
        chunks: 1,
        seqs: None,
        columns: Vec::new(),
        memo: String::new(),
        statements: 14,
        store_ms: 8.1,
        total_ms: 12.9,
    }
}

/// A page with one entry and one fate per code, beginning at a seq.
pub fn page(
    entity: &Entity,
    batch: &str,
    chunk: u32,
    first_seq: u64,
    instant: i64,
    codes: &[&str],
) -> PageRow {
    let mut builder = builder(first_seq, instant);
    for (code, seq) in codes.iter().zip(first_seq..) {
        let id = InternalId(i64::from(entity.prefix) * InternalId::SPAN + seq as i64);
        let operation = Operation::Added(&[]);
        builder.change(entity, Entry { seq, row: Some(seq), company: COMPANY, id, code, operation });
        let outcome = Outcome::Added;
        builder.fate(
            entity,
            RowFate {
                row: seq,
                id: Some("own-1"),
                record: Some(id),
                outcome,
                revision: seq,
                code: Some(code),
            },
        );
    }
    row(batch, chunk, builder)
}

fn builder(first_seq: u64, instant: i64) -> PageBuilder {
    let mut builder = PageBuilder::default();
    builder.first_seq = first_seq;
    builder.instant = instant;
    builder
}

fn row(batch: &str, chunk: u32, builder: PageBuilder) -> PageRow {
    let packed = builder.pack();
    PageRow {
        batch: BatchId(batch.into()),
        chunk,
        source: "login:erp-sync".to_owned(),
        first_seq: packed.first_seq,
        entries: packed.entries,
        fates: packed.fates,
        instant: packed.instant,
        hashes: packed.hashes,
        body: packed.body,
    }
}

/// A page as a reader answers it.
fn answered(page: &PageRow) -> PageRow {
    PageRow { hashes: Vec::new(), ..page.clone() }
}

fn refused(batch: &str, row: u64, instant: i64, key: &str) -> RefusedRow {
    RefusedRow {
        batch: BatchId(batch.into()),
        row,
        line: row.is_multiple_of(2).then_some(row + 1),
        entity: "event".to_owned(),
        id: row.is_multiple_of(2).then(|| key.to_owned()),
        instant,
        hashes: domain::keys::page_hash(key).to_le_bytes().to_vec(),
        received: format!("{{\"id\":\"{key}\"}}"),
        problems: "[]".to_owned(),
    }
}

fn places(pages: &[PageRow]) -> Vec<(String, u32)> {
    pages.iter().map(|page| (page.batch.to_string(), page.chunk)).collect()
}

fn chunks(pages: &[PageRow]) -> Vec<u32> {
    pages.iter().map(|page| page.chunk).collect()
}

/// A batch is stored and replaced whole.
pub fn batches_round_trip(store: &dyn Store) {
    let project = project(store);
    let running = batch("01A", BatchState::Running);
    let mut done = batch("01A", BatchState::Done);
    done.commit = Commit::Together;
    done.refused_whole = true;
    done.finished_at = Some(2_000);
    done.seqs = Some((5, 9));
    done.columns = vec!["Kunden-Nr".to_owned(), "a,b".to_owned()];
    done.memo = "{\"é\":1}".to_owned();
    done.counts.refused = 3;
    done.store_ms = 0.1 + 0.2;
    for entry in [running, done] {
        let (stored, expected) = (entry.clone(), entry);
        write(store, &project, move |writer| writer.put_batch(&stored)).unwrap();
        let there = read(store, &project, |reader| {
            Ok((reader.batch(&BatchId("01A".into()))?, reader.batch(&BatchId("01B".into()))?))
        });
        assert_eq!(there.unwrap(), (Some(expected), None));
    }
}

/// Batches come newest first, page by page.
pub fn batches_are_listed_newest_first(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        ["01B", "01D", "01A", "01C"]
            .into_iter()
            .try_for_each(|id| writer.put_batch(&batch(id, BatchState::Done)))
    })
    .unwrap();
    read(store, &project, |reader| {
        let ids =
            |batches: Vec<BatchEntry>| batches.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(reader.batches(None, 2)?), ["01D", "01C"]);
        assert_eq!(ids(reader.batches(Some(&BatchId("01C".into())), 9)?), ["01B", "01A"]);
        assert!(reader.batches(Some(&BatchId("01A".into())), 9)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Batches that run are known, until they are over.
pub fn running_batches_are_known(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        writer.put_batch(&batch("01A", BatchState::Running))?;
        writer.put_batch(&batch("01B", BatchState::Done))?;
        writer.put_batch(&batch("01C", BatchState::Interrupted))?;
        writer.put_batch(&batch("01D", BatchState::Running))?;
        writer.put_batch(&batch("01A", BatchState::Done))
    })
    .unwrap();
    let running = read(store, &project, |reader| reader.running()).unwrap();
    assert_eq!(running, [batch("01D", BatchState::Running)]);
}

/// Pages of a batch come back in order, from a chunk on, without their hashes.
pub fn pages_round_trip(store: &dyn Store) {
    let project = project(store);
    let catalogue = read(store, &project, |reader| Ok(reader.catalogue())).unwrap();
    let event = catalogue.find("event").unwrap();
    let pages: Vec<PageRow> =
        [2, 0, 1].map(|chunk| page(event, "01A", chunk, 1 + u64::from(chunk) * 2, 10, &["A", "B"])).to_vec();
    let expected = vec![answered(&pages[2]), answered(&pages[0])];
    write(store, &project, move |writer| pages.iter().try_for_each(|page| writer.put_page(page))).unwrap();
    read(store, &project, move |reader| {
        let batch = BatchId("01A".into());
        assert_eq!(reader.pages_of(&batch, 1, 10)?, expected);
        assert_eq!(chunks(&reader.pages_of(&batch, 0, 2)?), [0, 1]);
        assert!(reader.pages_of(&BatchId("01B".into()), 0, 10)?.is_empty());
        let read = domain::page::Page::unpack(&expected[0].body, &mut |_| None).unwrap();
        assert_eq!((read.entries.len(), read.entries[0].seq, read.fates.len()), (2, 3, 2));
        Ok(())
    })
    .unwrap();
}

/// The journal is read from behind a seq, also from within a page.
pub fn pages_come_after_a_seq(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        let catalogue = writer.catalogue();
        let event = catalogue.find("event").unwrap();
        writer.put_page(&page(event, "01B", 0, 1, 10, &["A", "B", "C"]))?;
        writer.put_page(&page(event, "01A", 0, 4, 11, &["D"]))?;
        writer.put_page(&page(event, "01B", 1, 5, 12, &["E", "F"]))
    })
    .unwrap();
    read(store, &project, |reader| {
        let all = [("01B".to_owned(), 0), ("01A".to_owned(), 0), ("01B".to_owned(), 1)];
        assert_eq!(places(&reader.pages_after(0, 10)?), all);
        assert_eq!(places(&reader.pages_after(2, 10)?), all);
        assert_eq!(places(&reader.pages_after(3, 1)?), all[1..2]);
        assert_eq!(places(&reader.pages_after(5, 10)?), all[2..]);
        assert!(reader.pages_after(6, 10)?.is_empty());
        assert_eq!(reader.first_seq()?, Some(1));
        Ok(())
    })
    .unwrap();
}

/// A page without entries belongs to the ledger and not to the journal.
pub fn pages_without_entries_are_no_journal(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        let catalogue = writer.catalogue();
        let mut builder = builder(1, 10);
        let outcome = Outcome::Unchanged;
        let fate = RowFate { row: 1, id: None, record: None, outcome, revision: 0, code: Some("A") };
        builder.fate(catalogue.find("event").unwrap(), fate);
        writer.put_page(&row("01A", 0, builder))
    })
    .unwrap();
    read(store, &project, |reader| {
        assert!(reader.pages_after(0, 10)?.is_empty());
        assert_eq!(reader.first_seq()?, None);
        assert_eq!(reader.pages_of(&BatchId("01A".into()), 0, 10)?.len(), 1);
        assert_eq!(reader.pages_holding("A")?.len(), 1);
        Ok(())
    })
    .unwrap();
}

/// Pages are found by the codes and the callers' ids in them, oldest first.
pub fn pages_that_hold_a_key_are_found(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        let catalogue = writer.catalogue();
        let event = catalogue.find("event").unwrap();
        writer.put_page(&page(event, "01B", 0, 1, 10, &["A", "B"]))?;
        writer.put_page(&page(event, "01A", 1, 3, 12, &["C", "A"]))?;
        writer.put_page(&page(event, "01A", 0, 5, 11, &["A"]))
    })
    .unwrap();
    read(store, &project, |reader| {
        let places = |key: &str, reader: &mut dyn crate::Reader| {
            reader.pages_holding(key).map(|pages| pages.iter().map(|page| page.instant).collect::<Vec<_>>())
        };
        assert_eq!(places("A", reader)?, [10, 11, 12]);
        assert_eq!(places("C", reader)?, [12]);
        assert_eq!(places("own-1", reader)?, [10, 11, 12]);
        assert!(places("a", reader)?.is_empty());
        assert!(reader.pages_holding("C")?[0].hashes.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Refused rows come back in order, from behind a row.
pub fn refused_rows_round_trip(store: &dyn Store) {
    let project = project(store);
    let rows: Vec<RefusedRow> = [3, 1, 2].map(|row| refused("01A", row, 10, "k")).to_vec();
    let expected: Vec<RefusedRow> =
        [2, 3].map(|row| RefusedRow { hashes: Vec::new(), ..refused("01A", row, 10, "k") }).to_vec();
    write(store, &project, move |writer| writer.put_refused(&rows)).unwrap();
    read(store, &project, move |reader| {
        assert_eq!(reader.refused(&BatchId("01A".into()), 1, 10)?, expected);
        assert_eq!(reader.refused(&BatchId("01A".into()), 0, 1)?.len(), 1);
        assert!(reader.refused(&BatchId("01B".into()), 0, 10)?.is_empty());
        Ok(())
    })
    .unwrap();
}

/// Refused rows are found by their keys, oldest first.
pub fn refused_rows_that_hold_a_key_are_found(store: &dyn Store) {
    let project = project(store);
    let rows = [refused("01B", 1, 10, "a"), refused("01A", 2, 12, "a"), refused("01A", 1, 11, "b")];
    write(store, &project, move |writer| writer.put_refused(&rows)).unwrap();
    let held = read(store, &project, |reader| reader.refused_holding("a")).unwrap();
    let places: Vec<(&str, u64)> = held.iter().map(|row| (&*row.batch.0, row.row)).collect();
    assert_eq!(places, [("01B", 1), ("01A", 2)]);
}

/// A long value is stored once and read by its hash.
pub fn long_values_are_kept_once(store: &dyn Store) {
    let project = project(store);
    write(store, &project, |writer| {
        writer.write(vec![Write::Blobs(vec![([1; 32], vec![0, 255]), ([2; 32], Vec::new())])])?;
        writer.write(vec![Write::Blobs(vec![([1; 32], b"other".to_vec())])])
    })
    .unwrap();
    let there = read(store, &project, |reader| {
        Ok((reader.blob(&[1; 32])?, reader.blob(&[2; 32])?, reader.blob(&[3; 32])?))
    });
    assert_eq!(there.unwrap(), (Some(vec![0, 255]), Some(Vec::new()), None));
}

/// What is older than the instants given goes, the rest stays, and long values stay with the
/// youngest page that may name them.
pub fn forgetting_takes_the_old_alone(store: &dyn Store) {
    let project = project(store);
    for (batch_id, instant, seq, blobs) in
        [("01A", 10, 1, vec![[1; 32], [2; 32]]), ("01B", 20, 2, vec![[2; 32], [3; 32]])]
    {
        write(store, &project, move |writer| {
            let catalogue = writer.catalogue();
            let head = Head { seq, instant, ..writer.head()? };
            writer.put_head(&head)?;
            writer.write(vec![Write::Blobs(blobs.into_iter().map(|hash| (hash, vec![1])).collect())])?;
            writer.put_page(&page(catalogue.find("event").unwrap(), batch_id, 0, seq, instant, &["A"]))?;
            writer.put_batch(&batch(batch_id, BatchState::Done))?;
            writer.put_refused(&[refused(batch_id, 1, instant, "a")])?;
            writer.put_idempotency(&crate::IdempotencyEntry {
                login: "a".to_owned(),
                key: batch_id.to_owned(),
                hash: Vec::new(),
                batch: BatchId(batch_id.into()),
                instant,
            })
        })
        .unwrap();
    }
    let kept = |store: &dyn Store| {
        read(store, &project, |reader| {
            Ok((
                reader.pages_after(0, 10)?.len(),
                reader.refused_holding("a")?.len(),
                (reader.idempotency("a", "01A")?.is_some(), reader.idempotency("a", "01B")?.is_some()),
                (1..=3).map(|n| reader.blob(&[n; 32]).unwrap().is_some()).collect::<Vec<_>>(),
                reader.batches(None, 10)?.len(),
            ))
        })
        .unwrap()
    };
    write(store, &project, |writer| writer.forget(10, 10, 10)).unwrap();
    assert_eq!(kept(store), (2, 2, (true, true), vec![true, true, true], 2));
    write(store, &project, |writer| writer.forget(20, 0, 0)).unwrap();
    assert_eq!(kept(store), (1, 2, (true, true), vec![false, true, true], 2));
    write(store, &project, |writer| writer.forget(0, 11, 11)).unwrap();
    assert_eq!(kept(store), (1, 1, (false, true), vec![false, true, true], 2));
    assert_eq!(read(store, &project, |reader| reader.first_seq()).unwrap(), Some(2));
}
