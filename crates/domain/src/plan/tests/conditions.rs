//! What else a batch can be told: times, revisions, checks, children, permits.

use super::*;

#[test]
fn numbers_are_left_to_the_turn() {
    check(
        "",
        "upsert hex",
        "ticket - label=a\nticket T007\nevent E number=null\nevent F number=X\nunit -",
        "
        1 added ticket -
        2 added ticket T007
        3 added event E
        4 added event F
        5 added unit -
        + new0 = ticket by number label=a
        + new1 = ticket T007
        + new2 = event E number=?
        + new3 = event F number=X
        + new4 = unit Hex
    ",
    );
}

#[test]
fn an_older_source_time_changes_nothing() {
    let stored = "
        event A sent_at=2026-01-02 label=a
        event B sent_at=2026-01-02 label=a
        event C sent_at=2026-01-02 label=a
        event D label=a
    ";
    let rows = "
        event A sent_at=2026-01-01 label=b
        event B sent_at=2026-01-02 label=b
        event C label=b
        event D sent_at=2026-01-01 label=b
    ";
    check(
        stored,
        "upsert time=event.sent_at",
        rows,
        "
        1 unchanged event A
        2 updated event B
        3 updated event C
        4 updated event D
        ~ event B: label a -> b
        ~ event C: label a -> b
        ~ event D: label a -> b sent_at null -> 2026-01-01T00:00:00Z
    ",
    );
}

#[test]
fn an_expected_revision() {
    let stored = "
        customer A name=a r5
        customer B name=b r6
        customer D name=d deleted
    ";
    let rows = "
        customer A @5 name=x
        customer B @5 name=x
        customer C @5 name=x
        customer D @1 name=x
    ";
    check(stored, "upsert", rows, "
        1 updated customer A
        2 refused customer B
            revision stale_revision: customer B has revision 6, not 5 (read the record again and send your change with its new revision)
        3 refused customer C
            code not_found: no customer has code C
        4 refused customer D
            code not_found: no customer has code D
        ~ customer A: name a -> x
    ");
    check(stored, "delete", "customer A @4\ncustomer B @6", "
        1 refused customer A
            revision stale_revision: customer A has revision 5, not 4 (read the record again and send your change with its new revision)
        2 deleted customer B
        - customer B Deleted
    ");
}

#[test]
fn references_are_tested_and_lend() {
    let parameters = "upsert check=event.customer:state:ACTIVE derive=event.unit:customer:unit";
    let stored = "
        unit U
        unit V
        customer A name=a state=ACTIVE unit=U
        customer B name=b state=OLD unit=U
        customer C name=c state=ACTIVE
    ";
    let rows = "
        event 1 customer=A
        event 2 customer=B
        event 3 customer=A unit=V
        event 4 customer=A unit=null
        event 5 customer=C
        event 6 customer=NEW
        event 7 customer=BAD
        customer NEW name=n unit=U
        customer BAD name=n state=OLD
    ";
    check(
        stored,
        parameters,
        rows,
        "
        1 added event 1
        2 refused event 2
            customer invalid_value: it is not ACTIVE
        3 added event 3
        4 added event 4
        5 added event 5
        6 added event 6
        7 refused event 7
            customer invalid_value: it is not ACTIVE
        8 added customer NEW
        9 added customer BAD
        + new0 = event 1 customer=A unit=U number=?
        + new1 = event 3 customer=A unit=V number=?
        + new2 = event 4 customer=A number=?
        + new3 = event 5 customer=C number=?
        + new4 = event 6 customer=new5 unit=U number=? level 1
        + new5 = customer NEW name=n state=ACTIVE unit=U
        + new6 = customer BAD name=n state=OLD
    ",
    );
}

#[test]
fn rows_of_earlier_chunks_are_tested_and_lend() {
    let mut memory = Memory::of("unit U");
    let words = "upsert check=event.customer:state:ACTIVE derive=event.unit:customer:unit";
    let batch = Batch::new(read_parameters(&memory, words));
    let (mut made, mut ids) = (Made::default(), Vec::new());
    let first =
        rows(&memory.catalogue, "customer A name=a unit=U\ncustomer B name=b state=OLD\nevent 0 number=N1");
    let mut second = rows(&memory.catalogue, "event 1 customer=A\nevent 2 customer=B\nevent 3 number=N1");
    second.iter_mut().for_each(|row| row.number += 3);
    let first = memory.plan(&batch, first, &mut made);
    let second = memory.plan(&batch, second, &mut made);
    assert_told(
        &memory.tell(&second),
        "
        4 added event 1
        5 refused event 2
            customer invalid_value: it is not ACTIVE
        6 refused event 3
            number duplicate_in_batch: row 3 of the batch has the same number
        + new3 = event 1 customer=new0 unit=U number=?
    ",
    );
    memory.carry_out(first, &mut ids);
    memory.carry_out(second, &mut ids);
}

#[test]
fn children_that_are_not_named_go() {
    let stored = "
        customer A name=a
        customer B name=b
        customer C name=c
        contact P customer=A position=1
        contact Q customer=A position=2
        contact R customer=B position=1
        contact S customer=C position=1
        contact T customer=A deleted
    ";
    let rows = "
        customer A name=x
        contact P position=3
        customer B name=null
        customer C name=c
        customer N name=n
    ";
    let parameters = "upsert gone=4:contact.customer gone=1:contact.customer gone=1:contact.customer \
                      gone=3:contact.customer gone=5:contact.customer";
    check(
        stored,
        parameters,
        rows,
        "
        1 updated customer A
        2 updated contact P
        3 refused customer B
            name required: name is required
        4 unchanged customer C
        5 added customer N
        ~ customer A: name a -> x
        - contact Q Deleted, an effect
        ~ contact P: position 1 -> 3
        - contact S Deleted, an effect
        + new0 = customer N name=n state=ACTIVE
    ",
    );
    check(
        stored,
        "upsert gone_for_good=1:contact.customer",
        "customer B name=b",
        "
        1 unchanged customer B
        - contact R for good, an effect
    ",
    );
}

#[test]
fn what_others_refer_to_is_not_removed() {
    let stored = "
        customer A name=a
        customer B name=b
        customer C name=c parent=B
        customer E name=e
        unit U
        unit V
        contact P customer=A units=U
    ";
    let rows = "
        customer A
        customer B
        customer C
        customer E
        unit U
        unit V
        upsert event X customer=E
    ";
    check(stored, "delete physical", rows, "
        1 refused customer A
            code referenced: records of contact refer to it by customer (delete it logically, or change what refers to it first)
        2 deleted customer B
        3 deleted customer C
        4 refused customer E
            code referenced: row 7 of the batch refers to it
        5 refused unit U
            code referenced: records of contact refer to it by units (delete it logically, or change what refers to it first)
        6 deleted unit V
        7 added event X
        - customer B for good
        - customer C for good
        - unit V for good
        + new0 = event X customer=E number=?
    ");
}

#[test]
fn only_what_is_permitted() {
    struct Reader;
    impl Permits for Reader {
        fn insert(&self, entity: &Entity) -> bool {
            *entity.name == *"event"
        }
        fn update(&self, _: &Entity) -> bool {
            false
        }
        fn delete(&self, _: &Entity) -> bool {
            false
        }
    }
    let mut memory = Memory::of(STATES);
    let parameters = Parameters::new(Mode::Upsert, Commit::Alone);
    let batch = Batch { permits: &Reader, ..Batch::new(parameters) };
    let rows = "
        event E
        customer A name=a
        customer L name=a
        customer D name=a
        delete customer L
        delete customer X
    ";
    check_batch(&mut memory, &batch, rows, "
        1 added event E
        2 refused customer A
             forbidden: a customer may not be added by this login (ask the administrator for the right, or to open the entity's access)
        3 refused customer L
            code duplicate_in_batch: row 5 of the batch is about the same record (send each record once in a batch)
             forbidden: a customer may not be changed by this login (ask the administrator for the right, or to open the entity's access)
        4 refused customer D
             forbidden: a customer may not be added by this login (ask the administrator for the right, or to open the entity's access)
        5 refused customer L
            code duplicate_in_batch: row 3 of the batch is about the same record (send each record once in a batch)
             forbidden: a customer may not be deleted by this login (ask the administrator for the right, or to open the entity's access)
        6 refused customer X
            code not_found: no customer has code X
        + new0 = event E number=?
    ");
}

#[test]
fn companies_have_records_of_their_own() {
    let stored = "
        unit U
        customer A %1 name=a
        customer A %2 name=b
    ";
    let rows = "
        customer A name=x
        customer A %2 name=x unit=U
        event E %2 customer=A
    ";
    check(
        stored,
        "upsert",
        rows,
        "
        1 updated customer A
        2 updated customer A
        3 added event E
        ~ customer A: name a -> x
        ~ customer A: name b -> x unit null -> U
        + new0 = event E customer=A number=?
    ",
    );
}

#[test]
fn a_dry_run_tells_differences() {
    let mut memory = Memory::of("customer L name=n place=x");
    let batch = Batch::new(read_parameters(&memory, "upsert dry"));
    let rows = rows(&memory.catalogue, "customer L name=m place=x\ncustomer A name=a parent=B\ncustomer B");
    let plan = memory.plan(&batch, rows, &mut Made::default());
    let fields: Vec<usize> = plan.differences.iter().map(|difference| difference.fields.len()).collect();
    assert_eq!(fields, [1, 0, 0]);
    assert_told(
        &memory.tell(&plan),
        "
        1 updated customer L
        2 refused customer A
            parent unknown_reference: no customer has code B (row 3 would add it, but is refused)
        3 refused customer B
            name required: name is required
        ~ customer L: name n -> m
        ? 1 updated
        ? 2 refused
        ? 3 refused
    ",
    );
}

#[test]
fn all_problems_of_a_row_are_told() {
    check(
        "customer A name=a number=N1",
        "upsert",
        "customer B number=N1 parent=X unit=Y",
        "
        1 refused customer B
            parent unknown_reference: no customer has code X
            unit unknown_reference: no unit has code Y
            name required: name is required
            number already_exists: number N1 belongs to customer A
    ",
    );
}
