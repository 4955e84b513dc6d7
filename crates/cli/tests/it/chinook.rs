//! A real source database through every way in: CSV, NDJSON, and the bulk call in packages.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::program::{Folder, Server};
use crate::wire::JSON;

const PROJECT: &str = r#"
[project]
code = "ACME"

[[login]]
name = "api"
password = "s3cret"
role = "integrator"
unit = "1"

[[api_key]]
name = "erp"
key = "erp-key"
role = "integrator"

[[field]]
entity = "user"
name = "reports_to"
type = "reference(user)"
labels = { EN = "Reports to", FR = "Responsable", DE = "Vorgesetzter" }

[[field]]
entity = "customer"
name = "support_rep"
type = "reference(user)"
labels = { EN = "Support representative", FR = "Conseiller", DE = "Betreuer" }

[[records]]
entity = "unit"
rows = [{ code = "1", name = "Head office", alternative_code = "HO" }]
"#;

/// The sample database; `None` prints why its tests do not run, and fails where all must.
fn source() -> Option<Connection> {
    let folder = std::env::var_os("COMPTOIR_SAMPLE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/chinook"),
        PathBuf::from,
    );
    let file = folder.join("Chinook_Sqlite.sqlite");
    if !file.is_file() {
        eprintln!("\x1b[31mNOT RUN: the sample database is not there\x1b[0m");
        assert!(std::env::var_os("CI").is_none(), "NOT RUN: the sample database is not there");
        return None;
    }
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let name = format!("file:{}?immutable=1", file.canonicalize().unwrap().display());
    Some(Connection::open_with_flags(name, flags).unwrap())
}

fn table(source: &Connection, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut statement = source.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|n| row.get::<_, Option<String>>(n)).collect());
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn csv_of(header: &[&str], rows: &[Vec<Option<String>>]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = header.join(",") + "\n";
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|cell| cell.as_deref().map_or(String::new(), quoted)).collect();
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}

const EMPLOYEES: &str =
    "SELECT 'E' || EmployeeId, LastName, FirstName, Title, 'E' || ReportsTo, Address, City, PostalCode,
    Phone, Fax, Email FROM Employee ORDER BY EmployeeId DESC";
const CUSTOMERS: &str =
    "SELECT 'C' || CustomerId, 'CH' || CustomerId, FirstName || ' ' || LastName, Company, Address, City,
    PostalCode, Phone, Fax, Email, 'E' || SupportRepId FROM Customer ORDER BY CustomerId";
const INVOICES: &str =
    "SELECT 'I' || InvoiceId, 'C' || CustomerId, replace(InvoiceDate, ' ', 'T') || 'Z', CAST(Total AS TEXT),
    'Invoice ' || InvoiceId FROM Invoice ORDER BY InvoiceId";

fn import_people(folder: &Folder, source: &Connection) {
    // The map file turns the ERP's own headings into ours.
    let employees =
        ["Id", "Last", "First", "Title", "Boss", "Address", "City", "Zip", "Phone", "Fax", "Mail"];
    folder.write("employees.csv", csv_of(&employees, &table(source, EMPLOYEES)));
    folder.write(
        "employees.toml",
        r#"
        [columns]
        Id = "code"
        Last = "last_name"
        First = "first_name"
        Title = "position"
        Boss = "reports_to"
        Address = "address1"
        City = "city"
        Zip = "postal_code"
        Phone = "phone_number"
        Fax = "fax_number"
        Mail = "email"
        "#,
    );
    let customers = [
        "code",
        "number",
        "name",
        "contact_name",
        "address1",
        "city",
        "postal_code",
        "phone_number",
        "fax_number",
        "email",
        "support_rep",
    ];
    folder.write("customers.csv", csv_of(&customers, &table(source, CUSTOMERS)));
    folder.must(
        0,
        &["import", "employees.csv", "--map", "employees.toml", "--project", "ACME", "--entity", "user"],
    );
    folder.must(0, &["import", "customers.csv", "--project", "ACME", "--entity", "customer"]);
}

fn import_invoices(folder: &Folder, source: &Connection) {
    let lines: Vec<String> = table(source, INVOICES)
        .into_iter()
        .map(|row| {
            let [code, customer, at, total, label] = <[Option<String>; 5]>::try_from(row).unwrap();
            let total: f64 = total.unwrap().parse().unwrap();
            json!({"code": code, "kind": "INVOICE", "customer": customer, "occurred_at": at, "amount": total, "label": label})
                .to_string()
        })
        .collect();
    folder.write("invoices.ndjson", lines.join("\n"));
    folder.must(0, &["import", "invoices.ndjson", "--project", "ACME", "--entity", "event"]);
}

#[test]
fn the_sample_database_goes_in_and_comes_out_the_same() {
    let Some(source) = source() else { return };
    let folder = Folder::of_project(PROJECT);
    import_people(&folder, &source);
    import_invoices(&folder, &source);

    let users = folder.export("user");
    let customers = folder.export("customer");
    let events = folder.export("event");
    assert_eq!((users.len(), customers.len(), events.len()), (8, 59, 412));
    let boss_of = |code: &str| users.iter().find(|user| user["code"] == code).unwrap()["reports_to"].clone();
    assert_eq!((boss_of("E1"), boss_of("E8")), (Value::Null, json!("E6")));
    let luis = customers.iter().find(|customer| customer["code"] == "C1").unwrap();
    assert_eq!((&luis["name"], &luis["support_rep"]), (&json!("Luís Gonçalves"), &json!("E3")));
    for row in table(&source, CUSTOMERS) {
        let code = row[0].as_deref().unwrap();
        let stored = customers.iter().find(|customer| customer["code"] == code).unwrap();
        let fields = [
            "number",
            "name",
            "contact_name",
            "address1",
            "city",
            "postal_code",
            "phone_number",
            "fax_number",
            "email",
            "support_rep",
        ];
        for (field, value) in fields.iter().zip(&row[1..]) {
            assert_eq!(stored[field].as_str(), value.as_deref(), "{code}.{field}");
        }
    }
    let sum: f64 = events.iter().map(|event| event["amount"].as_f64().unwrap()).sum();
    let expected: f64 = source.query_row("SELECT sum(Total) FROM Invoice", [], |row| row.get(0)).unwrap();
    assert!((sum - expected).abs() < 1e-6, "{sum} is not {expected}");

    // Again: nothing changes, and the journal does not grow.
    let server = folder.serve(&[]);
    let seq = |server: &Server| server.changes().len();
    let before = seq(&server);
    assert_eq!(before, 8 + 59 + 412 + 1 + server.count("generic_type", ""));
    assert_eq!(server.terminate(), Some(0));
    import_people(&folder, &source);
    import_invoices(&folder, &source);
    let server = folder.serve(&[]);
    assert_eq!(seq(&server), before);
    for batch in &server.batches()[..3] {
        assert_eq!((&batch["counts"]["added"], &batch["counts"]["updated"]), (&json!(0), &json!(0)));
        assert_eq!(batch["counts"]["unchanged"], batch["counts"]["received"]);
    }
    assert_eq!(server.terminate(), Some(0));

    // One changed customer is one journal entry, with before and after.
    let mut rows = table(&source, CUSTOMERS);
    rows[0][5] = Some("Campinas".to_owned());
    let header = [
        "code",
        "number",
        "name",
        "contact_name",
        "address1",
        "city",
        "postal_code",
        "phone_number",
        "fax_number",
        "email",
        "support_rep",
    ];
    folder.write("customers.csv", csv_of(&header, &rows));
    folder.must(0, &["import", "customers.csv", "--project", "ACME", "--entity", "customer"]);
    let server = folder.serve(&[]);
    let answer = server.get(&format!("/api/v1/ACME/changes?after={before}")).json();
    let changes = answer["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{answer}");
    assert_eq!((&changes[0]["code"], &changes[0]["operation"]), (&json!("C1"), &json!("updated")));
    assert_eq!(
        changes[0]["changed"],
        json!({"city": {"before": "São José dos Campos", "after": "Campinas"}})
    );
}

#[test]
fn the_sample_invoices_go_in_by_the_bulk_call_in_packages() {
    let Some(source) = source() else { return };
    let folder = Folder::of_project(PROJECT);
    import_people(&folder, &source);
    let server = folder.serve(&[]);
    let login = r#"{"username":"api","password":"s3cret","organisation":"ACME"}"#;
    let answer = server.call("POST", "/crmcom/crmapi/rest/v2/authentication/token", &[JSON], login);
    let token = answer.json()["data"]["token"].as_str().unwrap().to_owned();
    let rows: Vec<Value> = table(&source, INVOICES)
        .into_iter()
        .map(|row| {
            let text = |n: usize| row[n].clone().unwrap();
            json!({
                "request_unique_identifier": text(0),
                "accounts_receivable_identifier": {"number": text(1).replace('C', "CH")},
                "performed_by_unit_identifier": {"id": "1"},
                "performed_on": text(2).trim_end_matches('Z'),
                "website": "shop.chinook.example",
                "description": text(4),
                "external_system": "chinook",
                "external_system_reference_number": text(0),
                "udf_float_1": text(3).parse::<f64>().unwrap(),
            })
        })
        .collect();
    let mut processed = 0;
    for round in 0..2 {
        for package in rows.chunks(100) {
            let body = json!({"token": token, "web_customer_events_set": package}).to_string();
            let path = "/crmcom/crmapi/rest/v2/customer_events/bulk/web/create";
            let answer = server.call("POST", path, &[JSON], body);
            assert_eq!((answer.status, &answer.json()["status"]["code"]), (200, &json!("OK")));
            let answer = answer.json();
            let count = |set: &str| answer["data"][set].as_array().unwrap().len();
            processed += count("processed_customer_events_set");
            if round == 1 {
                assert_eq!(count("unprocessed_customer_events_set"), package.len(), "a pair is stored once");
            }
        }
    }
    assert_eq!(processed, 412);
    assert_eq!(server.terminate(), Some(0));
    let events = folder.export("event");
    assert_eq!(events.len(), 412);
    let sum: f64 = events.iter().map(|event| event["udf_float_1"].as_f64().unwrap()).sum();
    let expected: f64 = source.query_row("SELECT sum(Total) FROM Invoice", [], |row| row.get(0)).unwrap();
    assert!((sum - expected).abs() < 1e-6, "{sum} is not {expected}");
}
