//! The format of entity files, and how files become a [`Catalogue`].
//!
//! Operators write the same format for entities and fields of their own.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Access, Catalogue, Entity, EntityIx, Field, FieldIx, Key, Labels, Numbering, Scope};
use crate::field::{FieldType, Reading, Scalar, read_scalar};
use crate::value::Value;

/// Names that routes of the native API own.
pub const RESERVED: [&str; 33] = [
    "attempts",
    "batches",
    "catalogue",
    "changes",
    "consumers",
    "deliveries",
    "hooks",
    "jobs",
    "logs",
    "runs",
    "scripts",
    "token",
    "trace",
    "import",
    "select",
    "dataset",
    "relationaldataset",
    "exportvalidation",
    "exportvalidations",
    "bulkdataset",
    "deletedataset",
    "createaccounts",
    "createtasks",
    "outbox",
    "export",
    "entry_points",
    "api",
    "docs",
    "openapi",
    "numbering",
    "connections",
    "agents",
    "reports",
];

/// Names of system columns and of members that answers carry: no field may have them.
pub const SYSTEM: [&str; 9] = [
    "id",
    "code",
    "company",
    "revision",
    "created_at",
    "changed_at",
    "export_mark",
    "deleted",
    "merged_into",
];

/// One entity as its file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityFile {
    /// Singular name.
    pub name: String,
    /// Plural name.
    pub plural: String,
    /// First three digits of internal ids, 100 to 999.
    pub prefix: u16,
    /// `company` or `shared`.
    #[serde(default = "company")]
    pub scope: String,
    /// Labels per language.
    #[serde(default)]
    pub labels: Labels,
    /// Fields.
    #[serde(default, rename = "field")]
    pub fields: Vec<FieldFile>,
    /// Further unique keys.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeyFile>,
    /// Further indexes.
    #[serde(default, rename = "index")]
    pub indexes: Vec<IndexFile>,
    /// Numbering rules.
    #[serde(default, rename = "numbering")]
    pub numbering: Vec<NumberingFile>,
    /// Access switches.
    #[serde(default)]
    pub access: AccessFile,
    /// True for an entity that a project added.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
}

/// One field as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldFile {
    /// Name.
    pub name: String,
    /// Type, such as `text(20)` or `reference(customer)`.
    #[serde(rename = "type")]
    pub kind: String,
    /// See [`Field::required`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// See [`Field::read_only`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// See [`Field::secret`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
    /// See [`Field::search`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub search: bool,
    /// See [`Field::index`]; references have one unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<bool>,
    /// See [`Field::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<toml::Value>,
    /// See [`Field::data_type`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    /// Labels per language.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// True for a field that a project added.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
}

/// One further key as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// Name.
    pub name: String,
    /// Fields in order.
    pub fields: Vec<String>,
    /// Fields in which null counts as a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_is_value: Vec<String>,
}

/// One index as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexFile {
    /// Fields in order.
    pub fields: Vec<String>,
}

/// One numbering rule as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberingFile {
    /// `code` or a field.
    pub field: String,
    /// Text before the number.
    #[serde(default)]
    pub prefix: String,
    /// Digits at least.
    #[serde(default)]
    pub digits: u8,
    /// First number.
    #[serde(default = "one")]
    pub next: u64,
}

/// Access switches as a file describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessFile {
    /// See [`Access::read`].
    pub read: bool,
    /// See [`Access::insert`].
    pub insert: bool,
    /// See [`Access::update`].
    pub update: bool,
}

impl Default for AccessFile {
    fn default() -> Self {
        AccessFile { read: true, insert: true, update: true }
    }
}

fn company() -> String {
    "company".to_owned()
}

fn one() -> u64 {
    1
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a project adds to the standard model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overlay {
    /// Grows with every change.
    pub version: u64,
    /// Entities of the project's own.
    pub entities: Vec<EntityFile>,
    /// Fields added to entities, in the order in which they were added.
    pub fields: Vec<(String, FieldFile)>,
    /// Further keys added to entities.
    pub keys: Vec<(String, KeyFile)>,
    /// Access switches by entity.
    pub access: std::collections::BTreeMap<String, AccessFile>,
    /// Numbering rules by entity; each replaces the entity's rule of the same field.
    pub numbering: Vec<(String, NumberingFile)>,
}

/// The standard model with what a project adds.
///
/// What is added comes last, so that places of entities, fields and keys stay what they were.
pub fn overlaid(overlay: &Overlay) -> Result<Catalogue, Fault> {
    let mut files = super::standard();
    files.extend(overlay.entities.iter().cloned().map(|entity| EntityFile { own: true, ..entity }));
    for (entity, field) in &overlay.fields {
        place(&mut files, entity)?.fields.push(FieldFile { own: true, ..field.clone() });
    }
    for (entity, key) in &overlay.keys {
        place(&mut files, entity)?.keys.push(key.clone());
    }
    for (entity, access) in &overlay.access {
        place(&mut files, entity)?.access = *access;
    }
    for (entity, rule) in &overlay.numbering {
        let rules = &mut place(&mut files, entity)?.numbering;
        rules.retain(|old| old.field != rule.field);
        rules.push(rule.clone());
    }
    compile(overlay.version, &files)
}

fn place<'f>(files: &'f mut [EntityFile], entity: &str) -> Result<&'f mut EntityFile, Fault> {
    match files.iter_mut().find(|file| file.name == entity) {
        Some(file) => Ok(file),
        None => fault(entity, "there is no such entity; see the catalogue for the names"),
    }
}

/// Why entity files make no catalogue. The text names entity and field, and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// `entity` or `entity.field`.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

fn fault<T>(place: impl Into<String>, problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { place: place.into(), problem: problem.into() })
}

/// Makes a catalogue of entity files.
pub fn compile(version: u64, files: &[EntityFile]) -> Result<Catalogue, Fault> {
    let mut places: HashMap<&str, EntityIx> = HashMap::new();
    let mut prefixes: HashMap<u16, &str> = HashMap::new();
    for (n, file) in files.iter().enumerate() {
        if places.insert(&file.name, EntityIx(n as u16)).is_some() {
            return fault(&file.name, "the entity is described twice; give the second another name");
        }
        if let Some(other) = prefixes.insert(file.prefix, &file.name) {
            return fault(
                &file.name,
                format!("prefix {} belongs to `{other}`; choose a free one", file.prefix),
            );
        }
        if RESERVED.contains(&file.name.as_str()) || RESERVED.contains(&file.plural.as_str()) {
            return fault(&file.name, "the name is a word of the API; choose another");
        }
    }
    let entities = files
        .iter()
        .enumerate()
        .map(|(n, file)| entity(EntityIx(n as u16), file, &places))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Catalogue::new(version, entities))
}

/// A name: a lower-case letter, then lower-case letters, digits and single underscores.
pub fn is_name(text: &str) -> bool {
    text.len() <= 50
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn entity(ix: EntityIx, file: &EntityFile, places: &HashMap<&str, EntityIx>) -> Result<Entity, Fault> {
    let place = &file.name;
    if !is_name(&file.name) || !is_name(&file.plural) {
        return fault(place, "names are lower-case letters, digits and `_`, at most 50");
    }
    if !(100..=999).contains(&file.prefix) {
        return fault(place, "prefix must be 100 to 999");
    }
    let scope = match file.scope.as_str() {
        "company" => Scope::Company,
        "shared" => Scope::Shared,
        other => return fault(place, format!("scope `{other}` is neither `company` nor `shared`")),
    };
    let mut fields = Vec::with_capacity(file.fields.len());
    let mut by_name: HashMap<Box<str>, FieldIx> = HashMap::new();
    for (n, described) in file.fields.iter().enumerate() {
        let path = format!("{place}.{}", described.name);
        if !is_name(&described.name) || SYSTEM.contains(&described.name.as_str()) {
            return fault(
                path,
                "no name for a field; use lower-case letters, digits and `_`, and no name of a system column",
            );
        }
        if by_name.insert(described.name.as_str().into(), FieldIx(n as u16)).is_some() {
            return fault(path, "the field is described twice");
        }
        fields.push(field(&path, described, places)?);
    }
    let find = |name: &String| match by_name.get(name.as_str()) {
        Some(ix) => Ok(*ix),
        None => fault(
            format!("{place}.{name}"),
            "a key, index or numbering rule names a field that does not exist",
        ),
    };
    let mut keys = Vec::with_capacity(file.keys.len());
    for key in &file.keys {
        let parts = key.fields.iter().map(|name| Ok((find(name)?, key.null_is_value.contains(name))));
        keys.push(Key { name: key.name.as_str().into(), fields: parts.collect::<Result<_, Fault>>()? });
    }
    let indexes = file
        .indexes
        .iter()
        .map(|index| index.fields.iter().map(find).collect())
        .collect::<Result<_, Fault>>()?;
    let mut numbering = Vec::with_capacity(file.numbering.len());
    for rule in &file.numbering {
        let field = if rule.field == "code" { None } else { Some(find(&rule.field)?) };
        numbering.push(Numbering {
            field,
            prefix: rule.prefix.as_str().into(),
            digits: rule.digits.min(18),
            next: rule.next,
        });
    }
    Ok(Entity {
        ix,
        name: file.name.as_str().into(),
        plural: file.plural.as_str().into(),
        prefix: file.prefix,
        scope,
        labels: file.labels.clone(),
        fields,
        keys,
        indexes,
        numbering,
        access: Access { read: file.access.read, insert: file.access.insert, update: file.access.update },
        own: file.own,
        by_name,
    })
}

fn field(path: &str, file: &FieldFile, places: &HashMap<&str, EntityIx>) -> Result<Field, Fault> {
    let kind = match parse_type(&file.kind, places) {
        Some(kind) => kind,
        None => {
            let types = "text(n), long_text, integer, decimal(p,s), float, boolean, datetime, date, binary, json, \
                         reference(entity), references(entity)";
            return fault(path, format!("`{}` is no type; use one of {types}", file.kind));
        }
    };
    let mut field = Field {
        required: file.required,
        read_only: file.read_only,
        secret: file.secret,
        search: file.search && matches!(kind, FieldType::Text(_) | FieldType::LongText),
        index: file.index.unwrap_or(matches!(kind, FieldType::Reference(_))),
        data_type: file.data_type.as_deref().map(Into::into),
        labels: file.labels.clone(),
        own: file.own,
        ..Field::named(&file.name, kind)
    };
    if let Some(default) = &file.default {
        field.default = Some(default_value(path, &field, default)?);
    }
    Ok(field)
}

fn default_value(path: &str, field: &Field, default: &toml::Value) -> Result<Value, Fault> {
    let printed = match default {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let scalar = match default {
        toml::Value::Integer(_) | toml::Value::Float(_) => Scalar::Number(&printed),
        toml::Value::Boolean(b) => Scalar::Boolean(*b),
        _ => Scalar::Text(&printed),
    };
    let reading = Reading { zone: TimeZone::UTC, lenient: false };
    match read_scalar(field, path, scalar, &reading) {
        Ok(value) => Ok(value),
        Err(problem) => fault(path, format!("the default does not fit: {}", problem.message)),
    }
}

fn parse_type(text: &str, places: &HashMap<&str, EntityIx>) -> Option<FieldType> {
    let plain = match text {
        "long_text" => Some(FieldType::LongText),
        "integer" => Some(FieldType::Integer),
        "float" => Some(FieldType::Float),
        "boolean" => Some(FieldType::Boolean),
        "datetime" => Some(FieldType::Datetime),
        "date" => Some(FieldType::Date),
        "binary" => Some(FieldType::Binary),
        "json" => Some(FieldType::Json),
        _ => None,
    };
    if plain.is_some() {
        return plain;
    }
    let (name, inside) = text.strip_suffix(')')?.split_once('(')?;
    match name {
        "text" => inside.parse().ok().filter(|n| (1..=10_000).contains(n)).map(FieldType::Text),
        "decimal" => {
            let (precision, scale) = inside.split_once(',')?;
            let (precision, scale): (u8, u8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            ((1..=18).contains(&precision) && scale <= precision)
                .then_some(FieldType::Decimal { precision, scale })
        }
        "reference" => places.get(inside).copied().map(FieldType::Reference),
        "references" => places.get(inside).copied().map(FieldType::References),
        _ => None,
    }
}

/// Prints a type as entity files write it.
pub fn print_type(kind: FieldType, catalogue: &Catalogue) -> String {
    match kind {
        FieldType::Text(length) => format!("text({length})"),
        FieldType::LongText => "long_text".to_owned(),
        FieldType::Integer => "integer".to_owned(),
        FieldType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        FieldType::Float => "float".to_owned(),
        FieldType::Boolean => "boolean".to_owned(),
        FieldType::Datetime => "datetime".to_owned(),
        FieldType::Date => "date".to_owned(),
        FieldType::Binary => "binary".to_owned(),
        FieldType::Json => "json".to_owned(),
        FieldType::Reference(target) => format!("reference({})", catalogue.entity(target).name),
        FieldType::References(target) => format!("references({})", catalogue.entity(target).name),
    }
}
