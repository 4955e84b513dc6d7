//! Planning: what a chunk of rows means for the records there are.
//!
//! A plan depends on its arguments and on what the [`Finder`] answers, on nothing else: no clock,
//! no chance, no order of hash maps. Whatever only the write turn knows (ids, codes given by us,
//! revisions, instants) is a placeholder in it. Planning a batch again over its own result gives
//! `unchanged` everywhere.

use std::collections::HashMap;
use std::rc::Rc;

use crate::batch::{DeletedMet, Difference, Outcome, Parameters};
use crate::catalogue::{Catalogue, Entity, FieldIx};
use crate::changes::{NewCode, Plan};
use crate::find::{Finder, Record};
use crate::keys::{KeyHash, KeySecret};
use crate::names::{Company, InternalId};
use crate::row::{By, Mode, Row, State};
use crate::rule::{Problem, Rule};
use crate::value::Value;

mod children;
mod claims;
mod levels;
mod matching;
mod references;

/// What holds for every chunk of a batch.
pub struct Task<'a> {
    /// The catalogue as the batch knows it.
    pub catalogue: &'a Catalogue,
    /// What the batch was told.
    pub parameters: &'a Parameters,
    /// The caller's company.
    pub company: Company,
    /// What the caller may do.
    pub permits: &'a dyn Permits,
    /// Secret of key hashes.
    pub secret: KeySecret,
}

/// What a caller may do to an entity, rights and access switches together.
pub trait Permits {
    /// Adding records.
    fn insert(&self, entity: &Entity) -> bool;
    /// Changing records.
    fn update(&self, entity: &Entity) -> bool;
    /// Deleting records.
    fn delete(&self, entity: &Entity) -> bool;
}

/// Everything is allowed: for tests and for our own records.
pub struct All;

impl Permits for All {
    fn insert(&self, _: &Entity) -> bool {
        true
    }
    fn update(&self, _: &Entity) -> bool {
        true
    }
    fn delete(&self, _: &Entity) -> bool {
        true
    }
}

/// What earlier rows of the batch made, by key: for rows that refer to them or repeat them.
///
/// One lives as long as what was planned is not yet written: for a chunk when rows stand alone,
/// for the whole batch when they stand together.
#[derive(Debug, Default)]
pub struct Made {
    records: HashMap<KeyHash, InternalId>,
    claims: HashMap<KeyHash, u64>,
    touched: HashMap<InternalId, u64>,
    /// What records made lend to rows that refer to them, for checks and derived fields.
    lent: HashMap<InternalId, Vec<(FieldIx, Value)>>,
    new: u32,
}

impl Made {
    /// How many placeholders were given so far.
    pub fn new_records(&self) -> u32 {
        self.new
    }

    /// True when nothing was planned yet.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.new == 0
    }
}

/// A row on its way to an outcome.
pub(crate) struct Draft<'a> {
    pub row: Row,
    pub entity: &'a Entity,
    pub company: Company,
    pub mode: Mode,
    pub problems: Vec<Problem>,
    /// Resolved values of the fields that the row names, ascending by field.
    pub values: Vec<(FieldIx, Value)>,
    /// References to rows of this chunk: field, place of the row. Until that row has an id, the
    /// value is [`stand_in`].
    pub pending: Vec<(FieldIx, usize)>,
    /// Values that referenced records lend to fields the row does not name.
    pub derived: Vec<(FieldIx, Value)>,
    /// Fields asked for of `current`, ascending.
    pub fields: Rc<[FieldIx]>,
    /// The record that the row is about, with the fields asked for.
    pub current: Option<Record>,
    pub action: Action,
    pub differing: Vec<(FieldIx, Value, Value)>,
    pub new_code: Option<Box<str>>,
    pub given_up: Vec<KeyHash>,
    pub taken: Vec<KeyHash>,
    /// Unique keys that it takes with stand-ins in them.
    pub claimed: Vec<(By, Vec<Value>)>,
    /// Placeholder of a new record.
    pub placeholder: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Undecided,
    Insert,
    Revive,
    Update,
    Delete,
    Nothing,
}

/// Stands, in values, for the record of a row of this chunk that has no id yet.
pub(crate) fn stand_in(row: u64) -> InternalId {
    InternalId(i64::MIN + row as i64)
}

impl Draft<'_> {
    fn refused(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(crate) fn value(&self, field: FieldIx) -> Option<&Value> {
        self.values.binary_search_by_key(&field, |(ix, _)| *ix).ok().map(|at| &self.values[at].1)
    }

    /// What a field of the record held, as far as it was asked for.
    pub(crate) fn held(&self, field: FieldIx) -> Option<&Value> {
        let at = self.fields.binary_search(&field).ok()?;
        self.current.as_ref().map(|record| &record.values[at])
    }

    /// The company in which the row's references to unshared records are looked up.
    pub(crate) fn company_for_references(&self, task: &Task<'_>) -> Company {
        self.row.company.unwrap_or(task.company)
    }

    fn makes_record(&self) -> bool {
        matches!(self.action, Action::Insert | Action::Revive)
    }
}

/// Plans one chunk.
///
/// `known` are problems that only the whole batch shows (a key that comes twice), by row number.
/// `made` is empty for rows that stand alone, and carried from chunk to chunk for those that stand
/// together.
pub fn plan<F: Finder + ?Sized>(
    task: &Task<'_>,
    finder: &mut F,
    rows: Vec<Row>,
    known: &HashMap<u64, Problem>,
    made: &mut Made,
) -> Result<Plan, F::Error> {
    let mut plan = Plan { read_set: Vec::with_capacity(rows.len() * 4), ..Plan::default() };
    let mut drafts: Vec<Draft<'_>> = rows.into_iter().map(|row| draft(task, row, known)).collect();
    references::resolve(task, finder, &mut drafts, made, &mut plan.read_set)?;
    matching::find_records(task, finder, &mut drafts, made, &mut plan.read_set)?;
    references::replace_known(&mut drafts);
    references::borrow_pending(task, &mut drafts);
    for draft in &mut drafts {
        decide(task, draft);
    }
    claims::check(task, finder, &mut drafts, made, &mut plan.read_set)?;
    children::check_deletions(task, finder, &mut drafts, &mut plan.read_set)?;
    references::settle_pending(task, &mut drafts);
    references::hint(task, finder, &mut drafts)?;
    let effects = children::not_named(task, finder, &drafts, &mut plan.read_set)?;
    number_new_records(task, &mut drafts, made);
    references::replace_pending(&mut drafts);
    claims::remember_pending(task, &mut drafts, made);
    references::lend(task, &drafts, made);
    levels::assign(&mut drafts, &mut plan, task, effects);
    Ok(plan)
}

fn draft<'a>(task: &Task<'a>, mut row: Row, known: &HashMap<u64, Problem>) -> Draft<'a> {
    let entity: &'a Entity = task.catalogue.entity(row.entity);
    let mut problems = std::mem::take(&mut row.problems);
    problems.extend(known.get(&row.number).cloned());
    let company = match entity.scope {
        crate::catalogue::Scope::Shared => Company::SHARED,
        crate::catalogue::Scope::Company => row.company.unwrap_or(task.company),
    };
    Draft {
        mode: row.mode.unwrap_or(task.parameters.mode),
        row,
        entity,
        company,
        problems,
        values: Vec::new(),
        pending: Vec::new(),
        derived: Vec::new(),
        fields: Rc::from([]),
        current: None,
        action: Action::Undecided,
        differing: Vec::new(),
        new_code: None,
        given_up: Vec::new(),
        taken: Vec::new(),
        claimed: Vec::new(),
        placeholder: None,
    }
}

/// What a person would call the record of a draft.
fn called(draft: &Draft<'_>) -> String {
    match &draft.row.code {
        Some(code) => format!("{} {code}", draft.entity.name),
        None => format!("the {}", draft.entity.name),
    }
}

/// Decides what happens to the record of a row, from its mode and the record's state.
fn decide(task: &Task<'_>, draft: &mut Draft<'_>) {
    let parameters = task.parameters;
    let live = matches!(&draft.current, Some(record) if record.state == State::Live);
    let marked = draft.current.is_some() && !live;
    if let (Some(expected), Some(record)) = (draft.row.revision, draft.current.as_ref().filter(|_| live))
        && expected != record.revision
    {
        let message = format!("{} has revision {}, not {expected}", called(draft), record.revision);
        let problem =
            Problem::new("revision", Rule::StaleRevision, message).with_value(&expected.to_string());
        draft
            .problems
            .push(problem.with_hint("read the record again and send your change with its new revision"));
    }
    draft.action = match draft.mode {
        Mode::Delete if live => Action::Delete,
        Mode::Delete if marked || parameters.absent_deleted_unchanged => {
            if !parameters.absent_deleted_unchanged {
                not_found(draft);
            }
            Action::Nothing
        }
        Mode::Delete => {
            not_found(draft);
            Action::Nothing
        }
        _ if marked => met_deleted(parameters.deleted_met, draft),
        Mode::Create if live => {
            let problem = already_exists(draft, "exists already");
            let hint = "send it with mode update or upsert, or choose another code";
            draft.problems.push(problem.with_hint(hint));
            Action::Nothing
        }
        Mode::Update if !live => {
            not_found(draft);
            Action::Nothing
        }
        _ if live => Action::Update,
        _ => {
            if draft.row.revision.is_some() {
                not_found(draft);
            }
            Action::Insert
        }
    };
    check_permit(task, draft);
    match draft.action {
        Action::Insert => fill_new(draft),
        Action::Revive => {
            fill_new(draft);
            let held = draft.current.as_ref().map(|record| &record.code);
            draft.new_code = draft.row.code.clone().filter(|code| Some(code) != held);
        }
        Action::Update => compare(task, draft),
        _ => {}
    }
}

fn met_deleted(met: DeletedMet, draft: &mut Draft<'_>) -> Action {
    // Who expects a revision expects a record: an emptied one would not be it.
    if draft.mode == Mode::Update || (met == DeletedMet::Revive && draft.row.revision.is_some()) {
        not_found(draft);
        return Action::Nothing;
    }
    if met == DeletedMet::Revive {
        return Action::Revive;
    }
    let problem = already_exists(draft, "is deleted, and its key stays taken");
    draft.problems.push(problem.with_hint("choose another code"));
    Action::Nothing
}

fn not_found(draft: &mut Draft<'_>) {
    let problem = match &draft.row.code {
        Some(code) => {
            let message = format!("no {} has code {code}", draft.entity.name);
            Problem::new("code", Rule::NotFound, message).with_value(code)
        }
        None => {
            let message = format!("no {} has the key of this row", draft.entity.name);
            Problem::new("code", Rule::NotFound, message)
        }
    };
    draft.problems.push(problem);
}

fn already_exists(draft: &Draft<'_>, why: &str) -> Problem {
    let problem = Problem::new("code", Rule::AlreadyExists, format!("{} {why}", called(draft)));
    match &draft.row.code {
        Some(code) => problem.with_value(code),
        None => problem,
    }
}

fn check_permit(task: &Task<'_>, draft: &mut Draft<'_>) {
    let (allowed, verb) = match draft.action {
        Action::Insert | Action::Revive => (task.permits.insert(draft.entity), "added"),
        Action::Update => (task.permits.update(draft.entity), "changed"),
        Action::Delete => (task.permits.delete(draft.entity), "deleted"),
        Action::Undecided | Action::Nothing => return,
    };
    if !allowed {
        let message = format!("a {} may not be {verb} by this login", draft.entity.name);
        let problem = Problem::new("", Rule::Forbidden, message);
        draft
            .problems
            .push(problem.with_hint("ask the administrator for the right, or to open the entity's access"));
    }
}

/// Checks what a new record must have and fills defaults.
fn fill_new(draft: &mut Draft<'_>) {
    draft.values.retain(|(_, value)| !value.is_null());
    for (ix, field) in draft.entity.fields() {
        if !field.required && field.default.is_none() {
            continue;
        }
        let at = draft.values.binary_search_by_key(&ix, |(ix, _)| *ix);
        let Err(at) = at else { continue };
        if let Some(default) = field.default.as_ref().filter(|_| draft.row.cell(ix).is_none()) {
            draft.values.insert(at, (ix, default.clone()));
        } else if field.required
            && !mentions(&draft.problems, &field.name)
            && draft.entity.numbering_of(Some(ix)).is_none()
        {
            let message = format!("{} is required", field.name);
            draft.problems.push(Problem::new(&field.name, Rule::Required, message));
        }
    }
}

fn mentions(problems: &[Problem], field: &str) -> bool {
    problems.iter().any(|problem| *problem.field == *field)
}

/// Compares a row with its record; what is equal is left alone.
fn compare(task: &Task<'_>, draft: &mut Draft<'_>) {
    let Some(record) = draft.current.take() else { return };
    let fields = draft.fields.clone();
    let held = |field: FieldIx| fields.binary_search(&field).ok().map(|at| &record.values[at]);
    if let Some((_, time)) = task.parameters.source_time.iter().find(|(entity, _)| *entity == draft.entity.ix)
        && let (Some(Value::Datetime(sent)), Some(Value::Datetime(stored))) =
            (draft.value(*time), held(*time))
        && sent < stored
    {
        draft.action = Action::Nothing;
        draft.current = Some(record);
        return;
    }
    let mut problems = Vec::new();
    let mut differing = Vec::new();
    let mut visit = |ix: FieldIx, after: &Value| {
        let before = held(ix).unwrap_or(&Value::Null);
        if before == after {
            return;
        }
        let field = draft.entity.field(ix);
        // What numbers itself is never emptied: no value means "number it", and it is numbered.
        if after.is_null() && draft.entity.numbering_of(Some(ix)).is_some() {
            return;
        }
        if field.required && after.is_null() {
            problems.push(Problem::new(&field.name, Rule::Required, format!("{} is required", field.name)));
        }
        differing.push((ix, before.clone(), after.clone()));
    };
    if draft.mode == Mode::Replace {
        for (ix, field) in draft.entity.fields() {
            let silent = draft.row.cell(ix).is_none();
            // What the row does not name becomes what it is in a new record; what callers cannot
            // send stays.
            if silent && field.read_only {
                continue;
            }
            let default = field.default.as_ref().filter(|_| silent);
            visit(ix, draft.value(ix).or(default).unwrap_or(&Value::Null));
        }
    } else {
        for (ix, value) in &draft.values {
            visit(*ix, value);
        }
    }
    draft.problems.extend(problems);
    draft.differing = differing;
    draft.new_code = draft.row.code.clone().filter(|code| *code != record.code);
    if draft.differing.is_empty() && draft.new_code.is_none() {
        draft.action = Action::Nothing;
    }
    draft.current = Some(record);
}

fn number_new_records(task: &Task<'_>, drafts: &mut [Draft<'_>], made: &mut Made) {
    for draft in drafts.iter_mut().filter(|draft| !draft.refused()) {
        let id = match draft.action {
            Action::Insert => {
                draft.placeholder = Some(made.new);
                made.new += 1;
                InternalId::placeholder(made.new - 1)
            }
            // A changed record may be named by what it just took.
            Action::Revive | Action::Update => match &draft.current {
                Some(record) => record.id,
                None => continue,
            },
            _ => continue,
        };
        for (by, text) in references::names_of(draft) {
            let hash = task.secret.text(draft.entity.ix, draft.company, by, text);
            made.records.insert(hash, id);
        }
    }
}

/// The code of a record that a draft adds.
fn code_of(task: &Task<'_>, draft: &Draft<'_>) -> NewCode {
    match &draft.row.code {
        Some(code) => NewCode::Given(code.clone()),
        None if draft.entity.numbering_of(None).is_some() => NewCode::Numbered,
        None => NewCode::Form(task.parameters.code_form),
    }
}

/// Fields of a new record that number themselves.
fn numbered(draft: &Draft<'_>) -> Vec<FieldIx> {
    let rules = draft.entity.numbering.iter().filter_map(|rule| rule.field);
    rules.filter(|field| draft.value(*field).is_none()).collect()
}

fn outcome_of(draft: &Draft<'_>) -> Outcome {
    match draft.action {
        _ if draft.refused() => Outcome::Refused,
        Action::Insert | Action::Revive => Outcome::Added,
        Action::Update => Outcome::Updated,
        Action::Delete => Outcome::Deleted,
        Action::Nothing | Action::Undecided => Outcome::Unchanged,
    }
}

fn difference_of(draft: &Draft<'_>, outcome: Outcome) -> Difference {
    let fields = match draft.action {
        _ if draft.refused() => Vec::new(),
        Action::Insert | Action::Revive => {
            draft.values.iter().map(|(ix, value)| (*ix, Value::Null, value.clone())).collect()
        }
        Action::Update => draft.differing.clone(),
        _ => Vec::new(),
    };
    let code = draft.row.code.clone().or_else(|| draft.current.as_ref().map(|record| record.code.clone()));
    Difference { row: draft.row.number, entity: draft.entity.ix, code, outcome, fields }
}

#[cfg(test)]
mod tests;
