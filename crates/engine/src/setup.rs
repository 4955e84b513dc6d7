//! A project becomes what its file says.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalogue::file::{self as catalogue_file, Overlay};
use domain::names::ProjectCode;
use jiff::tz::TimeZone;

use crate::login::{Login, LoginKind, hex};
use crate::project::Settings;
use crate::{Engine, Error};

mod file;
mod logins;
mod overlay;
#[cfg(test)]
mod tests;

pub use file::{
    AccessTable, ApiKeyTable, FieldTable, KeyTable, LoginTable, NumberingTable, ProjectFile, ProjectTable,
    RecordsTable, SecretSource,
};

/// How a project file is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Remove logins, API keys, access switches and numbering rules that the file does not name.
    pub prune: bool,
}

/// What applying a project file did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The project.
    pub project: ProjectCode,
    /// Nothing was stored because nothing was to be.
    pub dry_run: bool,
    /// True when the project had no journal entry before: it wants its standard records.
    pub is_empty: bool,
    /// What was done, in the order of the file.
    pub lines: Vec<AppliedLine>,
}

/// One thing that a project file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedLine {
    /// What was done to it.
    pub verb: Verb,
    /// The thing, such as `login erp-sync (password)`.
    pub what: String,
}

/// What was done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It was not there.
    Added,
    /// It was different.
    Changed,
    /// It already was as the file says.
    Unchanged,
    /// The file does not name it.
    Removed,
}

impl Verb {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Added => "added",
            Verb::Changed => "changed",
            Verb::Unchanged => "unchanged",
            Verb::Removed => "removed",
        }
    }
}

impl Applied {
    /// True when nothing had to be done.
    pub fn is_unchanged(&self) -> bool {
        self.lines.iter().all(|line| line.verb == Verb::Unchanged)
    }
}

/// For people: a line for everything done, and what was left as it was as a number.
impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = if self.dry_run { "would be " } else { "" };
        for line in self.lines.iter().filter(|line| line.verb != Verb::Unchanged) {
            writeln!(f, "{would}{:<9} {}", line.verb.name(), line.what)?;
        }
        let unchanged = self.lines.iter().filter(|line| line.verb == Verb::Unchanged).count();
        if self.is_unchanged() {
            writeln!(f, "nothing to change: project {} is as the file says", self.project)
        } else if unchanged > 0 {
            writeln!(f, "{unchanged} unchanged in project {}", self.project)
        } else {
            Ok(())
        }
    }
}

/// What a project is before a file is applied.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    settings: Option<Settings>,
    overlay: Overlay,
    logins: Vec<Login>,
    /// Records exist, or existed.
    is_used: bool,
}

/// What has to be written so that a project is what a file says.
struct Plan {
    settings: Option<Settings>,
    overlay: Option<Overlay>,
    put: Vec<Login>,
    removed: Vec<Login>,
    lines: Vec<AppliedLine>,
}

/// How often applying begins anew because the project changed meanwhile.
const ATTEMPTS: usize = 3;

impl Engine {
    /// Makes a project what a file says; makes the project when there is none. All or nothing,
    /// except that a project may be left behind empty when the machine stops in between.
    ///
    /// Secrets must have been resolved ([`ProjectFile::resolve_secrets`]). Records are the
    /// caller's affair. [`Error::Invalid`] lists everything that is wrong with the file.
    pub async fn apply(&self, file: &ProjectFile, options: ApplyOptions) -> Result<Applied, Error> {
        let code = ProjectCode::new(&file.project.code).map_err(|error| Error::Invalid(error.to_string()))?;
        let wanted = code.clone();
        let known = self.control(move |control| control.project(wanted.as_str())).await?;
        let code = known.clone().unwrap_or(code);
        self.check_keys_free(file, &code).await?;
        for _ in 0..ATTEMPTS {
            let state = match &known {
                Some(code) => self.read(code, |reader| state(reader)).await?,
                None => State::default(),
            };
            let plan = self.plan_setup(&state, file, &code, options).await?;
            let mut applied = Applied {
                project: code.clone(),
                dry_run: options.dry_run,
                is_empty: !state.is_used,
                lines: plan.lines.clone(),
            };
            if known.is_none() {
                applied.lines.insert(0, AppliedLine { verb: Verb::Added, what: format!("project {code}") });
            }
            if options.dry_run || self.store_setup(&code, known.is_none(), state, plan, file).await? {
                return Ok(applied);
            }
        }
        Err(Error::Busy)
    }

    /// Plans off the runtime's threads, since passwords take their time.
    async fn plan_setup(
        &self,
        state: &State,
        file: &ProjectFile,
        code: &ProjectCode,
        options: ApplyOptions,
    ) -> Result<Plan, Error> {
        let (engine, state, file, code) = (self.clone(), state.clone(), file.clone(), code.clone());
        let bits = [self.inner.chance.bits(), self.inner.chance.bits()];
        let work = move || {
            let key_hash = |key: &str| hex(&engine.key_hash(key));
            plan(&state, &file, &code, options, bits, &key_hash)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))?
    }

    /// Writes a plan; false when the project is not what was planned on any more.
    async fn store_setup(
        &self,
        code: &ProjectCode,
        is_new: bool,
        state: State,
        plan: Plan,
        file: &ProjectFile,
    ) -> Result<bool, Error> {
        let keys: Vec<Vec<u8>> = self.keys_of(file).map(|(_, hash)| hash).collect();
        let project = code.clone();
        // The keys first: one too many opens nothing, one too few would never be found missing.
        self.control(move |control| {
            if is_new {
                control.create_project(&project)?;
            }
            keys.iter().try_for_each(|hash| control.put_key(hash, &project))
        })
        .await?;
        let stale = stale_keys(&state, &plan);
        let Plan { settings, overlay, put, removed, .. } = plan;
        let written = settings.clone();
        let documents = put
            .iter()
            // A name that was used before must not take up the tokens of who had it.
            .map(|login| {
                let epoch = if login.epoch == 0 { self.now_ms().max(1) as u64 } else { login.epoch };
                Ok((login.name.clone(), json(&Login { epoch, ..login.clone() })?))
            })
            .collect::<Result<Vec<(String, String)>, Error>>()?;
        let settings_text = settings.as_ref().map(json).transpose()?;
        let turn = self.write(code, move |writer| {
            let reader: &mut dyn store::Reader = &mut *writer;
            if self::state(reader)? != state {
                return Ok(None);
            }
            if let Some(text) = &settings_text {
                writer.put_document("project", "settings", text)?;
            }
            for (name, text) in &documents {
                writer.put_document("login", name, text)?;
            }
            for login in &removed {
                writer.remove_document("login", &login.name)?;
            }
            match &overlay {
                Some(overlay) => Ok(Some(writer.put_overlay(overlay)?)),
                None => Ok(Some(writer.catalogue())),
            }
        });
        let catalogue = match turn.await {
            Ok(Some(catalogue)) => catalogue,
            Ok(None) => return Ok(false),
            Err(Error::Store(store::Error::Constraint { name, .. })) => {
                let text = format!(
                    "the new key {name} does not hold: stored records have the same values; mend them first"
                );
                return Err(Error::Invalid(text));
            }
            Err(other) => return Err(other),
        };
        if !stale.is_empty() {
            self.control(move |control| stale.iter().try_for_each(|hash| control.remove_key(hash))).await?;
        }
        self.project(code.as_str()).await?.refresh(written, Some(catalogue));
        Ok(true)
    }

    /// Fails when a key of the file opens another project.
    async fn check_keys_free(&self, file: &ProjectFile, code: &ProjectCode) -> Result<(), Error> {
        let keys: Vec<(String, Vec<u8>)> = self.keys_of(file).collect();
        let code = code.clone();
        let taken = self
            .control(move |control| {
                for (name, hash) in &keys {
                    match control.project_of_key(hash)? {
                        Some(other) if other != code => return Ok(Some((name.clone(), other))),
                        _ => {}
                    }
                }
                Ok(None)
            })
            .await?;
        match taken {
            None => Ok(()),
            Some((name, other)) => Err(Error::Invalid(format!(
                "api_key {name}: the same key opens project {other}; choose another, since a key says which project is meant"
            ))),
        }
    }

    fn keys_of(&self, file: &ProjectFile) -> impl Iterator<Item = (String, Vec<u8>)> {
        file.api_keys
            .iter()
            .filter_map(|api_key| Some((api_key.name.clone(), self.key_hash(api_key.key.as_deref()?))))
    }
}

fn state(reader: &mut dyn store::Reader) -> Result<State, store::Error> {
    let damaged = |error: serde_json::Error| store::Error::Damaged(error.into());
    let settings = reader.document("project", "settings")?;
    let settings = settings.map(|text| serde_json::from_str(&text)).transpose().map_err(damaged)?;
    let logins = reader.documents("login")?;
    let logins = logins.iter().map(|(_, text)| serde_json::from_str(text)).collect::<Result<_, _>>();
    Ok(State {
        settings,
        overlay: reader.overlay()?,
        logins: logins.map_err(damaged)?,
        is_used: reader.head()?.seq > 0,
    })
}

/// Pure: everything that comes from outside is an argument.
fn plan(
    state: &State,
    file: &ProjectFile,
    code: &ProjectCode,
    options: ApplyOptions,
    bits: [u128; 2],
    key_hash: &dyn Fn(&str) -> String,
) -> Result<Plan, Error> {
    let mut problems = Vec::new();
    let mut lines = Vec::new();
    let settings = plan_settings(state, file, bits, &mut lines, &mut problems);
    let grown = overlay::grow(&state.overlay, file, options.prune);
    problems.extend(grown.problems);
    lines.extend(grown.lines);
    let catalogue = match catalogue_file::overlaid(&grown.overlay) {
        Ok(catalogue) => catalogue,
        Err(_) => return Err(Error::Invalid(problems.join("; "))),
    };
    for records in file.records.iter().filter(|records| catalogue.find(&records.entity).is_none()) {
        problems
            .push(format!("records: there is no entity {}; the catalogue lists the names", records.entity));
    }
    let logins =
        logins::plan(&state.logins, file, code.as_str(), &settings, &catalogue, options.prune, key_hash);
    problems.extend(logins.problems);
    lines.extend(logins.lines);
    if !problems.is_empty() {
        return Err(Error::Invalid(problems.join("; ")));
    }
    Ok(Plan {
        settings: Some(settings).filter(|settings| state.settings.as_ref() != Some(settings)),
        overlay: Some(grown.overlay).filter(|overlay| *overlay != state.overlay),
        put: logins.put,
        removed: logins.removed,
        lines,
    })
}

fn plan_settings(
    state: &State,
    file: &ProjectFile,
    bits: [u128; 2],
    lines: &mut Vec<AppliedLine>,
    problems: &mut Vec<String>,
) -> Settings {
    let wanted = &file.project;
    let old = state.settings.clone().unwrap_or_default();
    let mut new = old.clone();
    let mut changed = Vec::new();
    let mut number = |name: &'static str, wanted: Option<u32>, held: &mut u32| {
        if let Some(wanted) = wanted.filter(|wanted| wanted != held) {
            *held = wanted;
            changed.push(name);
        }
    };
    number("active_users", wanted.active_users, &mut new.active_users);
    number("requests_per_minute", wanted.requests_per_minute, &mut new.requests_per_minute);
    number("journal_days", wanted.journal_days, &mut new.journal_days);
    number("ledger_days", wanted.ledger_days, &mut new.ledger_days);
    if new.ledger_days < 30 || new.journal_days == 0 {
        problems.push("project: ledger_days must be at least 30, journal_days at least 1".to_owned());
    }
    if let Some(companies) = wanted.companies.as_ref().filter(|companies| **companies != old.companies) {
        problems.extend(check_companies(companies, &old.companies, state.is_used));
        new.companies.clone_from(companies);
        changed.push("companies");
    }
    if let Some(languages) = wanted.languages.as_ref().filter(|languages| **languages != old.languages) {
        let is_language = |text: &String| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        if languages.is_empty() || !languages.iter().all(is_language) {
            problems.push("project: languages are two capitals each, such as [\"EN\", \"FR\"]".to_owned());
        }
        new.languages.clone_from(languages);
        changed.push("languages");
    }
    if let Some(zone) = wanted.time_zone.as_ref().filter(|zone| **zone != old.time_zone) {
        if TimeZone::get(zone).is_err() {
            problems
                .push(format!("project: there is no time_zone `{zone}`; use a name such as Europe/Paris"));
        } else if state.is_used {
            problems.push(format!(
                "project: time_zone is {} and cannot become {zone}, since records exist whose times were read in it",
                old.time_zone
            ));
        }
        new.time_zone.clone_from(zone);
        changed.push("time_zone");
    }
    if new.token_key.is_empty() {
        let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        new.token_key = STANDARD.encode(bytes);
    }
    let what = match (&state.settings, changed.as_slice()) {
        (None, _) => return new,
        (Some(_), []) => AppliedLine { verb: Verb::Unchanged, what: "project".to_owned() },
        (Some(_), changed) => {
            AppliedLine { verb: Verb::Changed, what: format!("project ({})", changed.join(", ")) }
        }
    };
    lines.push(what);
    new
}

/// Companies have numbers by their place, so they are only ever appended once records exist.
fn check_companies(wanted: &[String], old: &[String], is_used: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: HashMap<String, ()> = HashMap::new();
    for code in wanted {
        if code.trim().is_empty() || code.len() > 40 {
            problems.push(format!("project: `{code}` is no code for a company; use up to 40 characters"));
        }
        if seen.insert(code.to_lowercase(), ()).is_some() {
            problems.push(format!("project: company {code} stands twice in `companies`"));
        }
    }
    let begins_alike = old.len() <= wanted.len()
        && old.iter().zip(wanted).all(|(old, wanted)| old.eq_ignore_ascii_case(wanted));
    if is_used && !begins_alike {
        let text = format!(
            "project: companies have records and keep their places; begin with [{}] and add new ones behind",
            old.join(", ")
        );
        problems.push(text);
    }
    problems
}

/// Hashes of keys that open the project no more.
fn stale_keys(state: &State, plan: &Plan) -> Vec<Vec<u8>> {
    let keys = state.logins.iter().filter(|login| login.kind == LoginKind::Key);
    let is_stale = |login: &&Login| {
        plan.removed.iter().any(|gone| gone.name == login.name)
            || plan.put.iter().any(|new| new.name == login.name && new.secret != login.secret)
    };
    let is_used = |login: &&Login| plan.put.iter().any(|new| new.secret == login.secret);
    keys.filter(is_stale).filter(|login| !is_used(login)).filter_map(|login| unhex(&login.secret)).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.into()))
}
