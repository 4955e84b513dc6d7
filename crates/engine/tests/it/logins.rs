use std::time::Duration;

use domain::batch::Commit;
use domain::row::Mode;
use engine::{ApplyOptions, Error, ProjectFile};

use crate::bed::{Bed, counts, refusals};

const LOGINS: &str = r#"
[project]
code = "ACME"

[[login]]
name = "ann"
password = "s3cret"
role = "reader"
"#;

#[tokio::test]
async fn a_token_proves_a_login_for_a_time() {
    let bed = Bed::new().await;
    let file: ProjectFile = toml::from_str(LOGINS).unwrap();
    bed.engine.apply(&file, ApplyOptions::default()).await.unwrap();
    let token = bed.engine.token("acme", "ann", "s3cret", "native").await.unwrap();
    let caller = bed.engine.check_token(&token.text, "native").await.unwrap();
    assert_eq!(&*caller.login, "ann");
    assert!(matches!(bed.engine.check_token(&token.text, "other").await, Err(Error::Unauthenticated)));
    assert!(matches!(bed.engine.token("ACME", "ann", "wrong", "native").await, Err(Error::Unauthenticated)));
    assert!(matches!(bed.engine.token("ACME", "nobody", "x", "native").await, Err(Error::Unauthenticated)));
    assert!(matches!(bed.engine.token("NONE", "ann", "s3cret", "native").await, Err(Error::Unauthenticated)));
    bed.clock.advance(Duration::from_secs(12 * 3600 + 1).as_millis() as i64);
    assert!(matches!(bed.engine.check_token(&token.text, "native").await, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn a_released_token_is_worth_nothing() {
    let bed = Bed::new().await;
    let file: ProjectFile = toml::from_str(LOGINS).unwrap();
    bed.engine.apply(&file, ApplyOptions::default()).await.unwrap();
    let token = bed.engine.token("ACME", "ann", "s3cret", "native").await.unwrap();
    let caller = bed.engine.check_token(&token.text, "native").await.unwrap();
    bed.engine.release_token(&caller).await.unwrap();
    assert!(matches!(bed.engine.check_token(&token.text, "native").await, Err(Error::Unauthenticated)));
}

#[tokio::test]
async fn rights_refuse_the_call_or_the_row() {
    let bed = Bed::new().await;
    let shop = bed.engine.check_key("shop-key").await.unwrap();
    let call = bed.call(Mode::Update, Commit::Alone, "customer C1 name=A");
    assert!(matches!(bed.engine.execute(&shop, call).await, Err(Error::Forbidden { .. })));
    bed.upsert("event E1 label=there").await;
    let call = bed.call(Mode::Upsert, Commit::Alone, "event E1 label=changed\nevent E2 label=new");
    let report = bed.engine.execute(&shop, call).await.unwrap();
    assert_eq!(counts(&report), "+1 ~0 =0 -0 !1 /0");
    assert_eq!(refusals(&report), ["1  forbidden"]);
}
