//! What the members or columns of a wire mean for rows of an entity.

use std::collections::HashMap;
use std::sync::Arc;

use domain::catalogue::{Catalogue, Entity, EntityIx, FieldIx};
use domain::field::{FieldType, Reading};
use domain::names::Company;
use domain::row::{By, Cell};

/// What the members or columns of a wire mean for rows of one entity, and how they are read.
#[derive(Debug, Clone)]
pub struct RowShape {
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The kind of record.
    pub entity: EntityIx,
    /// Names on the wire, with what each is.
    pub names: HashMap<Box<str>, Target>,
    /// A name that is not in `names`.
    pub unknown: Unknown,
    /// A null.
    pub null: Null,
    /// A text without characters.
    pub empty: Empty,
    /// The same member twice.
    pub repeated: RepeatedMember,
    /// How scalars are understood.
    pub reading: Reading,
    /// What fields hold where a row is silent.
    pub constants: Vec<(FieldIx, Cell)>,
    /// Codes of companies, compared without case.
    pub companies: Vec<(Box<str>, Company)>,
}

/// What a name on the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The record's code.
    Code,
    /// The caller's own id of the row.
    Id,
    /// The revision that the record is expected to have.
    Revision,
    /// The code of its company.
    Company,
    /// A field; a reference names records by code, or as the value itself says.
    Field(FieldIx),
    /// A reference whose texts name records by something else than the code.
    Reference(FieldIx, By),
    /// A field that callers cannot send.
    ReadOnly,
    /// Nothing.
    Ignore,
}

/// What to do with a name that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Refuse the row; in a header, the call.
    Refuse,
    /// Pass over it.
    Ignore,
}

/// What a null means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// The field becomes empty.
    Clear,
    /// The same as absence.
    Leave,
    /// The row is refused.
    Refuse,
}

/// What a text without characters means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// It is a value.
    Keep,
    /// The same as null.
    Null,
    /// The row is refused.
    Refuse,
}

/// What a member that comes twice in an object means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedMember {
    /// The row is refused.
    Refuse,
    /// The last one counts.
    LastWins,
}

impl RowShape {
    /// The native door's names: each field by its own, `code`, `company`, `revision` for the
    /// revision expected, `comptoir_id` for the caller's own id of the row. What a record read from
    /// us carries beside that (`id`, `entity`, `created_at`, …) is ignored.
    pub fn native(catalogue: Arc<Catalogue>, entity: EntityIx, reading: Reading) -> Self {
        const PRINTED: [&str; 7] =
            ["id", "entity", "created_at", "changed_at", "export_mark", "deleted", "merged_into"];
        let mut shape = RowShape::bare(catalogue, entity, reading);
        let described = shape.catalogue.entity(entity).clone();
        shape.names.extend(PRINTED.map(|name| (name.into(), Target::Ignore)));
        shape.names.extend(described.fields().map(|(ix, field)| {
            let target = if field.read_only { Target::ReadOnly } else { Target::Field(ix) };
            (field.name.clone(), target)
        }));
        shape.names.extend([
            ("code".into(), Target::Code),
            ("company".into(), Target::Company),
            ("revision".into(), Target::Revision),
            ("comptoir_id".into(), Target::Id),
        ]);
        shape
    }

    /// A shape without names; unknown ones are refused, null clears, empty text is a value, a member
    /// that comes twice is refused.
    pub fn bare(catalogue: Arc<Catalogue>, entity: EntityIx, reading: Reading) -> Self {
        RowShape {
            catalogue,
            entity,
            names: HashMap::new(),
            unknown: Unknown::Refuse,
            null: Null::Clear,
            empty: Empty::Keep,
            repeated: RepeatedMember::Refuse,
            reading,
            constants: Vec::new(),
            companies: Vec::new(),
        }
    }

    /// The same shape with companies by their codes, compared without case; the first is number 1.
    pub fn with_companies<C: Into<Box<str>>>(mut self, codes: impl IntoIterator<Item = C>) -> Self {
        let numbered = codes.into_iter().zip(1..).map(|(code, number)| (code.into(), Company(number)));
        self.companies = numbered.collect();
        self
    }

    /// The entity's description.
    pub fn described(&self) -> &Arc<Entity> {
        self.catalogue.entity(self.entity)
    }

    /// Names that a caller may have meant; for hints.
    pub fn near(&self, name: &str) -> Option<&str> {
        let mut names: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, target)| !matches!(target, Target::Ignore | Target::ReadOnly))
            .map(|(name, _)| &**name)
            .collect();
        names.sort_unstable();
        crate::near(name, names)
    }

    /// How a member of a reference such as `{"number": "4711"}` names a record of `target`; `None`
    /// when records cannot be named so.
    pub fn by(&self, target: EntityIx, member: &str) -> Option<By> {
        match member {
            "code" => return Some(By::Code),
            "id" => return Some(By::Id),
            _ => {}
        }
        let target = self.catalogue.entity(target);
        let (ix, field) = target.find_field(member)?;
        if !matches!(field.kind, FieldType::Text(_)) || field.secret {
            return None;
        }
        Some(target.key_of_field(ix).map_or(By::Field(ix), By::Key))
    }
}
