//! Which stored record a row is about.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Draft, Made, Task};
use crate::batch::{MatchKey, Repeated};
use crate::catalogue::{Entity, EntityIx, FieldIx};
use crate::find::{Find, Finder, Wanted};
use crate::keys::KeyHash;
use crate::names::{Company, InternalId};
use crate::row::{By, Mode, State};
use crate::rule::{Problem, Rule};
use crate::value::Value;

/// Finds the records that rows are about, by the batch's match keys in order.
pub(super) fn find_records<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    made: &mut Made,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    for (entity, company) in groups(drafts) {
        let members: Vec<usize> = (0..drafts.len())
            .filter(|n| drafts[*n].entity.ix == entity && drafts[*n].company == company)
            .collect();
        let fields: Rc<[FieldIx]> =
            wanted_fields(task, task.catalogue.entity(entity), drafts, &members).into();
        for place in &members {
            drafts[*place].fields = fields.clone();
        }
        for key in task.parameters.match_keys(entity) {
            match_by(task, finder, drafts, &members, (entity, company, *key), &fields, read_set)?;
        }
        // Codes of new records must be free, whatever finds the others.
        if !task.parameters.match_keys(entity).contains(&MatchKey::Code) {
            let creating: Vec<usize> =
                members.into_iter().filter(|n| drafts[*n].mode == Mode::Create).collect();
            match_by(task, finder, drafts, &creating, (entity, company, MatchKey::Code), &fields, read_set)?;
        }
    }
    refuse_met_twice(task, drafts, made);
    Ok(())
}

fn groups(drafts: &[Draft<'_>]) -> Vec<(EntityIx, Company)> {
    let mut groups = Vec::new();
    for draft in drafts {
        let group = (draft.entity.ix, draft.company);
        if groups.last() != Some(&group) && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// Fields to read of the records of a group: those that rows name, those of keys they touch, and
/// all where rows delete or replace.
fn wanted_fields(task: &Task<'_>, entity: &Entity, drafts: &[Draft<'_>], members: &[usize]) -> Vec<FieldIx> {
    let whole = members.iter().any(|n| matches!(drafts[*n].mode, Mode::Delete | Mode::Replace));
    if whole {
        return entity.fields().map(|(ix, _)| ix).collect();
    }
    let mut named = vec![false; entity.fields.len()];
    for place in members {
        for (field, _) in &drafts[*place].values {
            named[usize::from(field.0)] = true;
        }
    }
    for (of, rule) in &task.parameters.derived {
        if *of == entity.ix {
            named[usize::from(rule.field.0)] = true;
        }
    }
    for key in &entity.keys {
        if key.fields.iter().any(|(field, _)| named[usize::from(field.0)]) {
            for (field, _) in &key.fields {
                named[usize::from(field.0)] = true;
            }
        }
    }
    let all = entity.fields().map(|(ix, _)| ix);
    let timed = task.parameters.source_time.iter().find(|(of, _)| *of == entity.ix).map(|(_, field)| *field);
    all.filter(|ix| named[usize::from(ix.0)] || timed == Some(*ix)).collect()
}

fn match_by<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    members: &[usize],
    (entity, company, key): (EntityIx, Company, MatchKey),
    fields: &Rc<[FieldIx]>,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let mut asking = Vec::new();
    let wanted = match key {
        MatchKey::Code => {
            let mut codes = Vec::new();
            for place in members.iter().filter(|n| drafts[**n].current.is_none()) {
                if let Some(code) = &drafts[*place].row.code {
                    read_set.push(task.secret.text(entity, company, By::Code, code));
                    codes.push(code.clone());
                    asking.push(*place);
                }
            }
            Wanted::Codes(codes)
        }
        MatchKey::Key(key) => {
            let mut keys = Vec::new();
            for place in
                members.iter().filter(|n| drafts[**n].current.is_none() && drafts[**n].mode != Mode::Create)
            {
                let draft = &drafts[*place];
                let parts = &draft.entity.key(key).fields;
                if let Some(values) = complete(parts, |field| draft.value(field)) {
                    read_set.push(task.secret.values(entity, company, By::Key(key), &values));
                    keys.push(values);
                    asking.push(*place);
                }
            }
            Wanted::Keys(key, keys)
        }
    };
    if wanted.is_empty() {
        return Ok(());
    }
    let find = Find { entity, company, wanted, fields: fields.to_vec() };
    let mut merged = Vec::new();
    for hit in finder.find(&find)? {
        let place = asking[hit.at as usize];
        read_set.push(task.secret.id(hit.record.id));
        if let State::Merged(winner) = hit.record.state {
            merged.push((place, winner));
        }
        drafts[place].current = Some(hit.record);
    }
    if !merged.is_empty() {
        let wanted = Wanted::Ids(merged.iter().map(|(_, winner)| *winner).collect());
        let find = Find { entity, company, wanted, fields: fields.to_vec() };
        for hit in finder.find(&find)? {
            read_set.push(task.secret.id(hit.record.id));
            let draft = &mut drafts[merged[hit.at as usize].0];
            // The merged code is a second name of the winner, no new one.
            draft.row.code = Some(hit.record.code.clone());
            draft.current = Some(hit.record);
        }
    }
    Ok(())
}

/// The values of a key; `None` where a null says that the record has no such key.
pub(super) fn complete<'v>(
    parts: &[(FieldIx, bool)],
    value: impl Fn(FieldIx) -> Option<&'v Value>,
) -> Option<Vec<Value>> {
    parts
        .iter()
        .map(|(field, null_is_value)| match value(*field) {
            Some(value) if !value.is_null() => Some(value.clone()),
            _ if *null_is_value => Some(Value::Null),
            _ => None,
        })
        .collect()
}

/// Two rows may find one record by different keys.
fn refuse_met_twice(task: &Task<'_>, drafts: &mut [Draft<'_>], made: &mut Made) {
    let mut first: HashMap<InternalId, usize> = HashMap::with_capacity(drafts.len());
    for place in 0..drafts.len() {
        let Some(id) = drafts[place].current.as_ref().map(|record| record.id) else { continue };
        let number = drafts[place].row.number;
        let other = match first.get(&id) {
            Some(other) => Some(drafts[*other].row.number),
            None => made.touched.get(&id).copied().filter(|row| *row != number),
        };
        let Some(other) = other else {
            first.insert(id, place);
            continue;
        };
        if task.parameters.repeated == Repeated::RefuseAll
            && let Some(other) = first.get(&id)
        {
            refuse_repeated(&mut drafts[*other], number);
        }
        refuse_repeated(&mut drafts[place], other);
    }
    made.touched.extend(first.into_iter().map(|(id, place)| (id, drafts[place].row.number)));
}

fn refuse_repeated(draft: &mut Draft<'_>, other: u64) {
    if draft.problems.iter().any(|problem| problem.rule == Rule::DuplicateInBatch) {
        return;
    }
    let message = format!("row {other} of the batch is about the same record");
    let problem = Problem::new("code", Rule::DuplicateInBatch, message);
    draft.problems.push(problem.with_hint("send each record once in a batch"));
}
