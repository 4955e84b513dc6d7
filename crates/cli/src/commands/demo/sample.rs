//! Sample data: invented names, the same every time.

use serde_json::{Value, json};
use server::apply::{Format, RecordsBody};

/// The demo's project.
pub(super) const PROJECT: &str = r#"
[project]
code = "DEMO"
companies = ["DEMO"]
languages = ["EN", "FR", "DE"]
time_zone = "Europe/Paris"
active_users = 5

[[login]]
name = "api"
password = "demo"
role = "admin"
unit = "1"

[[api_key]]
name = "demo"
key = "demo-key"
role = "admin"

[[field]]
entity = "customer"
name = "loyalty_tier"
type = "text(20)"
labels = { EN = "Loyalty tier", FR = "Fidélité", DE = "Treuestufe" }
"#;

const KINDS: [&str; 8] =
    ["Boulangerie", "Crêperie", "Garage", "Librairie", "Pharmacie", "Menuiserie", "Fromagerie", "Atelier"];
const NAMES: [&str; 10] =
    ["Le Goff", "Kerbrat", "Müller", "Sørensen", "Núñez", "Lefèvre", "Brânză", "Škoda", "Åkesson", "d'Élie"];
const CITIES: [(&str, &str); 8] = [
    ("Brest", "29200"),
    ("Saint-Brieuc", "22000"),
    ("Besançon", "25000"),
    ("Nîmes", "30000"),
    ("Köln", "50667"),
    ("Liège", "4000"),
    ("Orléans", "45000"),
    ("Angoulême", "16000"),
];
const TIERS: [&str; 3] = ["Bronze", "Silver", "Gold"];
const CUSTOMERS: usize = 80;
const EVENTS: usize = 240;
const DAY_MS: i64 = 86_400_000;

/// All records, in an order in which references are known.
pub(super) fn records(now_ms: i64) -> Vec<RecordsBody> {
    vec![
        set("unit", &units()),
        set("user", &users()),
        set("event_type", &event_types()),
        set("customer", &customers()),
        set("event", &events(now_ms)),
    ]
}

/// The rows of the call that the demo shows.
pub(super) fn web_events() -> Vec<Value> {
    let accounts = ["ACR0000000020", "ACR0000000077", "ACR00045000", "ACR0000000031", "ACR00670040"];
    let pages = [
        "www.example.com",
        "www.example.com/promo",
        "www.example.com",
        "shop.example/panier",
        "shop.example",
    ];
    let row = |(n, (account, page)): (usize, (&str, &str))| {
        json!({
            "request_unique_identifier": format!("w-{}", n + 1),
            "accounts_receivable_identifier": { "number": account },
            "classification_identifier": { "alternative_code": "NL" },
            "performed_by_unit_identifier": { "name": "Admin Unit" },
            "performed_on": format!("2026-02-28T1{n}:15:00"),
            "website": page,
            "external_system": "webshop",
            "external_system_reference_number": format!("visit-{}", 4711 + n),
        })
    };
    accounts.into_iter().zip(pages).enumerate().map(row).collect()
}

fn set(entity: &str, rows: &[Value]) -> RecordsBody {
    let mut body = Vec::new();
    for row in rows {
        body.extend_from_slice(row.to_string().as_bytes());
        body.push(b'\n');
    }
    RecordsBody { entity: entity.to_owned(), format: Format::Ndjson, body }
}

fn units() -> Vec<Value> {
    vec![
        json!({ "code": "1", "name": "Admin Unit", "alternative_code": "ADMIN" }),
        json!({ "code": "2", "name": "Boutique de Brest", "alternative_code": "SHOP1" }),
        json!({ "code": "3", "name": "Filiale Köln", "alternative_code": "SHOP2" }),
    ]
}

fn users() -> Vec<Value> {
    let user = |(code, first, last): (&str, &str, &str)| json!({ "code": code, "first_name": first, "last_name": last, "email": format!("{code}@example.com").to_lowercase() });
    [("U1", "Maëlle", "Tanguy"), ("U2", "Jörg", "Weiß"), ("U3", "Zoë", "Lemaître"), ("U4", "José", "Ibáñez")]
        .into_iter()
        .map(user)
        .collect()
}

fn event_types() -> Vec<Value> {
    vec![
        json!({ "code": "NEWSLETTER", "name": "Newsletter", "alternative_code": "NL", "kind": "WEB" }),
        json!({ "code": "VISIT", "name": "Page visit", "alternative_code": "PV", "kind": "WEB" }),
        json!({ "code": "PROFILE", "name": "Profile completed", "alternative_code": "PC", "kind": "ACHIEVEMENT" }),
        json!({ "code": "PAPERLESS", "name": "Paperless", "alternative_code": "PL", "kind": "FINANCIAL_STATEMENT" }),
    ]
}

fn customers() -> Vec<Value> {
    let customer = |n: usize| {
        let (kind, name) = (KINDS[n % KINDS.len()], NAMES[n * 7 % NAMES.len()]);
        let (city, postal_code) = CITIES[n * 3 % CITIES.len()];
        json!({
            "code": format!("C{:04}", n + 1),
            "number": format!("ACR{:010}", n + 20),
            "name": format!("{kind} {name}"),
            "address1": format!("{} rue de la Forêt", n % 90 + 1),
            "postal_code": postal_code,
            "city": city,
            "email": format!("contact{}@example.com", n + 1),
            "unit": if city == "Köln" { "3" } else { "2" },
            "loyalty_tier": TIERS[n % TIERS.len()],
        })
    };
    (0..CUSTOMERS).map(customer).collect()
}

/// Visits of the last sixty days.
fn events(now_ms: i64) -> Vec<Value> {
    let event = |n: usize| {
        let ago = (n as i64 * 61) % 60 * DAY_MS + n as i64 * 1_234_567 % DAY_MS;
        json!({
            "code": format!("E{:05}", n + 1),
            "event_type": if n.is_multiple_of(3) { "NEWSLETTER" } else { "VISIT" },
            "kind": "WEB",
            "customer": format!("C{:04}", n * 13 % CUSTOMERS + 1),
            "user": format!("U{}", n % 4 + 1),
            "unit": "1",
            "occurred_at": server::instant(now_ms - ago),
            "website": "www.example.com",
            "external_system": "webshop",
            "external_reference": format!("seed-{n}"),
        })
    };
    (0..EVENTS).map(event).collect()
}
