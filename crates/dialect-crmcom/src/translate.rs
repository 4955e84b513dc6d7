//! Wire to command, report and records to wire; both directions side by side. Pure.

pub(crate) mod objects;
pub(crate) mod question;
pub(crate) mod report;
pub(crate) mod rows;

use crate::fault::Fault;
use crate::wire::Json;

/// Members of the answer that the caller asked for; all where nothing is said.
///
/// Source: crmcom §5.2.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldsSet(Option<Vec<String>>);

impl FieldsSet {
    /// Reads names that are separated by commas, or an array of names.
    pub fn read(json: &Json<'_>) -> Result<Self, Fault> {
        let names = match json {
            Json::Null => return Ok(FieldsSet(None)),
            Json::Text(text) => text.split(',').map(str::to_owned).collect(),
            Json::Array(text) => {
                serde_json::from_str::<Vec<String>>(text).map_err(|_| Fault::invalid("fields_set"))?
            }
            _ => return Err(Fault::invalid("fields_set")),
        };
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        let said = names.iter().any(|name| !name.is_empty());
        Ok(FieldsSet(said.then_some(names)))
    }

    /// True when a member was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
    }

    /// True when at least one of these was asked for by name.
    fn names_any(&self, names: &[&str]) -> bool {
        self.0.as_ref().is_some_and(|wanted| wanted.iter().any(|name| names.contains(&&**name)))
    }
}

#[cfg(test)]
mod tests;
