//! The format of project files.

use std::path::PathBuf;

use domain::catalogue::Labels;
use domain::catalogue::file::{EntityFile, FieldFile, KeyFile, NumberingFile};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a project shall be. It says nothing about what it does not name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// The project itself.
    pub project: ProjectTable,
    /// Logins with a password.
    #[serde(default, rename = "login")]
    pub logins: Vec<LoginTable>,
    /// Programs that send a key as it is.
    #[serde(default, rename = "api_key")]
    pub api_keys: Vec<ApiKeyTable>,
    /// Entities of the project's own.
    #[serde(default, rename = "entity")]
    pub entities: Vec<EntityFile>,
    /// Fields added to entities.
    #[serde(default, rename = "field")]
    pub fields: Vec<FieldTable>,
    /// Unique keys added to entities.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeyTable>,
    /// Access switches.
    #[serde(default)]
    pub access: Vec<AccessTable>,
    /// Numbering rules.
    #[serde(default)]
    pub numbering: Vec<NumberingTable>,
    /// Records. They go in through a door, so the engine leaves them to its caller.
    #[serde(default)]
    pub records: Vec<RecordsTable>,
}

/// The project itself; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectTable {
    /// Its code.
    pub code: String,
    /// See [`crate::Settings::companies`].
    #[serde(default)]
    pub companies: Option<Vec<String>>,
    /// See [`crate::Settings::languages`].
    #[serde(default)]
    pub languages: Option<Vec<String>>,
    /// See [`crate::Settings::time_zone`].
    #[serde(default)]
    pub time_zone: Option<String>,
    /// See [`crate::Settings::active_users`].
    #[serde(default)]
    pub active_users: Option<u32>,
    /// See [`crate::Settings::requests_per_minute`].
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// See [`crate::Settings::journal_days`].
    #[serde(default)]
    pub journal_days: Option<u32>,
    /// See [`crate::Settings::ledger_days`]; at least 30.
    #[serde(default)]
    pub ledger_days: Option<u32>,
}

/// A login with a password.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginTable {
    /// Its name.
    pub name: String,
    /// Its password; a login that exists keeps its own without.
    #[serde(default)]
    pub password: Option<String>,
    /// File that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Environment variable that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// A named set of rights.
    #[serde(default)]
    pub role: Option<String>,
    /// Rights beside those of the role.
    #[serde(default)]
    pub rights: Vec<String>,
    /// Code of its company.
    #[serde(default)]
    pub company: Option<String>,
    /// Code of its unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// Code of its `user` record.
    #[serde(default)]
    pub user: Option<String>,
    /// When its password expires, such as `2030-01-01T00:00:00Z`.
    #[serde(default)]
    pub password_expires: Option<String>,
    /// False switches it off.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A program that sends a key as it is.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyTable {
    /// Its name.
    pub name: String,
    /// Its key; one that exists keeps its own without.
    #[serde(default)]
    pub key: Option<String>,
    /// File that holds the key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Environment variable that holds the key.
    #[serde(default)]
    pub key_env: Option<String>,
    /// A named set of rights.
    #[serde(default)]
    pub role: Option<String>,
    /// Rights beside those of the role.
    #[serde(default)]
    pub rights: Vec<String>,
    /// Code of its company.
    #[serde(default)]
    pub company: Option<String>,
    /// Code of its unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// Code of its `user` record.
    #[serde(default)]
    pub user: Option<String>,
    /// False switches it off.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A field added to an entity. (Written out, since a flattened table accepts unknown keys.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldTable {
    /// The entity.
    pub entity: String,
    /// See [`FieldFile::name`].
    pub name: String,
    /// See [`FieldFile::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// See [`FieldFile::required`].
    #[serde(default)]
    pub required: bool,
    /// See [`FieldFile::read_only`].
    #[serde(default)]
    pub read_only: bool,
    /// See [`FieldFile::secret`].
    #[serde(default)]
    pub secret: bool,
    /// See [`FieldFile::search`].
    #[serde(default)]
    pub search: bool,
    /// See [`FieldFile::index`].
    #[serde(default)]
    pub index: Option<bool>,
    /// See [`FieldFile::default`].
    #[serde(default)]
    pub default: Option<toml::Value>,
    /// See [`FieldFile::data_type`].
    #[serde(default)]
    pub data_type: Option<String>,
    /// See [`FieldFile::labels`].
    #[serde(default)]
    pub labels: Labels,
}

/// A unique key added to an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyTable {
    /// The entity.
    pub entity: String,
    /// See [`KeyFile::name`].
    pub name: String,
    /// See [`KeyFile::fields`].
    pub fields: Vec<String>,
    /// See [`KeyFile::null_is_value`].
    #[serde(default)]
    pub null_is_value: Vec<String>,
}

/// Access switches of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessTable {
    /// The entity.
    pub entity: String,
    /// Reading.
    #[serde(default = "yes")]
    pub read: bool,
    /// Adding records.
    #[serde(default = "yes")]
    pub insert: bool,
    /// Changing and deleting records.
    #[serde(default = "yes")]
    pub update: bool,
}

/// A numbering rule of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberingTable {
    /// The entity.
    pub entity: String,
    /// See [`NumberingFile::field`].
    pub field: String,
    /// See [`NumberingFile::prefix`].
    #[serde(default)]
    pub prefix: String,
    /// See [`NumberingFile::digits`].
    #[serde(default)]
    pub digits: u8,
    /// See [`NumberingFile::next`].
    #[serde(default = "one")]
    pub next: u64,
}

/// Records of one entity: rows, or a file of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsTable {
    /// The entity.
    pub entity: String,
    /// Records by field name.
    #[serde(default)]
    pub rows: Option<Vec<toml::Table>>,
    /// A file of NDJSON, JSON or CSV, relative to the project file.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// Where a project file says that a secret lies.
#[derive(Debug, Clone, Copy)]
pub enum SecretSource<'f> {
    /// In a file, relative to the project file.
    File(&'f std::path::Path),
    /// In an environment variable.
    Env(&'f str),
}

impl ProjectFile {
    /// Reads a project file. The error names line and key, and shows no value: it might be a secret.
    pub fn parse(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().trim_end().replace('\n', " ");
            match error.span() {
                Some(span) => {
                    let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                    Error::Invalid(format!("line {line}: {message}"))
                }
                None => Error::Invalid(message),
            }
        })
    }

    /// Replaces every `password_file`, `password_env`, `key_file` and `key_env` by what `read` finds
    /// there.
    pub fn resolve_secrets(
        &mut self,
        read: &dyn Fn(SecretSource<'_>) -> Result<String, String>,
    ) -> Result<(), Error> {
        for login in &mut self.logins {
            let place = format!("login {}", login.name);
            let LoginTable { password, password_file, password_env, .. } = login;
            resolve(&place, "password", password, password_file, password_env, read)?;
        }
        for api_key in &mut self.api_keys {
            let place = format!("api_key {}", api_key.name);
            let ApiKeyTable { key, key_file, key_env, .. } = api_key;
            resolve(&place, "key", key, key_file, key_env, read)?;
        }
        Ok(())
    }
}

fn resolve(
    place: &str,
    what: &str,
    given: &mut Option<String>,
    file: &mut Option<PathBuf>,
    env: &mut Option<String>,
    read: &dyn Fn(SecretSource<'_>) -> Result<String, String>,
) -> Result<(), Error> {
    let told = usize::from(given.is_some()) + usize::from(file.is_some()) + usize::from(env.is_some());
    if told > 1 {
        let text = format!("{place}: {what}, {what}_file and {what}_env exclude one another; keep one");
        return Err(Error::Invalid(text));
    }
    let source = match (&file, &env) {
        (Some(path), _) => SecretSource::File(path),
        (_, Some(name)) => SecretSource::Env(name),
        _ => return Ok(()),
    };
    let secret = read(source).map_err(|text| Error::Invalid(format!("{place}: {text}")))?;
    *given = Some(secret);
    *file = None;
    *env = None;
    Ok(())
}

impl FieldTable {
    /// The field as entity files write it.
    pub(super) fn field(&self) -> FieldFile {
        FieldFile {
            name: self.name.clone(),
            kind: self.kind.clone(),
            required: self.required,
            read_only: self.read_only,
            secret: self.secret,
            search: self.search,
            index: self.index,
            default: self.default.clone(),
            data_type: self.data_type.clone(),
            labels: self.labels.clone(),
            own: false,
        }
    }
}

impl KeyTable {
    /// The key as entity files write it.
    pub(super) fn key(&self) -> KeyFile {
        KeyFile {
            name: self.name.clone(),
            fields: self.fields.clone(),
            null_is_value: self.null_is_value.clone(),
        }
    }
}

impl NumberingTable {
    /// The rule as entity files write it.
    pub(super) fn rule(&self) -> NumberingFile {
        NumberingFile {
            field: self.field.clone(),
            prefix: self.prefix.clone(),
            digits: self.digits,
            next: self.next,
        }
    }
}

// Secrets shall not reach a log by way of `{:?}`.
impl std::fmt::Debug for LoginTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginTable")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ApiKeyTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyTable")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}
