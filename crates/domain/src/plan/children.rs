//! What hangs on a record: what forbids its deletion, and what goes when it is not named.

use std::collections::{HashMap, HashSet};

use super::{Action, Draft, Task};
use crate::batch::{Deletion, NotNamed};
use crate::catalogue::{Entity, FieldIx};
use crate::changes::{Change, ChangeKind};
use crate::find::{Finder, Record};
use crate::keys::KeyHash;
use crate::names::InternalId;
use crate::row::State;
use crate::rule::{Problem, Rule};
use crate::value::Value;

/// Refuses physical deletions of records that others refer to.
pub(super) fn check_deletions<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    if task.parameters.deletion != Deletion::Physical {
        return Ok(());
    }
    let going: Vec<usize> =
        (0..drafts.len()).filter(|n| drafts[*n].action == Action::Delete && !drafts[*n].refused()).collect();
    let id_of = |draft: &Draft<'_>| draft.current.as_ref().map(|record| record.id);
    let ids: Vec<InternalId> = going.iter().filter_map(|n| id_of(&drafts[*n])).collect();
    let mut entities: Vec<&Entity> = Vec::new();
    for place in &going {
        if !entities.iter().any(|entity| entity.ix == drafts[*place].entity.ix) {
            entities.push(drafts[*place].entity);
        }
    }
    refuse_named_by_rows(drafts, &going);
    for entity in entities {
        let own: Vec<InternalId> = ids.iter().copied().filter(|id| id.prefix() == entity.prefix).collect();
        for (from, via) in task.catalogue.referring_to(entity.ix) {
            read_set.push(task.secret.whole(from.ix));
            let held: HashSet<InternalId> = finder.referred(from.ix, via, &own, &ids)?.into_iter().collect();
            for place in &going {
                let draft = &mut drafts[*place];
                if id_of(draft).is_some_and(|id| held.contains(&id)) {
                    let message = format!("records of {} refer to it by {}", from.name, from.field(via).name);
                    let problem = Problem::new("code", Rule::Referenced, message);
                    draft
                        .problems
                        .push(problem.with_hint("delete it logically, or change what refers to it first"));
                }
            }
        }
    }
    Ok(())
}

/// Refuses deletions of records that accepted rows of the same chunk refer to.
fn refuse_named_by_rows(drafts: &mut [Draft<'_>], going: &[usize]) {
    let mut named: HashMap<InternalId, u64> = HashMap::new();
    for draft in drafts.iter().filter(|draft| !draft.refused() && draft.action != Action::Delete) {
        for (_, value) in &draft.values {
            match value {
                Value::Reference(id) => _ = named.insert(*id, draft.row.number),
                Value::References(ids) => named.extend(ids.iter().map(|id| (*id, draft.row.number))),
                _ => {}
            }
        }
    }
    for place in going {
        let draft = &mut drafts[*place];
        let row = draft.current.as_ref().and_then(|record| named.get(&record.id));
        if let Some(row) = row {
            let message = format!("row {row} of the batch refers to it");
            draft.problems.push(Problem::new("code", Rule::Referenced, message));
        }
    }
}

/// Deletes children whose parent the batch names and which it does not name themselves.
pub(super) fn not_named<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &[Draft<'_>],
    read_set: &mut Vec<KeyHash>,
) -> Result<Vec<(usize, Change)>, F::Error> {
    let mut effects = Vec::new();
    if task.parameters.not_named.is_empty() {
        return Ok(effects);
    }
    // Named by rows, or gone already.
    let mut named: HashSet<InternalId> =
        drafts.iter().filter_map(|draft| draft.current.as_ref().map(|record| record.id)).collect();
    for scope in &task.parameters.not_named {
        let parent = drafts.iter().position(|draft| draft.row.number == scope.parent_row && !draft.refused());
        let Some(place) = parent else { continue };
        let Some(parent) = drafts[place].current.as_ref().map(|record| record.id) else { continue };
        let child = task.catalogue.entity(scope.child);
        let fields: Vec<FieldIx> = child.fields().map(|(ix, _)| ix).collect();
        read_set.push(task.secret.whole(child.ix));
        for record in finder.children(child.ix, scope.via, &[parent], &fields)? {
            if named.insert(record.id) {
                effects.push((place, gone(task, scope, record, &fields)));
            }
        }
    }
    effects.sort_by_key(|(place, _)| *place);
    Ok(effects)
}

fn gone(task: &Task<'_>, scope: &NotNamed, record: Record, fields: &[FieldIx]) -> Change {
    let entity = task.catalogue.entity(scope.child);
    let values = all_values(fields, record.values);
    let kind = match scope.deletion {
        Deletion::Logical => ChangeKind::Mark { code: record.code, state: State::Deleted, values },
        Deletion::Physical => ChangeKind::Remove { code: record.code, values },
    };
    Change { entity: entity.ix, company: record.company, row: None, id: record.id, kind }
}

/// The values of a record that are not null, with their fields.
pub(super) fn all_values(fields: &[FieldIx], values: Vec<Value>) -> Vec<(FieldIx, Value)> {
    fields.iter().copied().zip(values).filter(|(_, value)| !value.is_null()).collect()
}
