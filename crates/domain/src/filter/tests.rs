use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::catalogue::file::{EntityFile, compile};
use crate::catalogue::{Catalogue, EntityIx, FieldIx, KeyIx};
use crate::field::Reading;
use crate::memory::{COMPANY, Memory};
use crate::names::InternalId;
use crate::query::{Column, Condition};
use crate::row::By;
use crate::value::Value;

const CUSTOMER: &str = "
name = 'customer'
plural = 'customers'
prefix = 101
[[field]]
name = 'number'
type = 'text(60)'
[[field]]
name = 'name'
type = 'text(60)'
search = true
[[key]]
name = 'number'
fields = ['number']
";

const EVENT: &str = "
name = 'event'
plural = 'events'
prefix = 104
[[field]]
name = 'label'
type = 'text(20)'
search = true
[[field]]
name = 'status'
type = 'text(20)'
[[field]]
name = 'customer'
type = 'reference(customer)'
[[field]]
name = 'amount'
type = 'decimal(8,2)'
[[field]]
name = 'count'
type = 'integer'
[[field]]
name = 'ratio'
type = 'float'
[[field]]
name = 'done'
type = 'boolean'
[[field]]
name = 'occurred_at'
type = 'datetime'
[[field]]
name = 'day'
type = 'date'
[[field]]
name = 'picture'
type = 'binary'
[[field]]
name = 'token'
type = 'text(60)'
secret = true
";

fn catalogue() -> Catalogue {
    let files: Vec<EntityFile> = [CUSTOMER, EVENT].iter().map(|text| toml::from_str(text).unwrap()).collect();
    compile(0, &files).unwrap()
}

/// Customers C1 and C2, the first with the number N1.
fn look_up(_: EntityIx, by: By, texts: Vec<Box<str>>) -> Result<Vec<Option<InternalId>>, ()> {
    let id = |text: Box<str>| match (by, &*text) {
        (By::Code, "C1") | (By::Key(_), "N1") => Some(InternalId(1)),
        (By::Code, "C2") => Some(InternalId(2)),
        _ => None,
    };
    Ok(texts.into_iter().map(id).collect())
}

fn resolve(text: &str) -> Result<Condition, FilterFault> {
    let catalogue = catalogue();
    let reading = Reading { zone: TimeZone::get("Europe/Paris").unwrap(), lenient: false };
    let event = catalogue.find("event").unwrap().ix;
    parse(text)?.resolve(&catalogue, event, &reading, &mut look_up).map_err(|error| match error {
        ResolveError::Fault(fault) => fault,
        ResolveError::Lookup(()) => unreachable!("looking up never fails here"),
    })
}

/// A condition as text, with the names of columns.
fn shown(condition: &Condition) -> String {
    let catalogue = catalogue();
    let event = catalogue.find("event").unwrap();
    let column = |column: &Column| match column {
        Column::Field(ix) => event.field(*ix).name.to_string(),
        other => format!("{other:?}"),
    };
    let list = |parts: &[Condition]| parts.iter().map(shown).collect::<Vec<_>>().join(" ");
    match condition {
        Condition::And(parts) => format!("(and {})", list(parts)),
        Condition::Or(parts) => format!("(or {})", list(parts)),
        Condition::Not(part) => format!("(not {})", shown(part)),
        Condition::Compare(of, comparison, value) => format!("({comparison:?} {} {value:?})", column(of)),
        Condition::In(of, values) => format!("(In {} {values:?})", column(of)),
        Condition::IsNull(of) => format!("(null {})", column(of)),
        Condition::Never => "never".to_owned(),
    }
}

fn check(text: &str, expected: &str) {
    let told = match resolve(text) {
        Ok(condition) => shown(&condition),
        Err(fault) => fault.to_string(),
    };
    assert_eq!(told, expected, "{text}");
}

#[test]
fn not_binds_before_and_before_or() {
    check(
        "not done eq true and count gt 1 or status is null",
        "(or (and (not (Eq done Boolean(true))) (Gt count Integer(1))) (null status))",
    );
    check("NOT (count LE 1 Or count GE 9)", "(not (or (Le count Integer(1)) (Ge count Integer(9))))");
    check("status is not null", "(not (null status))");
}

#[test]
fn values_have_the_types_of_their_fields() {
    check("label eq 'it''s'", "(Eq label Text(\"it's\"))");
    check("amount ge 12.5", "(Ge amount Decimal(1250))");
    check("amount in (1, -2.00)", "(In amount [Decimal(100), Decimal(-200)])");
    check("ratio lt 1e-3", "(Lt ratio Float(0.001))");
    check("day eq 2026-01-01", "(Eq day Date(20454))");
    check(
        "label contains 'x' and code startswith 'E'",
        "(and (Contains label Text(\"x\")) (StartsWith Code Text(\"E\")))",
    );
    check("id eq 1040000000001", "(Eq Id Integer(1040000000001))");
    check("revision gt 7", "(Gt Revision Integer(7))");
    check("status eq 'longer than the field can be'", "(Eq status Text(\"longer than the field can be\"))");
}

#[test]
fn a_bare_day_is_midnight_in_the_zone() {
    check("occurred_at ge 2026-01-01", "(Ge occurred_at Datetime(1767222000000))");
    check("occurred_at ge 2026-01-01T08:00:00Z", "(Ge occurred_at Datetime(1767254400000))");
    check("changed_at lt '2026-01-01T08:00:00+01:00'", "(Lt ChangedAt Datetime(1767250800000))");
}

#[test]
fn references_are_named_by_code_or_key() {
    check("customer eq 'C1'", "(Eq customer Reference(InternalId(1)))");
    check("customer.code ne 'C2'", "(Ne customer Reference(InternalId(2)))");
    check("customer.number eq 'N1'", "(Eq customer Reference(InternalId(1)))");
    check("customer.id eq 1010000000001", "(Eq customer Reference(InternalId(1010000000001)))");
    check(
        "customer in ('C1', 'C9', 'C2')",
        "(In customer [Reference(InternalId(1)), Reference(InternalId(2))])",
    );
}

#[test]
fn an_unknown_record_is_nobodys() {
    check("customer eq 'C9'", "never");
    check("customer in ('C8', 'C9')", "never");
    check("customer ne 'C9'", "(not (null customer))");
    check("not customer eq 'C9'", "(not (Eq customer Reference(InternalId(0))))");
    check("not customer ne 'C9'", "(not (Ne customer Reference(InternalId(0))))");
}

#[test]
fn faults_say_where_what_and_what_else() {
    for (text, expected) in [
        ("", "at character 1: found the end, expected a field, `not` or `(`"),
        (
            "label eq",
            "at character 9: found the end, expected a value: 'text', a number, true, false, or a date such as 2026-01-31",
        ),
        ("lable eq 'x'", "at character 1: found `lable`, expected a field of event; did you mean `label`?"),
        (
            "Status eq 'x'",
            "at character 1: found `Status`, expected a field of event; did you mean `status`?",
        ),
        ("count eq 1 and", "at character 15: found the end, expected a field, `not` or `(`"),
        ("count eq 1 count", "at character 12: found `count`, expected `and`, `or` or the end"),
        ("(count eq 1", "at character 12: found the end, expected `and`, `or` or `)`"),
        (
            "count in ()",
            "at character 11: found `)`, expected a value: 'text', a number, true, false, or a date such as 2026-01-31",
        ),
        ("é eq 'x", "at character 6: found a text without end, expected a closing quote"),
        (
            "day eq 2026-13-01",
            "at character 8: found `2026-13-01`, expected a number, or a date such as 2026-01-31 or 2026-01-31T08:00:00Z; put text in single quotes",
        ),
        (
            "status eq null",
            "at character 11: found `null`, expected a value: 'text', a number, true, false, or a date such as 2026-01-31; write `is null` or `is not null`",
        ),
        (
            "status eq open",
            "at character 11: found `open`, expected a value: 'text', a number, true, false, or a date such as 2026-01-31; put text in single quotes",
        ),
        (
            "label contain 'x'",
            "at character 7: found `contain`, expected `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `contains`, `startswith` or `is`; did you mean `contains`?",
        ),
        (
            "count = 1",
            "at character 7: found `=`, expected a field, a value, a keyword or a bracket; operators are words: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `contains`, `startswith` or `is`",
        ),
        ("amount eq 'x'", "at character 11: found `'x'`, expected a decimal number"),
        (
            "amount eq 0.001",
            "at character 11: found `0.001`, expected a decimal number; amount has more than 2 digits behind the point",
        ),
        ("label eq 5", "at character 10: found `5`, expected a text"),
        ("label eq 2026-01-01", "at character 10: found `2026-01-01`, expected a text"),
        (
            "count contains '1'",
            "at character 7: found `contains`, expected `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `is`: count holds a whole number",
        ),
        (
            "done gt true",
            "at character 6: found `gt`, expected `eq`, `ne`, `in`, `is`: done holds true or false",
        ),
        ("token eq 'x'", "at character 7: found `eq`, expected `is`: token holds a secret"),
        ("picture eq 'x'", "at character 9: found `eq`, expected `is`: picture holds bytes as base64"),
        ("customer eq 5", "at character 13: found `5`, expected the code of a customer in single quotes"),
        (
            "customer.name eq 'x'",
            "at character 1: found `customer.name`, expected a unique key of customer: code, id, number",
        ),
        (
            "customer.number is null",
            "at character 1: found `customer.number`, expected `eq`, `ne` or `in` behind a field of another record",
        ),
        ("label.x eq 'x'", "at character 1: found `label.x`, expected `label` alone: it refers to no record"),
    ] {
        check(text, expected);
    }
}

#[test]
fn types_are_checked_before_anything_is_looked_up() {
    let catalogue = catalogue();
    let reading = Reading { zone: TimeZone::UTC, lenient: false };
    let event = catalogue.find("event").unwrap().ix;
    let mut asked = Vec::new();
    let mut look_up = |entity: EntityIx, by: By, texts: Vec<Box<str>>| {
        asked.push((entity, by, texts.len()));
        super::tests::look_up(entity, by, texts)
    };
    let wrong = parse("customer eq 'C1' and count eq 'x'").unwrap();
    assert!(wrong.resolve(&catalogue, event, &reading, &mut look_up).is_err());
    let right = parse("customer in ('C1', 'C2', 'C1') or not customer eq 'C2'").unwrap();
    right.resolve(&catalogue, event, &reading, &mut look_up).unwrap();
    assert_eq!(asked, [(EntityIx(0), By::Code, 2)]);
}

#[test]
fn records_are_looked_up_in_a_finder() {
    let mut memory = Memory::of(
        "unit U\ncustomer C1 name=n number=N1\ncustomer C2 name=n merged:C1\ncustomer C3 name=n deleted",
    );
    let catalogue = memory.catalogue.clone();
    let mut ids = |entity: &str, by, texts: &[&str]| {
        let entity = catalogue.find(entity).unwrap().ix;
        let texts = texts.iter().map(|text| Box::from(*text)).collect();
        lookup_in(&catalogue, COMPANY, &mut memory)(entity, by, texts).unwrap()
    };
    let (first, third) = (Some(InternalId(1010000000001)), Some(InternalId(1010000000003)));
    assert_eq!(ids("customer", By::Code, &["C2", "C9", "C3", "C1"]), [first, None, third, first]);
    assert_eq!(ids("customer", By::Key(KeyIx(0)), &["N1"]), [first]);
    assert_eq!(ids("unit", By::Code, &["U"]), [Some(InternalId(1050000000001))]);
}

#[test]
fn hostile_filters_are_refused() {
    let told = |text: &str| parse(text).unwrap_err().to_string();
    let deep = "(".repeat(1_000_000);
    assert!(told(&deep).contains("more than 10000 words and values"), "{}", told(&deep));
    let deep = format!("{}a eq 1{}", "(".repeat(100), ")".repeat(100));
    assert!(told(&deep).contains("more than 100 levels"), "{}", told(&deep));
    assert!(told(&format!("{}a eq 1", "not ".repeat(5000))).contains("more than 100 levels"));
    assert!(parse(&format!("{}a eq 1{}", "(".repeat(99), ")".repeat(99))).is_ok());
    let many: Vec<String> = (0..4900).map(|n| n.to_string()).collect();
    assert!(parse(&format!("a in ({})", many.join(","))).is_ok());
    let wide = vec!["a eq 1"; 3000].join(" or ");
    assert!(told(&wide).contains("more than 10000"));
}

#[test]
fn an_order_names_columns() {
    let catalogue = catalogue();
    let event = catalogue.find("event").unwrap();
    let at = event.field_ix("occurred_at").unwrap();
    assert_eq!(
        order("occurred_at DESC, code", event),
        Ok(vec![(Column::Field(at), true), (Column::Code, false)])
    );
    assert_eq!(order("changed_at asc", event), Ok(vec![(Column::ChangedAt, false)]));
    for (text, expected) in [
        ("", "at character 1: found the end, expected a field to order by"),
        ("code,", "at character 6: found the end, expected a field to order by"),
        ("code, lable", "at character 7: found `lable`, expected a field of event; did you mean `label`?"),
        ("code down", "at character 6: found `down`, expected `asc`, `desc`, `,` or the end"),
        ("code desc desc", "at character 11: found `desc`, expected `asc`, `desc`, `,` or the end"),
        ("code, code desc", "at character 7: found `code`, expected another field, and at most 16"),
        ("token", "at character 1: found `token`, expected a field that can be ordered by"),
        ("picture", "at character 1: found `picture`, expected a field that can be ordered by"),
    ] {
        assert_eq!(order(text, event).unwrap_err().to_string(), expected, "{text}");
    }
}

/// Whether a filter holds for an event with a status, a count and a customer.
fn holds(text: &str, status: Option<&str>, count: Option<i64>, customer: Option<i64>) -> bool {
    let catalogue = catalogue();
    let event = catalogue.find("event").unwrap();
    let values = |column| match column {
        Column::Field(ix) => match &*event.field(ix).name {
            "status" | "label" => status.map_or(Value::Null, Value::text),
            "count" => count.map_or(Value::Null, Value::Integer),
            "customer" => customer.map_or(Value::Null, |id| Value::Reference(InternalId(id))),
            _ => Value::Null,
        },
        _ => Value::Null,
    };
    resolve(text).unwrap().holds(event, &values)
}

#[test]
fn a_comparison_with_null_is_neither_true_nor_false() {
    for text in ["count eq 1", "not count eq 1", "count in (1)", "not count in (1)", "customer eq 'C9'"] {
        assert!(!holds(text, None, None, None), "{text}");
    }
    for text in ["not customer eq 'C9'", "customer ne 'C9'", "not customer in ('C9')"] {
        assert!(!holds(text, None, None, None), "{text}");
        assert!(holds(text, None, None, Some(1)), "{text}");
    }
    assert!(!holds("not customer ne 'C9'", None, None, None));
    assert!(!holds("not customer ne 'C9'", None, None, Some(1)));
    assert!(holds("count eq 1 or count is null", None, None, None));
    assert!(holds("not (count eq 1 and status eq 'x')", Some("y"), None, None));
}

#[test]
fn case_and_accents_do_not_count_where_a_field_is_searched() {
    assert!(holds("label contains 'ETE'", Some("un été"), None, None));
    assert!(!holds("status contains 'ETE'", Some("un été"), None, None));
    assert!(holds("status startswith 'un'", Some("un été"), None, None));
    assert!(!holds("label eq 'UN ETE'", Some("un été"), None, None));
}

fn literal() -> impl Strategy<Value = Literal> {
    let kind = prop_oneof![
        "[a-z' éà()]{0,8}".prop_map(|text| LiteralKind::Text(text.into())),
        "-?[0-9]{1,4}(\\.[0-9]{1,3})?(e-?[0-9])?".prop_map(|text| LiteralKind::Number(text.into())),
        any::<bool>().prop_map(LiteralKind::Boolean),
        (2000..2030, 1..13, 1..29, any::<bool>()).prop_map(|(year, month, day, instant)| {
            let tail = if instant { "T08:30:00.5+01:00" } else { "" };
            LiteralKind::Moment(format!("{year:04}-{month:02}-{day:02}{tail}").into())
        }),
    ];
    kind.prop_map(|kind| Literal { kind, at: Position(0) })
}

fn node() -> impl Strategy<Value = Node> {
    let name = || prop_oneof!["[a-m_][a-z0-9_]{0,6}", Just("in".to_owned()), Just("and".to_owned())];
    let path = (name(), proptest::option::of(name())).prop_map(|(name, of)| Path {
        name: name.into(),
        of: of.map(Into::into),
        at: Position(0),
    });
    let path = path.boxed();
    let comparison = proptest::sample::select(WORDS.map(|(_, comparison)| comparison).to_vec());
    let leaf = prop_oneof![
        (path.clone(), comparison, literal()).prop_map(|(path, comparison, value)| Node::Test {
            path,
            comparison,
            at: Position(0),
            value
        }),
        (path.clone(), proptest::collection::vec(literal(), 1..4)).prop_map(|(path, values)| Node::In {
            path,
            at: Position(0),
            values
        }),
        (path, any::<bool>()).prop_map(|(path, negated)| Node::IsNull { path, negated }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            inner.prop_map(|part| Node::Not(Box::new(part))),
        ]
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let column = || (0..3_u16).prop_map(|n| Column::Field(FieldIx(n + 3)));
    let value = || (-2..3_i64).prop_map(Value::Integer);
    let comparison = proptest::sample::select(WORDS[..6].iter().map(|(_, of)| *of).collect::<Vec<_>>());
    let leaf = prop_oneof![
        (column(), comparison, value()).prop_map(|(column, by, value)| Condition::Compare(column, by, value)),
        (column(), proptest::collection::vec(value(), 1..3))
            .prop_map(|(column, values)| Condition::In(column, values)),
        column().prop_map(Condition::IsNull),
        Just(Condition::Never),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::Or),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn not(part: Condition) -> Condition {
    Condition::Not(Box::new(part))
}

proptest! {
    #[test]
    fn a_printed_filter_reads_back(root in node()) {
        let filter = Filter { root };
        let text = filter.to_string();
        prop_assert_eq!(parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        if let Ok(filter) = parse(&text) {
            prop_assert_eq!(parse(&filter.to_string()), Ok(filter));
        }
        let _ = resolve(&text);
    }

    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        "label", "customer", "customer.number", "amount", "day", "not", "and", "or", "(", ")", "eq", "in", "is", "null",
        "contains", "'x'", "1", "-", ".", ",", "2026-01-01", "true", "1e999", "99999999999999999999", "+", "'",
    ]), 0..16)) {
        let _ = resolve(&words.join(" "));
        let catalogue = catalogue();
        let _ = order(&words.join(" "), catalogue.find("event").unwrap());
    }

    #[test]
    fn logic_is_logic_with_null(a in condition(), b in condition(), held in proptest::array::uniform3(
        proptest::option::of(-2..3_i64),
    )) {
        let catalogue = catalogue();
        let event = catalogue.find("event").unwrap();
        let values = |column: Column| match column {
            Column::Field(ix) => held[usize::from(ix.0) - 3].map_or(Value::Null, Value::Integer),
            _ => Value::Null,
        };
        let holds = |condition: &Condition| condition.holds(event, &values);
        let (all, any) = (Condition::And(vec![a.clone(), b.clone()]), Condition::Or(vec![a.clone(), b.clone()]));
        prop_assert_eq!(holds(&not(not(a.clone()))), holds(&a));
        prop_assert!(!(holds(&a) && holds(&not(a.clone()))), "nothing holds with its opposite");
        prop_assert_eq!(holds(&all), holds(&a) && holds(&b));
        prop_assert_eq!(holds(&any), holds(&a) || holds(&b));
        let either = Condition::Or(vec![not(a.clone()), not(b.clone())]);
        prop_assert_eq!(holds(&not(all)), holds(&either));
        let neither = Condition::And(vec![not(a), not(b)]);
        prop_assert_eq!(holds(&not(any)), holds(&neither));
    }
}
