//! Project files applied to a real store: text in, text out.

use std::sync::Arc;

use domain::clock::{FixedClock, SequentialIds};

use super::*;
use crate::Config;

fn engine() -> Engine {
    let store = Arc::new(store_sqlite::open_temporary().unwrap());
    Engine::new(
        store,
        Arc::new(FixedClock::at(1_767_225_600_000)),
        Arc::new(SequentialIds::default()),
        Config::default(),
    )
}

async fn apply_with(engine: &Engine, text: &str, options: ApplyOptions) -> String {
    let file = match ProjectFile::parse(text) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    match engine.apply(&file, options).await {
        Ok(applied) => applied.to_string(),
        Err(error) => error.to_string(),
    }
}

async fn apply(engine: &Engine, text: &str) -> String {
    apply_with(engine, text, ApplyOptions::default()).await
}

const PROJECT: &str = r#"
[project]
code = "ACME"
companies = ["ACME", "ACME2"]
languages = ["EN", "FR"]
time_zone = "Europe/Paris"
active_users = 1

[[login]]
name = "erp-sync"
password = "s3cret"
role = "integrator"
company = "acme2"

[[api_key]]
name = "web"
key = "web-key"
rights = ["read:*", "insert:event"]

[[entity]]
name = "boat"
plural = "boats"
prefix = 900
[[entity.field]]
name = "sail"
type = "text(20)"

[[field]]
entity = "customer"
name = "loyalty_tier"
type = "text(20)"
labels = { EN = "Loyalty tier" }

[[field]]
entity = "boat"
name = "owner"
type = "reference(customer)"

[[key]]
entity = "boat"
name = "sail"
fields = ["sail"]

[[access]]
entity = "product"
insert = false

[[numbering]]
entity = "boat"
field = "code"
prefix = "B"
digits = 4
"#;

#[tokio::test]
async fn a_file_applied_twice_changes_nothing_the_second_time() {
    let engine = engine();
    let first = apply(&engine, PROJECT).await;
    assert_eq!(
        first.lines().collect::<Vec<_>>(),
        [
            "added     project ACME",
            "added     entity boat",
            "added     field loyalty_tier of customer",
            "added     field owner of boat",
            "added     key sail of boat",
            "changed   access to product",
            "added     numbering of boat.code",
            "added     login erp-sync",
            "added     api_key web",
        ]
    );
    assert_eq!(apply(&engine, PROJECT).await, "nothing to change: project ACME is as the file says\n");
    let caller = engine.check_password("acme", "erp-sync", "s3cret").await.unwrap();
    assert_eq!(caller.company.0, 2);
    assert_eq!(&*engine.check_key("web-key").await.unwrap().login, "web");
    let catalogue = engine.project("ACME").await.unwrap().catalogue();
    assert!(catalogue.find("boat").is_some_and(|boat| boat.field_ix("owner").is_some()));
}

#[tokio::test]
async fn what_changes_is_said_and_old_tokens_end() {
    let engine = engine();
    apply(&engine, PROJECT).await;
    let token = engine.token("ACME", "erp-sync", "s3cret", "native").await.unwrap().text;
    assert!(engine.check_token(&token, "native").await.is_ok());
    let text = PROJECT
        .replace("s3cret", "other")
        .replace("web-key", "new-key")
        .replace("\"text(20)\"\nlabels", "\"text(40)\"\nlabels")
        .replace("active_users = 1", "active_users = 2");
    assert_eq!(
        apply(&engine, &text).await.lines().collect::<Vec<_>>(),
        [
            "changed   project (active_users)",
            "changed   field loyalty_tier of customer (type)",
            "changed   login erp-sync (password)",
            "changed   api_key web (key)",
            "6 unchanged in project ACME",
        ]
    );
    assert!(engine.check_token(&token, "native").await.is_err());
    assert!(engine.check_key("web-key").await.is_err());
    assert!(engine.check_key("new-key").await.is_ok());
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let engine = engine();
    let dry = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
    assert!(apply_with(&engine, PROJECT, dry).await.starts_with("would be added     project ACME\n"));
    assert!(engine.project("ACME").await.is_err());
    apply(&engine, PROJECT).await;
    let text = PROJECT.replace("s3cret", "other");
    assert!(apply_with(&engine, &text, dry).await.contains("would be changed   login erp-sync (password)"));
    assert!(engine.check_password("ACME", "erp-sync", "s3cret").await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_remedy() {
    let engine = engine();
    apply(&engine, PROJECT).await;
    for (old, new, told) in [
        ("\"text(20)\"\nlabels", "\"text(10)\"\nlabels", "its type is text(20) and cannot become text(10)"),
        ("\"text(20)\"\nlabels", "\"integer\"\nlabels", "cannot become integer"),
        ("prefix = 900", "prefix = 901", "prefix is 900 and cannot change"),
        ("\"loyalty_tier\"", "\"city\"", "the standard model has a field of this name"),
        ("entity = \"product\"", "entity = \"produkt\"", "there is no entity produkt"),
        (
            "role = \"integrator\"",
            "role = \"boss\"",
            "there is no role `boss`; use admin, integrator or reader",
        ),
        ("insert:event", "insert:evnt", "right `insert:evnt` names no entity"),
        ("insert:event", "eat:event", "`eat:event` is no right"),
        ("company = \"acme2\"", "company = \"X\"", "the project has no company X"),
        ("Europe/Paris", "Europe/Pariss", "there is no time_zone `Europe/Pariss`"),
        ("active_users = 1", "active_users = 1\nusers = 3", "line 8: unknown field `users`"),
        ("name = \"web\"", "name = \"erp-sync\"", "the name stands twice"),
        ("fields = [\"sail\"]", "fields = [\"owner\"]", "a key cannot change"),
        ("[[access]]", "[[hook]]\n[[access]]", "unknown field `hook`"),
        (
            "[[api_key]]",
            "[[login]]\nname = \"second\"\npassword = \"p\"\nrole = \"reader\"\n[[api_key]]",
            "active_users is 1 and 2 logins with a password would be active",
        ),
    ] {
        let answer = apply(&engine, &PROJECT.replace(old, new)).await;
        assert!(answer.contains(told), "{new}: {answer}");
    }
    assert_eq!(apply(&engine, PROJECT).await, "nothing to change: project ACME is as the file says\n");
}

#[tokio::test]
async fn only_prune_removes_and_never_what_holds_data() {
    let engine = engine();
    apply(&engine, PROJECT).await;
    let (head, _) = PROJECT.split_once("[[login]]").unwrap();
    assert!(apply(&engine, head).await.starts_with("nothing to change"));
    let prune = ApplyOptions { prune: true, ..ApplyOptions::default() };
    assert!(apply_with(&engine, head, prune).await.contains("entity boat: what holds data is never removed"));
    let start = PROJECT.find("[[entity]]").unwrap();
    let end = PROJECT.find("[[access]]").unwrap();
    let rest = format!("{head}{}", &PROJECT[start..end]);
    assert_eq!(
        apply_with(&engine, &rest, prune).await.lines().collect::<Vec<_>>(),
        [
            "removed   access to product",
            "removed   numbering of boat.code",
            "removed   login erp-sync",
            "removed   api_key web",
            "6 unchanged in project ACME",
        ]
    );
    assert!(engine.check_key("web-key").await.is_err());
}

#[tokio::test]
async fn a_key_opens_one_project_only() {
    let engine = engine();
    apply(&engine, PROJECT).await;
    let other = "[project]\ncode = \"B\"\n[[api_key]]\nname = \"x\"\nkey = \"web-key\"\nrole = \"reader\"\n";
    assert!(apply(&engine, other).await.contains("the same key opens project ACME"));
    assert!(engine.project("B").await.is_err());
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let text = "[project]\ncode = \"A\"\n[[login]]\nname = \"a\"\npassword_env = \"V\"\n[[api_key]]\nname = \"b\"\nkey_file = \"k\"\n";
    let mut file = ProjectFile::parse(text).unwrap();
    file.resolve_secrets(&|source| match source {
        SecretSource::Env(name) => Ok(format!("env {name}")),
        SecretSource::File(path) => Ok(format!("file {}", path.display())),
    })
    .unwrap();
    assert_eq!(file.logins[0].password.as_deref(), Some("env V"));
    assert_eq!(file.api_keys[0].key.as_deref(), Some("file k"));
    let mut both = ProjectFile::parse(&text.replace("key_file", "key = \"x\"\nkey_file")).unwrap();
    let error = both.resolve_secrets(&|_| Ok(String::new())).unwrap_err().to_string();
    assert!(error.contains("exclude one another"), "{error}");
}

#[test]
fn a_fault_in_a_file_names_the_line_and_shows_no_secret() {
    let error =
        ProjectFile::parse("[project]\ncode = \"A\"\n[[login]]\nname = \"a\"\npasword = \"s3cret\"\n");
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("line 5: unknown field `pasword`") && !error.contains("s3cret"), "{error}");
}
