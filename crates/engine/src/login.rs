//! Logins: proving who calls, tokens, keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::names::{Company, ProjectCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::caller::{Caller, Rights};
use crate::project::Project;
use crate::{Engine, Error};

/// A login, as stored: a document of kind `login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Its name.
    pub name: String,
    /// How it proves itself.
    pub kind: LoginKind,
    /// Argon2id string of a password, or hex of the HMAC of a key.
    pub secret: String,
    /// A named set of rights.
    #[serde(default)]
    pub role: Option<String>,
    /// Rights beside those of the role.
    #[serde(default)]
    pub rights: Vec<String>,
    /// Code of the company it works in; the project's first otherwise.
    #[serde(default)]
    pub company: Option<String>,
    /// Code of the unit it acts for.
    #[serde(default)]
    pub unit: Option<String>,
    /// Code of its `user` record.
    #[serde(default)]
    pub user: Option<String>,
    /// When its password expires, milliseconds since 1970.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// False when it is switched off.
    pub active: bool,
    /// Grows when tokens issued before shall not count any more.
    pub epoch: u64,
}

/// How a login proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginKind {
    /// With a password.
    Password,
    /// With a key that it sends as it is.
    Key,
}

/// A login to be made or changed.
#[derive(Debug, Clone, Default)]
pub struct NewLogin {
    /// Its password or key.
    pub secret: String,
}

/// A token that was issued.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub text: String,
    /// When it was issued, milliseconds since 1970.
    pub issued_at: i64,
    /// How long it is valid, in seconds.
    pub expires_in_s: u64,
    /// When the password expires, milliseconds since 1970.
    pub password_expires_at: Option<i64>,
}

/// Tokens released before their time, by id, with when they would have expired. They are few, and
/// forgotten then.
#[derive(Default)]
pub(crate) struct Revoked(Mutex<HashMap<String, i64>>);

/// Wrong passwords by project and login: count, and when the count began.
#[derive(Default)]
pub(crate) struct Tries(Mutex<HashMap<(ProjectCode, String), (u32, i64)>>);

/// Passwords compared at once, each with 19 MB and a core of its own for 32 ms.
pub(crate) const HASHES_AT_ONCE: usize = 4;

/// Logins whose wrong passwords are counted. Comparing takes so long that more do not come in time.
const MOST_COUNTED: usize = 10_000;

/// A token longer than this is none of ours.
const LONGEST_TOKEN: usize = 8_192;

/// Wrong passwords allowed within [`TRIES_WITHIN_MS`].
const MOST_TRIES: u32 = 20;
const TRIES_WITHIN_MS: i64 = 60_000;

/// Released tokens are remembered so long at least, for doors whose tokens live longer than ours.
const LONGEST_LIFE_MS: i64 = 24 * 3_600_000;

/// What a token says. Doors may add claims of their own.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    jti: String,
    /// Project.
    prj: String,
    /// Login.
    sub: String,
    /// Epoch of the login.
    epo: u64,
    /// Door that issued it.
    dor: String,
    /// Unit it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oun: Option<String>,
    #[serde(flatten)]
    more: serde_json::Map<String, serde_json::Value>,
}

impl Engine {
    /// Checks a password. Wrong project, login or password are told alike.
    pub async fn check_password(&self, project: &str, login: &str, password: &str) -> Result<Caller, Error> {
        let project = match self.project(project).await {
            Ok(project) => project,
            Err(Error::NoProject(_)) => {
                // As slow as a wrong password, so that nobody learns which projects there are.
                self.verify_password(password.to_owned(), DUMMY.to_owned()).await?;
                return Err(Error::Unauthenticated);
            }
            Err(other) => return Err(other),
        };
        // Counted before it is compared: calls at once get no more tries than calls in turn.
        self.note_try(&project.code, login)?;
        let found = self.login(&project, login).await?.filter(|login| login.kind == LoginKind::Password);
        let secret = found.as_ref().map_or(DUMMY, |login| &login.secret).to_owned();
        let right = self.verify_password(password.to_owned(), secret).await?;
        let Some(found) = found.filter(|_| right) else { return Err(Error::Unauthenticated) };
        self.take_try_back(&project.code, login);
        if found.expires_at.is_some_and(|at| at <= self.now_ms()) {
            return Err(Error::PasswordExpired);
        }
        self.caller(project, &found, "").await
    }

    /// Checks a key that names no project.
    pub async fn check_key(&self, key: &str) -> Result<Caller, Error> {
        let hash = self.key_hash(key);
        let looked_up = hash.clone();
        let project = self.control(move |control| control.project_of_key(&looked_up)).await?;
        let Some(project) = project else { return Err(Error::Unauthenticated) };
        let project = self.project(project.as_str()).await?;
        let hex = hex(&hash);
        let logins = self.logins(&project).await?;
        match logins.iter().find(|login| login.kind == LoginKind::Key && login.secret == hex) {
            Some(login) => self.caller(project, login, "").await,
            None => Err(Error::Unauthenticated),
        }
    }

    /// Issues a token to somebody who proved who they are. `more` are claims that the door adds;
    /// `exp` and `iat` are ours unless the door gives its own form of them.
    pub fn issue_token(
        &self,
        caller: &Caller,
        login: &Login,
        door: &str,
        life_s: u64,
        more: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Token, Error> {
        let now = self.now_ms();
        let mut more = more;
        more.entry("iat").or_insert_with(|| (now / 1000).into());
        more.entry("exp").or_insert_with(|| (now / 1000 + life_s as i64).into());
        let claims = Claims {
            jti: format!("{:032X}", self.inner.chance.bits()),
            prj: caller.project().to_string(),
            sub: login.name.clone(),
            epo: login.epoch,
            dor: door.to_owned(),
            oun: caller.unit.as_deref().map(str::to_owned),
            more,
        };
        let key = EncodingKey::from_secret(&token_key(&caller.project)?);
        let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Token { text, issued_at: now, expires_in_s: life_s, password_expires_at: login.expires_at })
    }

    /// Checks a password and issues a token of this door in one step.
    pub async fn token(
        &self,
        project: &str,
        login: &str,
        password: &str,
        door: &str,
    ) -> Result<Token, Error> {
        let caller = self.check_password(project, login, password).await?;
        let login = self.login(&caller.project, login).await?.ok_or(Error::Unauthenticated)?;
        let life = self.inner.config.token_life.as_secs();
        self.issue_token(&caller, &login, door, life, serde_json::Map::new())
    }

    /// Checks a token that this door issued.
    pub async fn check_token(&self, text: &str, door: &str) -> Result<Caller, Error> {
        let project = project_of_token(text).ok_or(Error::Unauthenticated)?;
        let project = match self.project(&project).await {
            Err(Error::NoProject(_)) => return Err(Error::Unauthenticated),
            other => other?,
        };
        let mut validation = Validation::new(Algorithm::HS256);
        // Our own clock decides, and some doors write `exp` as a text.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_secret(&token_key(&project)?);
        let claims: Claims =
            jsonwebtoken::decode(text, &key, &validation).map_err(|_| Error::Unauthenticated)?.claims;
        let expires_s = match claims.more.get("exp") {
            Some(serde_json::Value::Number(number)) => number.as_i64(),
            Some(serde_json::Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let in_time = expires_s.is_some_and(|s| self.now_ms() < s.saturating_mul(1000));
        let revoked =
            self.inner.revoked.0.lock().unwrap_or_else(|p| p.into_inner()).contains_key(&claims.jti);
        if !in_time || revoked || claims.dor != door {
            return Err(Error::Unauthenticated);
        }
        let login = self.login(&project, &claims.sub).await?.ok_or(Error::Unauthenticated)?;
        if login.epoch != claims.epo || !login.active {
            return Err(Error::Unauthenticated);
        }
        let mut caller = self.caller(project, &login, &claims.jti).await?;
        if let Some(unit) = claims.oun {
            caller.unit = Some(unit.into());
        }
        Ok(caller)
    }

    /// Ends a token before its time.
    pub async fn release_token(&self, caller: &Caller) -> Result<(), Error> {
        if caller.token.is_empty() {
            return Ok(());
        }
        let id = caller.token.to_string();
        let now = self.now_ms();
        let until = now + LONGEST_LIFE_MS.max(self.inner.config.token_life.as_millis() as i64);
        let (stored, text) = (id.clone(), until.to_string());
        self.write(caller.project(), move |writer| writer.put_document("revoked", &stored, &text)).await?;
        let mut revoked = self.inner.revoked.0.lock().unwrap_or_else(|p| p.into_inner());
        revoked.insert(id, until);
        revoked.retain(|_, until| *until > now);
        Ok(())
    }

    /// Loads what was released before this process began.
    pub(crate) async fn load_revoked(&self, project: &ProjectCode) -> Result<(), Error> {
        let now = self.now_ms();
        let released = self.read(project, |reader| reader.documents("revoked")).await?;
        let released = released.into_iter().map(|(id, until)| (id, until.parse::<i64>().unwrap_or(0)));
        let (current, past): (Vec<_>, Vec<_>) = released.partition(|(_, until)| *until > now);
        self.inner.revoked.0.lock().unwrap_or_else(|p| p.into_inner()).extend(current);
        if past.is_empty() {
            return Ok(());
        }
        self.write(project, move |writer| {
            past.iter().try_for_each(|(id, _)| writer.remove_document("revoked", id).map(|_| ()))
        })
        .await
    }

    /// The login of a name.
    pub async fn login(&self, project: &Project, name: &str) -> Result<Option<Login>, Error> {
        let wanted = name.to_owned();
        let text = self.read(&project.code, move |reader| reader.document("login", &wanted)).await?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| Error::Internal(error.into())))
            .transpose()
    }

    /// All logins of a project.
    pub async fn logins(&self, project: &Project) -> Result<Vec<Login>, Error> {
        let texts = self.read(&project.code, |reader| reader.documents("login")).await?;
        let read = |(_, text): &(String, String)| serde_json::from_str(text);
        texts.iter().map(read).collect::<Result<_, _>>().map_err(|error| Error::Internal(error.into()))
    }

    /// Somebody who proved who they are.
    async fn caller(&self, project: Arc<Project>, login: &Login, token: &str) -> Result<Caller, Error> {
        if !login.active {
            return Err(Error::Inactive);
        }
        let role = login.role.as_deref().map(Rights::of_role);
        let rights = match role {
            Some(Some(rights)) => rights,
            Some(None) => return Err(Error::internal(format!("login {} has an unknown role", login.name))),
            None => Rights::default(),
        };
        let more = Rights::parse(login.rights.iter().map(String::as_str))
            .map_err(|text| Error::internal(format!("login {} has an unknown right {text}", login.name)))?;
        let company = login.company.as_deref().and_then(|code| project.company(code)).unwrap_or(Company(1));
        Ok(Caller {
            project,
            login: login.name.as_str().into(),
            rights: Arc::new(rights.and(more)),
            company,
            unit: login.unit.as_deref().map(Into::into),
            user: login.user.as_deref().map(Into::into),
            token: token.into(),
        })
    }

    /// The owner of the machine, working on the data folder itself.
    pub async fn owner(&self, project: &str) -> Result<Caller, Error> {
        let project = self.project(project).await?;
        Ok(Caller {
            project,
            login: "local".into(),
            rights: Arc::new(Rights::of_role("admin").unwrap_or_default()),
            company: Company(1),
            unit: None,
            user: None,
            token: "".into(),
        })
    }

    pub(crate) fn key_hash(&self, key: &str) -> Vec<u8> {
        match Hmac::<Sha256>::new_from_slice(&self.inner.config.secret_key) {
            Ok(mut mac) => {
                mac.update(key.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
            Err(_) => unreachable!("HMAC takes keys of any length"),
        }
    }

    async fn verify_password(&self, password: String, secret: String) -> Result<bool, Error> {
        let turn = self.inner.hashing.clone().acquire_owned().await;
        let turn = turn.map_err(|error| Error::Internal(error.into()))?;
        let checked = tokio::task::spawn_blocking(move || {
            // Held until the comparing is over, even when nobody waits for it any more.
            let _turn = turn;
            is_password(&password, &secret)
        });
        checked.await.map_err(|error| Error::Internal(error.into()))
    }

    /// Counts a try; fails when there were too many lately.
    fn note_try(&self, project: &ProjectCode, login: &str) -> Result<(), Error> {
        let now = self.now_ms();
        let mut tries = self.inner.tries.0.lock().unwrap_or_else(|p| p.into_inner());
        if tries.len() >= MOST_COUNTED {
            tries.retain(|_, (_, since)| now - *since < TRIES_WITHIN_MS);
        }
        let entry = tries.entry((project.clone(), counted(login))).or_insert((0, now));
        if now - entry.1 >= TRIES_WITHIN_MS {
            *entry = (0, now);
        }
        if entry.0 >= MOST_TRIES {
            return Err(Error::TooManyTries);
        }
        entry.0 += 1;
        Ok(())
    }

    /// A right password was no try.
    fn take_try_back(&self, project: &ProjectCode, login: &str) {
        let mut tries = self.inner.tries.0.lock().unwrap_or_else(|p| p.into_inner());
        let key = (project.clone(), counted(login));
        if let Some(entry) = tries.get_mut(&key) {
            entry.0 = entry.0.saturating_sub(1);
            if entry.0 == 0 {
                tries.remove(&key);
            }
        }
    }
}

/// Under what the tries of a login are counted: names that are longer are nobody's.
fn counted(login: &str) -> String {
    login.chars().take(100).collect()
}

/// The hash of a password nobody has, for logins that do not exist.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y29tcHRvaXItZHVtbXk$o0mF1XbGvDTTEPjXmd0ANYq7XHCXmu9D5Q0nP0tbKbY";

/// Argon2id string of a password.
pub(crate) fn hash_password(password: &str) -> Result<String, Error> {
    let hash = argon2::Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
}

/// True when a password has this Argon2id string.
pub(crate) fn is_password(password: &str, secret: &str) -> bool {
    PasswordHash::new(secret)
        .is_ok_and(|hash| argon2::Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token_key(project: &Project) -> Result<Vec<u8>, Error> {
    let settings = project.settings();
    match STANDARD.decode(&settings.token_key) {
        Ok(key) if key.len() >= 32 => Ok(key),
        _ => Err(Error::internal(format!("project {} has no key for tokens", project.code))),
    }
}

/// The project that a token claims to be of, before its signature is checked.
fn project_of_token(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        prj: String,
    }
    if text.len() > LONGEST_TOKEN {
        return None;
    }
    let body = text.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
    serde_json::from_slice::<Claimed>(&bytes).ok().map(|claimed| claimed.prj)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_does_not_exist_takes_as_long_as_one_that_does() {
        let Ok(hash) = PasswordHash::new(DUMMY) else { panic!("the dummy is no hash") };
        let fresh = hash_password("x").unwrap();
        let fresh = PasswordHash::new(&fresh).unwrap();
        assert_eq!((hash.algorithm, hash.params), (fresh.algorithm, fresh.params));
        assert!(!is_password("", DUMMY));
    }

    #[test]
    fn a_token_names_its_project_or_nothing() {
        let of = |body: &str| project_of_token(&format!("a.{}.b", URL_SAFE_NO_PAD.encode(body)));
        assert_eq!(of(r#"{"prj":"ACME"}"#).as_deref(), Some("ACME"));
        for body in
            ["", "[", r#"{"prj":null}"#, &"[".repeat(5_000), &format!(r#"{{"prj":"{}"}}"#, "A".repeat(9_000))]
        {
            assert_eq!(of(body), None);
        }
        assert_eq!(project_of_token("no dots"), None);
    }
}
