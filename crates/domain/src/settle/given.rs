//! Codes and numbers that callers give themselves, and that ours must avoid.

use std::collections::HashMap;

use super::{Head, counter_name};
use crate::catalogue::{Catalogue, Entity, EntityIx, FieldIx, Numbering};
use crate::changes::{Change, ChangeKind, NewCode};
use crate::names::Company;
use crate::row::{Cell, Mode, Row};
use crate::value::Value;

/// Numbers that rows bring and the store does not know yet: 8 bytes each.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// By entity, company and field (`None` for the code); ascending once complete.
    numbers: HashMap<(EntityIx, Company, Option<FieldIx>), Vec<i64>>,
}

impl Given {
    /// Notes what a row brings, whatever becomes of the row. Call [`Given::complete`] at the end.
    pub fn note(&mut self, entity: &Entity, company: Company, row: &Row) {
        if row.mode == Some(Mode::Delete) {
            return;
        }
        if let Some(code) = &row.code {
            self.text(entity, company, None, code);
        }
        for field in entity.numbering.iter().filter_map(|rule| rule.field) {
            if let Some(Cell::Set(Value::Text(text))) = row.cell(field) {
                self.text(entity, company, Some(field), text);
            }
        }
    }

    /// Says that all rows were noted.
    pub fn complete(&mut self) {
        for numbers in self.numbers.values_mut() {
            numbers.sort_unstable();
            numbers.dedup();
        }
    }

    /// What the changes of a chunk bring.
    pub(super) fn by(catalogue: &Catalogue, changes: &[Change]) -> Self {
        let mut given = Given::default();
        for change in changes {
            let entity = catalogue.entity(change.entity);
            let (code, values): (Option<&str>, Vec<(FieldIx, &Value)>) = match &change.kind {
                ChangeKind::Insert { code, values, .. } => {
                    let code = match code {
                        NewCode::Given(code) => Some(&**code),
                        NewCode::Numbered | NewCode::Form(_) => None,
                    };
                    (code, values.iter().map(|(field, value)| (*field, value)).collect())
                }
                ChangeKind::Update { new_code, fields, .. } => {
                    (new_code.as_deref(), fields.iter().map(|(field, _, after)| (*field, after)).collect())
                }
                ChangeKind::Revive { new_code, values, .. } => {
                    (new_code.as_deref(), values.iter().map(|(field, value)| (*field, value)).collect())
                }
                ChangeKind::Mark { .. } | ChangeKind::Remove { .. } => continue,
            };
            if let Some(code) = code {
                given.text(entity, change.company, None, code);
            }
            for (field, value) in values {
                if entity.numbering_of(Some(field)).is_some()
                    && let Some(text) = value.as_text()
                {
                    given.text(entity, change.company, Some(field), text);
                }
            }
        }
        given.complete();
        given
    }

    fn text(&mut self, entity: &Entity, company: Company, field: Option<FieldIx>, text: &str) {
        let own_digits = Numbering { field: None, prefix: "".into(), digits: 0, next: 0 };
        let rule = entity.numbering_of(field).unwrap_or(&own_digits);
        if let Some(number) = number_in(rule, text) {
            self.numbers.entry((entity.ix, company, field)).or_default().push(number);
        }
    }

    /// True when a row brings this number.
    pub(super) fn holds(
        &self,
        entity: EntityIx,
        company: Company,
        field: Option<FieldIx>,
        number: i64,
    ) -> bool {
        let numbers = self.numbers.get(&(entity, company, field));
        numbers.is_some_and(|numbers| numbers.binary_search(&number).is_ok())
    }

    /// Remembers the highest in the head: from there on nobody gave one.
    pub(super) fn raise(&self, catalogue: &Catalogue, head: &mut Head) {
        for ((ix, _, field), numbers) in &self.numbers {
            let highest = head.counter(&counter_name("given", catalogue.entity(*ix), *field));
            *highest = numbers.last().copied().unwrap_or(0).max(*highest);
        }
    }
}

/// The number that a text is under a rule; `None` when the rule would never print that text.
fn number_in(rule: &Numbering, text: &str) -> Option<i64> {
    let digits = text.strip_prefix(&*rule.prefix)?;
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    (rule.print(number) == text).then_some(number as i64)
}
