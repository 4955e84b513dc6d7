//! Callers, paths, methods and queries that lead nowhere.

use serde_json::json;

use super::{BULK, CRMCOM, House, IMPORT, envelope, event, problem, silent};
use crate::wire::{JSON, KEY};

#[test]
fn strangers_and_neighbours_see_nothing() {
    let mut house = House::new("");
    let row = "[{\"code\":\"X1\"}]";
    let long = format!("Bearer {}", "a".repeat(100_000));
    for bad in ["", "Basic eDp5", "Bearer", "Bearer nope", "Bearer a.b.c", "Bearer \u{fffd}", &long] {
        let headers = [("Authorization", bad), JSON];
        let answer =
            house.server.call("POST", IMPORT, if bad.is_empty() { &headers[1..] } else { &headers }, row);
        problem(bad, &answer, &[401]);
    }
    // A token of the vendor's door is none of ours, and the other way round.
    let vendor = format!("Bearer {}", house.token);
    problem("token", &house.server.call("POST", IMPORT, &[("Authorization", &vendor), JSON], row), &[401]);
    let other = ("Authorization", "Bearer other-key");
    for path in [IMPORT, "/api/v1/NOWHERE/customer/import", "/api/v1/acme/batches"] {
        let answer = house.server.call("POST", path, &[other, JSON], row);
        problem(path, &answer, &[403]);
    }
    problem("feed", &house.server.call("GET", "/api/v1/ACME/changes", &[other], ""), &[403]);
    for token in ["null", "5", "{}", "\"\"", "\"a.b.c\"", "\"erp-key\"", "\"\\u0000\""] {
        let body = format!(r#"{{"token":{token},"web_customer_events_set":[{}]}}"#, event(""));
        envelope(token, &house.server.call("POST", BULK, &[JSON], body), 200, "InvalidTokenException");
    }
    house.still_good();
    house.close();
}

#[test]
fn paths_and_methods_lead_nowhere_else() {
    let mut house = House::new("");
    for project in ["..", "%2e%2e", "..%2fACME", "ACME%00", "%00", "ACME%2f..%2fOTHER", "*", "ACME%20", "%ff"]
    {
        for rest in ["customer", "batches", "changes", "customer/C0001"] {
            let answer = house.server.get(&format!("/api/v1/{project}/{rest}"));
            problem(&format!("{project}/{rest}"), &answer, &[403, 404]);
        }
        let answer = house.server.call("POST", &format!("/api/v1/{project}/customer"), &[KEY, JSON], "{}");
        problem(project, &answer, &[403, 404]);
        let login = json!({"project": project, "login": "api", "password": "s3cret"}).to_string();
        problem(project, &house.server.call("POST", "/api/v1/token", &[JSON], login), &[401]);
        let login = json!({"organisation": project, "username": "api", "password": "s3cret"}).to_string();
        let answer = house.server.call("POST", &format!("{CRMCOM}/authentication/token"), &[JSON], login);
        envelope(project, &answer, 200, "InvalidLoginException");
    }
    for path in [
        "/api/v1/ACME/..%2f..%2fkey",
        "/api/v1/ACME/batches/..%2f..%2fkey/rejects.csv",
        "/api/v1/ACME/customer/%00",
        "/api/docs/..%2f..%2f..%2fetc%2fpasswd",
        "/api/docs/../../../etc/passwd",
        "/api/",
        "/../data/key",
        "//",
        "/crmcom",
    ] {
        problem(path, &house.server.get(path), &[404]);
    }
    for (method, path) in [
        ("DELETE", "/api/v1/ACME/customer"),
        ("BREW", "/api/v1/ACME/customer/C0001"),
        ("POST", "/api/v1/ACME/customer/C0001"),
        ("POST", "/api/v1/ACME/changes"),
        ("GET", "/api/v1/token"),
        ("OPTIONS", "/api/v1/ACME/batches"),
        ("DELETE", "/healthz"),
        ("POST", "/metrics"),
    ] {
        problem(&format!("{method} {path}"), &house.server.call(method, path, &[KEY], ""), &[405]);
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = house.server.call(method, BULK, &[JSON], "");
        envelope(method, &answer, 405, "InvalidAPIRequestException");
    }
    for path in
        ["", "/", "/../../../../api/v1/ACME/customer", "/%00", "/%ff", "/customer_events/bulk/nothing/create"]
    {
        let answer = house.server.call("POST", &format!("{CRMCOM}{path}"), &[JSON], "{}");
        envelope(path, &answer, 404, "InvalidAPIRequestException");
    }
    house.still_good();
    house.close();
}

#[test]
fn queries_of_any_length_are_answered() {
    let mut house = House::new("");
    let of = |name: &str, value: &str| format!("/api/v1/ACME/customer?{name}={value}");
    for (told, path) in [
        ("letters", of("filter", &"a".repeat(60_000))),
        ("open brackets", of("filter", &"(".repeat(60_000))),
        ("not not not", of("filter", &("not+".repeat(12_000) + "name+eq+'a'"))),
        ("and and and", of("filter", &["name+eq+'a'"; 4_000].join("+and+"))),
        ("a long list", of("filter", &format!("name+in+({})", ["'a'"; 12_000].join(",")))),
        ("a long order", of("order", &["name"; 12_000].join(","))),
        ("U+0000", of("filter", "name+eq+'%00'")),
        ("no UTF-8", of("filter", "name+eq+'%ff'")),
        ("no cursor", of("after", "AQ..")),
        ("twice", of("limit", "1&limit=2")),
        ("too many", of("limit", "1001")),
        ("unknown", of("nothing", "1")),
    ] {
        problem(told, &house.server.get(&path), &[400]);
    }
    let show = format!("{CRMCOM}/customer_events/web/show?token={}&customer_event_identifier=", house.token);
    for identifier in ["number=%00", "number=%ff", "nothing=1", &"=".repeat(60_000), ""] {
        let answer = house.server.call("GET", &format!("{show}{identifier}"), &[], "");
        assert_ne!(answer.json()["status"]["code"], "OK", "{answer:?}");
        silent(identifier, &answer);
    }
    house.still_good();
    house.close();
}
