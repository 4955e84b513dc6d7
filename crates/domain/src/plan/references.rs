//! References: from what callers say to the records they mean.

use std::collections::HashMap;

use super::{Action, Draft, Made, Task, stand_in};
use crate::batch::Test;
use crate::catalogue::{EntityIx, FieldIx, KeyIx, Scope};
use crate::find::{Find, Finder, Record, Wanted};
use crate::keys::KeyHash;
use crate::names::{Company, InternalId};
use crate::near::nearest;
use crate::row::{By, Cell, Named, State};
use crate::rule::{Problem, Rule};
use crate::value::Value;

/// All names of one kind that a chunk refers by.
struct Names {
    entity: EntityIx,
    company: Company,
    by: By,
    texts: Vec<Box<str>>,
    places: HashMap<Box<str>, u32>,
    /// Fields of the records that checks and derived fields need.
    fields: Vec<FieldIx>,
    found: Vec<Resolution>,
}

enum Resolution {
    Missing,
    One(Record),
    Several,
}

/// A name's place: which kind, which text.
type Handle = (u32, u32);

/// Turns the cells of all rows into values, references into internal ids.
pub(super) fn resolve<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
    made: &Made,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let mut kinds: Vec<Names> = Vec::new();
    let mut handles: Vec<Handle> = Vec::new();
    for draft in drafts.iter() {
        for (field, cell) in &draft.row.cells {
            match cell {
                Cell::Refer(named) => handles.push(collect(task, &mut kinds, draft, *field, named)),
                Cell::ReferMany(many) => {
                    handles.extend(many.iter().map(|named| collect(task, &mut kinds, draft, *field, named)));
                }
                _ => {}
            }
        }
    }
    for names in &mut kinds {
        find_named(task, finder, names, read_set)?;
    }
    let local = local_names(task, drafts, &kinds);
    let mut next = handles.into_iter();
    for draft in drafts.iter_mut() {
        let cells = std::mem::take(&mut draft.row.cells);
        draft.values.reserve(cells.len());
        for (field, cell) in &cells {
            let value = match cell {
                Cell::Clear => Value::Null,
                Cell::Set(value) => value.clone(),
                Cell::Refer(named) => {
                    let handle = next.next().unwrap_or_default();
                    match meant(task, draft, *field, named, &kinds, handle, &local, made) {
                        Some(id) => Value::Reference(id),
                        None => continue,
                    }
                }
                Cell::ReferMany(many) => {
                    let mut ids = Vec::with_capacity(many.len());
                    for named in many {
                        let handle = next.next().unwrap_or_default();
                        ids.extend(meant(task, draft, *field, named, &kinds, handle, &local, made));
                    }
                    Value::References(ids.into())
                }
            };
            draft.values.push((*field, value));
        }
        draft.row.cells = cells;
        let _ = derive(draft);
    }
    Ok(())
}

fn collect(
    task: &Task<'_>,
    kinds: &mut Vec<Names>,
    draft: &Draft<'_>,
    field: FieldIx,
    named: &Named,
) -> Handle {
    let target = draft.entity.field(field).kind.target().unwrap_or(draft.entity.ix);
    let company = match task.catalogue.entity(target).scope {
        Scope::Shared => Company::SHARED,
        Scope::Company => draft.company_for_references(task),
    };
    let kind = kinds
        .iter()
        .position(|names| names.entity == target && names.by == named.by && names.company == company)
        .unwrap_or_else(|| {
            kinds.push(Names {
                entity: target,
                company,
                by: named.by,
                texts: Vec::new(),
                places: HashMap::new(),
                fields: Vec::new(),
                found: Vec::new(),
            });
            kinds.len() - 1
        });
    let names = &mut kinds[kind];
    for wanted in fields_needed(task, draft.entity.ix, field) {
        if !names.fields.contains(&wanted) {
            names.fields.push(wanted);
        }
    }
    let place = match names.places.get(&named.text) {
        Some(place) => *place,
        None => {
            let place = names.texts.len() as u32;
            names.texts.push(named.text.clone());
            names.places.insert(named.text.clone(), place);
            place
        }
    };
    (kind as u32, place)
}

fn fields_needed(task: &Task<'_>, entity: EntityIx, field: FieldIx) -> impl Iterator<Item = FieldIx> {
    let checks = task.parameters.reference_checks.iter();
    let checked =
        checks.filter(move |(of, check)| *of == entity && check.field == field).map(|(_, check)| check.of);
    let derived = task.parameters.derived.iter();
    checked
        .chain(derived.filter(move |(of, rule)| *of == entity && rule.from == field).map(|(_, rule)| rule.of))
}

fn find_named<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    names: &mut Names,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let texts = || names.texts.iter().cloned().map(Value::Text);
    let wanted = match names.by {
        By::Code => Wanted::Codes(names.texts.clone()),
        By::Key(key) => Wanted::Keys(key, texts().map(|text| vec![text]).collect()),
        By::Field(field) => Wanted::Fields(field, texts().collect()),
        By::Id => {
            let ids = names.texts.iter().map(|text| InternalId(text.parse().unwrap_or_default()));
            Wanted::Ids(ids.collect())
        }
    };
    let find = Find { entity: names.entity, company: names.company, wanted, fields: names.fields.clone() };
    let found = finder.find(&find)?;
    match names.by {
        By::Field(_) => read_set.push(task.secret.whole(names.entity)),
        _ => {
            let hash = |text| task.secret.text(names.entity, names.company, names.by, text);
            read_set.extend(names.texts.iter().map(|text| hash(text)));
        }
    }
    names.found = names.texts.iter().map(|_| Resolution::Missing).collect();
    for hit in found {
        read_set.push(task.secret.id(hit.record.id));
        if matches!(hit.record.state, State::Deleted) {
            continue;
        }
        let slot = &mut names.found[hit.at as usize];
        *slot = match slot {
            Resolution::Missing => Resolution::One(hit.record),
            _ => Resolution::Several,
        };
    }
    follow_merged(task, finder, names, read_set)
}

/// A merged code names the winner.
fn follow_merged<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    names: &mut Names,
    read_set: &mut Vec<KeyHash>,
) -> Result<(), F::Error> {
    let winners: Vec<(usize, InternalId)> = names
        .found
        .iter()
        .enumerate()
        .filter_map(|(at, found)| match found {
            Resolution::One(Record { state: State::Merged(winner), .. }) => Some((at, *winner)),
            _ => None,
        })
        .collect();
    if winners.is_empty() {
        return Ok(());
    }
    let wanted = Wanted::Ids(winners.iter().map(|(_, id)| *id).collect());
    let find = Find { entity: names.entity, company: names.company, wanted, fields: names.fields.clone() };
    for hit in finder.find(&find)? {
        read_set.push(task.secret.id(hit.record.id));
        names.found[winners[hit.at as usize].0] = Resolution::One(hit.record);
    }
    Ok(())
}

/// Keys of this chunk's own rows that others of its rows may mean, with place and number of the row.
fn local_names(task: &Task<'_>, drafts: &[Draft<'_>], kinds: &[Names]) -> HashMap<KeyHash, (usize, u64)> {
    let missing = |names: &&Names| names.found.iter().any(|found| matches!(found, Resolution::Missing));
    let targets: Vec<EntityIx> = kinds.iter().filter(missing).map(|names| names.entity).collect();
    let mut local = HashMap::new();
    for (place, draft) in drafts.iter().enumerate() {
        if !targets.contains(&draft.entity.ix) {
            continue;
        }
        for (by, text) in names_in_cells(draft) {
            local
                .entry(task.secret.text(draft.entity.ix, draft.company, by, text))
                .or_insert((place, draft.row.number));
        }
    }
    local
}

fn names_in_cells<'d>(draft: &'d Draft<'_>) -> Vec<(By, &'d str)> {
    let mut names: Vec<(By, &str)> = draft.row.code.iter().map(|code| (By::Code, &**code)).collect();
    for (n, key) in draft.entity.keys.iter().enumerate() {
        if let [(field, _)] = key.fields[..]
            && let Some(Cell::Set(Value::Text(text))) = draft.row.cell(field)
        {
            names.push((By::Key(KeyIx(n as u16)), text));
        }
    }
    names
}

/// What a row's record can be named by, once its values are known.
pub(super) fn names_of<'d>(draft: &'d Draft<'_>) -> Vec<(By, &'d str)> {
    let mut names: Vec<(By, &str)> = draft.row.code.iter().map(|code| (By::Code, &**code)).collect();
    for (n, key) in draft.entity.keys.iter().enumerate() {
        if let [(field, _)] = key.fields[..]
            && let Some(Value::Text(text)) = draft.value(field)
        {
            names.push((By::Key(KeyIx(n as u16)), text));
        }
    }
    names
}

#[expect(clippy::too_many_arguments, reason = "one step of one loop, kept apart for its length")]
fn meant(
    task: &Task<'_>,
    draft: &mut Draft<'_>,
    field: FieldIx,
    named: &Named,
    kinds: &[Names],
    handle: Handle,
    local: &HashMap<KeyHash, (usize, u64)>,
    made: &Made,
) -> Option<InternalId> {
    let names = &kinds[handle.0 as usize];
    let path = &draft.entity.field(field).name;
    match &names.found[handle.1 as usize] {
        Resolution::One(record) => {
            let place = |of: FieldIx| names.fields.iter().position(|ix| *ix == of);
            check(task, draft, field, &named.text, |of| place(of).map(|at| record.values[at].clone()));
            Some(record.id)
        }
        Resolution::Several => {
            let message = format!(
                "several records of {} have {} {}",
                target_name(task, names),
                word(task, names),
                named.text
            );
            let problem = Problem::new(path, Rule::AmbiguousReference, message).with_value(&named.text);
            draft.problems.push(problem.with_hint("name the record by its code"));
            None
        }
        Resolution::Missing => {
            let hash = task.secret.text(names.entity, names.company, names.by, &named.text);
            if let Some(id) = made.records.get(&hash) {
                let lent = made.lent.get(id).map_or(&[][..], |lent| lent);
                let held =
                    |of: FieldIx| lent.iter().find(|(ix, _)| *ix == of).map(|(_, value)| value.clone());
                check(task, draft, field, &named.text, held);
                return Some(*id);
            }
            if let Some(local) = local.get(&hash) {
                draft.pending.push((field, local.0));
                return Some(stand_in(local.1));
            }
            draft.problems.push(unknown(task, path, names.entity, names.by, &named.text));
            None
        }
    }
}

fn target_name(task: &Task<'_>, names: &Names) -> Box<str> {
    task.catalogue.entity(names.entity).name.clone()
}

fn word(task: &Task<'_>, names: &Names) -> Box<str> {
    word_for(task, names.entity, names.by)
}

fn word_for(task: &Task<'_>, entity: EntityIx, by: By) -> Box<str> {
    let entity = task.catalogue.entity(entity);
    match by {
        By::Code => "code".into(),
        By::Key(key) => entity.field(entity.key(key).fields[0].0).name.clone(),
        By::Field(field) => entity.field(field).name.clone(),
        By::Id => "id".into(),
    }
}

fn unknown(task: &Task<'_>, path: &str, entity: EntityIx, by: By, text: &str) -> Problem {
    let name = &task.catalogue.entity(entity).name;
    let message = format!("no {name} has {} {text}", word_for(task, entity, by));
    Problem::new(path, Rule::UnknownReference, message).with_value(text)
}

/// Tests the record that a reference names, and notes what it lends. `held` knows its fields, as
/// far as they were asked for.
fn check(
    task: &Task<'_>,
    draft: &mut Draft<'_>,
    field: FieldIx,
    text: &str,
    held: impl Fn(FieldIx) -> Option<Value>,
) {
    for (entity, check) in &task.parameters.reference_checks {
        if *entity != draft.entity.ix || check.field != field {
            continue;
        }
        let passes = match (&check.test, held(check.of)) {
            (Test::Is(value), Some(held)) => held == *value,
            (Test::IsNot(value), Some(held)) => held != *value,
            (_, None) => true,
        };
        if !passes {
            let problem = Problem::new(&draft.entity.field(field).name, check.rule, &*check.message);
            draft.problems.push(problem.with_value(text));
        }
    }
    for (entity, rule) in &task.parameters.derived {
        if *entity == draft.entity.ix
            && rule.from == field
            && let Some(value) = held(rule.of)
        {
            draft.derived.push((rule.field, value));
        }
    }
}

/// Fills fields from referenced records where the row itself is silent, and says which.
fn derive(draft: &mut Draft<'_>) -> Vec<FieldIx> {
    let mut filled = Vec::new();
    for (field, value) in std::mem::take(&mut draft.derived) {
        if value.is_null() {
            continue;
        }
        if let Err(at) = draft.values.binary_search_by_key(&field, |(ix, _)| *ix) {
            draft.values.insert(at, (field, value));
            filled.push(field);
        }
    }
    filled
}

/// Writes the ids of records that exist where references to rows of the chunk stand for them.
pub(super) fn replace_known(drafts: &mut [Draft<'_>]) {
    replace(drafts, |target| target.current.as_ref().map(|record| record.id));
}

/// Writes the records that references to rows of the chunk turned out to mean.
pub(super) fn replace_pending(drafts: &mut [Draft<'_>]) {
    replace(drafts, |target| target.placeholder.map(InternalId::placeholder));
}

fn replace(drafts: &mut [Draft<'_>], id_of: impl Fn(&Draft<'_>) -> Option<InternalId>) {
    for place in 0..drafts.len() {
        let targets = drafts[place].pending.iter().map(|(_, to)| &drafts[*to]);
        let ids: Vec<(InternalId, InternalId)> =
            targets.filter_map(|target| Some((stand_in(target.row.number), id_of(target)?))).collect();
        if ids.is_empty() {
            continue;
        }
        let mend = |id: &mut InternalId| {
            if let Some((_, known)) = ids.iter().find(|(from, _)| from == id) {
                *id = *known;
            }
        };
        let mend = |value: &mut Value| match value {
            Value::Reference(id) => mend(id),
            Value::References(many) => many.iter_mut().for_each(mend),
            _ => {}
        };
        let draft = &mut drafts[place];
        draft.values.iter_mut().for_each(|(_, value)| mend(value));
        draft.differing.iter_mut().for_each(|(_, _, after)| mend(after));
        draft.claimed.iter_mut().flat_map(|(_, values)| values).for_each(mend);
    }
}

/// Tests new rows of the chunk that others refer to, and fills what they lend.
pub(super) fn borrow_pending(task: &Task<'_>, drafts: &mut [Draft<'_>]) {
    if task.parameters.reference_checks.is_empty() && task.parameters.derived.is_empty() {
        return;
    }
    for place in 0..drafts.len() {
        for (field, to) in drafts[place].pending.clone() {
            let target = &drafts[to];
            if target.current.is_some() {
                continue;
            }
            let text = target.row.code.clone().unwrap_or_default();
            let values: Vec<(FieldIx, Value)> = fields_needed(task, drafts[place].entity.ix, field)
                .map(|of| (of, new_value(target, of)))
                .collect();
            let held = |of: FieldIx| values.iter().find(|(ix, _)| *ix == of).map(|(_, value)| value.clone());
            // What is lent may itself be a reference to a row of the chunk.
            let waiting = target.pending.clone();
            check(task, &mut drafts[place], field, &text, held);
            let draft = &mut drafts[place];
            let filled = derive(draft);
            for (entity, rule) in &task.parameters.derived {
                if *entity == draft.entity.ix && rule.from == field && filled.contains(&rule.field) {
                    let also =
                        waiting.iter().filter(|(of, _)| *of == rule.of).map(|(_, to)| (rule.field, *to));
                    draft.pending.extend(also);
                }
            }
        }
    }
}

/// What a field will hold in the new record of a row.
fn new_value(draft: &Draft<'_>, field: FieldIx) -> Value {
    let default = || draft.entity.field(field).default.clone().filter(|_| draft.row.cell(field).is_none());
    draft.value(field).cloned().or_else(default).unwrap_or(Value::Null)
}

/// Notes what new records lend to rows of later chunks.
pub(super) fn lend(task: &Task<'_>, drafts: &[Draft<'_>], made: &mut Made) {
    for draft in drafts.iter().filter(|draft| !draft.refused() && draft.makes_record()) {
        let revived = draft.current.as_ref().map(|record| record.id);
        let Some(id) = draft.placeholder.map(InternalId::placeholder).or(revived) else { continue };
        let lent = lent(task, draft);
        if !lent.is_empty() {
            made.lent.insert(id, lent);
        }
    }
}

fn lent(task: &Task<'_>, draft: &Draft<'_>) -> Vec<(FieldIx, Value)> {
    let leads_here = |entity: EntityIx, field: FieldIx| {
        task.catalogue.entity(entity).field(field).kind.target() == Some(draft.entity.ix)
    };
    let checks = task.parameters.reference_checks.iter();
    let checked =
        checks.filter(|(entity, check)| leads_here(*entity, check.field)).map(|(_, check)| check.of);
    let derived = task.parameters.derived.iter();
    let derived = derived.filter(|(entity, rule)| leads_here(*entity, rule.from)).map(|(_, rule)| rule.of);
    checked.chain(derived).map(|of| (of, draft.value(of).cloned().unwrap_or(Value::Null))).collect()
}

/// Decides references between rows of the chunk: they hold when the row meant is accepted.
pub(super) fn settle_pending(task: &Task<'_>, drafts: &mut [Draft<'_>]) {
    if drafts.iter().all(|draft| draft.pending.is_empty()) {
        return;
    }
    loop {
        let mut fallen = Vec::new();
        for (place, draft) in drafts.iter().enumerate() {
            if draft.refused() {
                continue;
            }
            let lost = draft.pending.iter().find(|(_, to)| {
                let target = &drafts[*to];
                let stays = target.action != Action::Delete
                    && target.current.as_ref().is_some_and(|record| record.state == State::Live);
                target.refused() || !(target.makes_record() || stays)
            });
            if let Some((field, to)) = lost {
                fallen.push((place, *field, *to));
            }
        }
        if fallen.is_empty() {
            return;
        }
        for (place, field, to) in fallen {
            let path = drafts[place].entity.field(field).name.clone();
            let entity = drafts[to].entity.ix;
            let number = drafts[to].row.number;
            let named = drafts[place].row.cell(field).cloned();
            let (by, text) = match named {
                Some(Cell::Refer(named)) => (named.by, named.text),
                _ => (By::Code, drafts[to].row.code.clone().unwrap_or_default()),
            };
            let problem = unknown(task, &path, entity, by, &text);
            let refused = drafts[to].refused();
            let hint = format!(
                "row {number} {}",
                if refused { "would add it, but is refused" } else { "leaves it deleted" }
            );
            drafts[place].problems.push(problem.with_hint(hint));
        }
    }
}

/// Adds the nearest existing key to unknown references, where the misspelling is small.
pub(super) fn hint<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    drafts: &mut [Draft<'_>],
) -> Result<(), F::Error> {
    /// Hints are a kindness: past this many in a chunk they would be a burden.
    const MOST: usize = 50;
    let mut asked: HashMap<(EntityIx, By, Box<str>), Option<Box<str>>> = HashMap::new();
    for draft in drafts.iter_mut().filter(|draft| !draft.problems.is_empty()) {
        for problem in &mut draft.problems {
            if problem.rule != Rule::UnknownReference || problem.hint.is_some() {
                continue;
            }
            let Some((field, described)) = draft.entity.find_field(&problem.field) else { continue };
            let Some(target) = described.kind.target() else { continue };
            let Some(text) = problem.value.clone() else { continue };
            let named = match draft.row.cell(field) {
                Some(Cell::Refer(named)) => Some(named),
                Some(Cell::ReferMany(many)) => many.iter().find(|named| named.text == text),
                _ => None,
            };
            let by = named.map_or(By::Code, |named| named.by);
            let company = match task.catalogue.entity(target).scope {
                Scope::Shared => Company::SHARED,
                Scope::Company => draft.row.company.unwrap_or(task.company),
            };
            let key = (target, by, text.clone());
            if !asked.contains_key(&key) {
                if asked.len() >= MOST {
                    return Ok(());
                }
                let near = finder.neighbours(target, company, by, &text)?;
                let best = nearest(&text, near.iter().map(|near| &**near).filter(|near| **near != *text));
                asked.insert(key.clone(), best.map(Into::into));
            }
            problem.hint = asked[&key].as_ref().map(|near| format!("did you mean {near}?").into());
        }
    }
    Ok(())
}
