use proptest::prelude::*;

use super::*;

fn read(kind: FieldType, scalar: Scalar<'_>, lenient: bool) -> Result<Value, Rule> {
    let field = Field { kind, ..Field::named("amount", kind) };
    let reading = Reading { zone: TimeZone::UTC, lenient };
    read_scalar(&field, "amount", scalar, &reading).map_err(|problem| problem.rule)
}

const MONEY: FieldType = FieldType::Decimal { precision: 6, scale: 2 };

#[test]
fn decimals_are_exact() {
    for (text, expected) in [
        ("12.5", Ok(1250)),
        ("-12.50", Ok(-1250)),
        ("1e2", Ok(10_000)),
        ("125e-1", Ok(1250)),
        ("0.001", Err(Rule::InvalidValue)),
        ("0.00100e1", Ok(1)),
        ("9999.99", Ok(999_999)),
        ("10000", Err(Rule::OutOfRange)),
        ("1e400", Err(Rule::OutOfRange)),
        ("-", Err(Rule::WrongType)),
        ("1.2.3", Err(Rule::WrongType)),
    ] {
        let expected = expected.map(Value::Decimal);
        assert_eq!(read(MONEY, Scalar::Number(text), false), expected, "{text}");
    }
}

#[test]
fn integers_hold_64_bits() {
    let read = |text| read(FieldType::Integer, Scalar::Number(text), false);
    assert_eq!(read("9223372036854775807"), Ok(Value::Integer(i64::MAX)));
    assert_eq!(read("-9223372036854775808"), Ok(Value::Integer(i64::MIN)));
    assert_eq!(read("9223372036854775808"), Err(Rule::OutOfRange));
    assert_eq!(read("1.5"), Err(Rule::InvalidValue));
    assert_eq!(read("2.0"), Ok(Value::Integer(2)));
}

#[test]
fn a_strict_wire_keeps_types_apart() {
    assert_eq!(read(FieldType::Float, Scalar::Text("1.5"), false), Err(Rule::WrongType));
    assert_eq!(read(FieldType::Float, Scalar::Text("1.5"), true), Ok(Value::Float(1.5)));
    assert_eq!(read(FieldType::Text(3), Scalar::Number("12"), false), Err(Rule::WrongType));
    assert_eq!(read(FieldType::Text(3), Scalar::Number("12"), true), Ok(Value::text("12")));
    assert_eq!(read(FieldType::Boolean, Scalar::Text("1"), false), Err(Rule::WrongType));
}

#[test]
fn text_counts_characters_and_refuses_nul() {
    assert_eq!(read(FieldType::Text(3), Scalar::Text("éàü"), false), Ok(Value::text("éàü")));
    assert_eq!(read(FieldType::Text(3), Scalar::Text("éàüx"), false), Err(Rule::TooLong));
    assert_eq!(read(FieldType::Text(3), Scalar::Text("a\0"), false), Err(Rule::InvalidValue));
}

#[test]
fn floats_know_no_nan_and_one_zero() {
    assert_eq!(read(FieldType::Float, Scalar::Number("-0.0"), false), Ok(Value::Float(0.0)));
    assert_eq!(read(FieldType::Float, Scalar::Text("NaN"), true), Err(Rule::WrongType));
    assert_eq!(read(FieldType::Float, Scalar::Number("1e999"), false), Err(Rule::OutOfRange));
}

#[test]
fn json_is_kept_in_one_form() {
    let value: serde_json::Value =
        serde_json::from_str(r#"{ "b": [1, 2.5], "a": {"d": null, "c": "x"} }"#).unwrap();
    assert_eq!(canonical_json(&value).unwrap(), r#"{"a":{"c":"x","d":null},"b":[1,2.5]}"#);
}

proptest! {
    #[test]
    fn a_printed_decimal_reads_back(number in -999_999_i64..=999_999) {
        let text = print_decimal(number, 2);
        prop_assert_eq!(read(MONEY, Scalar::Number(&text), false), Ok(Value::Decimal(number)));
    }

    #[test]
    fn base64_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode_base64(&encode_base64(&bytes)), Some(bytes));
    }

    #[test]
    fn no_number_makes_it_panic(text in "[-+.eE0-9]{0,30}") {
        for kind in [FieldType::Integer, MONEY, FieldType::Float] {
            let _ = read(kind, Scalar::Number(&text), true);
        }
    }
}
