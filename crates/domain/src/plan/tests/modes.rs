//! What each mode does with the record that a row meets.

use super::*;

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
