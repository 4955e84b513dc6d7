//! Our rules and kinds in this vendor's codes, texts and statuses.

use axum::response::{IntoResponse, Response};
use domain::Kind as ErrorKind;
use domain::rule::{Problem, Rule};
use engine::Error;

use crate::decisions;
use crate::names::{ACCESS_TOKEN, Kind, Names};
use crate::routes;
use crate::wire::{Envelope, Nothing, Status};

/// The vendor's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    NotFound,
    InvalidToken,
    InvalidLogin,
    InvalidRequest,
    Mandatory,
    SemiOptional,
    InvalidValue,
    Duplicate,
    Maximum,
    NotAllowed,
    General,
}

impl Code {
    fn entry(self) -> (&'static str, &'static str) {
        let found = decisions::CODES.iter().find(|(code, ..)| *code == self);
        found.map_or(("GeneralAPIException", ""), |(_, name, description)| (name, description))
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The text that always goes with it.
    pub fn description(self) -> &'static str {
        self.entry().1
    }
}

/// Why a whole call, or one row, is told no.
///
/// Source: crmcom §2 and §3.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub code: Code,
    /// What is wrong with this very call.
    pub text: String,
    /// HTTP status, where it is not 200.
    pub status: u16,
    /// When to try again, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Fault {
    /// A fault that travels with status 200.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Fault { code, text: text.into(), status: 200, retry_after_s: None }
    }

    /// The same with another HTTP status.
    pub fn with_status(self, status: u16) -> Self {
        Fault { status, ..self }
    }

    pub fn mandatory(parameter: &str) -> Self {
        Fault::new(Code::Mandatory, format!("Parameter ({parameter}) is mandatory."))
    }

    pub fn invalid(parameter: &str) -> Self {
        Fault::new(Code::InvalidValue, format!("Parameter ({parameter}) is not valid."))
    }

    pub fn semi_optional(parameters: &[&str]) -> Self {
        Fault::new(
            Code::SemiOptional,
            format!("Exactly one of ({}) must be specified.", parameters.join(", ")),
        )
    }

    pub fn not_found(called: &str, value: &str) -> Self {
        Fault::new(Code::NotFound, format!("{called} ({value}) Not Found."))
    }

    /// An access token that names nobody; which part of it is wrong is not told, nor what was sent.
    pub fn no_access_token() -> Self {
        Fault::new(Code::NotFound, "Access Token Not Found.")
    }

    pub fn invalid_token() -> Self {
        Fault::new(Code::InvalidToken, "The token is not valid.")
    }

    pub fn invalid_login() -> Self {
        Fault::new(Code::InvalidLogin, "The login failed.")
    }

    /// What the house says in our place.
    pub fn of_the_house(kind: ErrorKind, detail: &str) -> Self {
        let status = if kind == ErrorKind::Unavailable { 503 } else { 500 };
        Fault::new(Code::General, sentence_of(detail)).with_status(status)
    }

    pub fn unreadable() -> Self {
        Fault::new(Code::InvalidRequest, "The body must be one JSON object.")
    }

    /// The form in which rows of a bulk call report it.
    ///
    /// Source: crmcom §3.1.
    pub fn of_row(&self) -> String {
        format!("Error:{} - Description:{}", self.text, self.code.description())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unauthenticated => Fault::invalid_token(),
            ErrorKind::Forbidden => Fault::new(Code::NotAllowed, sentence(&error)),
            ErrorKind::NotFound => Fault::new(Code::NotFound, sentence(&error)),
            ErrorKind::Invalid => Fault::new(Code::InvalidRequest, sentence(&error)),
            ErrorKind::TooLarge => Fault::new(Code::InvalidRequest, sentence(&error)).with_status(413),
            ErrorKind::Conflict => Fault {
                retry_after_s: matches!(error, Error::KeyInUse).then_some(2),
                ..Fault::new(Code::NotAllowed, sentence(&error)).with_status(409)
            },
            ErrorKind::Busy => Fault {
                retry_after_s: Some(decisions::TRIES_RETRY_AFTER_S),
                ..Fault::new(Code::General, sentence(&error)).with_status(429)
            },
            ErrorKind::Unavailable => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a call was not answered");
                Fault {
                    retry_after_s: Some(2),
                    ..Fault::new(Code::General, sentence(&error)).with_status(503)
                }
            }
            ErrorKind::Internal => {
                tracing::error!(error = &error as &dyn std::error::Error, "a call failed");
                Fault::new(Code::General, "The log of the server says more.").with_status(500)
            }
        }
    }
}

impl From<dialect::BodyFault> for Fault {
    fn from(fault: dialect::BodyFault) -> Self {
        Error::from(fault).into()
    }
}

impl From<dialect::BadKey> for Fault {
    fn from(key: dialect::BadKey) -> Self {
        Fault::new(Code::InvalidRequest, sentence(&key))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (code, description) = self.code.entry();
        let envelope =
            Envelope { data: Nothing {}, status: Status { code, description, message: &self.text } };
        let mut response = routes::json(self.status, &envelope);
        if let Some(after_s) = self.retry_after_s {
            response.headers_mut().insert("retry-after", after_s.into());
        }
        response
    }
}

/// A text of ours as a sentence of the vendor's.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => text,
    }
}

/// What a row is told of its problems: the first in the order in which the checks are made.
///
/// `whole` gives a value that was shortened on its way into the problem as it was sent.
///
/// Source: crmcom §6.4.
pub(crate) fn of_problems<'p>(
    problems: impl IntoIterator<Item = &'p Problem>,
    names: &Names,
    kind: &Kind,
    whole: impl Fn(&Problem) -> Option<String>,
) -> Option<Fault> {
    let words = Words { names, kind };
    let first = problems.into_iter().min_by_key(|problem| words.order(problem))?;
    Some(words.fault(first, whole(first)))
}

/// Field of a problem with the caller's own id of the row.
pub(crate) const ROW_ID: &str = "id";
/// Between the fields of a group of which exactly one is wanted.
pub(crate) const OR: char = '|';
/// Last part of the field of a problem with an access token.
pub(crate) const TOKEN_PART: &str = ".access_token";

struct Words<'a> {
    names: &'a Names,
    kind: &'a Kind,
}

impl Words<'_> {
    /// When the check that found a problem is made.
    fn order(&self, problem: &Problem) -> u8 {
        let field = &*problem.field;
        let target = self.entity_of(field);
        match problem.rule {
            _ if field.contains(OR) => 4,
            Rule::Required if field == ROW_ID => 0,
            Rule::DuplicateInBatch if field == ROW_ID => 1,
            Rule::Required => 2,
            Rule::WrongType | Rule::TooLong | Rule::OutOfRange | Rule::UnknownField | Rule::ReadOnly => 3,
            Rule::UnknownReference | Rule::AmbiguousReference | Rule::NotFound => match target {
                Some("event_type") => 6,
                Some("unit") => 7,
                _ => 5,
            },
            Rule::InvalidValue => match target {
                Some("event_type") => 8,
                Some(_) => 9,
                None => 3,
            },
            Rule::AlreadyExists | Rule::DuplicateInBatch => 10,
            Rule::StaleRevision | Rule::Referenced | Rule::Forbidden => 11,
        }
    }

    fn fault(&self, problem: &Problem, whole: Option<String>) -> Fault {
        let field = &*problem.field;
        let value = whole.or_else(|| problem.value.as_deref().map(str::to_owned)).unwrap_or_default();
        if field.contains(OR) {
            let own = field.rsplit('.').next().unwrap_or_default();
            let parameters: Vec<&str> = own.split(OR).map(|field| self.wire_name(field)).collect();
            return Fault::semi_optional(&parameters);
        }
        let parameter = self.wire_name(field.rsplit('.').next().unwrap_or(field));
        match problem.rule {
            Rule::Required => Fault::mandatory(parameter),
            Rule::UnknownReference | Rule::NotFound if field.ends_with(TOKEN_PART) => {
                Fault::no_access_token()
            }
            Rule::UnknownReference | Rule::NotFound => Fault::not_found(self.called(field), &value),
            Rule::WrongType
            | Rule::InvalidValue
            | Rule::TooLong
            | Rule::OutOfRange
            | Rule::UnknownField
            | Rule::ReadOnly
            | Rule::AmbiguousReference => Fault::invalid(parameter),
            Rule::DuplicateInBatch | Rule::AlreadyExists => {
                Fault::new(Code::Duplicate, format!("Parameter ({parameter}) Already Exists."))
            }
            Rule::StaleRevision => {
                Fault::new(Code::NotAllowed, "The customer event was changed by somebody else.")
            }
            Rule::Referenced | Rule::Forbidden => Fault::new(Code::NotAllowed, sentence_of(&problem.message)),
        }
    }

    /// The vendor's name of a field.
    fn wire_name<'f>(&'f self, field: &'f str) -> &'f str {
        match field {
            "" => return &self.kind.rows,
            ROW_ID => return "request_unique_identifier",
            _ if TOKEN_PART.ends_with(field) => return ACCESS_TOKEN,
            _ => {}
        }
        let member = self.kind.members.iter().find(|member| member.field() == field);
        member.map_or(field, |member| &member.name)
    }

    fn entity_of(&self, field: &str) -> Option<&str> {
        let own = field.split('.').next().unwrap_or(field);
        let member = self.kind.members.iter().find(|member| member.field() == own)?;
        member.identified.map(|at| &*self.names.identifiers[at].entity)
    }

    fn called(&self, field: &str) -> &str {
        // Our own words for who called and where: the login names a record that is not there.
        let entity = match field {
            "user" | "modified_by" => return "User",
            "created_by_unit" | "modified_by_unit" => Some("unit"),
            _ => self.entity_of(field),
        };
        let found = self.names.identifiers.iter().find(|identifier| Some(&*identifier.entity) == entity);
        found.map_or("Value", |identifier| &identifier.called)
    }
}

fn sentence_of(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text of the one error of a web row with these problems.
    fn told(problems: &[Problem]) -> String {
        let names = Names::read().unwrap();
        let fault = of_problems(problems, &names, &names.kinds[0], |_| None).unwrap();
        format!("{}: {}", fault.code.name(), fault.of_row())
    }

    fn problem(field: &str, rule: Rule) -> Problem {
        Problem::new(field, rule, "").with_value("x")
    }

    #[test]
    fn the_one_published_text_is_as_published() {
        let unknown = Problem::new("customer", Rule::UnknownReference, "").with_value("ACR00045000");
        let expected = "NotFoundAPIValueException: Error:Account (ACR00045000) Not Found. - \
                        Description:The specified API value was not found.";
        assert_eq!(told(&[unknown]), expected);
    }

    #[test]
    fn of_several_problems_the_first_check_speaks() {
        let in_order = [
            problem("id", Rule::Required),
            problem("id", Rule::DuplicateInBatch),
            problem("website", Rule::Required),
            problem("occurred_at", Rule::InvalidValue),
            problem("customer|rewards_participant", Rule::Required),
            problem("customer", Rule::UnknownReference),
            problem("event_type", Rule::UnknownReference),
            problem("unit", Rule::UnknownReference),
            problem("event_type", Rule::InvalidValue),
            problem("customer", Rule::InvalidValue),
            problem("external_reference", Rule::AlreadyExists),
            problem("", Rule::Forbidden),
        ];
        for n in 0..in_order.len() {
            let mut rest = in_order[n..].to_vec();
            rest.reverse();
            assert_eq!(told(&rest), told(&in_order[n..=n]), "{n}");
        }
    }

    #[test]
    fn groups_are_named_as_the_vendor_names_them() {
        let told = told(&[problem("customer|rewards_participant", Rule::InvalidValue)]);
        assert!(told.starts_with("SemiOptionalAPIParameterException"), "{told}");
        assert!(told.contains("(accounts_receivable_identifier, rewards_participant_identifier)"), "{told}");
    }

    #[test]
    fn an_access_token_is_never_echoed() {
        let told = told(&[problem("rewards_participant.access_token", Rule::UnknownReference)]);
        assert!(told.contains("Error:Access Token Not Found. - "), "{told}");
    }
}
