use super::*;
use crate::batch::{Commit, Deletion, Derived, MatchKey, NotNamed, ReferenceCheck, Repeated, Test};
use crate::memory::{Batch, Memory, lines, mode_of, rows};

mod conditions;
mod keys;
mod laws;
mod modes;
mod references;

/// Plans `incoming` over `stored` under `parameters` and compares what the plan says.
///
/// Parameters are words such as `update`, `deleted=taken`, `match=event:number,code`.
#[track_caller]
fn check(stored: &str, parameters: &str, incoming: &str, expected: &str) {
    let mut memory = Memory::of(stored);
    let batch = Batch::new(read_parameters(&memory, parameters));
    check_batch(&mut memory, &batch, incoming, expected);
}

#[track_caller]
fn check_batch(memory: &mut Memory, batch: &Batch<'_>, incoming: &str, expected: &str) {
    let rows = rows(&memory.catalogue, incoming);
    let plan = memory.plan(batch, rows, &mut Made::default());
    assert_told(&memory.tell(&plan), expected);
    // Whatever is planned can be written.
    memory.carry_out(plan, &mut Vec::new());
}

#[track_caller]
fn assert_told(told: &str, expected: &str) {
    let trimmed = |text: &str| lines(text).collect::<Vec<_>>().join("\n");
    assert!(trimmed(told) == trimmed(expected), "told:\n{told}\nexpected:\n{expected}");
}

fn read_parameters(memory: &Memory, text: &str) -> Parameters {
    let catalogue = &memory.catalogue;
    let mut parameters = Parameters::new(Mode::Upsert, Commit::Alone);
    let field = |path: &str| {
        let (entity, field) = path.split_once('.').unwrap();
        let entity = catalogue.find(entity).unwrap();
        (entity.ix, entity.field_ix(field).unwrap())
    };
    for word in text.split_whitespace() {
        if let Some(mode) = mode_of(word) {
            parameters.mode = mode;
            continue;
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name, value) {
            ("deleted", "taken") => parameters.deleted_met = DeletedMet::Taken,
            ("deleted", "not_found") => parameters.deleted_met = DeletedMet::NotFound,
            ("deleted", "revive") => parameters.deleted_met = DeletedMet::Revive,
            ("absent_unchanged", _) => parameters.absent_deleted_unchanged = true,
            ("physical", _) => parameters.deletion = Deletion::Physical,
            ("repeated", "refuse_all") => parameters.repeated = Repeated::RefuseAll,
            ("repeated", "first_wins") => parameters.repeated = Repeated::FirstWins,
            ("repeated", "in_turn") => parameters.repeated = Repeated::InTurn,
            ("hex", _) => parameters.code_form = crate::batch::CodeForm::Hex,
            ("dry", _) => parameters.dry_run = true,
            ("time", path) => parameters.source_time.push(field(path)),
            ("match", value) => {
                let (entity, keys) = value.split_once(':').unwrap();
                let entity = catalogue.find(entity).unwrap();
                let key = |name| match entity.find_key(name) {
                    Some((key, _)) => MatchKey::Key(key),
                    None => MatchKey::Code,
                };
                parameters.match_on.push((entity.ix, keys.split(',').map(key).collect()));
            }
            // derive=event.unit:customer:unit fills event.unit from customer.unit.
            ("derive", value) => {
                let parts: Vec<&str> = value.split(':').collect();
                let (entity, filled) = field(parts[0]);
                let from = catalogue.entity(entity).field_ix(parts[1]).unwrap();
                let target = catalogue.entity(entity).field(from).kind.target().unwrap();
                let of = catalogue.entity(target).field_ix(parts[2]).unwrap();
                parameters.derived.push((entity, Derived { field: filled, from, of }));
            }
            // check=event.customer:state:ACTIVE wants the customer of an event active.
            ("check", value) => {
                let parts: Vec<&str> = value.split(':').collect();
                let (entity, of_row) = field(parts[0]);
                let target = catalogue.entity(entity).field(of_row).kind.target().unwrap();
                let check = ReferenceCheck {
                    field: of_row,
                    of: catalogue.entity(target).field_ix(parts[1]).unwrap(),
                    test: Test::Is(Value::text(parts[2])),
                    rule: Rule::InvalidValue,
                    message: format!("it is not {}", parts[2]).into(),
                };
                parameters.reference_checks.push((entity, check));
            }
            // gone=1:contact.customer deletes contacts of row 1 that are not named.
            ("gone" | "gone_for_good", value) => {
                let (row, path) = value.split_once(':').unwrap();
                let (child, via) = field(path);
                let deletion = if name == "gone" { Deletion::Logical } else { Deletion::Physical };
                parameters.not_named.push(NotNamed {
                    child,
                    via,
                    parent_row: row.parse().unwrap(),
                    deletion,
                });
            }
            _ => panic!("no parameter {word}"),
        }
    }
    parameters
}

/// A customer in each state.
const STATES: &str = "
    customer L name=n number=N1 place=x
    customer D name=n place=x deleted
    customer M name=n merged:L
";
