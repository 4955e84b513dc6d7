//! From drafts to changes, with new records in an order in which each refers only to earlier ones.

use std::collections::HashMap;

use super::children::all_values;
use super::{Action, Draft, Task, code_of, difference_of, numbered, outcome_of};
use crate::batch::{Deletion, Outcome};
use crate::catalogue::FieldIx;
use crate::changes::{Change, ChangeKind, Plan, Planned};
use crate::names::InternalId;
use crate::row::State;
use crate::value::Value;

/// Fills the plan from the drafts.
pub(super) fn assign(drafts: &mut Vec<Draft<'_>>, plan: &mut Plan, task: &Task<'_>, effects: Vec<(usize, Change)>) {
    replace_pending(drafts);
    let levels = levels(drafts);
    let mut effects = effects.into_iter().peekable();
    plan.rows.reserve(drafts.len());
    plan.changes.reserve(drafts.len());
    for (place, draft) in drafts.drain(..).enumerate() {
        let outcome = outcome_of(&draft);
        if task.parameters.dry_run {
            plan.differences.push(difference_of(&draft, outcome));
        }
        let planned = Planned {
            number: draft.row.number,
            line: draft.row.line,
            span: draft.row.span,
            entity: draft.entity.ix,
            company: draft.company,
            outcome,
            record: match (outcome, draft.placeholder) {
                (Outcome::Refused, _) => None,
                (_, Some(n)) => Some(InternalId::placeholder(n)),
                _ => draft.current.as_ref().map(|record| record.id),
            },
            code: draft.row.code.clone().or_else(|| draft.current.as_ref().map(|record| record.code.clone())),
            revision: draft.current.as_ref().map_or(0, |record| record.revision),
            problems: Vec::new(),
            id: None,
        };
        let (level, patched) = levels.get(&place).cloned().unwrap_or_default();
        let (planned, change) = finish(task, draft, planned, level, patched);
        plan.rows.push(planned);
        if let Some((entity, company, id, kind)) = change {
            plan.changes.push(Change { entity, company, row: Some(place as u32), id, kind });
        }
        while let Some((_, effect)) = effects.next_if(|(of, _)| *of == place) {
            plan.effects.deleted += 1;
            plan.changes.push(effect);
        }
    }
    for (_, effect) in effects {
        plan.effects.deleted += 1;
        plan.changes.push(effect);
    }
}

type Finished = Option<(crate::catalogue::EntityIx, crate::names::Company, InternalId, ChangeKind)>;

fn finish(
    task: &Task<'_>,
    mut draft: Draft<'_>,
    mut planned: Planned,
    level: u16,
    patched: Vec<FieldIx>,
) -> (Planned, Finished) {
    planned.id = draft.row.id.take();
    planned.problems = std::mem::take(&mut draft.problems);
    if planned.outcome == Outcome::Refused {
        return (planned, None);
    }
    let (entity, company) = (draft.entity.ix, draft.company);
    let Some(id) = planned.record else { return (planned, None) };
    let kind = match draft.action {
        Action::Insert => {
            let code = code_of(task, &draft);
            let numbered = numbered(&draft);
            ChangeKind::Insert { code, values: draft.values, numbered, level, patched }
        }
        Action::Revive => {
            let code = planned.code.clone().unwrap_or_default();
            let numbered = numbered(&draft);
            ChangeKind::Revive { code, values: draft.values, numbered }
        }
        Action::Update => ChangeKind::Update {
            code: draft.current.map(|record| record.code).unwrap_or_default(),
            new_code: draft.new_code,
            fields: draft.differing,
            given_up: draft.given_up,
            taken: draft.taken,
        },
        Action::Delete => {
            let Some(record) = draft.current else { return (planned, None) };
            let values = all_values(&draft.fields, record.values);
            match task.parameters.deletion {
                Deletion::Logical => ChangeKind::Mark { code: record.code, state: State::Deleted, values },
                Deletion::Physical => ChangeKind::Remove { code: record.code, values },
            }
        }
        Action::Nothing | Action::Undecided => return (planned, None),
    };
    (planned, Some((entity, company, id, kind)))
}

/// Writes the records that pending references turned out to mean.
fn replace_pending(drafts: &mut [Draft<'_>]) {
    for place in 0..drafts.len() {
        let pending = std::mem::take(&mut drafts[place].pending);
        let mut stands_for = |id: InternalId, to: Option<&(FieldIx, usize)>| match to {
            Some((_, to)) if id == InternalId(0) => match (drafts[*to].placeholder, &drafts[*to].current) {
                (Some(n), _) => InternalId::placeholder(n),
                (None, Some(record)) => record.id,
                (None, None) => id,
            },
            _ => id,
        };
        let mut replaced: Vec<(FieldIx, Value)> = Vec::new();
        for (field, value) in &drafts[place].values {
            let mut targets = pending.iter().filter(|(of, _)| of == field);
            match value {
                Value::Reference(id) if *id == InternalId(0) => {
                    replaced.push((*field, Value::Reference(stands_for(*id, targets.next()))));
                }
                Value::References(ids) if ids.contains(&InternalId(0)) => {
                    let ids = ids.iter().map(|id| match id {
                        InternalId(0) => stands_for(*id, targets.next()),
                        id => *id,
                    });
                    replaced.push((*field, Value::References(ids.collect())));
                }
                _ => {}
            }
        }
        let draft = &mut drafts[place];
        for (field, value) in replaced {
            if let Some((_, _, after)) = draft.differing.iter_mut().find(|(ix, _, _)| *ix == field) {
                *after = value.clone();
            }
            if let Ok(at) = draft.values.binary_search_by_key(&field, |(ix, _)| *ix) {
                draft.values[at].1 = value;
            }
        }
    }
}

/// Levels of new records, and the references of each that close a circle. Rows not named are at
/// level 0 with none.
fn levels(drafts: &[Draft<'_>]) -> HashMap<usize, (u16, Vec<FieldIx>)> {
    let mut levels = HashMap::new();
    let places: HashMap<u32, usize> = drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| !draft.refused())
        .filter_map(|(place, draft)| draft.placeholder.map(|n| (n, place)))
        .collect();
    // References from new rows to new rows of this chunk.
    let mut edges: Vec<(usize, FieldIx, usize)> = Vec::new();
    for (place, draft) in drafts.iter().enumerate() {
        if draft.placeholder.is_none() || draft.refused() {
            continue;
        }
        for (field, value) in &draft.values {
            let Some(n) = value.as_reference().and_then(InternalId::new_record) else { continue };
            if let Some(to) = places.get(&n) {
                edges.push((place, *field, *to));
            }
        }
    }
    if edges.is_empty() {
        return levels;
    }
    let mut waiting: Vec<usize> = places.values().copied().collect();
    waiting.sort_unstable();
    let mut level = 0;
    while !waiting.is_empty() {
        let open = |place: &usize| edges.iter().any(|(from, _, to)| from == place && waiting.contains(to));
        let (blocked, mut ready): (Vec<usize>, Vec<usize>) = waiting.iter().copied().partition(open);
        if ready.is_empty() {
            // A circle: its first row goes in with those references empty.
            let first = blocked[0];
            let patched = edges.iter().filter(|(from, _, to)| *from == first && waiting.contains(to));
            levels.insert(first, (level, patched.map(|(_, field, _)| *field).collect()));
            ready.push(first);
        }
        for place in &ready {
            levels.entry(*place).or_insert((level, Vec::new()));
        }
        waiting.retain(|place| !ready.contains(place));
        level += 1;
    }
    levels
}
