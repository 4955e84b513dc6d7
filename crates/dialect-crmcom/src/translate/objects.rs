//! Records as the vendor's objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use domain::catalogue::{Catalogue, EntityIx, FieldIx};
use domain::find::Record;
use domain::instant;
use domain::names::InternalId;
use domain::value::Value;
use engine::Error;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use super::FieldsSet;
use crate::names::{self, Kind, Names, OF_KIND, Shape, Shown};
use crate::wire::Out;

/// A shape with the places of its fields, ready to print records.
#[derive(Debug)]
pub(crate) struct Plan<'n> {
    catalogue: &'n Catalogue,
    names: &'n Names,
    kind: Option<&'n Kind>,
    root: &'n Shape,
    zone: TimeZone,
    /// Fields wanted of each entity, ascending.
    fields: BTreeMap<EntityIx, Vec<FieldIx>>,
}

/// Records that others refer to, by id.
pub(crate) type Related = HashMap<InternalId, Record>;

impl<'n> Plan<'n> {
    /// A plan for records of the root's entity; `kind` says what events show beyond the common.
    pub fn new(
        catalogue: &'n Catalogue,
        names: &'n Names,
        root: &str,
        kind: Option<&'n Kind>,
        zone: TimeZone,
    ) -> Result<Self, Error> {
        let root = names.shape(root)?;
        let mut plan = Plan { catalogue, names, kind, root, zone, fields: BTreeMap::new() };
        plan.want(root)?;
        plan.fields.values_mut().for_each(|fields| {
            fields.sort_unstable();
            fields.dedup();
        });
        Ok(plan)
    }

    fn want(&mut self, shape: &'n Shape) -> Result<(), Error> {
        let entity = names::entity(self.catalogue, &shape.entity)?;
        let names = self.names;
        for shown in self.members(shape) {
            let wanted = [Some(shown.field()), shown.or.as_deref(), shown.join.as_deref()];
            for name in wanted.into_iter().flatten().filter(|name| !name.is_empty() && !name.starts_with('@'))
            {
                self.fields.entry(entity.ix).or_default().push(names::field(entity, name)?);
            }
            if let Some(shape) = &shown.shape {
                self.want(names.shape(shape)?)?;
            }
        }
        self.fields.entry(entity.ix).or_default();
        Ok(())
    }

    /// The members of a shape, those of the kind in their place.
    fn members(&self, shape: &'n Shape) -> Vec<&'n Shown> {
        let mut members = Vec::with_capacity(shape.members.len() + 8);
        for shown in &shape.members {
            if shown.name == OF_KIND {
                members.extend(self.kind.iter().flat_map(|kind| &kind.shown));
            } else {
                members.push(shown);
            }
        }
        members
    }

    /// Fields that records of an entity must be read with; `None` when the plan shows none of it.
    pub fn fields(&self, entity: EntityIx) -> Option<&[FieldIx]> {
        self.fields.get(&entity).map(Vec::as_slice)
    }

    /// Records that these refer to and that the plan shows, by entity.
    pub fn references<'r>(
        &self,
        records: impl Iterator<Item = &'r Record>,
    ) -> BTreeMap<EntityIx, Vec<InternalId>> {
        let mut wanted: BTreeMap<EntityIx, Vec<InternalId>> = BTreeMap::new();
        for record in records {
            for id in record.values.iter().filter_map(Value::as_reference) {
                if let Some(entity) =
                    self.catalogue.of_prefix(id.prefix()).filter(|e| self.fields.contains_key(&e.ix))
                {
                    wanted.entry(entity.ix).or_default().push(id);
                }
            }
        }
        for ids in wanted.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        wanted
    }

    /// The object of a record that was read with [`Plan::fields`].
    pub fn print<'r>(&'r self, record: &'r Record, related: &'r Related, fields_set: &FieldsSet) -> Out<'r> {
        self.object(self.root, record, related, Some(fields_set))
    }

    fn object<'r>(
        &'r self,
        shape: &'r Shape,
        record: &'r Record,
        related: &'r Related,
        fields_set: Option<&FieldsSet>,
    ) -> Out<'r> {
        let members = self.members(shape).into_iter();
        let wanted = members.filter(|shown| fields_set.is_none_or(|set| set.wants(&shown.name)));
        Out::Object(
            wanted.map(|shown| (shown.name.as_str(), self.member(shape, shown, record, related))).collect(),
        )
    }

    fn member<'r>(
        &'r self,
        shape: &'r Shape,
        shown: &'r Shown,
        record: &'r Record,
        related: &'r Related,
    ) -> Out<'r> {
        let nested = shown.shape.as_deref().and_then(|name| self.names.shape(name).ok());
        let value = match shown.field() {
            "" => match nested {
                Some(nested) => return self.object(nested, record, related, None),
                None => return fallback(shown),
            },
            "@code" => return Out::Text(Cow::Borrowed(&record.code)),
            "@created_at" => return self.instant(record.created_at),
            "@changed_at" => return self.instant(record.changed_at),
            name => self.value(shape, record, name),
        };
        let value = value.filter(|value| !value.is_null()).or_else(|| {
            let other = shown.or.as_deref().and_then(|name| self.value(shape, record, name));
            other.filter(|value| !value.is_null())
        });
        if let Some(nested) = nested {
            let named = value.and_then(Value::as_reference).and_then(|id| related.get(&id));
            return named.map_or(Out::Null, |record| self.object(nested, record, related, None));
        }
        let behind = shown.join.as_deref().and_then(|name| self.value(shape, record, name));
        if let Some(behind) = behind.and_then(Value::as_text) {
            let text = match value.and_then(Value::as_text) {
                Some(text) => format!("{text} {behind}"),
                None => behind.to_owned(),
            };
            return Out::Text(text.into());
        }
        match value {
            Some(value) if allowed(shown, value) => self.scalar(value),
            _ => fallback(shown),
        }
    }

    fn value<'r>(&self, shape: &Shape, record: &'r Record, name: &str) -> Option<&'r Value> {
        let entity = self.catalogue.find(&shape.entity)?;
        let field = entity.field_ix(name)?;
        let at = self.fields.get(&entity.ix)?.binary_search(&field).ok()?;
        record.values.get(at)
    }

    fn instant(&self, ms: i64) -> Out<'static> {
        Out::Text(instant::print_plain(ms, &self.zone).into())
    }

    /// Source: crmcom §1.1.
    fn scalar<'r>(&self, value: &'r Value) -> Out<'r> {
        match value {
            Value::Text(text) => Out::Text(Cow::Borrowed(text)),
            Value::Integer(number) => Out::Integer(*number),
            Value::Float(number) => Out::Number(*number),
            Value::Boolean(b) => Out::Boolean(*b),
            Value::Datetime(ms) => self.instant(*ms),
            Value::Date(day) => Out::Text(instant::print_date(*day).into()),
            Value::Json(text) => serde_json::from_str::<&RawValue>(text).map_or(Out::Null, Out::Raw),
            Value::Null
            | Value::Decimal(_)
            | Value::Binary(_)
            | Value::Reference(_)
            | Value::References(_) => Out::Null,
        }
    }
}

fn allowed(shown: &Shown, value: &Value) -> bool {
    shown.one_of.is_empty() || value.as_text().is_some_and(|text| shown.one_of.iter().any(|one| one == text))
}

fn fallback(shown: &Shown) -> Out<'_> {
    match &shown.value {
        Some(toml::Value::String(text)) => Out::Text(Cow::Borrowed(text)),
        Some(toml::Value::Integer(number)) => Out::Integer(*number),
        Some(toml::Value::Boolean(b)) => Out::Boolean(*b),
        _ => Out::Null,
    }
}
