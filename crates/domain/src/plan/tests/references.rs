//! References: to stored records, and to rows of the same call.

use super::*;

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
