//! What holds for every batch, over a store of a few records.

use proptest::prelude::*;

use super::*;
use crate::batch::{Counts, RowReport};
use crate::row::Cell;

const STORED: &str = "
    unit U1
    unit U2
    customer C1 name=n number=N1 state=ACTIVE unit=U1
    customer C2 name=n parent=C1
    customer C3 name=n deleted
    customer C4 name=n merged:C1
    contact P1 customer=C1 position=1
    event E1 number=X1 customer=C1 label=a
    event E2 system=s foreign=1 customer=C2
";

/// A word of a row: a field with one of a few values, so that rows meet.
fn word(entity: &'static str) -> BoxedStrategy<String> {
    let choose = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(str::to_owned);
    match entity {
        "customer" => choose(&[
            "name=n",
            "name=m",
            "name=null",
            "number=N1",
            "number=N2",
            "number=N3",
            "number=null",
            "state=OLD",
            "state=null",
            "place=x",
            "parent=C1",
            "parent=C2",
            "parent=C5",
            "parent=C6",
            "parent=C4",
            "parent=null",
            "parent=number:N2",
            "parent=nobody",
            "unit=U1",
            "unit=U3",
            "unit=null",
        ])
        .boxed(),
        "contact" => choose(&[
            "customer=C1",
            "customer=C5",
            "customer=C6",
            "customer=number:N2",
            "customer=null",
            "position=1",
            "position=2",
            "position=null",
            "units=U1,U2",
            "units=U3,U1",
            "units=null",
        ])
        .boxed(),
        "event" => choose(&[
            "label=a",
            "label=b",
            "label=null",
            "number=X1",
            "number=X2",
            "number=null",
            "customer=C1",
            "customer=C2",
            "customer=C5",
            "customer=C6",
            "customer=null",
            "unit=U2",
            "unit=U3",
            "unit=null",
            "system=s",
            "foreign=1",
            "foreign=2",
            "foreign=null",
            "sent_at=2026-01-01",
        ])
        .boxed(),
        _ => choose(&["name=a", "name=b", "name=null"]).boxed(),
    }
}

fn row() -> impl Strategy<Value = String> {
    let entity = proptest::sample::select(vec!["customer", "customer", "contact", "event", "event", "unit"]);
    entity.prop_flat_map(|entity| {
        let code = match entity {
            "customer" => "C[1-6]",
            "contact" => "P[1-3]",
            "event" => "E[1-4]",
            _ => "U[1-4]",
        };
        let name = if entity == "customer" { " name=n" } else { "" };
        (code, proptest::collection::vec(word(entity), 0..5))
            .prop_map(move |(code, words)| format!("{entity} {code}{name} {}", words.join(" ")))
    })
}

/// Rows with distinct codes.
fn batch() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(row(), 0..12).prop_map(|rows| {
        let mut codes = std::collections::HashSet::new();
        let code = |row: &str| row.split(' ').nth(1).map(str::to_owned);
        // A merged code is its winner's: both would be one record.
        let code = |row: &str| code(row).map(|code| if code == "C4" { "C1".to_owned() } else { code });
        rows.into_iter().filter(|row| codes.insert(code(row))).collect()
    })
}

fn parameters() -> impl Strategy<Value = String> {
    let mode = proptest::sample::select(vec!["upsert", "upsert", "replace", "update"]);
    let words = proptest::sample::subsequence(
        vec![
            "match=event:code,foreign",
            "match=customer:number,code",
            "check=event.customer:state:ACTIVE",
            "derive=event.unit:customer:unit",
            "time=event.sent_at",
            "deleted=taken",
        ],
        0..4,
    );
    (mode, words).prop_map(|(mode, words)| format!("{mode} {}", words.join(" ")))
}

fn outcomes(reports: &[RowReport]) -> Vec<(Option<Box<str>>, Outcome)> {
    let mut outcomes: Vec<_> = reports.iter().map(|row| (row.id.clone(), row.outcome)).collect();
    outcomes.sort();
    outcomes
}

/// Rows that carry their text as the caller's id, to be told apart in any order.
fn named_rows(memory: &Memory, texts: &[String]) -> Vec<Row> {
    let mut rows = rows(&memory.catalogue, &texts.join("\n"));
    for (row, text) in rows.iter_mut().zip(texts) {
        row.id = Some(text.as_str().into());
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Unless rows rename what others of them refer to, or change what it lends.
    #[test]
    fn a_batch_again_changes_nothing(mut texts in batch(), words in parameters()) {
        if words.contains("check") || words.contains("derive") {
            texts.retain(|text| !["C1", "C2", "C3", "C4"].contains(&text.split(' ').nth(1).unwrap()));
        }
        let words = words.replace("match=customer:number,code", "");
        let mut memory = Memory::of(STORED);
        let batch = Batch::new(read_parameters(&memory, &words));
        let rows = named_rows(&memory, &texts);
        let first = memory.run(&batch, rows.clone());
        let accepted = |row: &Row| first.iter().any(|one| one.row == row.number && one.outcome != Outcome::Refused);
        let again: Vec<Row> = rows.into_iter().filter(accepted).collect();
        let before = memory.clone();
        let second = memory.run(&batch, again);
        for report in &second {
            prop_assert_eq!(report.outcome, Outcome::Unchanged, "{:?}\n{}", report.id, before.dump());
        }
        prop_assert_eq!(memory.records, before.records);
        prop_assert_eq!(memory.head.seq, before.head.seq);
    }

    #[test]
    fn counts_add_up_and_changes_belong_to_them(texts in batch(), words in parameters()) {
        let mut memory = Memory::of(STORED);
        let batch = Batch::new(read_parameters(&memory, &words));
        let seq = memory.head.seq;
        let rows = named_rows(&memory, &texts);
        let reports = memory.run(&batch, rows);
        let mut counts = Counts::default();
        reports.iter().for_each(|report| counts.count(report.outcome));
        prop_assert!(counts.balance());
        prop_assert_eq!(counts.received, texts.len() as u64);
        prop_assert_eq!(memory.head.seq - seq, counts.added + counts.updated + counts.deleted);
        for report in &reports {
            let stored = report.record.and_then(|id| memory.records.get(&id));
            prop_assert_eq!(stored.is_some(), report.outcome != Outcome::Refused);
            if let Some(stored) = stored {
                prop_assert_eq!(stored.record.revision, report.revision);
                prop_assert_eq!(Some(&stored.record.code), report.code.as_ref());
            }
        }
    }

    #[test]
    fn chunks_that_stand_together_say_what_one_chunk_says(texts in batch(), words in parameters(), cut in 0..12_usize) {
        let mut memory = Memory::of(STORED);
        let batch = Batch::new(read_parameters(&memory, &words));
        let rows = named_rows(&memory, &texts);
        let (mut made, mut ids) = (Made::default(), Vec::new());
        let cut = cut.min(rows.len());
        let first = memory.plan(&batch, rows[..cut].to_vec(), &mut made);
        let second = memory.plan(&batch, rows[cut..].to_vec(), &mut made);
        let refused = first.rows.iter().chain(&second.rows).any(|row| row.outcome == Outcome::Refused);
        // What the memory holds to be wrong, a database would refuse.
        let mut reports = memory.carry_out(first, &mut ids).rows;
        reports.extend(memory.carry_out(second, &mut ids).rows);
        if !refused {
            let mut whole = Memory::of(STORED);
            prop_assert_eq!(outcomes(&reports), outcomes(&whole.run(&batch, rows)));
            prop_assert_eq!(memory.dump(), whole.dump());
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(texts in batch(), words in parameters(), seed in any::<u64>()) {
        let stored = Memory::of(STORED);
        let batch = Batch::new(read_parameters(&stored, &words));
        // Rows that want the same unique key are served in order: that is a promise, not a flaw.
        let keys = |row: &Row| -> Vec<String> {
            let entity = stored.catalogue.entity(row.entity);
            let parts = entity.keys.iter().flat_map(|key| key.fields.iter().map(move |(field, _)| (key, *field)));
            let values = parts.filter_map(|(key, field)| match row.cell(field)? {
                // Part of such a key may be what is stored.
                _ if key.fields.len() > 1 => Some(format!("{} {}", entity.name, key.name)),
                Cell::Set(value) => Some(format!("{} {} {value:?}", entity.name, key.name)),
                _ => None,
            });
            values.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
        };
        let mut taken = std::collections::HashSet::new();
        let mut ordered = named_rows(&stored, &texts);
        ordered.retain(|row| keys(row).into_iter().all(|key| taken.insert(key)));
        let mut shuffled = ordered.clone();
        let mut state = seed | 1;
        for n in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(n, (state >> 33) as usize % (n + 1));
        }
        let renumber = |rows: &mut Vec<Row>| {
            rows.iter_mut().zip(1..).for_each(|(row, number)| row.number = number);
        };
        renumber(&mut ordered);
        renumber(&mut shuffled);
        let (mut one, mut other) = (stored.clone(), stored.clone());
        let first = one.run(&batch, ordered);
        let second = other.run(&batch, shuffled);
        prop_assert_eq!(outcomes(&first), outcomes(&second));
        // Numbers that events give themselves follow the order of rows.
        let dump = |memory: &Memory| -> Vec<String> {
            let dump = memory.dump();
            let words = dump.lines().map(|line| line.split(' ').filter(|word| !word.starts_with("number=EV")));
            words.map(|words| words.collect::<Vec<_>>().join(" ")).collect()
        };
        prop_assert_eq!(dump(&one), dump(&other));
    }
}
