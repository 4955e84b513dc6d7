//! Records and unique keys that come twice.

use super::*;

#[test]
fn the_same_record_twice() {
    let rows = "
        customer L name=a
        customer - number=N1 name=b
        customer - number=N1 name=c
        customer K name=k
    ";
    let by_key = "match=customer:code,number";
    check(STATES, &format!("upsert {by_key} repeated=refuse_all"), rows, "
        1 refused customer L
            code duplicate_in_batch: row 2 of the batch is about the same record (send each record once in a batch)
        2 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        3 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        4 added customer K
        + new0 = customer K name=k state=ACTIVE
    ");
    check(STATES, &format!("upsert {by_key} repeated=first_wins"), rows, "
        1 updated customer L
        2 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        3 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        4 added customer K
        ~ customer L: name n -> a
        + new0 = customer K name=k state=ACTIVE
    ");
    // In turn means in chunks of their own: within one, the later rows fall.
    check(STATES, &format!("upsert {by_key} repeated=in_turn"), rows, "
        1 updated customer L
        2 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        3 refused customer L
            code duplicate_in_batch: row 1 of the batch is about the same record (send each record once in a batch)
        4 added customer K
        ~ customer L: name n -> a
        + new0 = customer K name=k state=ACTIVE
    ");
}

#[test]
fn what_the_whole_batch_shows_refuses_a_row() {
    let mut memory = Memory::of("");
    let mut batch = Batch::new(Parameters::new(Mode::Upsert, Commit::Alone));
    let problem = Problem::new("code", Rule::DuplicateInBatch, "row 9 of the batch is about the same record");
    batch.known.insert(1, problem);
    check_batch(
        &mut memory,
        &batch,
        "customer A\nevent E customer=A",
        "
        1 refused customer A
            code duplicate_in_batch: row 9 of the batch is about the same record
            name required: name is required
        2 refused event E
            customer unknown_reference: no customer has code A (row 1 would add it, but is refused)
    ",
    );
}

#[test]
fn a_unique_key_is_taken_once() {
    let stored = "
        customer A name=a number=N1
        customer B name=b number=N2
        customer D name=d number=N3 deleted
        event E system=s foreign=1
        event F foreign=1
    ";
    let rows = "
        customer X name=x number=N1
        customer B number=N1
        customer Y name=y number=N3
        customer U name=u number=N4
        customer V name=v number=N4
        event G foreign=1
        event H system=t foreign=1
        event I system=s
        event J system=s
        event E label=same
    ";
    check(
        stored,
        "upsert",
        rows,
        "
        1 refused customer X
            number already_exists: number N1 belongs to customer A
        2 refused customer B
            number already_exists: number N1 belongs to customer A
        3 refused customer Y
            number already_exists: number N3 belongs to customer D
        4 added customer U
        5 refused customer V
            number duplicate_in_batch: row 4 of the batch has the same number
        6 refused event G
            foreign already_exists: foreign (none) / 1 belongs to event F
        7 added event H
        8 added event I
        9 added event J
        10 updated event E
        + new0 = customer U name=u number=N4 state=ACTIVE
        + new1 = event H system=t foreign=1 number=?
        + new2 = event I system=s number=?
        + new3 = event J system=s number=?
        ~ event E: label null -> same
    ",
    );
}

#[test]
fn keys_with_references_to_rows_of_the_batch() {
    let rows = "
        customer A name=a
        customer B name=b
        contact P customer=A position=1
        contact Q customer=B position=1
        contact R customer=B position=1
    ";
    check(
        "",
        "upsert",
        rows,
        "
        1 added customer A
        2 added customer B
        3 added contact P
        4 added contact Q
        5 refused contact R
            position duplicate_in_batch: row 4 of the batch has the same position
        + new0 = customer A name=a state=ACTIVE
        + new1 = customer B name=b state=ACTIVE
        + new2 = contact P customer=new0 position=1 level 1
        + new3 = contact Q customer=new1 position=1 level 1
    ",
    );
}

#[test]
fn two_match_keys_in_order() {
    let stored = "
        event E1 number=N1 system=s foreign=1
        event E2 number=N2 system=s foreign=2
        event E3 number=N3 deleted
    ";
    let rows = "
        event - number=N1 label=a
        event - number=N9 system=s foreign=2 label=b
        event E9 number=N8 system=s foreign=3
        event NEW number=N3 label=c
    ";
    check(
        stored,
        "upsert match=event:number,foreign",
        rows,
        "
        1 updated event E1
        2 updated event E2
        3 added event E9
        4 added event NEW
        ~ event E1: label null -> a
        ~ event E2: label null -> b number N2 -> N9
        + new0 = event E9 number=N8 system=s foreign=3
        * event E3 as NEW label=c number=N3
    ",
    );
    check(
        stored,
        "update match=event:foreign,code",
        "event E2 foreign=9\nevent R2 system=s foreign=1",
        "
        1 updated event E2
        2 updated event R2
        ~ event E2: foreign 2 -> 9
        ~ event E1: code E1 -> R2
    ",
    );
    check(stored, "create match=event:number", "event E1 number=X", "
        1 refused event E1
            code already_exists: event E1 exists already (send it with mode update or upsert, or choose another code)
    ");
}
