//! The standard model, compiled in.

use serde::Deserialize;

use super::file::EntityFile;

/// The built-in entities with their files, in the order of the catalogue.
pub const BUILT_IN: [(&str, &str); 75] = [
    ("customer", include_str!("../../catalog/customer.toml")),
    ("contact", include_str!("../../catalog/contact.toml")),
    ("user", include_str!("../../catalog/user.toml")),
    ("event", include_str!("../../catalog/event.toml")),
    ("unit", include_str!("../../catalog/unit.toml")),
    ("generic_type", include_str!("../../catalog/generic_type.toml")),
    ("event_type", include_str!("../../catalog/event_type.toml")),
    ("access_token", include_str!("../../catalog/access_token.toml")),
    ("bank_holiday_param_header", include_str!("../../catalog/bank_holiday_param_header.toml")),
    ("business_unit", include_str!("../../catalog/business_unit.toml")),
    ("call", include_str!("../../catalog/call.toml")),
    ("contract", include_str!("../../catalog/contract.toml")),
    ("contract_model", include_str!("../../catalog/contract_model.toml")),
    ("contract_type", include_str!("../../catalog/contract_type.toml")),
    ("counter", include_str!("../../catalog/counter.toml")),
    ("culture", include_str!("../../catalog/culture.toml")),
    ("currency", include_str!("../../catalog/currency.toml")),
    ("customer_address", include_str!("../../catalog/customer_address.toml")),
    ("customer_group", include_str!("../../catalog/customer_group.toml")),
    ("deal", include_str!("../../catalog/deal.toml")),
    ("deal_element", include_str!("../../catalog/deal_element.toml")),
    ("deal_element_structure", include_str!("../../catalog/deal_element_structure.toml")),
    ("deal_step", include_str!("../../catalog/deal_step.toml")),
    ("email", include_str!("../../catalog/email.toml")),
    ("email_document", include_str!("../../catalog/email_document.toml")),
    ("email_template_detail", include_str!("../../catalog/email_template_detail.toml")),
    ("email_template_header", include_str!("../../catalog/email_template_header.toml")),
    ("equipment", include_str!("../../catalog/equipment.toml")),
    ("equipment_kind", include_str!("../../catalog/equipment_kind.toml")),
    ("equipment_status", include_str!("../../catalog/equipment_status.toml")),
    ("equipment_type", include_str!("../../catalog/equipment_type.toml")),
    ("equipment_warranty_type", include_str!("../../catalog/equipment_warranty_type.toml")),
    ("frequency", include_str!("../../catalog/frequency.toml")),
    ("intervention", include_str!("../../catalog/intervention.toml")),
    ("intervention_equipment", include_str!("../../catalog/intervention_equipment.toml")),
    ("intervention_part", include_str!("../../catalog/intervention_part.toml")),
    ("intervention_priority", include_str!("../../catalog/intervention_priority.toml")),
    ("intervention_request", include_str!("../../catalog/intervention_request.toml")),
    ("intervention_request_priority", include_str!("../../catalog/intervention_request_priority.toml")),
    ("intervention_type", include_str!("../../catalog/intervention_type.toml")),
    ("lead", include_str!("../../catalog/lead.toml")),
    ("marketing_inbound", include_str!("../../catalog/marketing_inbound.toml")),
    ("measure", include_str!("../../catalog/measure.toml")),
    ("measure_type", include_str!("../../catalog/measure_type.toml")),
    ("measuring_unit", include_str!("../../catalog/measuring_unit.toml")),
    ("note", include_str!("../../catalog/note.toml")),
    ("operation_range", include_str!("../../catalog/operation_range.toml")),
    ("order", include_str!("../../catalog/order.toml")),
    ("outbox_entry", include_str!("../../catalog/outbox_entry.toml")),
    ("picture", include_str!("../../catalog/picture.toml")),
    ("price_category", include_str!("../../catalog/price_category.toml")),
    ("product", include_str!("../../catalog/product.toml")),
    ("product_declination", include_str!("../../catalog/product_declination.toml")),
    ("product_depot", include_str!("../../catalog/product_depot.toml")),
    ("product_family", include_str!("../../catalog/product_family.toml")),
    ("queue", include_str!("../../catalog/queue.toml")),
    ("quote", include_str!("../../catalog/quote.toml")),
    ("report_definition", include_str!("../../catalog/report_definition.toml")),
    ("resource_type", include_str!("../../catalog/resource_type.toml")),
    ("rewards_participant", include_str!("../../catalog/rewards_participant.toml")),
    ("round", include_str!("../../catalog/round.toml")),
    ("service_account", include_str!("../../catalog/service_account.toml")),
    ("stock_location", include_str!("../../catalog/stock_location.toml")),
    ("subscription", include_str!("../../catalog/subscription.toml")),
    ("supplier", include_str!("../../catalog/supplier.toml")),
    ("symptom", include_str!("../../catalog/symptom.toml")),
    ("task", include_str!("../../catalog/task.toml")),
    ("task_type", include_str!("../../catalog/task_type.toml")),
    ("team", include_str!("../../catalog/team.toml")),
    ("team_type", include_str!("../../catalog/team_type.toml")),
    ("text_block_detail", include_str!("../../catalog/text_block_detail.toml")),
    ("text_block_header", include_str!("../../catalog/text_block_header.toml")),
    ("time_entry", include_str!("../../catalog/time_entry.toml")),
    ("transaction_acquiring_point", include_str!("../../catalog/transaction_acquiring_point.toml")),
    ("visit_report", include_str!("../../catalog/visit_report.toml")),
];

/// Records that every project begins with, by entity.
pub const STANDARD_RECORDS: [(&str, &str); 1] =
    [("generic_type", include_str!("../../catalog/standard/generic_type.toml"))];

/// A file of standard records.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsFile {
    /// Records by field name.
    #[serde(rename = "row")]
    pub rows: Vec<toml::Table>,
}

/// Reads the built-in entity files.
///
/// # Panics
///
/// When a compiled-in file is wrong, which a test excludes.
#[expect(clippy::expect_used, reason = "the files are part of the program and read by a test")]
pub fn standard() -> Vec<EntityFile> {
    BUILT_IN.iter().map(|(_, text)| toml::from_str(text).expect("a built-in entity file is right")).collect()
}
