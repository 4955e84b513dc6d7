//! The order of a list: `occurred_at desc, code`.

use super::read::{Kind, Token, tokens};
use super::resolve::subject;
use super::{FilterFault, Path, quoted};
use crate::catalogue::Entity;
use crate::field::FieldType;
use crate::query::Column;

/// Most columns of an order.
const MOST: usize = 16;

/// Reads an order: columns, each with whether it descends.
///
/// Ties are the caller's affair. Binary and JSON values, lists and secrets have no order.
pub fn order(text: &str, entity: &Entity) -> Result<Vec<(Column, bool)>, FilterFault> {
    let tokens = tokens(text)?;
    let mut order: Vec<(Column, bool)> = Vec::new();
    let mut rest = &tokens[..];
    loop {
        let [first, after @ ..] = rest else { return Ok(order) };
        let Kind::Word(name) = &first.kind else { return Err(fault(first, "a field to order by")) };
        let path = Path { name: name.clone(), of: None, at: first.at };
        let (column, field) = subject(entity, &path)?;
        let sorted = !matches!(field.kind, FieldType::Binary | FieldType::Json | FieldType::References(_));
        if !sorted || field.secret {
            return Err(fault(first, "a field that can be ordered by"));
        }
        if order.iter().any(|(known, _)| *known == column) || order.len() >= MOST {
            return Err(fault(first, &format!("another field, and at most {MOST}")));
        }
        rest = after;
        let mut descends = false;
        if let [Token { kind: Kind::Word(word), .. }, after @ ..] = rest {
            descends = word.eq_ignore_ascii_case("desc");
            if !descends && !word.eq_ignore_ascii_case("asc") {
                return Err(fault(&rest[0], "`asc`, `desc`, `,` or the end"));
            }
            rest = after;
        }
        order.push((column, descends));
        match rest {
            [Token { kind: Kind::Comma, .. }, after @ ..] => rest = after,
            [Token { kind: Kind::End, .. }, ..] | [] => return Ok(order),
            [other, ..] => return Err(fault(other, "`asc`, `desc`, `,` or the end")),
        }
    }
}

fn fault(token: &Token, expected: &str) -> FilterFault {
    let found = match &token.kind {
        Kind::Word(word) => quoted(word),
        _ => token.shown.to_string(),
    };
    FilterFault::new(token.at, found, expected)
}
