//! What a project file says about logins: from stored ones to those that shall be.

use std::collections::HashSet;

use domain::catalogue::Catalogue;
use jiff::tz::TimeZone;

use super::file::{ApiKeyTable, LoginTable, ProjectFile};
use super::{AppliedLine, Verb};
use crate::caller::Rights;
use crate::login::{Login, LoginKind, hash_password, is_password};
use crate::project::Settings;

/// Logins to be written and removed, and what that changes.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) put: Vec<Login>,
    pub(super) removed: Vec<Login>,
    pub(super) lines: Vec<AppliedLine>,
    pub(super) problems: Vec<String>,
}

/// What rights may speak of beside entities.
const OTHER_THINGS: [&str; 5] = ["*", "batches", "changes", "catalogue", "consumers"];

/// Compares stored logins with a file's. Takes 32 ms for each password.
///
/// `key_hash` gives the hex of the hash of a key.
pub(super) fn plan(
    stored: &[Login],
    file: &ProjectFile,
    project: &str,
    settings: &Settings,
    catalogue: &Catalogue,
    prune: bool,
    key_hash: &dyn Fn(&str) -> String,
) -> Planned {
    let mut planned = Planned::default();
    let zone = TimeZone::get(&settings.time_zone).unwrap_or(TimeZone::UTC);
    let mut names = HashSet::new();
    let mut secrets = HashSet::new();
    let context = Context { project, settings, catalogue };
    for table in &file.logins {
        let what = format!("login {}", table.name);
        if !names.insert(table.name.as_str()) {
            planned
                .problems
                .push(format!("{what}: the name stands twice; names are unique among logins and API keys"));
            continue;
        }
        let old = stored.iter().find(|login| login.name == table.name);
        match context.login(&what, table, old, &zone) {
            Ok(login) => planned.compare(what, old, login),
            Err(problems) => planned.problems.extend(problems),
        }
    }
    for table in &file.api_keys {
        let what = format!("api_key {}", table.name);
        if !names.insert(table.name.as_str()) {
            planned
                .problems
                .push(format!("{what}: the name stands twice; names are unique among logins and API keys"));
            continue;
        }
        let old = stored.iter().find(|login| login.name == table.name);
        match context.api_key(&what, table, old, key_hash) {
            Ok(login) if !secrets.insert(login.secret.clone()) => {
                planned
                    .problems
                    .push(format!("{what}: another API key has the same key; choose a different one"));
            }
            Ok(login) => planned.compare(what, old, login),
            Err(problems) => planned.problems.extend(problems),
        }
    }
    if prune {
        for login in stored.iter().filter(|login| !names.contains(login.name.as_str())) {
            planned.lines.push(AppliedLine { verb: Verb::Removed, what: named(login) });
            planned.removed.push(login.clone());
        }
    }
    planned.check_licences(stored, settings);
    planned
}

impl Planned {
    fn compare(&mut self, what: String, old: Option<&Login>, mut login: Login) {
        let Some(old) = old else {
            self.lines.push(AppliedLine { verb: Verb::Added, what });
            return self.put.push(login);
        };
        let secret = if old.kind == LoginKind::Password { "password" } else { "key" };
        let differs = [
            ("kind", old.kind != login.kind),
            (secret, old.secret != login.secret),
            ("role", old.role != login.role),
            ("rights", old.rights != login.rights),
            ("company", old.company != login.company),
            ("unit", old.unit != login.unit),
            ("user", old.user != login.user),
            ("password_expires", old.expires_at != login.expires_at),
            ("active", old.active != login.active),
        ];
        let changed: Vec<&str> =
            differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if changed.is_empty() {
            return self.lines.push(AppliedLine { verb: Verb::Unchanged, what });
        }
        login.epoch = old.epoch + 1;
        let what = format!("{what} ({})", changed.join(", "));
        self.lines.push(AppliedLine { verb: Verb::Changed, what });
        self.put.push(login);
    }

    /// Active logins of people count as licences.
    fn check_licences(&mut self, stored: &[Login], settings: &Settings) {
        let goes = |login: &&Login| {
            !self.removed.iter().any(|gone| gone.name == login.name)
                && !self.put.iter().any(|new| new.name == login.name)
        };
        let counts = |login: &&Login| login.kind == LoginKind::Password && login.active;
        let users =
            stored.iter().filter(goes).filter(counts).count() + self.put.iter().filter(counts).count();
        if settings.active_users > 0 && users > settings.active_users as usize {
            self.problems.push(format!(
                "active_users is {} and {users} logins with a password would be active; \
                 raise it, or switch logins off with `active = false`",
                settings.active_users
            ));
        }
    }
}

struct Context<'a> {
    project: &'a str,
    settings: &'a Settings,
    catalogue: &'a Catalogue,
}

impl Context<'_> {
    fn login(
        &self,
        what: &str,
        table: &LoginTable,
        old: Option<&Login>,
        zone: &TimeZone,
    ) -> Result<Login, Vec<String>> {
        let mut problems =
            self.check(what, &table.name, table.role.as_deref(), &table.rights, table.company.as_deref());
        let expires_at = match &table.password_expires {
            None => None,
            Some(text) => {
                let at = domain::instant::parse(text, zone);
                if at.is_none() {
                    problems.push(format!(
                        "{what}: password_expires `{text}` is no time; write 2030-01-01T00:00:00Z"
                    ));
                }
                at
            }
        };
        let kept = old.filter(|old| old.kind == LoginKind::Password).map(|old| old.secret.as_str());
        let secret = match (table.password.as_deref(), kept) {
            (Some(""), _) => Err(format!("{what}: the password is empty; choose one")),
            (Some(password), Some(kept)) if is_password(password, kept) => Ok(kept.to_owned()),
            (Some(password), _) if problems.is_empty() => {
                hash_password(password).map_err(|error| error.to_string())
            }
            (Some(_), _) => Ok(String::new()),
            (None, Some(kept)) => Ok(kept.to_owned()),
            (None, None) => Err(format!("{what}: a new login needs password, password_file or password_env")),
        };
        match secret {
            Ok(secret) if problems.is_empty() => Ok(Login {
                name: table.name.clone(),
                kind: LoginKind::Password,
                secret,
                role: table.role.clone(),
                rights: table.rights.clone(),
                company: table.company.clone(),
                unit: table.unit.clone(),
                user: table.user.clone(),
                expires_at,
                active: table.active,
                epoch: 0,
            }),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn api_key(
        &self,
        what: &str,
        table: &ApiKeyTable,
        old: Option<&Login>,
        key_hash: &dyn Fn(&str) -> String,
    ) -> Result<Login, Vec<String>> {
        let mut problems =
            self.check(what, &table.name, table.role.as_deref(), &table.rights, table.company.as_deref());
        let kept = old.filter(|old| old.kind == LoginKind::Key).map(|old| old.secret.as_str());
        let secret = match (table.key.as_deref(), kept) {
            (Some(""), _) => {
                problems.push(format!("{what}: the key is empty; choose one"));
                String::new()
            }
            (Some(key), _) => key_hash(key),
            (None, Some(kept)) => kept.to_owned(),
            (None, None) => {
                problems.push(format!("{what}: a new API key needs key, key_file or key_env"));
                String::new()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Login {
            name: table.name.clone(),
            kind: LoginKind::Key,
            secret,
            role: table.role.clone(),
            rights: table.rights.clone(),
            company: table.company.clone(),
            unit: table.unit.clone(),
            user: table.user.clone(),
            expires_at: None,
            active: table.active,
            epoch: 0,
        })
    }

    /// Everything that logins and API keys have in common.
    fn check(
        &self,
        what: &str,
        name: &str,
        role: Option<&str>,
        rights: &[String],
        company: Option<&str>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        if name.trim().is_empty() || name.len() > 100 || name.chars().any(char::is_control) || name == "local"
        {
            problems.push(format!(
                "{what}: no name for a login; use up to 100 characters (`local` is the machine's owner)"
            ));
        }
        if let Some(role) = role
            && Rights::of_role(role).is_none()
        {
            problems.push(format!("{what}: there is no role `{role}`; use admin, integrator or reader"));
        }
        if role.is_none() && rights.is_empty() {
            problems.push(format!("{what}: it could do nothing; give it `role` or `rights`"));
        }
        if let Err(right) = Rights::parse(rights.iter().map(String::as_str)) {
            problems.push(format!(
                "{what}: `{right}` is no right; write read, insert, update, delete or manage, a colon, \
                 and an entity or `*`"
            ));
        }
        let names_thing = |right: &&String| match right.split_once(':') {
            Some(("manage" | "*", _)) | None => true,
            Some((_, thing)) => self.catalogue.find(thing).is_some() || OTHER_THINGS.contains(&thing),
        };
        for right in rights.iter().filter(|right| !names_thing(right)) {
            problems.push(format!("{what}: right `{right}` names no entity of the catalogue"));
        }
        if let Some(company) = company {
            let companies = &self.settings.companies;
            let known = companies.iter().any(|code| code.eq_ignore_ascii_case(company))
                || (companies.is_empty() && company.eq_ignore_ascii_case(self.project));
            if !known {
                problems.push(format!("{what}: the project has no company {company}; add it to `companies`"));
            }
        }
        problems
    }
}

fn named(login: &Login) -> String {
    match login.kind {
        LoginKind::Password => format!("login {}", login.name),
        LoginKind::Key => format!("api_key {}", login.name),
    }
}
