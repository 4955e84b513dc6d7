use std::collections::HashSet;

use super::*;
use crate::batch::{Commit, Parameters};
use crate::memory::{Batch, COMPANY, Memory, SECRET, rows};
use crate::page::Page;
use crate::plan::Made;
use crate::row::Mode;

/// Plans, settles and writes rows as one chunk of a batch that upserts.
fn run(memory: &mut Memory, incoming: &str) -> Settled {
    run_with(memory, Parameters::new(Mode::Upsert, Commit::Alone), incoming)
}

fn run_with(memory: &mut Memory, parameters: Parameters, incoming: &str) -> Settled {
    let rows = rows(&memory.catalogue, incoming);
    let plan = memory.plan(&Batch::new(parameters), rows, &mut Made::default());
    memory.carry_out(plan, &mut Vec::new())
}

fn codes(settled: &Settled) -> Vec<&str> {
    settled.rows.iter().map(|row| row.code.as_deref().unwrap_or("-")).collect()
}

fn numbers(settled: &Settled) -> Vec<&str> {
    settled.rows.iter().map(|row| row.numbers.first().map_or("-", |(_, text)| text)).collect()
}

#[test]
fn numbers_follow_row_order_without_gaps() {
    let mut memory = Memory::of("");
    let first = run(&mut memory, "ticket -\nticket -\nevent -\nevent - customer=nobody\nevent -");
    assert_eq!(codes(&first)[..2], ["T001", "T002"]);
    assert_eq!(numbers(&first)[2..], ["EV0001", "-", "EV0002"]);
    let second = run(&mut memory, "event - number=null\nticket -");
    assert_eq!((numbers(&second)[0], codes(&second)[1]), ("EV0003", "T003"));
}

#[test]
fn a_plan_alone_uses_no_number() {
    let mut memory = Memory::of("");
    let rows = rows(&memory.catalogue, "ticket -\nevent -");
    let batch = Batch::new(Parameters::new(Mode::Upsert, Commit::Alone));
    let head = memory.head.clone();
    memory.plan(&batch, rows, &mut Made::default());
    assert_eq!(memory.head, head);
    assert_eq!(codes(&run(&mut memory, "ticket -")), ["T001"]);
}

#[test]
fn given_numbers_are_avoided_before_and_within_the_batch() {
    let mut memory = Memory::of("");
    run(&mut memory, "ticket T002\nevent E number=EV0001");
    let settled = run(
        &mut memory,
        "ticket -\nticket -\nticket T004\nticket -\nevent -\nevent F number=EV0002\nevent -",
    );
    assert_eq!(codes(&settled)[..4], ["T001", "T003", "T004", "T005"]);
    assert_eq!(numbers(&settled)[4..], ["EV0003", "EV0002", "EV0004"]);
    // A text that the rule would never print stands in nobody's way.
    let settled = run(&mut memory, "ticket T6\nticket T0006\nticket X006\nticket -");
    assert_eq!(codes(&settled)[3], "T006");
}

#[test]
fn thousands_of_given_numbers_cost_few_questions() {
    let mut memory = Memory::of("");
    let given: Vec<String> = (1..=3000).map(|n| format!("ticket T{n:03}")).collect();
    run(&mut memory, &given.join("\n"));
    memory.asked = 0;
    assert_eq!(codes(&run(&mut memory, "ticket -")), ["T3001"]);
    assert!(memory.asked < 20, "{}", memory.asked);
}

#[test]
fn a_record_that_comes_back_is_numbered_anew() {
    let mut memory = Memory::of("event E number=OLD deleted\nevent F deleted");
    let settled = run(&mut memory, "event E label=x\nevent F number=EV0001\nevent G");
    assert_eq!(numbers(&settled), ["EV0002", "EV0001", "EV0003"]);
    assert!(memory.dump().starts_with("event E label=x number=EV0002\n"), "{}", memory.dump());
}

#[test]
fn internal_ids_count_up_and_make_codes() {
    let mut memory = Memory::of("unit U");
    let settled = run(&mut memory, "unit V\nunit -\ncontact -\ncontact -");
    let ids: Vec<i64> = settled.rows.iter().filter_map(|row| row.record).map(|id| id.0).collect();
    assert_eq!(ids, [1050000000002, 1050000000003, 1020000000001, 1020000000002]);
    assert_eq!(codes(&settled)[1..], ["1050000000003", "1020000000001", "1020000000002"]);
    // An id is never used again.
    let mut parameters = Parameters::new(Mode::Delete, Commit::Alone);
    parameters.deletion = crate::batch::Deletion::Physical;
    run_with(&mut memory, parameters, "unit 1050000000003");
    assert_eq!(codes(&run(&mut memory, "unit -")), ["1050000000004"]);
}

#[test]
fn digits_that_somebody_gave_are_avoided() {
    let mut memory = Memory::of("");
    run(&mut memory, "unit 1050000000002");
    let settled = run(&mut memory, "unit -\nunit 1050000000004\nunit -");
    assert_eq!(codes(&settled), ["1050000000003", "1050000000004", "1050000000005"]);
}

#[test]
fn hex_codes_have_32_capitals_and_ascend() {
    let mut memory = Memory::of("");
    let mut parameters = Parameters::new(Mode::Upsert, Commit::Alone);
    parameters.code_form = CodeForm::Hex;
    let first = run_with(&mut memory, parameters.clone(), "unit -\nunit -");
    let second = run_with(&mut memory, parameters, "unit -\ncontact -");
    let all: Vec<&str> = codes(&first).into_iter().chain(codes(&second)).collect();
    for code in &all {
        assert_eq!(code.len(), 32, "{code}");
        assert!(code.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')), "{code}");
    }
    assert!(all[..3].is_sorted(), "{all:?}");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4);
}

#[test]
fn revisions_are_the_seqs_of_the_journal() {
    let mut memory = Memory::of("customer A name=a\ncustomer B name=b\ncustomer C name=c");
    let incoming = "customer A name=x\ncustomer B name=b\ncustomer D\ncustomer E name=e\ndelete customer C";
    let settled = run(&mut memory, incoming);
    let told: Vec<(Outcome, u64)> = settled.rows.iter().map(|row| (row.outcome, row.revision)).collect();
    let expected = [
        (Outcome::Updated, 4),
        (Outcome::Unchanged, 2),
        (Outcome::Refused, 0),
        (Outcome::Added, 5),
        (Outcome::Deleted, 6),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (memory.head.seq, settled.page.first_seq, settled.page.entries, settled.page.fates),
        (6, 4, 3, 4)
    );
    let page = Page::unpack(&settled.page.pack().body, &mut |_| None).unwrap();
    let entries: Vec<(u64, &str, Option<u64>)> =
        page.entries.iter().map(|entry| (entry.seq, &*entry.code, entry.row)).collect();
    assert_eq!(entries, [(4, "A", Some(1)), (5, "E", Some(4)), (6, "C", Some(5))]);
    for entry in &page.entries {
        assert_eq!(memory.records[&entry.id].record.revision, entry.seq);
    }
    let fates: Vec<(u64, u64)> = page.fates.iter().map(|fate| (fate.row, fate.revision)).collect();
    assert_eq!(fates, [(1, 4), (2, 2), (4, 5), (5, 6)]);
}

#[test]
fn instants_strictly_grow() {
    let mut head = Head::default();
    assert_eq!([head.tick(50), head.tick(50), head.tick(40), head.tick(90)], [50, 51, 52, 90]);
}

#[test]
fn touched_holds_every_key_that_changes_hands() {
    let mut memory = Memory::of("customer A name=a number=N1\ncustomer B name=b\ncustomer D name=d deleted");
    let customer = memory.catalogue.find("customer").unwrap().ix;
    let incoming =
        "customer A number=N2\ncustomer C name=c number=N3\ncustomer D name=d number=N4\ndelete customer B";
    let settled = run(&mut memory, incoming);
    let touched: HashSet<KeyHash> = settled.touched.iter().copied().collect();
    let number = By::Key(KeyIx(0));
    for (by, text) in [
        (number, "N1"),
        (number, "N2"),
        (number, "N3"),
        (number, "N4"),
        (By::Code, "C"),
        (By::Code, "D"),
        (By::Code, "B"),
    ] {
        assert!(touched.contains(&SECRET.text(customer, COMPANY, by, text)), "{by:?} {text}");
    }
    for row in &settled.rows {
        assert!(touched.contains(&SECRET.id(row.record.unwrap())), "{:?}", row.code);
    }
    assert!(touched.contains(&SECRET.whole(customer)));
    assert!(!touched.contains(&SECRET.text(customer, COMPANY, By::Code, "A")), "its code stays what it was");
    assert_eq!(touched.len(), settled.touched.len(), "nothing twice");
}

#[test]
fn a_renamed_record_touches_both_codes() {
    let mut memory = Memory::of("event E number=N1\nevent F number=N2 deleted");
    let event = memory.catalogue.find("event").unwrap().ix;
    let mut parameters = Parameters::new(Mode::Upsert, Commit::Alone);
    parameters.match_on.push((event, vec![crate::batch::MatchKey::Key(KeyIx(0))]));
    let settled = run_with(&mut memory, parameters, "event G number=N1\nevent H number=N2");
    for code in ["E", "G", "F", "H"] {
        assert!(settled.touched.contains(&SECRET.text(event, COMPANY, By::Code, code)), "{code}");
    }
    assert_eq!(memory.dump(), "event G number=N1\nevent H number=N2");
    let page = Page::unpack(&settled.page.pack().body, &mut |_| None).unwrap();
    let told: Vec<(&str, Option<&str>)> =
        page.entries.iter().map(|entry| (&*entry.code, entry.code_before.as_deref())).collect();
    assert_eq!(told, [("G", Some("E")), ("H", None)]);
}

/// Sets of writes as text.
fn sets(memory: &Memory, settled: &Settled) -> Vec<String> {
    let name = |entity: EntityIx| memory.catalogue.entity(entity).name.to_string();
    let columns = |entity: EntityIx, fields: &[FieldIx]| {
        let names: Vec<&str> =
            fields.iter().map(|field| &*memory.catalogue.entity(entity).field(*field).name).collect();
        names.join(",")
    };
    let told = settled.writes.iter().map(|write| match write {
        Write::Insert(set) => {
            let codes: Vec<&str> = set.rows.iter().map(|row| &*row.code).collect();
            format!("insert {} ({}) {}", name(set.entity), columns(set.entity, &set.fields), codes.join(" "))
        }
        Write::Update(set) => {
            format!("update {} ({}) {}", name(set.entity), columns(set.entity, &set.fields), set.rows.len())
        }
        Write::Rename(entity, rows) => format!("rename {} {}", name(*entity), rows.len()),
        Write::Mark(set) => format!("mark {} {}", name(set.entity), set.rows.len()),
        Write::Remove(entity, ids) => format!("remove {} {}", name(*entity), ids.len()),
        Write::Blobs(blobs) => format!("blobs {}", blobs.len()),
    });
    told.collect()
}

#[test]
fn inserts_are_grouped_by_columns_and_ordered_by_level() {
    let mut memory = Memory::of("");
    let incoming = "
        customer C name=c parent=B
        customer B name=b parent=A
        customer A name=a
        customer X name=x
        customer Y name=y place=p
        contact P customer=A
        contact Q customer=X
    ";
    let settled = run(&mut memory, incoming);
    let expected = [
        "insert customer (name,state) A X",
        "insert customer (name,state,place) Y",
        "insert customer (name,state,parent) B",
        "insert contact (customer) P Q",
        "insert customer (name,state,parent) C",
    ];
    assert_eq!(sets(&memory, &settled), expected);
}

#[test]
fn new_records_come_before_what_changes_and_what_goes() {
    let mut memory = Memory::of("customer A name=a\ncustomer B name=b\ncustomer D name=d deleted");
    let incoming = "
        delete customer B
        customer D name=d
        customer A place=p parent=X
        customer X name=x parent=X
    ";
    let settled = run(&mut memory, incoming);
    let expected = [
        "insert customer (name,state) X",
        "update customer (name,number,state,place,parent,unit,score) 1",
        "update customer (place,parent) 1",
        "update customer (parent) 1",
        "mark customer 2",
    ];
    assert_eq!(sets(&memory, &settled), expected);
}

#[test]
fn long_values_are_written_beside_the_page() {
    let mut memory = Memory::of("");
    let settled = run(&mut memory, &format!("event A label={0}\nevent B label={0}", "x".repeat(1500)));
    assert_eq!(sets(&memory, &settled)[1..], ["blobs 1"]);
}

#[test]
fn the_ids_of_a_batch_are_known_to_its_later_chunks() {
    let mut memory = Memory::of("");
    let batch = Batch::new(Parameters::new(Mode::Upsert, Commit::Together));
    let (mut made, mut ids) = (Made::default(), Vec::new());
    let first = rows(&memory.catalogue, "customer A name=a\ncustomer B name=b parent=A");
    let mut second = rows(&memory.catalogue, "event E customer=B\ncustomer C name=c parent=A");
    second.iter_mut().for_each(|row| row.number += 2);
    let first = memory.plan(&batch, first, &mut made);
    let second = memory.plan(&batch, second, &mut made);
    memory.carry_out(first, &mut ids);
    memory.carry_out(second, &mut ids);
    assert_eq!(ids.len() as u32, made.new_records());
    let expected = "customer A name=a state=ACTIVE\ncustomer B name=b state=ACTIVE parent=A\n\
                    customer C name=c state=ACTIVE parent=A\nevent E number=EV0001 customer=B";
    assert_eq!(memory.dump(), expected);
}
