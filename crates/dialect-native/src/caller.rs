//! How a caller says who it is: a bearer token of this door, or an API key as it is.

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use engine::{Caller, Engine, Error};

use crate::Owner;
use crate::fault::Fault;

/// The name by which tokens of this door are known.
pub const DOOR: &str = "native";

/// Who is calling about a project.
///
/// A caller of another project gets the same answer whether the one in the path exists or not.
pub async fn identify(engine: &Engine, parts: &Parts, project: &str) -> Result<Caller, Fault> {
    if parts.extensions.get::<Owner>().is_some() {
        return Ok(engine.owner(project).await?);
    }
    let caller = prove(engine, credentials(parts)?).await?;
    if !caller.project().as_str().eq_ignore_ascii_case(project) {
        return Err(Fault::forbidden("the token or key belongs to another project than the one in the path"));
    }
    Ok(caller)
}

async fn prove(engine: &Engine, credentials: &str) -> Result<Caller, Fault> {
    // Tokens have two dots. A key may have them too.
    if credentials.bytes().filter(|byte| *byte == b'.').count() == 2 {
        match engine.check_token(credentials, DOOR).await {
            Err(Error::Unauthenticated) => {}
            other => return Ok(other?),
        }
    }
    match engine.check_key(credentials).await {
        Err(Error::Unauthenticated) => {
            Err(Fault::unauthenticated("the token or key is not valid; POST /api/v1/token gives a new token"))
        }
        other => Ok(other?),
    }
}

/// What stands behind `Bearer`.
fn credentials(parts: &Parts) -> Result<&str, Fault> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Fault::unauthenticated(
            "send the header Authorization: Bearer with a token or an API key",
        ));
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let parts = text.and_then(|text| text.trim().split_once(' '));
    match parts {
        Some((scheme, credentials))
            if scheme.eq_ignore_ascii_case("bearer") && !credentials.trim().is_empty() =>
        {
            Ok(credentials.trim())
        }
        _ => Err(Fault::unauthenticated(
            "the header Authorization must come once and be Bearer with a token or an API key",
        )),
    }
}
