//! How this vendor says who is calling.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use domain::find::{Find, Wanted};
use domain::names::Company;
use domain::row::State;
use engine::{Caller, Engine, Error};
use serde_json::Value;

use crate::NAME;
use crate::decisions::TOKEN_LIFE_S;
use crate::fault::Fault;
use crate::names;
use crate::wire::Json;

/// The caller whose token a body or a query holds.
///
/// Source: crmcom §4.6.
pub(crate) async fn of_token(engine: &Engine, token: &Json<'_>) -> Result<Caller, Fault> {
    match token {
        Json::Text(text) => of_token_text(engine, text).await,
        _ => Err(Fault::invalid_token()),
    }
}

/// The caller whose token this is.
pub(crate) async fn of_token_text(engine: &Engine, token: &str) -> Result<Caller, Fault> {
    Ok(engine.check_token(token, NAME).await?)
}

/// Somebody who logs in by name, password and organisation.
///
/// Source: crmcom §4.1.
pub(crate) async fn of_password(
    engine: &Engine,
    organisation: &str,
    name: &str,
    password: &str,
) -> Result<Caller, Fault> {
    engine.check_password(organisation, name, password).await.map_err(of_login)
}

/// A program that logs in with its key.
///
/// Source: crmcom §4.2.
pub(crate) async fn of_key(engine: &Engine, headers: &HeaderMap) -> Result<Caller, Fault> {
    let key = key_of(headers).ok_or_else(Fault::invalid_login)?;
    engine.check_key(&key).await.map_err(of_login)
}

/// Which credential is wrong is not told.
fn of_login(error: Error) -> Fault {
    match error.kind() {
        domain::Kind::Unauthenticated => Fault::invalid_login(),
        _ => error.into(),
    }
}

/// The key in `Authorization: Basic …`: the user name before an empty password, or the key alone.
fn key_of(headers: &HeaderMap) -> Option<String> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim();
    let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let key = text.strip_suffix(':').unwrap_or(&text);
    (!key.is_empty()).then(|| key.to_owned())
}

/// Issues the token of a login; it acts for `unit` where that is given.
///
/// Source: crmcom §4.4.
pub(crate) async fn token(
    engine: &Engine,
    mut caller: Caller,
    unit: Option<String>,
) -> Result<String, Fault> {
    let project = engine.project(caller.project().as_str()).await?;
    if let Some(unit) = unit {
        if !unit_exists(engine, &caller, &unit).await? {
            return Err(Fault::not_found("Unit", &unit));
        }
        caller.unit = Some(unit.into());
    }
    let login = engine.login(&project, &caller.login).await?.ok_or_else(Fault::invalid_login)?;
    let now_s = engine.now_ms().div_euclid(1000);
    let claims = [
        ("usr", caller.login.to_string()),
        ("org", caller.project().to_string()),
        // The vendor's own are texts.
        ("iat", now_s.to_string()),
        ("exp", (now_s + TOKEN_LIFE_S as i64).to_string()),
    ];
    let claims = claims.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    Ok(engine.issue_token(&caller, &login, NAME, TOKEN_LIFE_S, claims)?.text)
}

async fn unit_exists(engine: &Engine, caller: &Caller, code: &str) -> Result<bool, Fault> {
    let project = engine.project(caller.project().as_str()).await?;
    let entity = names::entity(&project.catalogue(), "unit")?.ix;
    let wanted = Wanted::Codes(vec![code.into()]);
    let find = Find { entity, company: Company::SHARED, wanted, fields: Vec::new() };
    let found = engine.find(caller, vec![find]).await?;
    Ok(found.iter().flatten().any(|hit| hit.record.state == State::Live))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(header: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", header.parse().unwrap());
        key_of(&headers)
    }

    #[test]
    fn a_key_is_read_in_every_form_that_clients_send() {
        assert_eq!(key("Basic ay0xOg=="), Some("k-1".to_owned()));
        assert_eq!(key("basic ay0x"), Some("k-1".to_owned()));
        assert_eq!(key("Basic ay0xOg"), Some("k-1".to_owned()));
        for header in ["Basic", "Basic Og==", "Bearer ay0x", "Basic !", "Basic /w=="] {
            assert_eq!(key(header), None, "{header}");
        }
    }
}
