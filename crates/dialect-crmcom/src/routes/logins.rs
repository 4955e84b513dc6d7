//! Logging in and out.

use std::sync::Arc;

use axum::extract::Request;

use super::{Answer, Body, Door, ok};
use crate::caller;
use crate::fault::Fault;
use crate::names::Lookup;
use crate::translate::question::Parameters;
use crate::wire::{self, Json};

const LOGIN: [&str; 4] = ["username", "password", "organisation", "unit"];

/// Issues a token to a user of an organisation.
///
/// Source: crmcom §4.1.
pub(super) async fn token(door: Arc<Door>, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let members = wire::object(body.text()?, &Lookup::new(LOGIN)).map_err(|_| Fault::unreadable())?;
    let mandatory = |n: usize| match Json::of(members[n]) {
        json if json.is_empty() => Err(Fault::mandatory(LOGIN[n])),
        Json::Text(text) => Ok(text.into_owned()),
        _ => Err(Fault::invalid(LOGIN[n])),
    };
    let (name, password, organisation) = (mandatory(0)?, mandatory(1)?, mandatory(2)?);
    let unit = match Json::of(members[3]) {
        json if json.is_empty() => None,
        Json::Text(text) => Some(text.into_owned()),
        _ => return Err(Fault::invalid("unit")),
    };
    let caller = caller::of_password(&door.engine, &organisation, &name, &password).await?;
    let token = caller::token(&door.engine, caller, unit).await?;
    Ok(ok(wire::Token { token: &token }))
}

/// Issues a token to a program that has a key; the body may be left out.
///
/// Source: crmcom §4.2.
pub(super) async fn web_api_key(door: Arc<Door>, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let unit = match body.text()?.trim() {
        "" => None,
        text => Parameters::of_body(text)?.text("unit")?,
    };
    let caller = caller::of_key(&door.engine, &body.headers).await?;
    let token = caller::token(&door.engine, caller, unit).await?;
    Ok(ok(wire::Token { token: &token }))
}

/// Ends a token before its time.
///
/// Source: crmcom §4.5.
pub(super) async fn release(door: Arc<Door>, request: Request) -> Answer {
    let body = Body::receive(&door, request).await?;
    let parameters = Parameters::of_body(body.text()?)?;
    let caller = caller::of_token(&door.engine, &parameters.get("token")).await?;
    door.engine.release_token(&caller).await?;
    Ok(ok(wire::Nothing {}))
}
