use std::fmt::Write as _;

use domain::batch::{Outcome, Report, RowReport};
use domain::catalogue::Catalogue;
use domain::catalogue::file::{Overlay, overlaid};
use domain::names::Company;
use domain::row::{Cell, Row};
use domain::rule::Refusal;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::FieldsSet;
use super::report::{self, Context};
use super::rows::{Author, Batch, Reader};
use crate::names::{Bound, Names};
use crate::wire::{self, Json};

fn catalogue() -> Catalogue {
    overlaid(&Overlay::default()).unwrap()
}

fn bulk(bound: &Bound<'_>, rows: &[&RawValue]) -> Batch {
    let author = Author { user: Some("U1".into()), unit: None };
    Reader::new(bound, &TimeZone::UTC, &author).unwrap().bulk(rows)
}

/// The rows of a set of one kind as text: what is kept of each, and what is wrong with it.
fn read(path: &str, set: &str) -> String {
    let (names, catalogue) = (Names::read().unwrap(), catalogue());
    let kind = names.kinds.iter().find(|kind| kind.path == path).unwrap();
    let bound = Bound::new(&names, kind, &catalogue).unwrap();
    let (rows, _) = wire::array(set, 1000).unwrap();
    let batch = bulk(&bound, &rows);
    let mut text = String::new();
    for (n, (row, received)) in batch.rows.iter().zip(&batch.received).enumerate() {
        let _ = write!(text, "{} {}", row.number, row.id.as_deref().unwrap_or("-"));
        text.push_str(&cells(&bound, row));
        for used in batch.tokens.iter().filter(|used| used.row == n) {
            let _ = write!(text, " {}<{:?}", bound.entity.field(used.field).name, used.token);
        }
        for problem in &row.problems {
            let _ = write!(text, " !{}:{}", problem.field, problem.rule);
        }
        if received.contains(crate::decisions::MASK) {
            let _ = write!(text, " {received}");
        }
        text.push('\n');
    }
    text
}

fn cells(bound: &Bound<'_>, row: &Row) -> String {
    let mut text = String::new();
    for (field, cell) in &row.cells {
        let name = &bound.entity.field(*field).name;
        let _ = match cell {
            // In every row.
            _ if ["kind", "status", "user"].contains(&&**name) => Ok(()),
            Cell::Set(value) => write!(text, " {name}={value:?}"),
            Cell::Refer(named) => write!(text, " {name}~{:?}:{}", named.by, named.text),
            other => write!(text, " {name}={other:?}"),
        };
    }
    text
}

#[test]
fn a_web_row_says_this() {
    let set = r#"[{"request_unique_identifier":"a","accounts_receivable_identifier":{"number":"ACR1"},
        "performed_by_unit_identifier":{"name":"Admin Unit"},"performed_on":"1970-01-01T00:00:01","website":"w",
        "classification_identifier":{"alternative_code":"NL"},"udf_float_1":"2.5","udf_string_1":"","description":null,
        "external_system":"","process_immediately":true,"foo":[1]}]"#;
    insta::assert_snapshot!(read("web", set), @r#"1 a event_type~Key(KeyIx(0)):NL occurred_at=Datetime(1000) customer~Key(KeyIx(0)):ACR1 unit~Field(FieldIx(0)):Admin Unit website=Text("w") udf_string_1=Text("") udf_float_1=Float(2.5)"#);
}

#[test]
fn what_is_wrong_with_a_row_is_found_at_once() {
    let set = r#"[
        {},
        [],
        {"request_unique_identifier":7,"performed_on":"31/01/2020","website":8,"udf_string_1":"a\u0000b",
         "accounts_receivable_identifier":{"id":"A1","number":"N"},"performed_by_unit_identifier":"1"},
        {"request_unique_identifier":"\ud800","performed_on":20200131,"website":"","udf_float_1":"x","description":"\ud800",
         "accounts_receivable_identifier":{},"rewards_participant_identifier":{"number":16},
         "performed_by_unit_identifier":{"id":"a\u0000"}},
        {"request_unique_identifier":"a\u0000","accounts_receivable_identifier":null}
    ]"#;
    insta::assert_snapshot!(read("web", set), @r#"
    1 - !id:required !unit:required !occurred_at:required !website:required !customer|rewards_participant:required
    2 - !:wrong_type
    3 7 !customer.id|number|name|access_token_identifier:invalid_value !unit:wrong_type !occurred_at:invalid_value !udf_string_1:invalid_value !website:wrong_type
    4 - !id:wrong_type !customer.id|number|name|access_token_identifier:required !rewards_participant:wrong_type !unit:invalid_value !occurred_at:wrong_type !description:wrong_type !udf_float_1:wrong_type !website:required !customer|rewards_participant:invalid_value ***
    5 - !id:invalid_value !unit:required !occurred_at:required !website:required !customer|rewards_participant:required
    "#);
}

#[test]
fn access_tokens_are_kept_aside_and_never_kept_as_received() {
    let set = r#"[
        {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":"AC-1"}}},
        {"accounts_receivable_identifier":{"access_token_identifier":{"identifier":"ann","pass_code":"1234"}}},
        {"rewards_participant_identifier":{"access_token_identifier":{"identifier":"ann"}}},
        {"rewards_participant_identifier":{"access_token_identifier":{"one_time_password":424242}}},
        {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":"AC-1","one_time_password":1}}},
        {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":5}}},
        {"rewards_participant_identifier":{"access\u005ftoken\u005fidentifier":{"pass\u005fcode":"1234"}}}
    ]"#;
    insta::assert_snapshot!(read("web", set), @r#"
    1 - rewards_participant<AuthenticationCode("AC-1") !id:required !unit:required !occurred_at:required !website:required {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":"***"}}}
    2 - customer<Identifier { identifier: "ann", pass_code: "1234" } !id:required !unit:required !occurred_at:required !website:required {"accounts_receivable_identifier":{"access_token_identifier":{"identifier":"ann","pass_code":"***"}}}
    3 - !id:required !rewards_participant.access_token.pass_code:required !unit:required !occurred_at:required !website:required
    4 - rewards_participant<OneTimePassword("424242") !id:required !unit:required !occurred_at:required !website:required {"rewards_participant_identifier":{"access_token_identifier":{"one_time_password":"***"}}}
    5 - !id:required !rewards_participant.access_token.authentication_code|identifier|one_time_password:invalid_value !unit:required !occurred_at:required !website:required {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":"***","one_time_password":"***"}}}
    6 - !id:required !rewards_participant.access_token:wrong_type !unit:required !occurred_at:required !website:required {"rewards_participant_identifier":{"access_token_identifier":{"authentication_code":"***"}}}
    7 - !id:required !rewards_participant.access_token.authentication_code|identifier|one_time_password:required !unit:required !occurred_at:required !website:required {"rewards_participant_identifier":{"access_token_identifier":{"pass_code":"***"}}}
    "#);
}

#[test]
fn other_kinds_are_rows_of_the_same_table() {
    let achievement = r#"[{"request_unique_identifier":"h","rewards_participant_identifier":{"number":"16"},
        "performed_by_unit_identifier":{"id":"1"},"performed_on":"1970-01-01","amount":12.5,
        "product_identifier":{"code":"COFFEE","alternative_code":null}}]"#;
    insta::assert_snapshot!(read("achievements", achievement), @r#"1 h occurred_at=Datetime(0) unit~Code:1 rewards_participant~Key(KeyIx(0)):16 amount=Float(12.5) product_identifier=Json("{\"alternative_code\":null,\"code\":\"COFFEE\"}") !event_type:required"#);
    let like = r#"[{"request_unique_identifier":"s","accounts_receivable_identifier":{"id":"A1"},
        "performed_by_unit_identifier":{"id":"1"},"performed_on":"1970-01-01","social_media":"FACEBOOK",
        "profile":"ann","action":"SHARE"}]"#;
    insta::assert_snapshot!(read("social_media", like), @r#"1 s occurred_at=Datetime(0) customer~Code:A1 unit~Code:1 social_media=Text("FACEBOOK") profile=Text("ann") !action:invalid_value"#);
    let referral = r#"[{"request_unique_identifier":"r","referred_rewards_participant_identifier":{"number":"17"},
        "performed_by_unit_identifier":{"id":"1"},"performed_on":"1970-01-01"}]"#;
    insta::assert_snapshot!(read("referrals", referral), @r#"1 r occurred_at=Datetime(0) unit~Code:1 referred_rewards_participant~Key(KeyIx(0)):17 !referred_by_rewards_participant:required"#);
}

#[test]
fn a_list_of_fields_is_read_in_every_form() {
    let read = |json: Json<'_>| FieldsSet::read(&json);
    let both = read(Json::Text(" id , number,foo".into())).unwrap();
    assert!(both.wants("id") && both.wants("number") && !both.wants("type"));
    assert_eq!(both, read(Json::Array(r#"["id","number","foo"]"#)).unwrap());
    for all in [Json::Null, Json::Text("".into()), Json::Text(" ".into()), Json::Array("[]")] {
        assert!(read(all).unwrap().wants("type"));
    }
    assert!(!read(Json::Text("foo".into())).unwrap().wants("id"));
    assert!(read(Json::Number("1")).is_err() && read(Json::Array("[1]")).is_err());
}

/// A report as the engine would make it of rows whose problems the wire alone shows.
fn report(bound: &Bound<'_>, batch: &Batch) -> Report {
    let mut report = Report::default();
    for row in &batch.rows {
        let outcome = if row.problems.is_empty() { Outcome::Added } else { Outcome::Refused };
        report.counts.count(outcome);
        report.rows.push(RowReport {
            row: row.number,
            id: row.id.clone(),
            entity: bound.entity.ix,
            outcome,
            record: None,
            company: Company(1),
            code: (outcome == Outcome::Added).then(|| "0A".into()),
            revision: 0,
            numbers: vec![(bound.field("number").unwrap(), row.number.to_string().into())],
        });
        report.refusals.extend(row.problems.iter().map(|problem| Refusal {
            row: row.number,
            line: None,
            entity: "event".into(),
            id: row.id.clone(),
            problem: problem.clone(),
        }));
    }
    report
}

/// The answer of a bulk call to rows without mistakes of their references.
fn answer(set: &str, fields_set: &str) -> String {
    let (names, catalogue) = (Names::read().unwrap(), catalogue());
    let bound = Bound::new(&names, &names.kinds[0], &catalogue).unwrap();
    let (rows, _) = wire::array(set, 1000).unwrap();
    let mut batch = bulk(&bound, &rows);
    let report = report(&bound, &batch);
    let context = Context::of(&mut batch);
    let fields_set = FieldsSet::read(&Json::Text(fields_set.into())).unwrap();
    let created = report::created(&bound, &report, &context, bound.field("number").unwrap(), &fields_set);
    serde_json::to_string_pretty(&created).unwrap()
}

const GOOD: &str = r#"{"request_unique_identifier":"a","accounts_receivable_identifier":{"number":"N"},
    "performed_by_unit_identifier":{"id":"1"},"performed_on":"1970-01-01","website":"w"}"#;

#[test]
fn rows_are_told_apart_in_the_answer() {
    let set =
        format!(r#"[{GOOD},{{"request_unique_identifier":"b\u0000"}},{{"request_unique_identifier":5}}]"#);
    insta::assert_snapshot!(answer(&set, ""), @r#"
    {
      "processed_customer_events_set": [
        {
          "request_unique_identifier": "a",
          "id": "0A",
          "number": "1"
        }
      ],
      "unprocessed_customer_events_set": [
        {
          "request_unique_identifier": "b\u0000",
          "error_code": "MandatoryAPIParameterException",
          "error_description": "Error:Parameter (performed_by_unit_identifier) is mandatory. - Description:A mandatory API parameter was not specified."
        },
        {
          "request_unique_identifier": "5",
          "error_code": "MandatoryAPIParameterException",
          "error_description": "Error:Parameter (performed_by_unit_identifier) is mandatory. - Description:A mandatory API parameter was not specified."
        }
      ]
    }
    "#);
    insta::assert_snapshot!(answer(&format!("[{GOOD}]"), "id"), @r#"
    {
      "processed_customer_events_set": [
        {
          "request_unique_identifier": "a",
          "id": "0A"
        }
      ],
      "unprocessed_customer_events_set": []
    }
    "#);
    assert_eq!(answer(&format!("[{GOOD}]"), "foo"), answer(&format!("[{GOOD}]"), "id,number"));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        prop_oneof![Just("2020-01-31T09:30:00".to_owned()), Just("a\0".to_owned()), "\\PC{0,8}"]
            .prop_map(Into::into),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "request_unique_identifier",
            "accounts_receivable_identifier",
            "rewards_participant_identifier",
            "access_token_identifier",
            "performed_by_unit_identifier",
            "performed_on",
            "website",
            "id",
            "number",
            "pass_code",
            "identifier",
            "udf_float_1",
            "udf_date_1",
            "product_identifier",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_every_row_is_told(rows in prop::collection::vec(json(), 0..6), kind in 0..6_usize) {
        let (names, catalogue) = (Names::read().unwrap(), catalogue());
        let bound = Bound::new(&names, &names.kinds[kind], &catalogue).unwrap();
        let set = serde_json::to_string(&rows).unwrap();
        let (raw, count) = wire::array(&set, 1000).unwrap();
        prop_assert_eq!(count, rows.len());
        let mut batch = bulk(&bound, &raw);
        prop_assert_eq!(batch.rows.len(), count);
        prop_assert_eq!(batch.received.len(), count);
        let report = report(&bound, &batch);
        let context = Context::of(&mut batch);
        let number = bound.field("number").unwrap();
        let created = report::created(&bound, &report, &context, number, &FieldsSet::default());
        let told = created.processed_customer_events_set.len() + created.unprocessed_customer_events_set.len();
        prop_assert_eq!(told, count);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,60}") {
        let (names, catalogue) = (Names::read().unwrap(), catalogue());
        let bound = Bound::new(&names, &names.kinds[0], &catalogue).unwrap();
        if let Ok(members) = wire::object(&text, &bound.kind.lookup) {
            let reader = Reader::new(&bound, &TimeZone::UTC, &Author::default()).unwrap();
            prop_assert_eq!(reader.single(&text, &members).rows.len(), 1);
        }
        let _ = wire::array(&text, 10);
    }
}
