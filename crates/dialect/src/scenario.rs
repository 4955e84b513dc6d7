//! Conversations with a door, kept in files and run against its router in memory.
//!
//! The format is described in the README of this crate.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use domain::clock::FixedClock;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

mod compare;

/// What the clock shows when a scenario does not say.
const BEGIN: &str = "2026-03-01T08:00:00Z";
/// Characters of an answer that a failure shows.
const SHOWN: usize = 2_000;

/// Runs every scenario (`*.toml`) of a folder, each against a router of its own that `build` makes
/// from the text of the project file and a clock that stands still. Panics at the end with the
/// names of the files that failed. `SCENARIO=07` runs only files whose name begins so.
pub async fn run(folder: &Path, build: impl AsyncFn(String, Arc<FixedClock>) -> Router) {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut failed = Vec::new();
    let files = files_of(folder, &only);
    assert!(!files.is_empty(), "{} has no scenario {only}", folder.display());
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Err(report) = run_file(folder, &file, &build).await {
            #[expect(clippy::print_stderr, reason = "a failing test tells people why")]
            {
                eprintln!("\n── {name} ──\n{report}");
            }
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} scenarios failed: {}", failed.len(), failed.join(", "));
}

fn files_of(folder: &Path, only: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(only)))
        .collect();
    files.sort();
    files
}

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: Option<String>,
    project: Option<String>,
    now: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default, rename = "step")]
    steps: Vec<Step>,
}

/// One call, or several at once, with what is expected of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    note: Option<String>,
    request: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<String>,
    body_repeat: Option<Repeat>,
    #[serde(default)]
    save: HashMap<String, String>,
    status: Option<u16>,
    expect: Option<String>,
    #[serde(default)]
    expect_exact: bool,
    expect_text: Option<String>,
    #[serde(default)]
    expect_header: HashMap<String, String>,
    advance: Option<String>,
    #[serde(default)]
    parallel: Vec<Step>,
}

/// A body made of many like parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    count: u64,
    template: String,
    #[serde(default)]
    open: String,
    #[serde(default)]
    close: String,
    #[serde(default = "comma")]
    separator: String,
    /// The number of the first part.
    #[serde(default = "one")]
    first: u64,
}

fn comma() -> String {
    ",".to_owned()
}

fn one() -> u64 {
    1
}

impl Repeat {
    fn print(&self) -> String {
        let parts: Vec<String> = (self.first..self.first + self.count)
            .map(|n| self.template.replace("{{n}}", &n.to_string()))
            .collect();
        format!("{}{}{}", self.open, parts.join(&self.separator), self.close)
    }
}

/// Values saved from answers, by name.
type Saved = HashMap<String, Value>;

async fn run_file(
    folder: &Path,
    file: &Path,
    build: &impl AsyncFn(String, Arc<FixedClock>) -> Router,
) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let scenario: Scenario = toml::from_str(&text).map_err(|error| error.to_string())?;
    let project = folder.join(scenario.project.as_deref().unwrap_or("fixtures/project.toml"));
    let project =
        std::fs::read_to_string(&project).map_err(|error| format!("{}: {error}", project.display()))?;
    let now = scenario.now.as_deref().unwrap_or(BEGIN);
    let now =
        domain::instant::parse(now, &TimeZone::UTC).ok_or_else(|| format!("now = {now:?} is no instant"))?;
    let clock = Arc::new(FixedClock::at(now));
    let router = build(project, clock.clone()).await;
    let mut saved = Saved::new();
    for (n, step) in scenario.steps.iter().enumerate() {
        let at = |problem: String| {
            let title = scenario.name.as_deref().map(|name| format!("{name}\n")).unwrap_or_default();
            let note = step.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
            format!("{title}step {}{note}\n{problem}", n + 1)
        };
        if let Some(advance) = &step.advance {
            clock.advance(duration_ms(advance).map_err(at)?);
        }
        let mut at_once: Vec<&Step> = step.parallel.iter().collect();
        if step.request.is_some() {
            at_once.insert(0, step);
        }
        let calls = at_once.iter().map(|step| call(router.clone(), &scenario.headers, step, &saved));
        let answers = futures_util::future::join_all(calls).await;
        for (step, answer) in at_once.iter().zip(answers) {
            answer.and_then(|answer| answer.check(step, &mut saved)).map_err(at)?;
        }
    }
    Ok(())
}

/// Reads `2h1s`.
fn duration_ms(text: &str) -> Result<i64, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("advance = {text:?}: {error}"))?;
    i64::try_from(span.as_millis()).map_err(|_| format!("advance = {text:?} is too long"))
}

/// A call with its answer.
struct Answer {
    /// The call, for people.
    call: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

async fn call(
    router: Router,
    headers: &HashMap<String, String>,
    step: &Step,
    saved: &Saved,
) -> Result<Answer, String> {
    let line = filled(step.request.as_deref().ok_or("the step has no request")?, saved, plain);
    let (method, path) = line.split_once(' ').ok_or_else(|| format!("{line:?} has no method and path"))?;
    let body = match (&step.body, &step.body_repeat) {
        (Some(_), Some(_)) => return Err("body and body_repeat exclude each other".to_owned()),
        (Some(body), None) => Some(filled(body, saved, escaped)),
        (None, Some(repeat)) => Some(filled(&repeat.print(), saved, escaped)),
        (None, None) => None,
    };
    let mut request = Request::builder().method(method).uri(path.trim());
    let mut merged: HashMap<String, &String> = HashMap::new();
    // A step's own header replaces the scenario's; an empty one takes it away.
    for (name, value) in headers.iter().chain(&step.headers) {
        merged.insert(name.to_ascii_lowercase(), value);
    }
    if body.is_some() && !merged.contains_key("content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in merged.into_iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, filled(value, saved, plain));
    }
    let shown: String = body.as_deref().unwrap_or_default().chars().take(SHOWN).collect();
    let request =
        request.body(Body::from(body.unwrap_or_default())).map_err(|error| format!("{line}\n{error}"))?;
    let answer = match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| format!("{line}\nthe answer breaks off: {error}"))?;
    let call = format!("{line}\n{shown}");
    Ok(Answer { call, status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() })
}

impl Answer {
    fn check(&self, step: &Step, saved: &mut Saved) -> Result<(), String> {
        let mut wrong = Vec::new();
        let status = self.status.as_u16();
        // A step that expects nothing in particular expects success.
        match step.status {
            Some(wanted) if wanted != status => wrong.push(format!("status is {status}, not {wanted}")),
            None if !self.status.is_success() => wrong.push(format!("status is {status}")),
            _ => {}
        }
        for (name, wanted) in &step.expect_header {
            let wanted = filled(wanted, saved, plain);
            let found =
                self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            match found {
                Some(found) if compare::text(&wanted, &found) => {}
                Some(found) => wrong.push(format!("header {name} is {found:?}, not {wanted:?}")),
                None if wanted.is_empty() => {}
                None => wrong.push(format!("header {name} is missing; expected {wanted:?}")),
            }
        }
        let text = String::from_utf8_lossy(&self.body);
        if let Some(wanted) = &step.expect_text {
            let wanted = filled(wanted, saved, plain);
            if wanted.trim_end() != text.trim_end() {
                wrong.push(format!("the text is not\n{wanted}"));
            }
        }
        let json: Result<Value, _> = serde_json::from_slice(&self.body);
        if let Some(wanted) = &step.expect {
            let wanted = filled(wanted, saved, escaped);
            let wanted: Value = serde_json::from_str(&wanted)
                .map_err(|error| format!("expect is not JSON: {error}\n{wanted}"))?;
            match &json {
                Ok(found) => compare::values("", &wanted, found, step.expect_exact, &mut wrong),
                Err(error) => wrong.push(format!("the answer is not JSON: {error}")),
            }
        }
        for (name, from) in &step.save {
            match self.find(from, json.as_ref().ok()) {
                Some(value) => {
                    saved.insert(name.clone(), value);
                }
                None => wrong.push(format!("there is nothing at {from} to save as {name}")),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(self.report(&wrong, &text)) }
    }

    /// What stands at a JSON pointer, or in `header:name`.
    fn find(&self, from: &str, json: Option<&Value>) -> Option<Value> {
        match from.strip_prefix("header:") {
            Some(name) => {
                let value = self.headers.get(name)?;
                Some(Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()))
            }
            None => json?.pointer(from).cloned(),
        }
    }

    fn report(&self, wrong: &[String], text: &str) -> String {
        let mut report = format!("{}\n\n→ {}\n", self.call, self.status);
        for (name, value) in &self.headers {
            let _ = writeln!(report, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        let shown: String = text.chars().take(SHOWN).collect();
        let _ = writeln!(report, "{shown}\n");
        for line in wrong {
            let _ = writeln!(report, "✗ {line}");
        }
        report
    }
}

/// A text with the saved values in place of their names.
fn filled(text: &str, saved: &Saved, print: fn(&Value) -> String) -> String {
    let mut text = text.to_owned();
    for (name, value) in saved {
        let mark = format!("{{{{{name}}}}}");
        if text.contains(&mark) {
            text = text.replace(&mark, &print(value));
        }
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As it stands between the quotes of a JSON string.
fn escaped(value: &Value) -> String {
    match value {
        Value::String(_) => {
            let quoted = value.to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
