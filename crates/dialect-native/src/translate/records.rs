//! Records as JSON and CSV, written straight into bytes.

use std::collections::HashMap;

use dialect::print::{self, Times};
use domain::catalogue::{Entity, Field, FieldIx, Scope};
use domain::field::FieldType;
use domain::find::Record;
use domain::names::{Company, InternalId};
use domain::value::Value;
use jiff::tz::TimeZone;

/// A member that every record has beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The code.
    Code,
    /// The internal id.
    Id,
    /// The code of its company.
    Company,
    /// The revision.
    Revision,
    /// When it was added.
    CreatedAt,
    /// When it last changed.
    ChangedAt,
}

impl Member {
    /// All of them, in printing order.
    pub const ALL: [Member; 6] =
        [Member::Code, Member::Id, Member::Company, Member::Revision, Member::CreatedAt, Member::ChangedAt];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Member::Code => "code",
            Member::Id => "id",
            Member::Company => "company",
            Member::Revision => "revision",
            Member::CreatedAt => "created_at",
            Member::ChangedAt => "changed_at",
        }
    }
}

/// Codes of records by their internal ids.
pub type Codes = HashMap<InternalId, Box<str>>;

/// Printed objects of records by their internal ids.
pub type Objects = HashMap<InternalId, Box<[u8]>>;

/// How records of one entity are printed. Made once for a call.
pub struct Printer {
    members: Vec<(Member, Box<[u8]>)>,
    fields: Vec<Printed>,
    zone: TimeZone,
    companies: Vec<String>,
    /// The type of our own instants.
    instant: Field,
    /// For values that are no references.
    no_codes: Codes,
}

struct Printed {
    field: Field,
    /// Its place among the values of a record.
    at: usize,
    /// `,"name":`, or without the comma where nothing stands before it.
    lead: Box<[u8]>,
    /// Printed as an object.
    expanded: bool,
}

impl Printer {
    /// Prints `members` and then `fields`, which are the values of the records in this order but
    /// for secrets, which are never printed; `expanded` ones as objects. `companies` are codes of
    /// the project's companies: one alone is not worth a member.
    pub fn new(
        entity: &Entity,
        members: &[Member],
        fields: &[FieldIx],
        expanded: &[FieldIx],
        zone: TimeZone,
        companies: &[String],
    ) -> Self {
        let has_company = companies.len() > 1 && entity.scope == Scope::Company;
        let mut first = true;
        let mut lead = |name: &str| {
            let mut lead = if std::mem::take(&mut first) { Vec::new() } else { vec![b','] };
            print::text_json(name, &mut lead);
            lead.push(b':');
            lead.into_boxed_slice()
        };
        let members = Member::ALL.iter().filter(|member| members.contains(member));
        let members = members.filter(|member| **member != Member::Company || has_company);
        let members = members.map(|member| (*member, lead(member.name()))).collect();
        let fields = fields.iter().enumerate().map(|(at, ix)| (at, *ix, entity.field(*ix)));
        let fields = fields.filter(|(_, _, field)| !field.secret).map(|(at, ix, field)| Printed {
            field: field.clone(),
            at,
            lead: lead(&field.name),
            expanded: expanded.contains(&ix),
        });
        let fields = fields.collect();
        let instant = Field::named("changed_at", FieldType::Datetime);
        Printer { members, fields, zone, companies: companies.to_vec(), instant, no_codes: Codes::new() }
    }

    fn times(&self) -> Times<'_> {
        Times::Offset(&self.zone)
    }

    /// Prints a record as a JSON object.
    pub fn json(&self, record: &Record, codes: &Codes, objects: &Objects, into: &mut Vec<u8>) {
        into.push(b'{');
        for (member, lead) in &self.members {
            into.extend_from_slice(lead);
            self.member_json(*member, record, into);
        }
        for printed in &self.fields {
            into.extend_from_slice(&printed.lead);
            let Some(value) = record.values.get(printed.at) else {
                into.extend_from_slice(b"null");
                continue;
            };
            match value {
                Value::Reference(id) if printed.expanded => object(*id, codes, objects, into),
                Value::References(ids) if printed.expanded => {
                    into.push(b'[');
                    for (n, id) in ids.iter().enumerate() {
                        if n > 0 {
                            into.push(b',');
                        }
                        object(*id, codes, objects, into);
                    }
                    into.push(b']');
                }
                value => print::value_json(value, &printed.field, codes, self.times(), into),
            }
        }
        into.push(b'}');
    }

    fn member_json(&self, member: Member, record: &Record, into: &mut Vec<u8>) {
        match member {
            Member::Code => print::text_json(&record.code, into),
            Member::Company => print::text_json(self.company(record.company), into),
            Member::Id => number(record.id.0, into),
            Member::Revision => number(record.revision as i64, into),
            Member::CreatedAt => self.instant_json(record.created_at, into),
            Member::ChangedAt => self.instant_json(record.changed_at, into),
        }
    }

    fn instant_json(&self, instant: i64, into: &mut Vec<u8>) {
        print::value_json(&Value::Datetime(instant), &self.instant, &self.no_codes, self.times(), into);
    }

    fn company(&self, company: Company) -> &str {
        let place = usize::from(company.0).wrapping_sub(1);
        self.companies.get(place).map_or("", String::as_str)
    }

    /// Prints the names of members and fields as the first line of a CSV file.
    pub fn csv_header(&self, into: &mut Vec<u8>) {
        let members = self.members.iter().map(|(member, _)| member.name());
        let names = members.chain(self.fields.iter().map(|printed| &*printed.field.name));
        for (n, name) in names.enumerate() {
            if n > 0 {
                into.push(b',');
            }
            cell(name.as_bytes(), into);
        }
        into.extend_from_slice(b"\r\n");
    }

    /// Prints a record as a line of CSV. `scratch` is emptied first.
    pub fn csv(&self, record: &Record, codes: &Codes, scratch: &mut Vec<u8>, into: &mut Vec<u8>) {
        let mut first = true;
        let mut comma = |into: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                into.push(b',');
            }
        };
        for (member, _) in &self.members {
            comma(into);
            match member {
                Member::Code => cell(record.code.as_bytes(), into),
                Member::Company => cell(self.company(record.company).as_bytes(), into),
                Member::Id => number(record.id.0, into),
                Member::Revision => number(record.revision as i64, into),
                Member::CreatedAt => self.instant_text(record.created_at, into),
                Member::ChangedAt => self.instant_text(record.changed_at, into),
            }
        }
        for printed in &self.fields {
            comma(into);
            match record.values.get(printed.at) {
                None | Some(Value::Null) => {}
                // A text without characters is a value, and told from no value by its quotes.
                Some(Value::Text(text)) if text.is_empty() => into.extend_from_slice(b"\"\""),
                Some(value) => {
                    scratch.clear();
                    print::value_text(value, &printed.field, codes, self.times(), scratch);
                    cell(scratch, into);
                }
            }
        }
        into.extend_from_slice(b"\r\n");
    }

    fn instant_text(&self, instant: i64, into: &mut Vec<u8>) {
        print::value_text(&Value::Datetime(instant), &self.instant, &self.no_codes, self.times(), into);
    }
}

fn object(id: InternalId, codes: &Codes, objects: &Objects, into: &mut Vec<u8>) {
    match (objects.get(&id), codes.get(&id)) {
        (Some(object), _) => into.extend_from_slice(object),
        (None, Some(code)) => {
            into.extend_from_slice(b"{\"code\":");
            print::text_json(code, into);
            into.push(b'}');
        }
        (None, None) => into.extend_from_slice(b"null"),
    }
}

/// Prints a whole number.
pub fn number(n: i64, into: &mut Vec<u8>) {
    use std::io::Write as _;
    let _ = write!(into, "{n}");
}

/// Prints a cell, in quotes where it needs them.
fn cell(text: &[u8], into: &mut Vec<u8>) {
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| *byte == b' ' || *byte == b'\t');
    let quoted = text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if !quoted && !blank(text.first()) && !blank(text.last()) {
        into.extend_from_slice(text);
        return;
    }
    into.push(b'"');
    for byte in text {
        if *byte == b'"' {
            into.push(b'"');
        }
        into.push(*byte);
    }
    into.push(b'"');
}
