use super::*;
use crate::batch::{Commit, Deletion, Derived, MatchKey, NotNamed, ReferenceCheck, Repeated, Test};
use crate::memory::{Batch, Memory, lines, mode_of, rows};

mod laws;

/// Plans `incoming` over `stored` under `parameters` and compares what the plan says.
///
/// Parameters are words such as `update`, `deleted=taken`, `match=event:number,code`.
#[track_caller]
fn check(stored: &str, parameters: &str, incoming: &str, expected: &str) {
    let mut memory = Memory::of(stored);
    let batch = Batch::new(read_parameters(&memory, parameters));
    check_batch(&mut memory, &batch, incoming, expected);
}

#[track_caller]
fn check_batch(memory: &mut Memory, batch: &Batch<'_>, incoming: &str, expected: &str) {
    let rows = rows(&memory.catalogue, incoming);
    let plan = memory.plan(batch, rows, &mut Made::default());
    assert_told(&memory.tell(&plan), expected);
    // Whatever is planned can be written.
    memory.carry_out(plan, &mut Vec::new());
}

#[track_caller]
fn assert_told(told: &str, expected: &str) {
    let trimmed = |text: &str| lines(text).collect::<Vec<_>>().join("\n");
    assert!(trimmed(told) == trimmed(expected), "told:\n{told}\nexpected:\n{expected}");
}

fn read_parameters(memory: &Memory, text: &str) -> Parameters {
    let catalogue = &memory.catalogue;
    let mut parameters = Parameters::new(Mode::Upsert, Commit::Alone);
    let field = |path: &str| {
        let (entity, field) = path.split_once('.').unwrap();
        let entity = catalogue.find(entity).unwrap();
        (entity.ix, entity.field_ix(field).unwrap())
    };
    for word in text.split_whitespace() {
        if let Some(mode) = mode_of(word) {
            parameters.mode = mode;
            continue;
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name, value) {
            ("deleted", "taken") => parameters.deleted_met = DeletedMet::Taken,
            ("deleted", "not_found") => parameters.deleted_met = DeletedMet::NotFound,
            ("deleted", "revive") => parameters.deleted_met = DeletedMet::Revive,
            ("absent_unchanged", _) => parameters.absent_deleted_unchanged = true,
            ("physical", _) => parameters.deletion = Deletion::Physical,
            ("repeated", "refuse_all") => parameters.repeated = Repeated::RefuseAll,
            ("repeated", "first_wins") => parameters.repeated = Repeated::FirstWins,
            ("repeated", "in_turn") => parameters.repeated = Repeated::InTurn,
            ("hex", _) => parameters.code_form = crate::batch::CodeForm::Hex,
            ("dry", _) => parameters.dry_run = true,
            ("time", path) => parameters.source_time.push(field(path)),
            ("match", value) => {
                let (entity, keys) = value.split_once(':').unwrap();
                let entity = catalogue.find(entity).unwrap();
                let key = |name| match entity.find_key(name) {
                    Some((key, _)) => MatchKey::Key(key),
                    None => MatchKey::Code,
                };
                parameters.match_on.push((entity.ix, keys.split(',').map(key).collect()));
            }
            // derive=event.unit:customer:unit fills event.unit from customer.unit.
            ("derive", value) => {
                let parts: Vec<&str> = value.split(':').collect();
                let (entity, filled) = field(parts[0]);
                let from = catalogue.entity(entity).field_ix(parts[1]).unwrap();
                let target = catalogue.entity(entity).field(from).kind.target().unwrap();
                let of = catalogue.entity(target).field_ix(parts[2]).unwrap();
                parameters.derived.push((entity, Derived { field: filled, from, of }));
            }
            // check=event.customer:state:ACTIVE wants the customer of an event active.
            ("check", value) => {
                let parts: Vec<&str> = value.split(':').collect();
                let (entity, of_row) = field(parts[0]);
                let target = catalogue.entity(entity).field(of_row).kind.target().unwrap();
                let check = ReferenceCheck {
                    field: of_row,
                    of: catalogue.entity(target).field_ix(parts[1]).unwrap(),
                    test: Test::Is(Value::text(parts[2])),
                    rule: Rule::InvalidValue,
                    message: format!("it is not {}", parts[2]).into(),
                };
                parameters.reference_checks.push((entity, check));
            }
            // gone=1:contact.customer deletes contacts of row 1 that are not named.
            ("gone" | "gone_for_good", value) => {
                let (row, path) = value.split_once(':').unwrap();
                let (child, via) = field(path);
                let deletion = if name == "gone" { Deletion::Logical } else { Deletion::Physical };
                parameters.not_named.push(NotNamed {
                    child,
                    via,
                    parent_row: row.parse().unwrap(),
                    deletion,
                });
            }
            _ => panic!("no parameter {word}"),
        }
    }
    parameters
}

/// A customer in each state.
const STATES: &str = "
    customer L name=n number=N1 place=x
    customer D name=n place=x deleted
    customer M name=n merged:L
";

#[test]
fn create_adds_and_meets() {
    let rows = "
        customer A name=a
        customer L name=a
        customer D name=a
    ";
    check(STATES, "create", rows, "
        1 added customer A
        2 refused customer L
            code already_exists: customer L exists already (send it with mode update or upsert, or choose another code)
        3 added customer D
        + new0 = customer A name=a state=ACTIVE
        * customer D as D name=a state=ACTIVE
    ");
    check(STATES, "create", "customer M name=a", "
        1 refused customer L
            code already_exists: customer L exists already (send it with mode update or upsert, or choose another code)
    ");
    check(
        STATES,
        "create deleted=taken",
        "customer D name=a",
        "
        1 refused customer D
            code already_exists: customer D is deleted, and its key stays taken (choose another code)
    ",
    );
    check(
        STATES,
        "create deleted=not_found",
        "customer D name=a",
        "
        1 refused customer D
            code already_exists: customer D is deleted, and its key stays taken (choose another code)
    ",
    );
}

#[test]
fn update_changes_what_is_live() {
    let rows = "
        customer A name=a
        customer L name=a
        customer D name=a
    ";
    check(
        STATES,
        "update",
        rows,
        "
        1 refused customer A
            code not_found: no customer has code A
        2 updated customer L
        3 refused customer D
            code not_found: no customer has code D
        ~ customer L: name n -> a
    ",
    );
    check(
        STATES,
        "update deleted=taken",
        "customer D name=a",
        "
        1 refused customer D
            code not_found: no customer has code D
    ",
    );
    check(
        STATES,
        "update deleted=not_found",
        "customer D name=a",
        "
        1 refused customer D
            code not_found: no customer has code D
    ",
    );
    check(
        STATES,
        "update",
        "customer M name=a",
        "
        1 updated customer L
        ~ customer L: name n -> a
    ",
    );
}

#[test]
fn upsert_adds_or_changes() {
    let rows = "
        customer A name=a
        customer L name=a
        customer D name=a
    ";
    check(
        STATES,
        "upsert",
        rows,
        "
        1 added customer A
        2 updated customer L
        3 added customer D
        + new0 = customer A name=a state=ACTIVE
        ~ customer L: name n -> a
        * customer D as D name=a state=ACTIVE
    ",
    );
    check(
        STATES,
        "upsert deleted=taken",
        "customer D name=a",
        "
        1 refused customer D
            code already_exists: customer D is deleted, and its key stays taken (choose another code)
    ",
    );
    check(
        STATES,
        "upsert",
        "customer M name=a",
        "
        1 updated customer L
        ~ customer L: name n -> a
    ",
    );
}

#[test]
fn replace_empties_what_is_not_named() {
    let rows = "
        customer A name=a
        customer L name=a
        customer D name=a
    ";
    check(
        STATES,
        "replace",
        rows,
        "
        1 added customer A
        2 updated customer L
        3 added customer D
        + new0 = customer A name=a state=ACTIVE
        ~ customer L: name n -> a number N1 -> null state null -> ACTIVE place x -> null
        * customer D as D name=a state=ACTIVE
    ",
    );
    check(
        STATES,
        "replace",
        "customer M name=a",
        "
        1 updated customer L
        ~ customer L: name n -> a number N1 -> null state null -> ACTIVE place x -> null
    ",
    );
    // What numbers itself and what callers cannot send stays.
    check(
        "customer A name=a score=7",
        "replace",
        "customer A name=a state=ACTIVE",
        "
        1 updated customer A
        ~ customer A: state null -> ACTIVE
    ",
    );
    check(
        "event E number=X label=a",
        "replace",
        "event E",
        "
        1 updated event E
        ~ event E: label a -> null
    ",
    );
    check(
        "event E number=X label=a",
        "replace",
        "event E number=null",
        "
        1 updated event E
        ~ event E: label a -> null
    ",
    );
    // A default is what an absent field is in a new record.
    check(
        "customer A name=a state=OLD",
        "replace",
        "customer A name=a",
        "
        1 updated customer A
        ~ customer A: state OLD -> ACTIVE
    ",
    );
    check("customer A name=a state=ACTIVE", "replace", "customer A name=a", "1 unchanged customer A");
}

#[test]
fn delete_marks_and_removes() {
    let rows = "
        customer A
        customer L
        customer D
    ";
    check(
        STATES,
        "delete",
        rows,
        "
        1 refused customer A
            code not_found: no customer has code A
        2 deleted customer L
        3 refused customer D
            code not_found: no customer has code D
        - customer L Deleted
    ",
    );
    check(
        STATES,
        "delete absent_unchanged",
        rows,
        "
        1 unchanged customer A
        2 deleted customer L
        3 unchanged customer D
        - customer L Deleted
    ",
    );
    check(
        "customer L name=n",
        "delete physical",
        "customer L",
        "
        1 deleted customer L
        - customer L for good
    ",
    );
    check(
        STATES,
        "delete",
        "customer M",
        "
        1 deleted customer L
        - customer L Deleted
    ",
    );
}

#[test]
fn a_row_may_say_its_own_mode() {
    let rows = "
        update customer L place=y
        delete customer K
        create customer A name=a
    ";
    check(
        "customer L name=n\ncustomer K name=k",
        "upsert",
        rows,
        "
        1 updated customer L
        2 deleted customer K
        3 added customer A
        ~ customer L: place null -> y
        - customer K Deleted
        + new0 = customer A name=a state=ACTIVE
    ",
    );
}

#[test]
fn an_equal_row_is_left_alone() {
    let rows = "
        customer L name=n number=N1
        customer K name=k parent=L
        customer J name=j parent=number:N1
    ";
    let stored = "
        customer L name=n number=N1
        customer K name=k parent=L
        customer J name=j
    ";
    check(
        stored,
        "upsert",
        rows,
        "
        1 unchanged customer L
        2 unchanged customer K
        3 updated customer J
        ~ customer J: parent null -> L
    ",
    );
}

#[test]
fn what_is_required_must_be_there() {
    check(
        "",
        "upsert",
        "customer A\ncustomer B name=null\nunit U",
        "
        1 refused customer A
            name required: name is required
        2 refused customer B
            name required: name is required
        3 added unit U
        + new0 = unit U
    ",
    );
    check(
        "customer A name=a",
        "upsert",
        "customer A name=null\ncustomer A2 name=b",
        "
        1 refused customer A
            name required: name is required
        2 added customer A2
        + new0 = customer A2 name=b state=ACTIVE
    ",
    );
    check(
        "customer A name=a",
        "replace",
        "customer A place=x",
        "
        1 refused customer A
            name required: name is required
    ",
    );
}

#[test]
fn defaults_fill_what_a_new_row_does_not_name() {
    check(
        "",
        "upsert",
        "customer A name=a\ncustomer B name=b state=OLD\ncustomer C name=c state=null",
        "
        1 added customer A
        2 added customer B
        3 added customer C
        + new0 = customer A name=a state=ACTIVE
        + new1 = customer B name=b state=OLD
        + new2 = customer C name=c
    ",
    );
    check(
        "customer A name=a state=OLD",
        "upsert",
        "customer A name=b",
        "
        1 updated customer A
        ~ customer A: name a -> b
    ",
    );
}

#[test]
fn an_unknown_reference_names_the_nearest_key() {
    let stored = "
        customer C1001 name=n number=ACR00045001
        customer C1002 name=n place=x
        customer C1003 name=n place=x
        customer GONE name=n deleted
        unit U1
    ";
    let rows = "
        event A customer=C1009
        event B customer=number:ACR00045000
        event C customer=elsewhere
        event D customer=place:x
        event E customer=GONE
        event F unit=U2 customer=id:17
    ";
    check(stored, "upsert", rows, "
        1 refused event A
            customer unknown_reference: no customer has code C1009 (did you mean C1003?)
        2 refused event B
            customer unknown_reference: no customer has number ACR00045000 (did you mean ACR00045001?)
        3 refused event C
            customer unknown_reference: no customer has code elsewhere
        4 refused event D
            customer ambiguous_reference: several records of customer have place x (name the record by its code)
        5 refused event E
            customer unknown_reference: no customer has code GONE
        6 refused event F
            customer unknown_reference: no customer has id 17
            unit unknown_reference: no unit has code U2 (did you mean U1?)
    ");
}

#[test]
fn references_name_by_code_key_field_and_id() {
    let stored = "
        customer C1 name=n number=N1 place=x
        customer C2 name=n merged:C1
        unit U1
    ";
    let rows = "
        event A customer=C1 unit=U1
        event B customer=number:N1
        event C customer=place:x
        event D customer=id:1010000000001
        event E customer=C2
        contact F customer=C1 units=U1,U1
    ";
    check(
        stored,
        "upsert",
        rows,
        "
        1 added event A
        2 added event B
        3 added event C
        4 added event D
        5 added event E
        6 added contact F
        + new0 = event A customer=C1 unit=U1 number=?
        + new1 = event B customer=C1 number=?
        + new2 = event C customer=C1 number=?
        + new3 = event D customer=C1 number=?
        + new4 = event E customer=C1 number=?
        + new5 = contact F customer=C1 units=[U1,U1]
    ",
    );
}

#[test]
fn rows_refer_to_one_another_in_any_order() {
    let rows = "
        event E customer=number:N3
        customer C parent=B name=c number=N3
        customer B parent=A name=b
        customer A name=a
        contact P customer=B units=U,V
        unit U
        unit V
    ";
    check(
        "",
        "upsert",
        rows,
        "
        1 added event E
        2 added customer C
        3 added customer B
        4 added customer A
        5 added contact P
        6 added unit U
        7 added unit V
        + new0 = event E customer=new1 number=? level 3
        + new1 = customer C name=c number=N3 state=ACTIVE parent=new2 level 2
        + new2 = customer B name=b state=ACTIVE parent=new3 level 1
        + new3 = customer A name=a state=ACTIVE
        + new4 = contact P customer=new2 units=[new5,new6] level 2
        + new5 = unit U
        + new6 = unit V
    ",
    );
}

#[test]
fn a_circle_is_closed_afterwards() {
    let rows = "
        customer A name=a parent=B
        customer B name=b parent=C
        customer C name=c parent=B
        customer S name=s parent=S
    ";
    check(
        "",
        "upsert",
        rows,
        "
        1 added customer A
        2 added customer B
        3 added customer C
        4 added customer S
        + new0 = customer A name=a state=ACTIVE parent=new1 level 1
        + new1 = customer B name=b state=ACTIVE parent=new2 patched parent
        + new2 = customer C name=c state=ACTIVE parent=new1 level 1
        + new3 = customer S name=s state=ACTIVE parent=new3 patched parent
    ",
    );
}

#[test]
fn a_reference_to_a_refused_row_falls_with_it() {
    let rows = "
        event E customer=A
        customer A parent=B name=a
        customer B parent=C name=b
        customer C
        customer F name=f
        contact P units=X,U customer=F
        unit U
    ";
    check(
        "",
        "upsert",
        rows,
        "
        1 refused event E
            customer unknown_reference: no customer has code A (row 2 would add it, but is refused)
        2 refused customer A
            parent unknown_reference: no customer has code B (row 3 would add it, but is refused)
        3 refused customer B
            parent unknown_reference: no customer has code C (row 4 would add it, but is refused)
        4 refused customer C
            name required: name is required
        5 added customer F
        6 refused contact P
            units unknown_reference: no unit has code X
        7 added unit U
        + new0 = customer F name=f state=ACTIVE
        + new1 = unit U
    ",
    );
}

#[test]
fn a_reference_to_an_existing_record_by_a_key_it_just_takes() {
    let stored = "
        customer C name=n number=OLD
        event E customer=C
    ";
    let rows = "
        event E customer=number:NEW
        event F customer=number:NEW
        customer C number=NEW
    ";
    check(
        stored,
        "upsert",
        rows,
        "
        1 unchanged event E
        2 added event F
        3 updated customer C
        + new0 = event F customer=C number=?
        ~ customer C: number OLD -> NEW
    ",
    );
}

#[test]
fn a_deleted_record_is_referred_to_only_when_it_comes_back() {
    check(
        "customer D name=n deleted",
        "upsert",
        "event E customer=D\ncustomer D name=d",
        "
        1 added event E
        2 added customer D
        + new0 = event E customer=D number=?
        * customer D as D name=d state=ACTIVE
    ",
    );
    let rows = "event E customer=D\ndelete customer D";
    check(
        "customer D name=n deleted",
        "upsert absent_unchanged",
        rows,
        "
        1 refused event E
            customer unknown_reference: no customer has code D (row 2 leaves it deleted)
        2 unchanged customer D
    ",
    );
}

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
