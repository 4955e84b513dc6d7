use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalogue::file::{EntityFile, compile};

const THING: &str = "
name = 'thing'
plural = 'things'
prefix = 300
field = [
    { name = 'a', type = 'text(20)' },
    { name = 'amount', type = 'decimal(8,3)' },
    { name = 'secret', type = 'text(20)', secret = true },
    { name = 'b', type = 'long_text' },
]
key = [{ name = 'a', fields = ['a'] }]
";
const OTHER: &str =
    "name = 'other'\nplural = 'others'\nprefix = 301\nfield = [{ name = 'x', type = 'float' }]";
const SECRET_FIELD: usize = 2;

fn entities() -> Vec<Arc<Entity>> {
    let files: Vec<EntityFile> = [THING, OTHER].iter().map(|text| toml::from_str(text).unwrap()).collect();
    compile(0, &files).unwrap().entities().cloned().collect()
}

/// An entry as tests make it up.
#[derive(Debug, Clone)]
struct Told {
    entity: usize,
    row: Option<u64>,
    company: u16,
    id: i64,
    code: String,
    code_before: Option<String>,
    /// 0 added, 1 updated, 2 deleted.
    operation: u8,
    fields: Vec<(usize, Value, Value)>,
}

#[derive(Debug, Clone)]
struct Fate {
    entity: usize,
    row: u64,
    id: Option<String>,
    record: Option<i64>,
    outcome: Outcome,
    revision: u64,
    code: Option<String>,
}

fn build(first_seq: u64, told: &[Told], fates: &[Fate]) -> PageBuilder {
    let entities = entities();
    let mut page = PageBuilder { first_seq, instant: 5, ..PageBuilder::default() };
    for (n, one) in told.iter().enumerate() {
        let single = |take: fn(&(usize, Value, Value)) -> &Value| -> Vec<(FieldIx, Value)> {
            one.fields.iter().map(|field| (FieldIx(field.0 as u16), take(field).clone())).collect()
        };
        let (added, deleted) = (single(|field| &field.2), single(|field| &field.1));
        let both: Vec<(FieldIx, Value, Value)> = one
            .fields
            .iter()
            .map(|(field, before, after)| (FieldIx(*field as u16), before.clone(), after.clone()))
            .collect();
        let operation = match one.operation {
            0 => Operation::Added(&added),
            1 => Operation::Updated { fields: &both, code_before: one.code_before.as_deref() },
            _ => Operation::Deleted(&deleted),
        };
        let seq = first_seq + n as u64;
        let (company, id) = (Company(one.company), InternalId(one.id));
        page.change(
            &entities[one.entity],
            Entry { seq, row: one.row, company, id, code: &one.code, operation },
        );
    }
    for fate in fates {
        let record = fate.record.map(InternalId);
        let (id, code) = (fate.id.as_deref(), fate.code.as_deref());
        let Fate { row, outcome, revision, .. } = *fate;
        page.fate(&entities[fate.entity], RowFate { row, id, record, outcome, revision, code });
    }
    page
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        "\\PC{0,12}".prop_map(Value::text),
        (LONG_VALUE - 2..LONG_VALUE + 3).prop_map(|length| Value::text("x".repeat(length))),
        any::<i64>().prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Decimal),
        any::<f64>().prop_filter("no NaN", |n| n.is_finite()).prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Datetime),
        any::<i32>().prop_map(Value::Date),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Binary(bytes.into())),
        (LONG_VALUE - 1..LONG_VALUE + 3).prop_map(|length| Value::Binary(vec![7; length].into())),
        (LONG_VALUE - 5..LONG_VALUE + 3)
            .prop_map(|length| Value::Json(format!("\"{}\"", "y".repeat(length)).into())),
        any::<i64>().prop_map(|id| Value::Reference(InternalId(id))),
        proptest::collection::vec(any::<i64>().prop_map(InternalId), 0..4)
            .prop_map(|ids| Value::References(ids.into())),
    ]
}

fn told() -> impl Strategy<Value = Told> {
    let text = || "\\PC{0,8}";
    let head = (0..2_usize, proptest::option::of(1..u64::MAX / 4), any::<u16>(), any::<i64>());
    let codes = (text(), proptest::option::of(text()), 0..3_u8);
    let fields = proptest::collection::vec((0..4_usize, value(), value()), 0..4);
    (head, codes, fields).prop_map(|((entity, row, company, id), (code, before, operation), mut fields)| {
        fields.iter_mut().for_each(|field| field.0 %= if entity == 0 { 4 } else { 1 });
        let code_before = before.filter(|_| operation == 1);
        Told { entity, row, company, id, code, code_before, operation, fields }
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    let text = || proptest::option::of("\\PC{0,8}");
    let outcome = proptest::sample::select(Outcome::ALL.to_vec());
    let record = proptest::option::of(1..1_i64 << 53);
    (0..2_usize, 0..1_u64 << 40, text(), record, outcome, any::<u64>(), text()).prop_map(
        |(entity, row, id, record, outcome, revision, code)| Fate {
            entity,
            row,
            id,
            record,
            outcome,
            revision,
            code,
        },
    )
}

fn shown(entity: usize, field: usize, value: &Value) -> PageValue {
    if entity == 0 && field == SECRET_FIELD { PageValue::Secret } else { PageValue::Known(value.clone()) }
}

proptest! {
    #[test]
    fn what_is_packed_reads_back(
        first_seq in 1..1_u64 << 60,
        told in proptest::collection::vec(told(), 0..6),
        fates in proptest::collection::vec(fate(), 0..6),
    ) {
        let mut builder = build(first_seq, &told, &fates);
        prop_assert_eq!(builder.is_empty(), told.is_empty() && fates.is_empty());
        let blobs: HashMap<[u8; 32], Vec<u8>> = std::mem::take(&mut builder.blobs).into_iter().collect();
        let packed = builder.pack();
        prop_assert_eq!((packed.first_seq, packed.instant), (first_seq, 5));
        prop_assert_eq!((packed.entries as usize, packed.fates as usize), (told.len(), fates.len()));
        let page = Page::unpack(&packed.body, &mut |hash| blobs.get(hash).cloned()).unwrap();
        for (n, (entry, one)) in page.entries.iter().zip(&told).enumerate() {
            prop_assert_eq!(entry.seq, first_seq + n as u64);
            prop_assert_eq!(&*page.entities[entry.entity].name, ["thing", "other"][one.entity]);
            prop_assert_eq!((entry.row, entry.company, entry.id), (one.row, Company(one.company), InternalId(one.id)));
            prop_assert_eq!((&*entry.code, entry.code_before.as_deref()), (&*one.code, one.code_before.as_deref()));
            let operation = [Outcome::Added, Outcome::Updated, Outcome::Deleted][usize::from(one.operation)];
            prop_assert_eq!(entry.operation, operation);
            let null = PageValue::Known(Value::Null);
            let expected: Vec<(usize, PageValue, PageValue)> = one.fields.iter().map(|(field, before, after)| {
                let before = if one.operation == 0 { null.clone() } else { shown(one.entity, *field, before) };
                let after = if one.operation == 2 { null.clone() } else { shown(one.entity, *field, after) };
                (*field, before, after)
            }).collect();
            prop_assert_eq!(&entry.fields, &expected);
            prop_assert!(may_hold(&packed.hashes, &one.code));
            if let Some(before) = &one.code_before {
                prop_assert!(may_hold(&packed.hashes, before));
            }
        }
        for (read, fate) in page.fates.iter().zip(&fates) {
            prop_assert_eq!((read.row, read.outcome, read.revision), (fate.row, fate.outcome, fate.revision));
            prop_assert_eq!((read.id.as_deref(), read.code.as_deref()), (fate.id.as_deref(), fate.code.as_deref()));
            prop_assert_eq!(read.record, fate.record.map(InternalId));
            for text in [&fate.id, &fate.code].into_iter().flatten() {
                prop_assert!(may_hold(&packed.hashes, text));
            }
        }
    }

    #[test]
    fn broken_bytes_are_a_fault_and_no_panic(
        told in proptest::collection::vec(told(), 1..4),
        fates in proptest::collection::vec(fate(), 0..4),
        breaks in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let body = build(1, &told, &fates).pack().body;
        let mut long = |_: &[u8; 32]| Some(vec![0xff; 3]);
        let mut broken = body.clone();
        let mut plain = zstd::decode_all(&body[..]).unwrap();
        for (at, byte) in breaks {
            let (length, plain_length) = (broken.len(), plain.len());
            broken[at % length] ^= byte;
            plain[at % plain_length] ^= byte;
        }
        let _ = Page::unpack(&broken, &mut long);
        let _ = Page::unpack(&body[..cut % body.len()], &mut long);
        let _ = Page::unpack(&wire::compress(&plain[..cut % plain.len()]), &mut long);
        if let Ok(page) = Page::unpack(&wire::compress(&plain), &mut long) {
            for entry in &page.entries {
                let described = &page.entities[entry.entity];
                assert!(entry.fields.iter().all(|(field, _, _)| *field < described.fields.len()));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Page::unpack(&bytes, &mut |_| None);
        let mut plain = vec![1];
        plain.extend(bytes);
        let _ = Page::unpack(&wire::compress(&plain), &mut |_| None);
    }
}

fn added(fields: Vec<(usize, Value)>) -> Told {
    let fields = fields.into_iter().map(|(field, value)| (field, Value::Null, value)).collect();
    Told {
        entity: 0,
        row: Some(1),
        company: 1,
        id: 1,
        code: "C".into(),
        code_before: None,
        operation: 0,
        fields,
    }
}

#[test]
fn a_long_value_is_kept_once_and_missed_when_it_is_gone() {
    let long = || Value::text("z".repeat(5000));
    let builder = build(1, &[added(vec![(3, long())]), added(vec![(3, long())])], &[]);
    assert_eq!(builder.blobs.len(), 1);
    let body = builder.pack().body;
    assert!(body.len() < 500, "{}", body.len());
    assert_eq!(Page::unpack(&body, &mut |_| None), Err(PageFault));
}

#[test]
fn a_secret_is_nowhere() {
    let secret = || Value::text("hush hush");
    let builder = build(1, &[added(vec![(2, secret())])], &[]);
    assert!(builder.blobs.is_empty());
    let packed = builder.pack();
    let plain = zstd::decode_all(&packed.body[..]).unwrap();
    assert!(!plain.windows(4).any(|bytes| bytes == b"hush"));
    assert!(!may_hold(&packed.hashes, "hush hush"));
}

#[test]
fn keys_are_found_and_others_hardly_ever() {
    let packed = build(1, &[added(vec![(0, Value::text("K-17")), (3, Value::text("words"))])], &[]).pack();
    assert!(may_hold(&packed.hashes, "K-17"));
    assert!(may_hold(&packed.hashes, "C"));
    assert!(!may_hold(&packed.hashes, "words"));
    assert!(!may_hold(&[], "C"));
}

#[test]
fn a_page_describes_itself() {
    let body = build(1, &[added(vec![(1, Value::Decimal(1500))])], &[]).pack().body;
    let page = Page::unpack(&body, &mut |_| None).unwrap();
    let names: Vec<(&str, u8)> =
        page.entities[0].fields.iter().map(|field| (&*field.name, field.scale)).collect();
    assert_eq!(names, [("a", 0), ("amount", 3), ("secret", 0), ("b", 0)]);
}
