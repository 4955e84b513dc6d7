//! One record of a wire into one row, with everything that is wrong with it.

use std::borrow::Cow;

use domain::catalogue::{Entity, Field};
use domain::field::{FieldType, Scalar, canonical_json, read_scalar};
use domain::row::{By, Cell, Named, Row};
use domain::rule::{Problem, Rule};

use super::shape::{Empty, Null, RepeatedMember, RowShape, Target, Unknown};
use super::syntax::{Cursor, Quoted, Syntax, Token};

/// Most characters of a code.
const LONGEST_CODE: usize = 255;

/// Reads records of one shape.
pub struct RowReader {
    shape: RowShape,
    entity: std::sync::Arc<Entity>,
    /// Names in the order of the last object: the next one most likely has the same.
    order: Vec<(Box<str>, Target)>,
    /// For each field, and the four names that are none: the last object that had it.
    seen: Vec<u64>,
    objects: u64,
}

impl RowReader {
    /// A reader of a shape.
    pub fn new(shape: RowShape) -> Self {
        let entity = shape.described().clone();
        let seen = vec![0; entity.fields.len() + 4];
        RowReader { shape, entity, order: Vec::new(), seen, objects: 0 }
    }

    /// The shape.
    pub fn shape(&self) -> &RowShape {
        &self.shape
    }

    /// Reads one JSON value into a row; the error says why the text is no JSON. Whatever else is
    /// wrong is among the row's problems.
    pub fn read(&mut self, text: &str, row: &mut Row) -> Result<(), String> {
        self.fill(text, row).map_err(|fault| fault.what.to_owned())
    }

    pub(crate) fn fill(&mut self, text: &str, row: &mut Row) -> Result<(), Syntax> {
        let mut cursor = Cursor::new(text);
        if !cursor.eat(b'{') {
            let token = cursor.value()?;
            cursor.end()?;
            let problem =
                Problem::new("", Rule::WrongType, "a row must be an object such as {\"code\": \"C1\"}");
            row.problems.push(match token {
                Token::Object(_) | Token::Array(_) => problem,
                _ => problem.with_value(text.trim()),
            });
            return Ok(());
        }
        self.objects += 1;
        row.cells.reserve(self.order.len());
        let mut place = 0;
        while let Some(name) = cursor.member(place == 0)? {
            let value = cursor.value()?;
            self.member(place, name, value, row);
            place += 1;
        }
        cursor.end()?;
        self.add_constants(row);
        Ok(())
    }

    pub(crate) fn add_constants(&self, row: &mut Row) {
        for (field, cell) in &self.shape.constants {
            if row.cell(*field).is_none() {
                row.set(*field, cell.clone());
            }
        }
    }

    fn member(&mut self, place: usize, name: Quoted<'_>, value: Token<'_>, row: &mut Row) {
        let Some(name) = good_name(name, &mut row.problems) else { return };
        let target = match self.order.get(place) {
            Some((known, target)) if **known == *name => *target,
            _ => match self.shape.names.get(&*name) {
                Some(target) => {
                    self.order.truncate(place);
                    if self.order.len() == place {
                        self.order.push((name.as_ref().into(), *target));
                    }
                    *target
                }
                None => return self.unknown(&name, row),
            },
        };
        if self.is_repeated(target) {
            match self.shape.repeated {
                RepeatedMember::Refuse => {
                    let message = format!("{name} stands twice in the row");
                    row.problems
                        .push(Problem::new(&name, Rule::InvalidValue, message).with_hint("send it once"));
                    return;
                }
                RepeatedMember::LastWins => {
                    let problems = std::mem::take(&mut row.problems);
                    row.problems.extend(problems.into_iter().filter(|problem| *problem.field != *name));
                }
            }
        }
        self.put(target, &name, value, row);
    }

    fn unknown(&self, name: &str, row: &mut Row) {
        if self.shape.unknown == Unknown::Ignore {
            return;
        }
        row.problems.push(unknown_field(&self.shape, name));
    }

    fn is_repeated(&mut self, target: Target) -> bool {
        let fields = self.entity.fields.len();
        let slot = match target {
            Target::Field(ix) | Target::Reference(ix, _) => usize::from(ix.0),
            Target::Code => fields,
            Target::Id => fields + 1,
            Target::Revision => fields + 2,
            Target::Company => fields + 3,
            Target::ReadOnly | Target::Ignore => return false,
        };
        std::mem::replace(&mut self.seen[slot], self.objects) == self.objects
    }

    /// Puts one value where it belongs.
    pub(crate) fn put(&self, target: Target, name: &str, value: Token<'_>, row: &mut Row) {
        let (field, by) = match target {
            Target::Field(ix) => (ix, By::Code),
            Target::Reference(ix, by) => (ix, by),
            Target::Ignore => return,
            Target::ReadOnly => {
                let message = format!("{name} is kept by Comptoir and cannot be sent");
                row.problems.push(Problem::new(name, Rule::ReadOnly, message).with_hint("leave it out"));
                return;
            }
            Target::Code | Target::Id | Target::Revision | Target::Company => {
                return self.put_key(target, name, value, row);
            }
        };
        let described = self.entity.field(field);
        let mut to = Reader { shape: &self.shape, field: described, problems: &mut row.problems };
        if let Some(cell) = to.cell(by, name, value) {
            row.set(field, cell);
        } else if self.shape.repeated == RepeatedMember::LastWins {
            // An earlier value of the same member does not count either.
            row.cells.retain(|(ix, _)| *ix != field);
        }
    }

    fn put_key(&self, target: Target, name: &str, value: Token<'_>, row: &mut Row) {
        let text = match value {
            Token::Null => return,
            Token::Number(text) => Cow::Borrowed(text),
            Token::Text(quoted) => match good_text(name, quoted, &mut row.problems) {
                Some(text) => text,
                None => return,
            },
            Token::Boolean(_) | Token::Object(_) | Token::Array(_) => {
                let what = if target == Target::Revision { "a whole number" } else { "a text" };
                row.problems.push(Problem::new(name, Rule::WrongType, format!("{name} must be {what}")));
                return;
            }
        };
        if text.is_empty() {
            if target == Target::Code && self.shape.empty != Empty::Null {
                let problem = Problem::new(name, Rule::Required, format!("{name} must not be empty"));
                row.problems.push(problem.with_hint("leave it out to have one given"));
            }
            return;
        }
        match target {
            Target::Code | Target::Id if text.chars().nth(LONGEST_CODE).is_some() => {
                let message = format!("{name} holds more than {LONGEST_CODE} characters");
                row.problems.push(Problem::new(name, Rule::TooLong, message).with_value(&text));
            }
            Target::Code => row.code = Some(text.into()),
            Target::Id => row.id = Some(text.into()),
            Target::Revision => match text.parse() {
                Ok(revision) => row.revision = Some(revision),
                Err(_) => {
                    let problem =
                        Problem::new(name, Rule::WrongType, format!("{name} must be a whole number"));
                    row.problems.push(problem.with_value(&text));
                }
            },
            _ if self.entity.scope == domain::catalogue::Scope::Shared => {}
            _ => {
                let companies = &self.shape.companies;
                match companies.iter().find(|(code, _)| code.eq_ignore_ascii_case(&text)) {
                    Some((_, company)) => row.company = Some(*company),
                    None => {
                        let problem =
                            Problem::new(name, Rule::InvalidValue, format!("there is no company {text}"));
                        let near = crate::near(&text, companies.iter().map(|(code, _)| &**code));
                        row.problems.push(hinted(problem.with_value(&text), near));
                    }
                }
            }
        }
    }
}

/// The problem of a name that means nothing.
pub(crate) fn unknown_field(shape: &RowShape, name: &str) -> Problem {
    let message = format!("{} has no field {name}", shape.described().name);
    hinted(Problem::new(name, Rule::UnknownField, message), shape.near(name))
}

fn hinted(problem: Problem, near: Option<&str>) -> Problem {
    match near {
        Some(near) => problem.with_hint(format!("did you mean {near}?")),
        None => problem,
    }
}

/// A member's name, unless no field could ever have it.
fn good_name<'t>(name: Quoted<'t>, problems: &mut Vec<Problem>) -> Option<Cow<'t, str>> {
    let text = name.text();
    match text {
        Some(text) if !text.contains('\0') => Some(text),
        _ => {
            let shown: String = name.shown().replace('\0', "\u{2400}").chars().take(200).collect();
            let message = "the name of a member holds U+0000 or half a surrogate pair";
            problems.push(Problem::new(&shown, Rule::InvalidValue, message).with_hint("rename the member"));
            None
        }
    }
}

/// A text, unless it has half a surrogate pair or U+0000.
fn good_text<'t>(path: &str, quoted: Quoted<'t>, problems: &mut Vec<Problem>) -> Option<Cow<'t, str>> {
    let Some(text) = quoted.text() else {
        let problem = Problem::new(path, Rule::InvalidValue, format!("{path} holds half a surrogate pair"));
        problems.push(problem.with_hint("send both halves of the character, or none"));
        return None;
    };
    if text.contains('\0') {
        let problem = Problem::new(path, Rule::InvalidValue, format!("{path} holds the character U+0000"));
        problems.push(problem.with_hint("remove the character U+0000 from the text"));
        return None;
    }
    Some(text)
}

/// Reads one value for one field.
struct Reader<'r> {
    shape: &'r RowShape,
    field: &'r Field,
    problems: &'r mut Vec<Problem>,
}

impl Reader<'_> {
    fn cell(&mut self, by: By, path: &str, value: Token<'_>) -> Option<Cell> {
        let empty = matches!(value, Token::Text(quoted) if quoted.text().is_some_and(|text| text.is_empty()));
        let null = match (value, empty, self.shape.empty) {
            (Token::Null, ..) | (_, true, Empty::Null) => true,
            (_, true, Empty::Refuse) => {
                self.refuse(Problem::new(path, Rule::Required, format!("{path} must not be empty")));
                return None;
            }
            _ => false,
        };
        if null {
            return match self.shape.null {
                Null::Clear => Some(Cell::Clear),
                Null::Leave => None,
                Null::Refuse => {
                    self.refuse(Problem::new(path, Rule::Required, format!("{path} must not be null")));
                    None
                }
            };
        }
        match self.field.kind {
            FieldType::Reference(_) => self.named(by, path, value).map(Cell::Refer),
            FieldType::References(_) => self.many(by, path, value),
            FieldType::Json => self.json(path, value),
            _ => self.scalar(path, value),
        }
    }

    fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn wrong_type(&mut self, path: &str, value: Token<'_>) {
        let message = format!("{path} must be {}", self.field.kind.expectation());
        let problem = Problem::new(path, Rule::WrongType, message);
        let shown = match value {
            Token::Null => "null",
            Token::Boolean(true) => "true",
            Token::Boolean(false) => "false",
            Token::Number(text) | Token::Object(text) | Token::Array(text) => text,
            Token::Text(quoted) => &quoted.shown(),
        };
        self.refuse(if self.field.secret {
            problem
        } else {
            problem.with_value(&shown.replace('\0', "\u{2400}"))
        });
    }

    fn scalar(&mut self, path: &str, value: Token<'_>) -> Option<Cell> {
        let text;
        let scalar = match value {
            Token::Boolean(b) => Scalar::Boolean(b),
            Token::Number(number) => Scalar::Number(number),
            Token::Text(quoted) => match quoted.text() {
                Some(decoded) => {
                    text = decoded;
                    Scalar::Text(&text)
                }
                None => {
                    good_text(path, quoted, self.problems);
                    return None;
                }
            },
            Token::Null | Token::Object(_) | Token::Array(_) => {
                self.wrong_type(path, value);
                return None;
            }
        };
        match read_scalar(self.field, path, scalar, &self.shape.reading) {
            Ok(value) => Some(Cell::Set(value)),
            Err(problem) => {
                self.refuse(problem);
                None
            }
        }
    }

    fn json(&mut self, path: &str, value: Token<'_>) -> Option<Cell> {
        let text = match value {
            Token::Object(text) | Token::Array(text) => text,
            Token::Text(quoted) if self.shape.reading.lenient => {
                // A file of texts has JSON in its cells.
                match quoted.text() {
                    Some(text) if text.starts_with(['{', '[']) => return self.json_text(path, &text),
                    _ => return self.scalar(path, value),
                }
            }
            _ => return self.scalar(path, value),
        };
        self.json_text(path, text)
    }

    fn json_text(&mut self, path: &str, text: &str) -> Option<Cell> {
        let read: Result<serde_json::Value, _> = serde_json::from_str(text);
        let canonical = match read {
            Ok(value) => canonical_json(&value).ok_or("holds the character U+0000"),
            Err(_) => Err("is no JSON value that can be kept"),
        };
        match canonical {
            Ok(text) => Some(Cell::Set(domain::value::Value::Json(text.into()))),
            Err(why) => {
                self.refuse(Problem::new(path, Rule::InvalidValue, format!("{path} {why}")));
                None
            }
        }
    }

    /// Reads what names one record.
    fn named(&mut self, by: By, path: &str, value: Token<'_>) -> Option<Named> {
        let text = match value {
            Token::Number(text) => text.into(),
            Token::Text(quoted) => good_text(path, quoted, self.problems)?.into(),
            Token::Object(text) => return self.named_by(path, text, value),
            Token::Null | Token::Boolean(_) | Token::Array(_) => {
                self.wrong_type(path, value);
                return None;
            }
        };
        Some(Named { by, text })
    }

    /// Reads `{"number": "4711"}`.
    fn named_by(&mut self, path: &str, object: &str, whole: Token<'_>) -> Option<Named> {
        let target = self.field.kind.target()?;
        // The text was found to be JSON before.
        let mut cursor = Cursor::new(object);
        cursor.eat(b'{');
        let member = cursor.member(true).ok().flatten();
        let value = cursor.value().ok();
        let alone = matches!(cursor.member(false), Ok(None));
        let (Some(member), Some(value), true) = (member, value, alone) else {
            self.wrong_type(path, whole);
            return None;
        };
        let name = good_name(member, self.problems)?;
        let Some(by) = self.shape.by(target, &name) else {
            let entity = &self.shape.catalogue.entity(target).name;
            let problem = Problem::new(path, Rule::UnknownField, format!("no {entity} is named by {name}"));
            self.refuse(problem.with_hint("name it by its code"));
            return None;
        };
        match value {
            Token::Text(_) | Token::Number(_) => self.named(by, path, value),
            _ => {
                self.wrong_type(path, whole);
                None
            }
        }
    }

    fn many(&mut self, by: By, path: &str, value: Token<'_>) -> Option<Cell> {
        match value {
            Token::Array(text) => self.items(by, path, text),
            Token::Text(quoted) if self.shape.reading.lenient => {
                let text = good_text(path, quoted, self.problems)?;
                if !text.starts_with('[') {
                    let alone = Named { by, text: text.into() };
                    return Some(Cell::ReferMany([alone].into()));
                }
                let mut cursor = Cursor::new(&text);
                if cursor.value().is_err() || cursor.end().is_err() {
                    self.wrong_type(path, value);
                    return None;
                }
                self.items(by, path, text.trim_end())
            }
            _ => {
                self.wrong_type(path, value);
                None
            }
        }
    }

    fn items(&mut self, by: By, path: &str, array: &str) -> Option<Cell> {
        let mut cursor = Cursor::new(array);
        cursor.eat(b'[');
        let mut many = Vec::new();
        let mut place = 0;
        let mut good = true;
        while let Ok(true) = cursor.item(place == 0) {
            let Ok(item) = cursor.value() else { break };
            let before = self.problems.len();
            match self.named(by, path, item) {
                Some(named) => many.push(named),
                None => {
                    // Only what is wrong needs its exact path.
                    self.problems.truncate(before);
                    self.named(by, &format!("{path}[{place}]"), item);
                    good = false;
                }
            }
            place += 1;
        }
        good.then(|| Cell::ReferMany(many.into()))
    }
}

/// The members of an object with secret values starred out; `None` when the text is no object.
pub(crate) fn masked(text: &str, is_secret: impl Fn(&str) -> bool) -> Option<String> {
    let mut cursor = Cursor::new(text);
    if !cursor.eat(b'{') {
        return None;
    }
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    let mut first = true;
    while let Some(name) = cursor.member(first).ok()? {
        first = false;
        cursor.blanks();
        let start = cursor.at();
        cursor.value().ok()?;
        if name.text().is_some_and(|name| is_secret(&name)) {
            shown.push_str(&text[from..start]);
            shown.push_str("\"***\"");
            from = cursor.at();
        }
    }
    shown.push_str(&text[from..]);
    Some(shown)
}
