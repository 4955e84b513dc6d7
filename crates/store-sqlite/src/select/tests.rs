use domain::catalogue::Catalogue;
use domain::names::{Company, InternalId};

use super::*;
use crate::config::Config;
use crate::connect::{Purpose, connect};
use crate::project::bring_up_to_date;

/// What SQLite says it will do for a question on events, for each of its statements.
fn plans(question: impl Fn(&Catalogue) -> Select) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let conn = connect(&folder.path().join("plan.db"), Purpose::Create, &Config::default()).unwrap();
    let catalogue = bring_up_to_date(&conn).unwrap();
    let select = question(&catalogue);
    let entity = catalogue.entity(select.entity);
    legs(entity, &select)
        .iter()
        .map(|leg| {
            let sql = page_sql(entity, &select, leg, 100);
            let mut statement = conn.prepare_cached(&format!("EXPLAIN QUERY PLAN {}", sql.text)).unwrap();
            sql.bind(&mut statement).unwrap();
            let mut rows = statement.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            steps.join("; ")
        })
        .collect()
}

fn events(catalogue: &Catalogue, filter: Option<Condition>, order: &[(&str, bool)]) -> Select {
    let event = catalogue.find("event").unwrap();
    let order = order.iter().map(|(name, descends)| {
        let column = match *name {
            "code" => Column::Code,
            name => Column::Field(event.field_ix(name).unwrap()),
        };
        (column, *descends)
    });
    Select { filter, order: order.collect(), ..Select::all(event, Company(1)) }
}

fn of_customer(catalogue: &Catalogue) -> Option<Condition> {
    let customer = catalogue.find("event").unwrap().field_ix("customer").unwrap();
    let value = Value::Reference(InternalId(1));
    Some(Condition::Compare(Column::Field(customer), Comparison::Eq, value))
}

#[test]
fn events_of_a_customer_by_date_come_from_the_index() {
    let plan = plans(|catalogue| events(catalogue, of_customer(catalogue), &[("occurred_at", false)]));
    assert_eq!(plan, ["SEARCH e_event USING INDEX i_event_customer_occurred_at (f_customer=?)"]);
}

#[test]
fn the_next_page_of_events_of_a_customer_begins_at_its_bound() {
    let plan = plans(|catalogue| {
        let after = Some(vec![Value::Datetime(5), Value::Integer(7)]);
        Select { after, ..events(catalogue, of_customer(catalogue), &[("occurred_at", false)]) }
    });
    assert_eq!(
        plan,
        ["SEARCH e_event USING INDEX i_event_customer_occurred_at (f_customer=? AND f_occurred_at>?)"]
    );
}

#[test]
fn the_latest_events_of_a_customer_sort_ties_alone() {
    let plan = plans(|catalogue| events(catalogue, of_customer(catalogue), &[("occurred_at", true)]));
    assert_eq!(
        plan,
        ["SEARCH e_event USING INDEX i_event_customer_occurred_at (f_customer=?); \
          USE TEMP B-TREE FOR LAST TERM OF ORDER BY"]
    );
}

#[test]
fn all_records_come_in_the_order_of_the_table() {
    let plan =
        plans(|catalogue| Select { after: Some(vec![Value::Integer(7)]), ..events(catalogue, None, &[]) });
    assert_eq!(plan, ["SEARCH e_event USING INTEGER PRIMARY KEY (rowid>?)"]);
}

#[test]
fn a_number_is_found_by_its_key() {
    let plan = plans(|catalogue| {
        let number = catalogue.find("event").unwrap().field_ix("number").unwrap();
        let filter = Condition::Compare(Column::Field(number), Comparison::Eq, Value::text("N1"));
        events(catalogue, Some(filter), &[])
    });
    assert!(plan[0].contains("INDEX u_event_number (company=? AND f_number=?)"), "{plan:?}");
}

#[test]
fn codes_come_in_the_order_of_their_index() {
    let plan = plans(|catalogue| events(catalogue, None, &[("code", false)]));
    assert_eq!(plan, ["SEARCH e_event USING INDEX u_event_code (company=?)"]);
}

#[test]
fn a_prefix_ends_where_the_next_begins() {
    assert_eq!(next_prefix("ab").as_deref(), Some("ac"));
    assert_eq!(next_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
    assert_eq!(next_prefix("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(next_prefix("\u{10ffff}"), None);
    assert_eq!(next_prefix(""), None);
}
