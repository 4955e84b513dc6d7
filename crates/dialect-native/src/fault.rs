//! Our rules and kinds as RFC 9457 problem documents.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Kind;
use domain::rule::{Problem, Rule};

use crate::decisions;
use crate::wire;

/// A call that has no answer but a problem document.
#[derive(Debug)]
pub struct Fault {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
    rule: Option<Rule>,
    field: Option<Box<str>>,
    errors: Vec<Problem>,
    retry_after_s: Option<u64>,
}

/// Status, name and title of a kind of error.
fn of_kind(kind: Kind) -> (StatusCode, &'static str, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request", "The request makes no sense"),
        Kind::Unauthenticated => {
            (StatusCode::UNAUTHORIZED, "unauthenticated", "Nobody, or somebody unknown, is calling")
        }
        Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The caller may not do this"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
        Kind::Conflict => (StatusCode::CONFLICT, "conflict", "The state of the project is another one"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is larger than a limit"),
        Kind::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy", "Too much is going on"),
        Kind::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service is away for a moment")
        }
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "We are at fault"),
    }
}

/// Status and title of a call about one record that breaks a rule.
fn of_rule(rule: Rule) -> (StatusCode, &'static str) {
    match rule {
        Rule::Required
        | Rule::WrongType
        | Rule::InvalidValue
        | Rule::TooLong
        | Rule::OutOfRange
        | Rule::UnknownField
        | Rule::ReadOnly
        | Rule::UnknownReference
        | Rule::AmbiguousReference
        | Rule::DuplicateInBatch => (StatusCode::UNPROCESSABLE_ENTITY, REFUSED),
        Rule::AlreadyExists => (StatusCode::CONFLICT, "The record exists already"),
        Rule::NotFound => (StatusCode::NOT_FOUND, "There is no such record"),
        Rule::StaleRevision => (StatusCode::PRECONDITION_FAILED, "The record has changed since it was read"),
        Rule::Referenced => (StatusCode::CONFLICT, "Other records refer to the record"),
        Rule::Forbidden => (StatusCode::FORBIDDEN, "The caller may not do this"),
    }
}

const REFUSED: &str = "The record breaks rules";

impl Fault {
    /// The fault of a kind of error.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = of_kind(kind);
        let retry_after_s = match kind {
            Kind::Busy | Kind::Unavailable => Some(decisions::RETRY_AFTER_S),
            Kind::Invalid
            | Kind::Unauthenticated
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::Conflict
            | Kind::TooLarge
            | Kind::Internal => None,
        };
        Fault {
            status,
            name,
            title,
            detail: detail.into(),
            rule: None,
            field: None,
            errors: Vec::new(),
            retry_after_s,
        }
    }

    /// The request cannot be read, or asks for something that makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    /// What the request names does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// Nobody said who is calling.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, detail)
    }

    /// The caller is known, and belongs elsewhere.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    /// We are at fault; the text goes to the log, not to the caller.
    pub fn internal(log: &str) -> Self {
        tracing::error!(error = log, "call failed");
        Self::new(Kind::Internal, "an internal error occurred; the log of the server says more")
    }

    /// The path exists, for other methods.
    pub fn method_not_allowed() -> Self {
        Fault {
            status: StatusCode::METHOD_NOT_ALLOWED,
            name: "method_not_allowed",
            title: "The path has no such method",
            ..Self::invalid("this path does not know this method; /api/docs lists the methods of each path")
        }
    }

    /// The body is of a kind that the path does not take.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Fault {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            name: "unsupported_media_type",
            title: "The body is of another kind than the path takes",
            ..Self::invalid(detail)
        }
    }

    /// A condition of the request's headers does not hold.
    pub fn precondition_failed(rule: Rule, detail: impl Into<String>) -> Self {
        let (_, title) = of_rule(rule);
        Fault {
            status: StatusCode::PRECONDITION_FAILED,
            name: rule.name(),
            title,
            rule: Some(rule),
            ..Self::invalid(detail)
        }
    }

    /// A record was refused for these problems. Where they agree on a status it is theirs; else
    /// the call is said to hold data that cannot be taken.
    pub fn refused(errors: Vec<Problem>) -> Self {
        let Some(first) = errors.first() else {
            return Self::internal("a row was refused without a problem");
        };
        let (status, title) = of_rule(first.rule);
        let agree = errors.iter().all(|other| of_rule(other.rule).0 == status);
        let (status, title) =
            if agree { (status, title) } else { (StatusCode::UNPROCESSABLE_ENTITY, REFUSED) };
        Fault {
            status,
            name: first.rule.name(),
            title,
            rule: Some(first.rule),
            field: Some(first.field.clone()).filter(|field| !field.is_empty()),
            ..Self::invalid(first.message.to_string())
        }
        .with_errors(errors)
    }

    fn with_errors(mut self, errors: Vec<Problem>) -> Self {
        self.errors = errors;
        self
    }
}

impl From<engine::Error> for Fault {
    fn from(error: engine::Error) -> Self {
        let kind = error.kind();
        if matches!(kind, Kind::Internal | Kind::Unavailable) {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(error = %error, cause = %cause, "call failed");
        }
        let fault = Self::new(kind, error.to_string());
        match error {
            engine::Error::KeyInUse => {
                Fault { name: "key_in_use", retry_after_s: Some(decisions::RETRY_AFTER_S), ..fault }
            }
            engine::Error::KeyConflict => Fault { name: "key_conflict", ..fault },
            engine::Error::CannotResume { .. } => Fault { name: "cannot_resume", ..fault },
            engine::Error::Forgotten { .. } => Fault {
                status: StatusCode::GONE,
                name: "forgotten",
                title: "The changes are no longer kept",
                ..fault
            },
            engine::Error::Busy => Fault { name: "busy", title: "Too much is going on", ..fault },
            engine::Error::TooManyTries => {
                Fault { name: "too_many_tries", title: "Too many wrong passwords", ..fault }
            }
            _ => fault,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let document = wire::ProblemDocument {
            kind: format!("{}{}", decisions::PROBLEM_TYPE, self.name),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            rule: self.rule.map(Rule::name),
            field: self.field,
            errors: self.errors.into_iter().map(wire::RecordError::from).collect(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(decisions::CHALLENGE));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
