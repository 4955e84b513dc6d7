//! Unique keys: what rows take, and whether it is free.

use super::matching::complete;
use super::{Action, Draft, Made, Task, stand_in};
use crate::batch::MatchKey;
use crate::catalogue::{EntityIx, KeyIx};
use crate::find::{Find, Finder, Wanted};
use crate::keys::KeyHash;
use crate::names::Company;
use crate::row::By;
use crate::rule::{Problem, Rule};
use crate::value::Value;

/// A key that a row takes.
struct Claim {
    draft: usize,
    entity: EntityIx,
    company: Company,
    by: By,
    values: Vec<Value>,
    /// False when matching already asked the store.
    ask: bool,
}

/// Refuses rows that take a key which another record, or an earlier row, has.
pub(super) fn check<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    made: &mut Made,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let mut claims = Vec::new();
    for (place, draft) in drafts.iter_mut().enumerate() {
        gather(task, place, draft, &mut claims);
    }
    refuse_taken(task, finder, drafts, &claims, read_set)?;
    for claim in claims {
        let draft = &mut drafts[claim.draft];
        if draft.refused() {
            continue;
        }
        let hash = task.secret.values(claim.entity, claim.company, claim.by, &claim.values);
        let waits = claim.values.iter().any(|value| stands_in(draft, value));
        match made.claims.get(&hash) {
            Some(row) if *row != draft.row.number => {
                let message = format!("row {row} of the batch has the same {}", path_of(draft, claim.by));
                let problem = Problem::new(&path_of(draft, claim.by), Rule::DuplicateInBatch, message);
                draft.problems.push(problem.with_value(&shown(&claim.values)));
            }
            _ => {
                made.claims.insert(hash, draft.row.number);
                if waits {
                    draft.claimed.push((claim.by, claim.values));
                } else if draft.action == Action::Update {
                    draft.taken.push(hash);
                }
            }
        }
    }
    Ok(())
}

/// True for a reference to a row of this chunk that has no id yet.
fn stands_in(draft: &Draft<'_>, value: &Value) -> bool {
    let pending = !draft.pending.is_empty();
    pending && value.as_reference().is_some_and(|id| id.0 <= stand_in(i64::MAX as u64 / 2).0)
}

/// Notes the keys with stand-ins once these are replaced, for later chunks of the batch.
pub(super) fn remember_pending(task: &Task<'_>, drafts: &mut [Draft<'_>], made: &mut Made) {
    for draft in drafts.iter_mut().filter(|draft| !draft.refused()) {
        for (by, values) in std::mem::take(&mut draft.claimed) {
            let hash = task.secret.values(draft.entity.ix, draft.company, by, &values);
            made.claims.insert(hash, draft.row.number);
            if draft.action == Action::Update {
                draft.taken.push(hash);
            }
        }
    }
}

fn gather(task: &Task<'_>, place: usize, draft: &mut Draft<'_>, claims: &mut Vec<Claim>) {
    let new = matches!(draft.action, Action::Insert | Action::Revive);
    if !new && draft.action != Action::Update {
        return;
    }
    let (entity, company) = (draft.entity.ix, draft.company);
    let code = if draft.action == Action::Insert { draft.row.code.clone() } else { draft.new_code.clone() };
    if let Some(code) = code {
        let matched = task.parameters.match_keys(entity).contains(&MatchKey::Code)
            || draft.mode == crate::row::Mode::Create;
        let ask = !(draft.action == Action::Insert && matched);
        claims.push(Claim {
            draft: place,
            entity,
            company,
            by: By::Code,
            values: vec![Value::Text(code)],
            ask,
        });
        if !new && let Some(record) = &draft.current {
            draft.given_up.push(task.secret.text(entity, company, By::Code, &record.code));
        }
    }
    for n in 0..draft.entity.keys.len() {
        let key = KeyIx(n as u16);
        let parts = &draft.entity.keys[n].fields;
        if new {
            if let Some(values) = complete(parts, |field| draft.value(field)) {
                claims.push(Claim { draft: place, entity, company, by: By::Key(key), values, ask: true });
            }
            continue;
        }
        let touched = parts.iter().any(|(field, _)| draft.differing.iter().any(|(ix, _, _)| ix == field));
        if !touched {
            continue;
        }
        if let Some(old) = complete(parts, |field| draft.held(field)) {
            draft.given_up.push(task.secret.values(entity, company, By::Key(key), &old));
        }
        let after = |field| {
            let changed = draft.differing.iter().find(|(ix, _, _)| *ix == field).map(|(_, _, after)| after);
            changed.or_else(|| draft.held(field))
        };
        if let Some(values) = complete(parts, after) {
            claims.push(Claim { draft: place, entity, company, by: By::Key(key), values, ask: true });
        }
    }
}

fn refuse_taken<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    claims: &[Claim],
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let mut kinds: Vec<(EntityIx, Company, By)> = Vec::new();
    for claim in claims.iter().filter(|claim| claim.ask) {
        let kind = (claim.entity, claim.company, claim.by);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (entity, company, by) in kinds {
        let of_kind =
            |claim: &&Claim| claim.ask && (claim.entity, claim.company, claim.by) == (entity, company, by);
        let asked: Vec<&Claim> = claims.iter().filter(of_kind).collect();
        let wanted = match by {
            By::Key(key) => Wanted::Keys(key, asked.iter().map(|claim| claim.values.clone()).collect()),
            _ => Wanted::Codes(
                asked.iter().filter_map(|claim| claim.values[0].as_text().map(Into::into)).collect(),
            ),
        };
        let hash = |claim: &&Claim| task.secret.values(entity, company, by, &claim.values);
        read_set.extend(asked.iter().map(hash));
        for hit in finder.find(&Find { entity, company, wanted, fields: Vec::new() })? {
            read_set.push(task.secret.id(hit.record.id));
            let claim = asked[hit.at as usize];
            let draft = &mut drafts[claim.draft];
            if draft.current.as_ref().is_some_and(|own| own.id == hit.record.id) {
                continue;
            }
            let path = path_of(draft, by);
            let message = format!(
                "{path} {} belongs to {} {}",
                shown(&claim.values),
                draft.entity.name,
                hit.record.code
            );
            draft
                .problems
                .push(Problem::new(&path, Rule::AlreadyExists, message).with_value(&shown(&claim.values)));
        }
    }
    Ok(())
}

/// The field that a person would mend: the last of a key.
fn path_of(draft: &Draft<'_>, by: By) -> Box<str> {
    match by {
        By::Key(key) => match draft.entity.key(key).fields.last() {
            Some((field, _)) => draft.entity.field(*field).name.clone(),
            None => draft.entity.key(key).name.clone(),
        },
        _ => "code".into(),
    }
}

fn shown(values: &[Value]) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Text(text) | Value::Json(text) => text.to_string(),
            Value::Integer(n) | Value::Datetime(n) | Value::Decimal(n) => n.to_string(),
            Value::Reference(id) => id.to_string(),
            Value::Null => "(none)".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    texts.join(" / ")
}
