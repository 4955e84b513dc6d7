//! From the parts of a filter to a condition on records of an entity.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::{Filter, FilterFault, Literal, LiteralKind, Node, Path, Position, did_you_mean, quoted, word_of};
use crate::catalogue::{Catalogue, Entity, EntityIx, Field, Scope};
use crate::field::{FieldType, Reading, Scalar, read_scalar};
use crate::find::{Find, Finder, Wanted};
use crate::names::{Company, InternalId};
use crate::query::{Column, Comparison, Condition};
use crate::row::{By, State};
use crate::value::Value;

/// What kept a filter from becoming a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveError<E> {
    /// The filter does not fit the catalogue.
    Fault(FilterFault),
    /// The records that it names could not be looked up.
    Lookup(E),
}

impl<E> From<FilterFault> for ResolveError<E> {
    fn from(fault: FilterFault) -> Self {
        ResolveError::Fault(fault)
    }
}

/// What a lookup answers: for each text the record it names.
pub type LookedUp<E> = Result<Vec<Option<InternalId>>, E>;

/// Looks up records of an entity by texts: codes or a unique key, as [`By`] says; one answer for
/// each text, in order.
pub type Lookup<'a, E> = dyn FnMut(EntityIx, By, Vec<Box<str>>) -> LookedUp<E> + 'a;

impl Filter {
    /// The condition that the filter is on records of `entity`.
    ///
    /// Types are checked before anything is looked up; each kind of key is then looked up once,
    /// with all its texts. `lookup` says which records they name, merged ones by their winner.
    pub fn resolve<E>(
        &self,
        catalogue: &Catalogue,
        entity: EntityIx,
        reading: &Reading,
        lookup: &mut Lookup<'_, E>,
    ) -> Result<Condition, ResolveError<E>> {
        let entity = catalogue.entity(entity);
        let mut names = Names::default();
        let condition =
            Resolver { catalogue, entity, reading, names: &mut names }.condition(&self.root, false)?;
        if names.asked.is_empty() {
            return Ok(condition);
        }
        for ((target, by), texts) in std::mem::take(&mut names.asked) {
            let found = lookup(target, by, texts.clone()).map_err(ResolveError::Lookup)?;
            let found = found.into_iter().chain(std::iter::repeat(None));
            names.known.extend(texts.into_iter().zip(found).map(|(text, id)| ((target, by, text), id)));
        }
        Ok(Resolver { catalogue, entity, reading, names: &mut names }.condition(&self.root, false)?)
    }
}

/// A lookup in the records that a finder knows, as `company` sees them.
pub fn lookup_in<'a, F: Finder + ?Sized>(
    catalogue: &'a Catalogue,
    company: Company,
    finder: &'a mut F,
) -> impl FnMut(EntityIx, By, Vec<Box<str>>) -> LookedUp<F::Error> + 'a {
    move |entity, by, texts| {
        let company = match catalogue.entity(entity).scope {
            Scope::Shared => Company::SHARED,
            Scope::Company => company,
        };
        let mut ids = vec![None; texts.len()];
        let wanted = match by {
            By::Code => Wanted::Codes(texts),
            By::Key(key) => {
                Wanted::Keys(key, texts.into_iter().map(|text| vec![Value::Text(text)]).collect())
            }
            By::Field(field) => Wanted::Fields(field, texts.into_iter().map(Value::Text).collect()),
            By::Id => {
                let id = |text: Box<str>| InternalId(text.parse().unwrap_or_default());
                Wanted::Ids(texts.into_iter().map(id).collect())
            }
        };
        for hit in finder.find(&Find { entity, company, wanted, fields: Vec::new() })? {
            ids[hit.at as usize] = Some(match hit.record.state {
                State::Merged(winner) => winner,
                State::Live | State::Deleted => hit.record.id,
            });
        }
        Ok(ids)
    }
}

/// The column that a name means, with what is known of it.
pub(super) fn subject<'e>(entity: &'e Entity, path: &Path) -> Result<(Column, Cow<'e, Field>), FilterFault> {
    const SYSTEM: [(&str, Column, FieldType); 6] = [
        ("id", Column::Id, FieldType::Integer),
        ("code", Column::Code, FieldType::LongText),
        ("revision", Column::Revision, FieldType::Integer),
        ("created_at", Column::CreatedAt, FieldType::Datetime),
        ("changed_at", Column::ChangedAt, FieldType::Datetime),
        ("export_mark", Column::ExportMark, FieldType::Integer),
    ];
    if let Some((ix, field)) = entity.find_field(&path.name) {
        return Ok((Column::Field(ix), Cow::Borrowed(field)));
    }
    if let Some((name, column, kind)) = SYSTEM.iter().find(|(name, _, _)| **name == *path.name) {
        return Ok((*column, Cow::Owned(Field::named(name, *kind))));
    }
    let names = entity.fields.iter().map(|field| &*field.name).chain(SYSTEM.iter().map(|(name, _, _)| *name));
    let fault = FilterFault::new(path.at, quoted(&path.name), format!("a field of {}", entity.name));
    Err(fault.with_hint(did_you_mean(&path.name, names)))
}

/// Names of records: those to ask for, and those known.
#[derive(Default)]
struct Names {
    asked: BTreeMap<(EntityIx, By), Vec<Box<str>>>,
    known: HashMap<(EntityIx, By, Box<str>), Option<InternalId>>,
}

impl Names {
    fn id(&mut self, target: EntityIx, by: By, text: &str) -> Option<InternalId> {
        let key = (target, by, Box::from(text));
        match self.known.get(&key) {
            Some(id) => *id,
            None => {
                self.known.insert(key, None);
                self.asked.entry((target, by)).or_default().push(text.into());
                None
            }
        }
    }
}

struct Resolver<'a> {
    catalogue: &'a Catalogue,
    entity: &'a Entity,
    reading: &'a Reading,
    names: &'a mut Names,
}

impl Resolver<'_> {
    /// `negated` says whether a `not` stands somewhere above.
    fn condition(&mut self, node: &Node, negated: bool) -> Result<Condition, FilterFault> {
        Ok(match node {
            Node::And(parts) => Condition::And(self.conditions(parts, negated)?),
            Node::Or(parts) => Condition::Or(self.conditions(parts, negated)?),
            Node::Not(part) => Condition::Not(Box::new(self.condition(part, true)?)),
            Node::IsNull { path, negated: not } => {
                if let Some(of) = &path.of {
                    let expected = "`eq`, `ne` or `in` behind a field of another record";
                    return Err(FilterFault::new(path.at, quoted(&format!("{}.{of}", path.name)), expected));
                }
                let (column, _) = subject(self.entity, path)?;
                let null = Condition::IsNull(column);
                if *not { Condition::Not(Box::new(null)) } else { null }
            }
            Node::Test { path, comparison, at, value } => {
                self.test(path, *comparison, *at, value, negated)?
            }
            Node::In { path, at, values } => self.one_of(path, *at, values, negated)?,
        })
    }

    fn conditions(&mut self, parts: &[Node], negated: bool) -> Result<Vec<Condition>, FilterFault> {
        parts.iter().map(|part| self.condition(part, negated)).collect()
    }

    fn test(
        &mut self,
        path: &Path,
        comparison: Comparison,
        at: Position,
        value: &Literal,
        negated: bool,
    ) -> Result<Condition, FilterFault> {
        let (column, field) = subject(self.entity, path)?;
        check_operator(&field, path, word_of(comparison), at)?;
        if field.kind.target().is_none() {
            return Ok(Condition::Compare(column, comparison, self.value(&field, path, value)?));
        }
        Ok(match self.named(&field, path, value)? {
            Some(id) => Condition::Compare(column, comparison, Value::Reference(id)),
            // Under `not`, null must stay neither true nor false: no record has the id 0.
            None if negated => Condition::Compare(column, comparison, Value::Reference(InternalId(0))),
            None if comparison == Comparison::Eq => Condition::Never,
            None => Condition::Not(Box::new(Condition::IsNull(column))),
        })
    }

    fn one_of(
        &mut self,
        path: &Path,
        at: Position,
        literals: &[Literal],
        negated: bool,
    ) -> Result<Condition, FilterFault> {
        let (column, field) = subject(self.entity, path)?;
        check_operator(&field, path, "in", at)?;
        let mut values = Vec::with_capacity(literals.len());
        for literal in literals {
            if field.kind.target().is_none() {
                values.push(self.value(&field, path, literal)?);
            } else if let Some(id) = self.named(&field, path, literal)? {
                values.push(Value::Reference(id));
            }
        }
        if values.is_empty() {
            let nobody = Condition::Compare(column, Comparison::Eq, Value::Reference(InternalId(0)));
            return Ok(if negated { nobody } else { Condition::Never });
        }
        Ok(Condition::In(column, values))
    }

    /// The value that a literal is for a field that refers to nothing.
    fn value(&self, field: &Field, path: &Path, literal: &Literal) -> Result<Value, FilterFault> {
        if path.of.is_some() {
            let found = quoted(&path.to_string());
            return Err(FilterFault::new(
                path.at,
                found,
                format!("`{}` alone: it refers to no record", path.name),
            ));
        }
        let fault = || FilterFault::new(literal.at, quoted(&literal.to_string()), field.kind.expectation());
        let scalar = match (&literal.kind, field.kind) {
            // Longer than the field: no record has it, and that is no fault.
            (LiteralKind::Text(text), FieldType::Text(_) | FieldType::LongText) => {
                return Ok(Value::Text(text.clone()));
            }
            (LiteralKind::Text(text), _) => Scalar::Text(text),
            (LiteralKind::Moment(text), FieldType::Datetime | FieldType::Date) => Scalar::Text(text),
            (LiteralKind::Moment(_), _) => return Err(fault()),
            (LiteralKind::Number(text), _) => Scalar::Number(text),
            (LiteralKind::Boolean(b), _) => Scalar::Boolean(*b),
        };
        read_scalar(field, &path.name, scalar, self.reading).map_err(|problem| {
            let hint = (*problem.message != format!("{} must be {}", path.name, field.kind.expectation()))
                .then(|| problem.message.to_string());
            fault().with_hint(hint)
        })
    }

    /// The record that a literal names; `None` when there is none, or it is not looked up yet.
    fn named(
        &mut self,
        field: &Field,
        path: &Path,
        literal: &Literal,
    ) -> Result<Option<InternalId>, FilterFault> {
        let Some(target) = field.kind.target() else { return Ok(None) };
        let other = self.catalogue.entity(target);
        let by = match path.of.as_deref() {
            None | Some("code") => By::Code,
            Some("id") => By::Id,
            Some(of) => key_of(other, path, of)?,
        };
        match (&literal.kind, by) {
            (LiteralKind::Number(text), By::Id) => match text.parse() {
                Ok(id) if id > 0 => Ok(Some(InternalId(id))),
                _ => Err(FilterFault::new(literal.at, quoted(text), "an internal id, a whole number")),
            },
            (_, By::Id) => Err(FilterFault::new(
                literal.at,
                quoted(&literal.to_string()),
                "an internal id, a whole number",
            )),
            (LiteralKind::Text(text), _) => Ok(self.names.id(target, by, text)),
            _ => {
                let word = path.of.as_deref().unwrap_or("code");
                let expected = format!("the {word} of a {} in single quotes", other.name);
                Err(FilterFault::new(literal.at, quoted(&literal.to_string()), expected))
            }
        }
    }
}

/// The unique key of one text field that `of` is.
fn key_of(other: &Entity, path: &Path, of: &str) -> Result<By, FilterFault> {
    let is_text =
        |field: &Field| matches!(field.kind, FieldType::Text(_) | FieldType::LongText) && !field.secret;
    let found = other.find_field(of).filter(|(_, field)| is_text(field));
    if let Some(key) = found.and_then(|(ix, _)| other.key_of_field(ix)) {
        return Ok(By::Key(key));
    }
    let keys = other.fields().filter(|(ix, field)| is_text(field) && other.key_of_field(*ix).is_some());
    let names: Vec<&str> = ["code", "id"].into_iter().chain(keys.map(|(_, field)| &*field.name)).collect();
    let expected = format!("a unique key of {}: {}", other.name, names.join(", "));
    let fault = FilterFault::new(path.at, quoted(&format!("{}.{of}", path.name)), expected);
    Err(fault.with_hint(did_you_mean(of, names)))
}

/// Says whether a field can be compared so.
fn check_operator(field: &Field, path: &Path, word: &str, at: Position) -> Result<(), FilterFault> {
    let (allowed, what): (&[&str], &str) = match field.kind {
        // Comparing would tell, one question after the other, what the field holds.
        _ if field.secret => (&[], "a secret"),
        FieldType::Binary | FieldType::Json | FieldType::References(_) => (&[], field.kind.expectation()),
        FieldType::Boolean | FieldType::Reference(_) => (&["eq", "ne", "in"], field.kind.expectation()),
        FieldType::Text(_) | FieldType::LongText => return Ok(()),
        _ => (&["eq", "ne", "lt", "le", "gt", "ge", "in"], field.kind.expectation()),
    };
    if allowed.contains(&word) {
        return Ok(());
    }
    let mut words: Vec<String> = allowed.iter().map(|word| format!("`{word}`")).collect();
    words.push("`is`".to_owned());
    Err(FilterFault::new(at, quoted(word), format!("{}: {} holds {what}", words.join(", "), path.name)))
}
