//! Tokens.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use dialect::Media;
use dialect::print::Times;

use super::{Door, asked, json, other_media, receive};
use crate::decisions;
use crate::fault::Fault;
use crate::{caller, wire};

/// Gives a token for a login's password.
///
/// Send it as `Authorization: Bearer …` from then on. An API key is sent in the same way and needs
/// no token. Wrong project, login and password are told alike.
#[utoipa::path(
    post,
    path = "/api/v1/token",
    tag = "token",
    security(()),
    request_body = wire::TokenRequest,
    responses(
        (status = 200, description = "A token.", body = wire::TokenAnswer),
        (status = 401, description = "Project, login or password are wrong.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong passwords; try again later.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn create(State(door): State<Door>, request: Request) -> Result<Response, Fault> {
    let (parts, received) = receive(&door, request, decisions::SMALL_BODY).await?;
    asked(&parts, &[])?;
    if received.media != Media::Json {
        return Err(other_media(&received.media, "application/json"));
    }
    let body = received.body.bytes().map_err(Fault::from)?;
    // The reader's own text is not repeated: it may quote the password.
    let read = serde_json::from_slice::<wire::TokenRequest>(&body);
    let wanted = read.map_err(|_| {
        Fault::invalid("the body must be a JSON object of the texts project, login and password")
    })?;
    let token = door.engine.token(&wanted.project, &wanted.login, &wanted.password, caller::DOOR).await?;
    let answer = wire::TokenAnswer {
        token: token.text,
        expires_in: token.expires_in_s,
        password_expires_at: token.password_expires_at.map(|at| Times::Utc.print(at)),
    };
    let mut response = json(StatusCode::OK, &answer);
    let never = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(axum::http::header::CACHE_CONTROL, never);
    Ok(response)
}
