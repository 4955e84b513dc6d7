//! What the vendor calls things, read from `names.toml`; and the same bound to a project's catalogue.

use std::sync::Arc;

use domain::catalogue::{Catalogue, Entity, FieldIx};
use domain::row::By;
use engine::Error;
use serde::Deserialize;

/// The names file, read.
#[derive(Debug)]
pub(crate) struct Names {
    pub identifiers: Vec<Identifier>,
    pub kinds: Vec<Kind>,
    pub shapes: Vec<Shape>,
}

/// An identifier object: what its fields name a record by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identifier {
    pub name: String,
    /// Entity of the records it names.
    pub entity: String,
    /// What texts for people call such a record.
    pub called: String,
    /// It may hold an access token identifier instead of its own fields.
    #[serde(default)]
    pub access_token: bool,
    pub fields: Vec<IdentifierField>,
    #[serde(skip)]
    pub lookup: Lookup,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierField {
    pub name: String,
    field: Option<String>,
}

impl IdentifierField {
    fn field(&self) -> &str {
        self.field.as_deref().unwrap_or(&self.name)
    }
}

/// Name of the member of an identifier object that holds an access token.
pub(crate) const ACCESS_TOKEN: &str = "access_token_identifier";

/// A kind of customer event: how its rows travel and what they mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    /// Its part of the paths.
    pub path: String,
    /// Its word in `type`.
    #[serde(rename = "type")]
    pub word: String,
    /// False while only its classifications can be asked for.
    #[serde(default = "yes")]
    pub spoken: bool,
    /// The member of a bulk call that holds its rows.
    #[serde(default)]
    pub rows: String,
    #[serde(default)]
    pub classification: Need,
    /// Its rows name one account or one rewards participant.
    #[serde(default = "yes")]
    pub owner: bool,
    /// Participants that stand for the owner where there is none.
    #[serde(default)]
    pub parties: Vec<Party>,
    /// All members of its rows: its own and the common ones.
    #[serde(default)]
    pub members: Vec<Member>,
    /// What its objects show beyond the common members.
    #[serde(default)]
    pub shown: Vec<Shown>,
    #[serde(skip)]
    pub lookup: Lookup,
}

fn yes() -> bool {
    true
}

/// Whether something must be there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    #[default]
    Optional,
    Mandatory,
}

/// A reference to a participant, with the reference that its account fills.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    pub rewards_participant: String,
    pub customer: String,
}

/// A member of a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub name: String,
    field: Option<String>,
    /// Name of the identifier it is; its own name where there is such an identifier.
    identifier: Option<String>,
    /// Place of that identifier.
    #[serde(skip)]
    pub identified: Option<usize>,
    pub part: Option<Part>,
    #[serde(default)]
    pub required: bool,
    /// The only texts allowed.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// An object that is kept as it came.
    #[serde(default)]
    pub as_sent: bool,
    /// An empty text counts as not given.
    #[serde(default)]
    pub empty_is_absent: bool,
}

impl Member {
    /// Our name.
    pub fn field(&self) -> &str {
        self.field.as_deref().unwrap_or(&self.name)
    }
}

/// Which of the common members it is, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// One of the two that say whose event it is.
    Owner,
    Classification,
    /// Not in bulk rows.
    Single,
}

/// An object in answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    pub name: String,
    /// Entity of the records it shows.
    pub entity: String,
    pub members: Vec<Shown>,
}

/// A member of an object in answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    pub name: String,
    field: Option<String>,
    /// The field that stands in where the first has no value.
    pub or: Option<String>,
    /// The field whose text is put behind the first one's.
    pub join: Option<String>,
    /// Name of the object it is.
    pub shape: Option<String>,
    /// What stands there where the record has nothing, or nothing of `one_of`.
    pub value: Option<toml::Value>,
    #[serde(default)]
    pub one_of: Vec<String>,
}

impl Shown {
    /// Our name; empty where no field is shown.
    pub fn field(&self) -> &str {
        self.field.as_deref().unwrap_or(&self.name)
    }
}

/// Stands where the members of the kind are shown.
pub(crate) const OF_KIND: &str = "@kind";

/// The names file does not hold what it should. It is compiled in: a test reads it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadNames {
    #[error("names.toml cannot be read")]
    Toml(#[from] toml::de::Error),
    #[error("names.toml names no {0}")]
    Missing(String),
}

impl Names {
    /// Reads the names file.
    pub fn read() -> Result<Self, BadNames> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            identifier: Vec<Identifier>,
            member: Vec<Member>,
            kind: Vec<Kind>,
            shape: Vec<Shape>,
        }
        let File { identifier: mut identifiers, member: common, kind: mut kinds, shape: shapes } =
            toml::from_str(include_str!("../names.toml"))?;
        for identifier in &mut identifiers {
            let names = identifier.fields.iter().map(|field| field.name.as_str());
            identifier.lookup = Lookup::new(names.chain(identifier.access_token.then_some(ACCESS_TOKEN)));
        }
        for kind in &mut kinds {
            let owner = kind.owner;
            let of_kind = common.iter().filter(|member| owner || member.part != Some(Part::Owner));
            let own = std::mem::take(&mut kind.members);
            kind.members = of_kind.cloned().chain(own).collect();
            for member in &mut kind.members {
                let name = member.identifier.as_ref().unwrap_or(&member.name);
                member.identified = identifiers.iter().position(|identifier| identifier.name == *name);
                member.required |=
                    member.part == Some(Part::Classification) && kind.classification == Need::Mandatory;
            }
            kind.lookup = Lookup::new(kind.members.iter().map(|member| member.name.as_str()));
        }
        let names = Names { identifiers, kinds, shapes };
        for shown in names.shapes.iter().flat_map(|shape| &shape.members) {
            if let Some(shape) = &shown.shape {
                names.shape(shape)?;
            }
        }
        Ok(names)
    }

    /// The object of a name.
    pub fn shape(&self, name: &str) -> Result<&Shape, BadNames> {
        let found = self.shapes.iter().find(|shape| shape.name == name);
        found.ok_or_else(|| BadNames::Missing(format!("shape {name}")))
    }

    /// The identifier of a name.
    pub fn identifier(&self, name: &str) -> Result<&Identifier, BadNames> {
        let found = self.identifiers.iter().find(|identifier| identifier.name == name);
        found.ok_or_else(|| BadNames::Missing(format!("identifier {name}")))
    }
}

impl From<BadNames> for Error {
    fn from(names: BadNames) -> Self {
        Error::Internal(names.into())
    }
}

/// Places of names, by binary search: a member is found without a copy of its name.
#[derive(Debug, Default)]
pub(crate) struct Lookup(Vec<(Box<str>, usize)>);

impl Lookup {
    /// Each name at its place in the list.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut places: Vec<(Box<str>, usize)> =
            names.into_iter().enumerate().map(|(place, name)| (name.into(), place)).collect();
        places.sort_unstable();
        Lookup(places)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of a name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok().map(|at| self.0[at].1)
    }
}

/// A kind with the places of its fields in a project's catalogue.
#[derive(Debug)]
pub(crate) struct Bound<'n> {
    pub names: &'n Names,
    pub kind: &'n Kind,
    /// The entity `event`.
    pub entity: Arc<Entity>,
    /// Field of each member.
    pub fields: Vec<FieldIx>,
    /// What each field of each identifier names a record by.
    pub by: Vec<Vec<By>>,
}

impl<'n> Bound<'n> {
    /// Finds the fields of a kind.
    pub fn new(names: &'n Names, kind: &'n Kind, catalogue: &Catalogue) -> Result<Self, Error> {
        let entity = entity(catalogue, "event")?.clone();
        let fields =
            kind.members.iter().map(|member| field(&entity, member.field())).collect::<Result<_, _>>()?;
        let by = names.identifiers.iter().map(|identifier| bys(identifier, catalogue));
        Ok(Bound { names, kind, by: by.collect::<Result<_, _>>()?, entity, fields })
    }

    /// The field of our name.
    pub fn field(&self, name: &str) -> Result<FieldIx, Error> {
        field(&self.entity, name)
    }
}

/// What each field of an identifier names a record by.
pub(crate) fn bys(identifier: &Identifier, catalogue: &Catalogue) -> Result<Vec<By>, Error> {
    let target = entity(catalogue, &identifier.entity)?;
    identifier.fields.iter().map(|field| by(target, field.field())).collect()
}

fn by(entity: &Entity, name: &str) -> Result<By, Error> {
    if name == "@code" {
        return Ok(By::Code);
    }
    let ix = field(entity, name)?;
    Ok(entity.key_of_field(ix).map_or(By::Field(ix), By::Key))
}

/// The entity of a name that the standard model has.
pub(crate) fn entity<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c Arc<Entity>, Error> {
    catalogue.find(name).ok_or_else(|| Error::internal(format!("the catalogue has no entity {name}")))
}

/// The field of a name that the standard model has.
pub(crate) fn field(entity: &Entity, name: &str) -> Result<FieldIx, Error> {
    let missing = || Error::internal(format!("the entity {} has no field {name}", entity.name));
    entity.field_ix(name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use domain::catalogue::file::{Overlay, overlaid};

    use super::*;

    #[test]
    fn every_name_is_in_the_standard_model() {
        let names = Names::read().unwrap();
        let catalogue = overlaid(&Overlay::default()).unwrap();
        for kind in names.kinds.iter().filter(|kind| kind.spoken) {
            Bound::new(&names, kind, &catalogue).unwrap();
            for party in &kind.parties {
                let event = catalogue.find("event").unwrap();
                assert!(
                    field(event, &party.customer).is_ok() && field(event, &party.rewards_participant).is_ok()
                );
            }
        }
        for shape in &names.shapes {
            let entity = entity(&catalogue, &shape.entity).unwrap();
            for shown in &shape.members {
                let known = [Some(shown.field()), shown.or.as_deref(), shown.join.as_deref()];
                for name in
                    known.into_iter().flatten().filter(|name| !name.starts_with('@') && !name.is_empty())
                {
                    assert!(entity.field_ix(name).is_some(), "{}.{name}", shape.name);
                }
            }
        }
    }

    #[test]
    fn a_name_has_its_place() {
        let lookup = Lookup::new(["b", "a"]);
        assert_eq!((lookup.place("b"), lookup.place("a"), lookup.place("c")), (Some(0), Some(1), None));
    }
}
