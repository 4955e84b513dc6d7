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
