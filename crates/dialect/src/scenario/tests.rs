use axum::Json;
use axum::extract::Request as Call;
use axum::routing::{get, post};
use serde_json::json;

use super::*;

/// A door that repeats what it hears and knows the time.
async fn build(project: String, clock: Arc<FixedClock>) -> Router {
    let echo = async |body: String| Json(json!({"length": body.len(), "said": body}));
    let time = move || {
        let now = domain::clock::Clock::now_ms(&*clock);
        async move { Json(json!({"now": now})) }
    };
    let hear = move |call: Call| {
        let token = call.headers().get("token").map(|value| value.to_str().unwrap().to_owned());
        let answer = json!({"project": project, "token": token, "list": [1, 2.50]});
        async move { (StatusCode::CREATED, [("etag", "\"7\"")], Json(answer)) }
    };
    Router::new().route("/echo", post(echo)).route("/time", get(time)).route("/hear", get(hear))
}

async fn outcome(steps: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("fixtures")).unwrap();
    std::fs::write(folder.path().join("fixtures/project.toml"), "P").unwrap();
    let file = folder.path().join("01-test.toml");
    std::fs::write(&file, steps).unwrap();
    run_file(folder.path(), &file, &build).await
}

#[tokio::test]
async fn a_conversation_that_goes_as_expected_passes() {
    let steps = r#"
name = "Everything a step can say"
headers = { token = "t-1" }
[[step]]
request = "GET /hear"
status = 201
expect = '{"project": "P", "token": "{{string}}", "list": ["{{number}}", 2.5], "gone": "{{absent}}"}'
expect_header = { etag = '"{{*}}"' }
save = { token = "/token", etag = "header:etag" }
[[step]]
note = "saved values travel"
request = "POST /echo"
body = '{"a": "{{token}}", "b": "{{etag}}"}'
expect = '{"said": "{\"a\": \"{{token}}\", \"b\": {{*}}", "length": 26}'
expect_exact = true
[[step]]
request = "POST /echo"
body_repeat = { count = 1001, template = '{"n":{{n}}}', open = "[", close = "]" }
expect = '{"length": 9905}'
[[step]]
advance = "2h1s"
request = "GET /time"
expect = '{"now": 1772359201000}'
[[step]]
parallel = [{ request = "GET /time", headers = { token = "" } }, { request = "GET /nowhere", status = 404 }]
"#;
    assert_eq!(outcome(steps).await, Ok(()));
}

#[tokio::test]
async fn a_failure_names_step_call_answer_and_difference() {
    let steps = r#"
[[step]]
request = "POST /echo"
body = "hello"
[[step]]
request = "POST /echo"
body = "hello"
status = 201
expect = '{"length": 6, "said": "hello", "more": 1}'
expect_exact = true
save = { x = "/nothing" }
"#;
    let report = outcome(steps).await.unwrap_err();
    for part in [
        "step 2",
        "POST /echo\nhello",
        "status is 200, not 201",
        "/length is 5, not 6",
        "/more is missing",
        "nothing at /nothing",
        "\"said\":\"hello\"",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

#[tokio::test]
async fn a_misspelt_key_is_no_scenario() {
    let report = outcome("[[step]]\nrequest = \"GET /time\"\nexpct = \"{}\"").await.unwrap_err();
    assert!(report.contains("expct"), "{report}");
}
