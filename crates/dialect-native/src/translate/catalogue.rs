//! The catalogue as it travels.

use dialect::print::{self, Times};
use domain::catalogue::{Catalogue, Entity, Field, FieldIx, Labels, Scope, label_of};
use domain::field::FieldType;
use engine::Project;
use jiff::tz::TimeZone;

use super::raw;
use super::records::Codes;
use crate::wire;

/// The catalogue of a project.
pub fn catalogue(project: &Project, catalogue: &Catalogue) -> wire::CatalogueAnswer {
    let settings = project.settings();
    let zone = project.zone();
    wire::CatalogueAnswer {
        version: catalogue.version,
        languages: settings.languages.clone(),
        time_zone: settings.time_zone.clone(),
        entities: catalogue
            .entities()
            .map(|described| entity(catalogue, described, &settings.languages, &zone))
            .collect(),
    }
}

/// One entity of the catalogue.
pub fn entity(
    catalogue: &Catalogue,
    entity: &Entity,
    languages: &[String],
    zone: &TimeZone,
) -> wire::EntityAnswer {
    let name_of = |ix: &FieldIx| entity.field(*ix).name.clone();
    wire::EntityAnswer {
        name: entity.name.clone(),
        plural: entity.plural.clone(),
        prefix: entity.prefix,
        scope: match entity.scope {
            Scope::Company => "company",
            Scope::Shared => "shared",
        },
        labels: labels(&entity.labels, &entity.name, languages),
        own: entity.own,
        access: wire::AccessAnswer {
            read: entity.access.read,
            insert: entity.access.insert,
            update: entity.access.update,
        },
        fields: entity.fields.iter().map(|of| field(catalogue, of, languages, zone)).collect(),
        keys: entity
            .keys
            .iter()
            .map(|key| wire::KeyAnswer {
                name: key.name.clone(),
                fields: key.fields.iter().map(|(ix, _)| name_of(ix)).collect(),
                null_is_value: key
                    .fields
                    .iter()
                    .filter(|(_, counts)| *counts)
                    .map(|(ix, _)| name_of(ix))
                    .collect(),
            })
            .collect(),
        numbering: entity
            .numbering
            .iter()
            .map(|rule| wire::NumberingAnswer {
                field: rule.field.as_ref().map_or_else(|| "code".into(), name_of),
                prefix: rule.prefix.clone(),
                digits: rule.digits,
            })
            .collect(),
    }
}

fn field(catalogue: &Catalogue, field: &Field, languages: &[String], zone: &TimeZone) -> wire::FieldAnswer {
    let default = field.default.as_ref().map(|value| {
        let mut into = Vec::new();
        print::value_json(value, field, &Codes::new(), Times::Offset(zone), &mut into);
        raw(into)
    });
    wire::FieldAnswer {
        name: field.name.clone(),
        kind: type_name(catalogue, field.kind),
        required: field.required,
        read_only: field.read_only,
        secret: field.secret,
        search: field.search,
        default,
        data_type: field.data_type.clone(),
        labels: labels(&field.labels, &field.name, languages),
        own: field.own,
    }
}

/// Labels in the languages of the project.
fn labels(labels: &Labels, name: &str, languages: &[String]) -> Labels {
    languages
        .iter()
        .map(|language| (language.as_str().into(), label_of(labels, language, name).into()))
        .collect()
}

/// A type as entity files write it.
fn type_name(catalogue: &Catalogue, kind: FieldType) -> String {
    match kind {
        FieldType::Text(length) => format!("text({length})"),
        FieldType::LongText => "long_text".to_owned(),
        FieldType::Integer => "integer".to_owned(),
        FieldType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        FieldType::Float => "float".to_owned(),
        FieldType::Boolean => "boolean".to_owned(),
        FieldType::Datetime => "datetime".to_owned(),
        FieldType::Date => "date".to_owned(),
        FieldType::Binary => "binary".to_owned(),
        FieldType::Json => "json".to_owned(),
        FieldType::Reference(target) => format!("reference({})", catalogue.entity(target).name),
        FieldType::References(target) => format!("references({})", catalogue.entity(target).name),
    }
}
