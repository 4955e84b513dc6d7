//! From drafts to changes, with new records in an order in which each refers only to earlier ones.

use std::collections::HashMap;

use super::children::all_values;
use super::{Action, Draft, Task, code_of, difference_of, numbered, outcome_of};
use crate::batch::{Deletion, Outcome};
use crate::catalogue::FieldIx;
use crate::changes::{Change, ChangeKind, Plan, Planned};
use crate::names::InternalId;
use crate::row::State;

/// Fills the plan from the drafts.
pub(super) fn assign(
    drafts: &mut Vec<Draft<'_>>,
    plan: &mut Plan,
    task: &Task<'_>,
    effects: Vec<(usize, Change)>,
) {
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
            let numbered = numbered(&draft);
            let code = draft.current.map(|record| record.code).unwrap_or_default();
            ChangeKind::Revive { code, new_code: draft.new_code, values: draft.values, numbered }
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

/// Levels of new records, and the references of each that close a circle. Rows not named are at
/// level 0 with none.
fn levels(drafts: &[Draft<'_>]) -> HashMap<usize, (u16, Vec<FieldIx>)> {
    let places: HashMap<u32, usize> = drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| !draft.refused())
        .filter_map(|(place, draft)| draft.placeholder.map(|n| (n, place)))
        .collect();
    let mut edges: Vec<Vec<(FieldIx, usize)>> = vec![Vec::new(); drafts.len()];
    for place in places.values() {
        // References from new rows to new rows of this chunk; lists need no order.
        edges[*place] = drafts[*place]
            .values
            .iter()
            .filter_map(|(field, value)| Some((*field, value.as_reference()?.new_record()?)))
            .filter_map(|(field, n)| Some((field, *places.get(&n)?)))
            .collect();
    }
    if edges.iter().all(Vec::is_empty) {
        return HashMap::new();
    }
    let mut waiting: Vec<usize> = places.into_values().collect();
    waiting.sort_unstable();
    level_by_level(&edges, waiting)
}

/// Takes, level by level, what refers to nothing that still waits.
fn level_by_level(
    edges: &[Vec<(FieldIx, usize)>],
    mut waiting: Vec<usize>,
) -> HashMap<usize, (u16, Vec<FieldIx>)> {
    let mut levels = HashMap::with_capacity(waiting.len());
    let mut referring: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    for (from, edges) in edges.iter().enumerate() {
        edges.iter().for_each(|(_, to)| referring[*to].push(from));
    }
    let mut waits = vec![false; edges.len()];
    waiting.iter().for_each(|place| waits[*place] = true);
    let mut ready: Vec<usize> = waiting.iter().copied().filter(|place| open[*place] == 0).collect();
    let mut level: u16 = 0;
    loop {
        if ready.is_empty() {
            waiting.retain(|place| waits[*place]);
            // One row of each circle goes in with its references to waiting rows empty.
            ready = one_of_each_circle(edges, &waiting, &waits);
            for place in &ready {
                let patched = edges[*place].iter().filter(|(_, to)| waits[*to]).map(|(field, _)| *field);
                levels.insert(*place, (level, patched.collect()));
            }
        }
        if ready.is_empty() {
            return levels;
        }
        let mut next = Vec::new();
        ready.iter().for_each(|place| waits[*place] = false);
        for place in ready {
            levels.entry(place).or_insert((level, Vec::new()));
            for from in &referring[place] {
                open[*from] -= 1;
                if open[*from] == 0 && waits[*from] {
                    next.push(*from);
                }
            }
        }
        next.sort_unstable();
        ready = next;
        level = level.saturating_add(1);
    }
}

/// The first row of every circle, where each waiting row refers to another.
fn one_of_each_circle(edges: &[Vec<(FieldIx, usize)>], waiting: &[usize], waits: &[bool]) -> Vec<usize> {
    let mut walked_from: Vec<Option<usize>> = vec![None; edges.len()];
    let mut chosen = Vec::new();
    for start in waiting {
        let mut place = *start;
        while walked_from[place].is_none() {
            walked_from[place] = Some(*start);
            match edges[place].iter().find(|(_, to)| waits[*to]) {
                Some((_, to)) => place = *to,
                None => break,
            }
        }
        if walked_from[place] != Some(*start) {
            continue;
        }
        // A new circle: `place` is on it.
        let (mut first, mut next) = (place, place);
        while let Some((_, to)) = edges[next].iter().find(|(_, to)| waits[*to]) {
            next = *to;
            first = first.min(next);
            if next == place {
                break;
            }
        }
        chosen.push(first);
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(edges: &[&[usize]]) -> Vec<(u16, usize)> {
        let named: Vec<Vec<(FieldIx, usize)>> =
            edges.iter().map(|to| to.iter().map(|to| (FieldIx(*to as u16), *to)).collect()).collect();
        let levels = level_by_level(&named, (0..edges.len()).collect());
        (0..edges.len()).map(|place| (levels[&place].0, levels[&place].1.len())).collect()
    }

    #[test]
    fn each_refers_to_lower_levels_or_is_patched() {
        assert_eq!(told(&[&[1], &[2], &[]]), [(2, 0), (1, 0), (0, 0)]);
        assert_eq!(told(&[&[0]]), [(0, 1)]);
        assert_eq!(told(&[&[1], &[0]]), [(0, 1), (1, 0)]);
        assert_eq!(told(&[&[1], &[0], &[3], &[2]]), [(0, 1), (1, 0), (0, 1), (1, 0)]);
        assert_eq!(told(&[&[1], &[2], &[3], &[1]]), [(1, 0), (0, 1), (2, 0), (1, 0)]);
        assert_eq!(told(&[&[1, 1], &[]]), [(1, 0), (0, 0)]);
    }

    #[test]
    fn a_long_chain_takes_no_long_time() {
        let edges: Vec<Vec<(FieldIx, usize)>> = (0..20_000)
            .map(|n: usize| n.checked_sub(1).map(|to| (FieldIx(0), to)).into_iter().collect())
            .collect();
        let levels = level_by_level(&edges, (0..20_000).collect());
        assert_eq!(levels[&19_999].0, 19_999);
    }
}
