use super::*;
use crate::catalogue::file::{EntityFile, compile};

fn compile_text(text: &str) -> Result<Catalogue, String> {
    let file: EntityFile = toml::from_str(text).map_err(|e| e.to_string())?;
    compile(0, &[file]).map_err(|e| e.to_string())
}

#[test]
fn the_standard_model_compiles() {
    let catalogue = compile(0, &standard()).unwrap();
    let event = catalogue.find("event").unwrap();
    let customer = catalogue.find("customer").unwrap();
    let (_, field) = event.find_field("customer").unwrap();
    assert_eq!(field.kind, FieldType::Reference(customer.ix));
    assert_eq!(catalogue.of_prefix(customer.prefix).unwrap().name, customer.name);
}

#[test]
fn what_people_read_most_has_labels_in_three_languages() {
    let catalogue = compile(0, &standard()).unwrap();
    for entity in catalogue.entities() {
        for language in ["EN", "FR", "DE"] {
            assert!(entity.labels.contains_key(language), "{} has no label in {language}", entity.name);
            if ["customer", "contact", "user", "event"].contains(&&*entity.name) {
                for (_, field) in entity.fields() {
                    assert!(
                        field.labels.contains_key(language),
                        "{}.{} in {language}",
                        entity.name,
                        field.name
                    );
                }
            }
        }
    }
}

#[test]
fn a_wrong_file_says_where_and_what_to_do() {
    let base = "name = 'thing'\nplural = 'things'\nprefix = 900\n";
    let cases = [
        ("[[field]]\nname = 'a'\ntype = 'text'", "thing.a: `text` is no type"),
        ("[[field]]\nname = 'a'\ntype = 'reference(nothing)'", "thing.a: `reference(nothing)` is no type"),
        ("[[field]]\nname = 'code'\ntype = 'integer'", "thing.code: no name for a field"),
        ("[[key]]\nname = 'k'\nfields = ['b']", "thing.b: a key, index or numbering rule names"),
        ("[[field]]\nname = 'a'\ntype = 'integer'\ndefault = 'x'", "thing.a: the default does not fit"),
        ("colour = 'red'", "unknown field `colour`"),
    ];
    for (more, expected) in cases {
        let told = compile_text(&format!("{base}{more}")).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}

/// The concordance with weavy, for the door that will speak it.
const WEAVY_NAMES: &str = include_str!("../../../../docs/reference/weavy-names.toml");

#[test]
fn every_weavy_name_stands_for_a_field_there_is() {
    let catalogue = compile(0, &standard()).unwrap();
    let names: toml::Table = toml::from_str(WEAVY_NAMES).unwrap();
    let tables = names["table"].as_array().unwrap();
    assert!(tables.len() >= 57, "the whole data model is named: {}", tables.len());
    let mut tables_seen = std::collections::HashSet::new();
    for table in tables {
        assert!(tables_seen.insert(table["name"].as_str().unwrap()), "{table} stands twice");
        let entity = catalogue.find(table["entity"].as_str().unwrap()).unwrap_or_else(|| panic!("{table}"));
        let mut fields_seen = std::collections::HashSet::new();
        for column in table.get("columns").and_then(|columns| columns.as_array()).into_iter().flatten() {
            let field = column["field"].as_str().unwrap();
            assert!(entity.field_ix(field).is_some(), "{}.{field} for {column}", entity.name);
            assert!(fields_seen.insert(field), "{}.{field} stands for two columns", entity.name);
        }
    }
}
