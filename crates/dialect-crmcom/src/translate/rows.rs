//! Rows that create events: what they say in our words, with all that the wire alone shows to be
//! wrong with them.

use domain::batch::{CodeForm, Commit, Derived, Parameters, ReferenceCheck, Repeated, Test};
use domain::catalogue::FieldIx;
use domain::field::{FieldType, Reading, Scalar, canonical_json, read_scalar};
use domain::row::{By, Cell, Mode, Named, Row};
use domain::rule::{Problem, Rule};
use domain::value::Value;
use engine::Error;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use crate::decisions::{MASK, POSTED, SECRETS, TERMINATED};
use crate::fault::{OR, ROW_ID, TOKEN_PART};
use crate::names::{ACCESS_TOKEN, Bound, Identifier, Lookup, Member, Part};
use crate::wire::{self, Json, Members};

/// Who calls, as far as rows must know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Author {
    /// Code of the login's `user` record.
    pub user: Option<Box<str>>,
    /// Code of the unit that the token acts for.
    pub unit: Option<Box<str>>,
}

/// Rows on their way to the engine.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub rows: Vec<Row>,
    /// Each row as it came, without secrets.
    pub received: Vec<Box<str>>,
    /// Access tokens that stand where an account or a participant is wanted.
    pub tokens: Vec<TokenUse>,
    /// Ids of rows that cannot be kept with the row, for the answer.
    pub odd_ids: Vec<(u64, Box<str>)>,
    /// Names too long for a problem: row, field, text.
    pub long_names: Vec<(u64, Box<str>, Box<str>)>,
}

/// An access token named by a row.
#[derive(Debug, PartialEq)]
pub(crate) struct TokenUse {
    /// Place of the row.
    pub row: usize,
    /// The reference it stands for.
    pub field: FieldIx,
    pub token: TokenName,
}

/// What names an access token.
///
/// Source: crmcom §5.4.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TokenName {
    AuthenticationCode(Box<str>),
    Identifier { identifier: Box<str>, pass_code: Box<str> },
    OneTimePassword(Box<str>),
}

/// Reads rows of one kind.
pub(crate) struct Reader<'b> {
    bound: &'b Bound<'b>,
    plain: Reading,
    lenient: Reading,
    row_lookup: Lookup,
    token_lookup: Lookup,
    fixed: Vec<(FieldIx, Cell)>,
    batch: Batch,
}

const ROW_ID_MEMBER: &str = "request_unique_identifier";
const TOKEN_MEMBERS: [&str; 4] = ["authentication_code", "identifier", "pass_code", "one_time_password"];

impl<'b> Reader<'b> {
    /// A reader for a project's zone and a caller.
    pub fn new(bound: &'b Bound<'b>, zone: &TimeZone, author: &Author) -> Result<Self, Error> {
        let mut fixed = vec![
            (bound.field("kind")?, Cell::Set(Value::text(&*bound.kind.word))),
            (bound.field("status")?, Cell::Set(Value::text(POSTED))),
        ];
        let by_code = |text: &str| Cell::Refer(Named { by: By::Code, text: text.into() });
        if let Some(user) = &author.user {
            fixed.push((bound.field("user")?, by_code(user)));
        }
        if let Some(unit) = &author.unit {
            fixed.push((bound.field("created_by_unit")?, by_code(unit)));
        }
        let members = bound.kind.members.iter().map(|member| member.name.as_str());
        Ok(Reader {
            bound,
            plain: Reading { zone: zone.clone(), lenient: false },
            lenient: Reading { zone: zone.clone(), lenient: true },
            row_lookup: Lookup::new(members.chain([ROW_ID_MEMBER])),
            token_lookup: Lookup::new(TOKEN_MEMBERS),
            fixed,
            batch: Batch::default(),
        })
    }

    /// Reads the rows of a bulk call.
    ///
    /// Source: crmcom §6.2 to §6.4.
    pub fn bulk(mut self, rows: &[&RawValue]) -> Batch {
        let members = self.bound.kind.members.len();
        let mut found: Members<'_> = vec![None; members + 1];
        for (n, raw) in rows.iter().enumerate() {
            let text = raw.get();
            let mut row = Row::new(n as u64 + 1, self.bound.entity.ix);
            found.fill(None);
            if wire::object_into(text, &self.row_lookup, &mut found).is_ok() {
                self.row_id(&mut row, &Json::of(found[members]));
                self.members(&mut row, &found[..members], true);
            } else {
                row.problems.push(Problem::new("", Rule::WrongType, "the row must be an object"));
            }
            self.batch.rows.push(row);
            self.batch.received.push(masked(text));
        }
        self.batch
    }

    /// Reads the one row of a single create.
    ///
    /// Source: crmcom §7.2.
    pub fn single(mut self, body: &str, members: &Members<'_>) -> Batch {
        let mut row = Row::new(1, self.bound.entity.ix);
        self.members(&mut row, members, false);
        self.batch.rows.push(row);
        self.batch.received.push(masked(body));
        self.batch
    }

    fn row_id(&mut self, row: &mut Row, json: &Json<'_>) {
        match json {
            _ if json.is_empty() => row.problems.push(required(ROW_ID)),
            Json::Text(text) if text.contains('\0') => {
                self.batch.odd_ids.push((row.number, (&**text).into()));
                row.problems.push(zero(ROW_ID));
            }
            Json::Text(text) => row.id = Some((&**text).into()),
            Json::Number(text) => row.id = Some((*text).into()),
            _ => row.problems.push(wrong_type(ROW_ID, "a text")),
        }
    }

    fn members(&mut self, row: &mut Row, found: &[Option<&RawValue>], bulk: bool) {
        let bound = self.bound;
        for (place, member) in bound.kind.members.iter().enumerate() {
            if bulk && member.part == Some(Part::Single) {
                continue;
            }
            let json = Json::of(found[place]);
            if json.is_null() || ((member.required || member.empty_is_absent) && json.is_empty()) {
                if member.required {
                    row.problems.push(required(member.field()));
                }
                continue;
            }
            let field = bound.fields[place];
            let cell = match member.identified {
                Some(at) => self.identifier(row, field, member, at, &json),
                None => self.value(field, member, &json).map(Some),
            };
            match cell {
                Ok(Some(cell)) => row.set(field, cell),
                Ok(None) => {}
                Err(problem) => row.problems.push(problem),
            }
        }
        if bound.kind.owner {
            self.check_owner(row, found);
        }
        for (field, cell) in &self.fixed {
            row.set(*field, cell.clone());
        }
    }

    /// Exactly one of the members that say whose event it is.
    ///
    /// Source: crmcom §5.1.
    fn check_owner(&self, row: &mut Row, found: &[Option<&RawValue>]) {
        let members = || self.bound.kind.members.iter().enumerate();
        let owners = || members().filter(|(_, member)| member.part == Some(Part::Owner));
        let given = owners().filter(|(place, _)| !Json::of(found[*place]).is_null()).count();
        if given != 1 {
            let names: Vec<&str> = owners().map(|(_, member)| member.field()).collect();
            row.problems.push(group(&names.join(&OR.to_string()), given));
        }
    }

    fn value(&self, field: FieldIx, member: &Member, json: &Json<'_>) -> Result<Cell, Problem> {
        let path = member.field();
        if member.as_sent {
            let Json::Object(text) = json else { return Err(wrong_type(path, "an object")) };
            let read: Option<serde_json::Value> = serde_json::from_str(text).ok();
            let canonical = read.and_then(|value| canonical_json(&value));
            let invalid = || Problem::new(path, Rule::InvalidValue, format!("{path} cannot be kept"));
            return canonical.map(|text| Cell::Set(Value::Json(text.into()))).ok_or_else(invalid);
        }
        let field = self.bound.entity.field(field);
        // Numbers and booleans may come as texts; texts may come as texts only.
        let reading = match field.kind {
            FieldType::Text(_) | FieldType::LongText => &self.plain,
            _ => &self.lenient,
        };
        let scalar = match json {
            Json::Text(text) => Scalar::Text(text),
            Json::Number(text) => Scalar::Number(text),
            Json::Boolean(b) => Scalar::Boolean(*b),
            _ => return Err(wrong_type(path, field.kind.expectation())),
        };
        let value = read_scalar(field, path, scalar, reading)?;
        match &value {
            Value::Text(text)
                if !member.one_of.is_empty() && !member.one_of.iter().any(|one| **one == **text) =>
            {
                let message = format!("{path} must be one of {}", member.one_of.join(", "));
                Err(Problem::new(path, Rule::InvalidValue, message).with_value(text))
            }
            _ => Ok(Cell::Set(value)),
        }
    }

    /// Reads an identifier; `None` when it is an access token, to be found later.
    ///
    /// Source: crmcom §5.4.
    fn identifier(
        &mut self,
        row: &Row,
        field: FieldIx,
        member: &Member,
        at: usize,
        json: &Json<'_>,
    ) -> Result<Option<Cell>, Problem> {
        let identifier = &self.bound.names.identifiers[at];
        let path = member.field();
        match read_identifier(identifier, path, json)? {
            Identified::By(n, text) => {
                if text.chars().nth(200).is_some() {
                    self.batch.long_names.push((row.number, path.into(), text.clone()));
                }
                Ok(Some(Cell::Refer(Named { by: self.bound.by[at][n], text })))
            }
            Identified::Token(text) => {
                let token = read_token(&self.token_lookup, path, text)?;
                self.batch.tokens.push(TokenUse { row: self.batch.rows.len(), field, token });
                Ok(None)
            }
        }
    }
}

/// What an identifier object says.
#[derive(Debug, PartialEq)]
pub(crate) enum Identified<'a> {
    /// By which of its fields, and the text there.
    By(usize, Box<str>),
    /// By an access token, not read yet.
    Token(&'a str),
}

/// Reads an identifier object: exactly one of its fields must be given.
///
/// Source: crmcom §5.1.
pub(crate) fn read_identifier<'a>(
    identifier: &Identifier,
    path: &str,
    json: &Json<'a>,
) -> Result<Identified<'a>, Problem> {
    let Json::Object(text) = json else { return Err(wrong_type(path, "an object")) };
    let members = wire::object(text, &identifier.lookup).map_err(|_| wrong_type(path, "an object"))?;
    let mut given = members.iter().enumerate().filter(|(_, member)| !Json::of(**member).is_empty());
    let (Some((n, member)), None) = (given.next(), given.next()) else {
        let mut names: Vec<&str> = identifier.fields.iter().map(|field| &*field.name).collect();
        names.extend(identifier.access_token.then_some(ACCESS_TOKEN));
        let given = members.iter().filter(|member| !Json::of(**member).is_empty()).count();
        return Err(group(&format!("{path}.{}", names.join(&OR.to_string())), given));
    };
    match Json::of(*member) {
        Json::Object(text) if n == identifier.fields.len() => Ok(Identified::Token(text)),
        Json::Text(text) if text.contains('\0') => Err(zero(path)),
        Json::Text(text) if n < identifier.fields.len() => Ok(Identified::By(n, text.as_ref().into())),
        _ => Err(wrong_type(path, "named by a text")),
    }
}

/// Reads an access token identifier. Nothing in it is ever shown.
pub(crate) fn read_token(lookup: &Lookup, path: &str, text: &str) -> Result<TokenName, Problem> {
    let path = format!("{path}{TOKEN_PART}");
    let wrong = || Problem::new(&path, Rule::WrongType, "the access token is not named by texts");
    let members = wire::object(text, lookup).map_err(|_| wrong())?;
    let [code, identifier, pass_code, one_time] = [0, 1, 2, 3].map(|n| Json::of(members[n]));
    let given = [&code, &identifier, &one_time].iter().filter(|json| !json.is_empty()).count();
    if given != 1 {
        return Err(group(&format!("{path}.authentication_code{OR}identifier{OR}one_time_password"), given));
    }
    let text = |json: &Json<'_>| match json {
        Json::Text(text) if !text.contains('\0') => Ok(Box::from(&**text)),
        _ => Err(wrong()),
    };
    if !code.is_empty() {
        Ok(TokenName::AuthenticationCode(text(&code)?))
    } else if !identifier.is_empty() {
        if pass_code.is_empty() {
            return Err(required(&format!("{path}.pass_code")));
        }
        Ok(TokenName::Identifier { identifier: text(&identifier)?, pass_code: text(&pass_code)? })
    } else if let Json::Number(number) = one_time {
        Ok(TokenName::OneTimePassword(number.into()))
    } else {
        Ok(TokenName::OneTimePassword(text(&one_time)?))
    }
}

/// Names of the members of an access token identifier.
pub(crate) fn token_lookup() -> Lookup {
    Lookup::new(TOKEN_MEMBERS)
}

fn required(path: &str) -> Problem {
    Problem::new(path, Rule::Required, format!("{path} is required"))
}

fn wrong_type(path: &str, expectation: &str) -> Problem {
    Problem::new(path, Rule::WrongType, format!("{path} must be {expectation}"))
}

fn zero(path: &str) -> Problem {
    Problem::new(path, Rule::InvalidValue, format!("{path} holds the character U+0000"))
}

fn group(path: &str, given: usize) -> Problem {
    let rule = if given == 0 { Rule::Required } else { Rule::InvalidValue };
    Problem::new(path, rule, format!("exactly one of these must be given, not {given}"))
}

/// A body or row without its secrets, for the ledger.
fn masked(text: &str) -> Box<str> {
    // Whatever holds a secret has `token` in its name, unless letters of it are written as escapes.
    if !text.contains("token") && !text.contains("\\u00") {
        return text.into();
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(mut value) => {
            if mask(&mut value) {
                value.to_string().into()
            } else {
                text.into()
            }
        }
        // Nested too deeply to look into, or half a surrogate pair: better nothing than a secret.
        Err(_) => MASK.into(),
    }
}

fn mask(value: &mut serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => {
            let mut any = false;
            for (name, member) in members.iter_mut() {
                if SECRETS.contains(&name.as_str()) {
                    *member = MASK.into();
                    any = true;
                } else {
                    any |= mask(member);
                }
            }
            any
        }
        serde_json::Value::Array(elements) => {
            elements.iter_mut().fold(false, |any, element| any | mask(element))
        }
        _ => false,
    }
}

/// What a batch that creates events of a kind is told.
///
/// Source: crmcom §6.4.
pub(crate) fn parameters(
    bound: &Bound<'_>,
    catalogue: &domain::catalogue::Catalogue,
) -> Result<Parameters, Error> {
    let event = bound.entity.ix;
    let state = |name: &str| {
        crate::names::entity(catalogue, name)
            .and_then(|entity| crate::names::field(entity, "life_cycle_state"))
    };
    let (of_customer, of_participant) = (state("customer")?, state("rewards_participant")?);
    let mut checks = vec![
        live(bound.field("customer")?, of_customer),
        live(bound.field("rewards_participant")?, of_participant),
        ReferenceCheck {
            field: bound.field("event_type")?,
            of: crate::names::field(crate::names::entity(catalogue, "event_type")?, "kind")?,
            test: Test::Is(Value::text(&*bound.kind.word)),
            rule: Rule::InvalidValue,
            message: "the classification belongs to another kind of event".into(),
        },
    ];
    let owner = crate::names::field(crate::names::entity(catalogue, "rewards_participant")?, "customer")?;
    let mut derived = Vec::new();
    if bound.kind.owner {
        derived.push((bound.field("customer")?, bound.field("rewards_participant")?));
    }
    for party in &bound.kind.parties {
        let participant = bound.field(&party.rewards_participant)?;
        derived.push((bound.field(&party.customer)?, participant));
        checks.push(live(participant, of_participant));
    }
    Ok(Parameters {
        repeated: Repeated::FirstWins,
        repeated_ids: Repeated::RefuseAll,
        code_form: CodeForm::Hex,
        reference_checks: checks.into_iter().map(|check| (event, check)).collect(),
        derived: derived
            .into_iter()
            .map(|(field, from)| (event, Derived { field, from, of: owner }))
            .collect(),
        ..Parameters::new(Mode::Create, Commit::Alone)
    })
}

fn live(field: FieldIx, of: FieldIx) -> ReferenceCheck {
    let test = Test::IsNot(Value::text(TERMINATED));
    ReferenceCheck { field, of, test, rule: Rule::InvalidValue, message: "it is terminated".into() }
}
