//! What a list, a show or a cancel asks for.

use domain::catalogue::Entity;
use domain::instant;
use domain::query::{Column, Comparison, Condition};
use domain::rule::Problem;
use domain::value::Value;
use engine::Error;
use jiff::tz::TimeZone;

use super::FieldsSet;
use super::rows::{Identified, read_identifier};
use crate::decisions::{LIST_DEFAULT, LIST_MOST};
use crate::fault::{Fault, OR};
use crate::names::{Bound, Identifier, Lookup};
use crate::wire::{Json, Members};

/// Members of a body, or parameters of a query, that ask for records.
pub(crate) const PARAMETERS: [&str; 14] = [
    "token",
    "fields_set",
    "accounts_receivable_identifier",
    "rewards_participant_identifier",
    "classification_identifier",
    "customer_event_identifier",
    "created_after_date",
    "created_before_date",
    "submitted_after_date",
    "submitted_before_date",
    "number_of_results",
    "offset",
    "type",
    "unit",
];

/// The names of [`PARAMETERS`] with what a caller gave.
pub(crate) struct Parameters<'a> {
    members: Members<'a>,
    lookup: Lookup,
}

impl<'a> Parameters<'a> {
    /// Reads a body.
    pub fn of_body(body: &'a str) -> Result<Self, Fault> {
        let lookup = Lookup::new(PARAMETERS);
        let members = crate::wire::object(body, &lookup).map_err(|_| Fault::unreadable())?;
        Ok(Parameters { members, lookup })
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Json<'a> {
        Json::of(self.lookup.place(name).and_then(|place| self.members[place]))
    }

    /// One of them as it was written.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.lookup.place(name).and_then(|place| self.members[place]).map(|raw| raw.get())
    }

    /// The members of the answer that are wanted.
    pub fn fields_set(&self) -> Result<FieldsSet, Fault> {
        FieldsSet::read(&self.get("fields_set"))
    }

    /// An identifier that must be given.
    pub fn mandatory(&self, identifier: &Identifier) -> Result<Identified<'a>, Fault> {
        match self.get(&identifier.name) {
            json if json.is_empty() => Err(Fault::mandatory(&identifier.name)),
            json => identified(identifier, &json),
        }
    }

    /// A text that must be given.
    pub fn mandatory_text(&self, name: &str) -> Result<String, Fault> {
        match self.get(name) {
            json if json.is_empty() => Err(Fault::mandatory(name)),
            Json::Text(text) => Ok(text.into_owned()),
            _ => Err(Fault::invalid(name)),
        }
    }

    /// A text that may be given.
    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.get(name) {
            json if json.is_empty() => Ok(None),
            Json::Text(text) => Ok(Some(text.into_owned())),
            _ => Err(Fault::invalid(name)),
        }
    }
}

/// Reads an identifier of a call.
pub(crate) fn identified<'a>(identifier: &Identifier, json: &Json<'a>) -> Result<Identified<'a>, Fault> {
    read_identifier(identifier, &identifier.name, json).map_err(|problem| of_identifier(&problem))
}

/// What a call is told of a problem with an identifier.
pub(crate) fn of_identifier(problem: &Problem) -> Fault {
    let own = problem.field.rsplit('.').next().unwrap_or_default();
    match problem.rule {
        _ if own.contains(OR) => Fault::semi_optional(&own.split(OR).collect::<Vec<_>>()),
        domain::rule::Rule::Required => Fault::mandatory(own),
        _ => Fault::invalid(own),
    }
}

/// The one filter a list must have.
#[derive(Debug, PartialEq)]
pub(crate) enum Filter<'a> {
    /// Events of an account.
    Account(Identified<'a>),
    /// Events of a participant.
    Participant(Identified<'a>),
    /// Events so classified.
    Classification(Identified<'a>),
    /// Events made later; it stands among the further conditions.
    CreatedAfter,
}

/// A list as it was asked for.
#[derive(Debug)]
pub(crate) struct List<'a> {
    pub filter: Filter<'a>,
    /// Conditions beside the filter.
    pub conditions: Vec<Condition>,
    pub page: Page,
    pub fields_set: FieldsSet,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Page {
    pub offset: u64,
    pub limit: u32,
}

/// Reads what `POST customer_events/<kind>/list` asks for.
///
/// Source: crmcom §7.4.
pub(crate) fn list<'a>(
    parameters: &Parameters<'a>,
    bound: &Bound<'_>,
    zone: &TimeZone,
) -> Result<List<'a>, ListFault> {
    const GROUP: [&str; 4] = [
        "accounts_receivable_identifier",
        "rewards_participant_identifier",
        "classification_identifier",
        "created_after_date",
    ];
    let mut given = GROUP.iter().filter(|name| !parameters.get(name).is_empty());
    let (Some(name), None) = (given.next(), given.next()) else {
        return Err(Fault::semi_optional(&GROUP).into());
    };
    let identifier = || {
        let identifier = bound.names.identifier(name).map_err(Error::from)?;
        Ok::<_, ListFault>(identified(identifier, &parameters.get(name))?)
    };
    let filter = match *name {
        "accounts_receivable_identifier" => Filter::Account(identifier()?),
        "rewards_participant_identifier" => Filter::Participant(identifier()?),
        "classification_identifier" => Filter::Classification(identifier()?),
        _ => Filter::CreatedAfter,
    };
    let occurred = Column::Field(bound.field("occurred_at")?);
    let mut conditions = Vec::new();
    for (name, column, after) in [
        ("created_after_date", Column::CreatedAt, true),
        ("created_before_date", Column::CreatedAt, false),
        ("submitted_after_date", occurred, true),
        ("submitted_before_date", occurred, false),
    ] {
        if let Some(text) = parameters.text(name)? {
            let ms = instant::parse(text.trim(), zone).ok_or_else(|| Fault::invalid(name))?;
            conditions.push(strictly(column, after, ms));
        }
    }
    Ok(List { filter, conditions, page: page(parameters)?, fields_set: parameters.fields_set()? })
}

/// Strictly after or before a second, as callers see seconds: what is printed alike is alike.
fn strictly(column: Column, after: bool, ms: i64) -> Condition {
    let second = ms.div_euclid(1000) * 1000;
    match after {
        true => Condition::Compare(column, Comparison::Ge, Value::Datetime(second + 1000)),
        false => Condition::Compare(column, Comparison::Lt, Value::Datetime(second)),
    }
}

/// Reads the paging parameters.
///
/// Source: crmcom §5.3.
pub(crate) fn page(parameters: &Parameters<'_>) -> Result<Page, Fault> {
    let number = |name: &str| match parameters.get(name) {
        json if json.is_empty() => Ok(None),
        Json::Number(text) => whole(text).map(Some).ok_or_else(|| Fault::invalid(name)),
        Json::Text(text) => whole(&text).map(Some).ok_or_else(|| Fault::invalid(name)),
        _ => Err(Fault::invalid(name)),
    };
    let limit = match number("number_of_results")? {
        None => LIST_DEFAULT,
        Some(limit) if (1..=u64::from(LIST_MOST)).contains(&limit) => limit as u32,
        Some(_) => return Err(Fault::invalid("number_of_results")),
    };
    let offset = number("offset")?.unwrap_or(0);
    match i64::try_from(offset) {
        Ok(_) => Ok(Page { offset, limit }),
        Err(_) => Err(Fault::invalid("offset")),
    }
}

/// A whole number that is not below zero; `2.0` is one.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .split_once('.')
        .map_or(text, |(whole, fraction)| if fraction.bytes().all(|b| b == b'0') { whole } else { "" });
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A list that cannot be answered: the caller's fault, or ours.
#[derive(Debug)]
pub(crate) enum ListFault {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for ListFault {
    fn from(fault: Fault) -> Self {
        ListFault::Fault(fault)
    }
}

impl From<Error> for ListFault {
    fn from(error: Error) -> Self {
        ListFault::Error(error)
    }
}

impl From<ListFault> for Fault {
    fn from(fault: ListFault) -> Self {
        match fault {
            ListFault::Fault(fault) => fault,
            ListFault::Error(error) => error.into(),
        }
    }
}

/// Events of a kind for which all of this holds.
pub(crate) fn of_kind(bound: &Bound<'_>, mut conditions: Vec<Condition>) -> Result<Condition, Error> {
    let kind = Column::Field(bound.field("kind")?);
    conditions.push(Condition::Compare(kind, Comparison::Eq, Value::text(&*bound.kind.word)));
    Ok(Condition::And(conditions))
}

/// The fields of an event that may name an account or a participant of a kind.
pub(crate) fn owners(bound: &Bound<'_>, entity: &Entity) -> Result<Vec<Column>, Error> {
    let customer = &*entity.name == "customer";
    let mut fields = Vec::new();
    if bound.kind.owner {
        fields.push(if customer { "customer" } else { "rewards_participant" });
    }
    for party in &bound.kind.parties {
        fields.push(if customer { &party.customer } else { &party.rewards_participant });
    }
    fields.into_iter().map(|name| bound.field(name).map(Column::Field)).collect()
}
