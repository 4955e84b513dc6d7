//! The workloads, and the table.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::floor::{self, Floor};
use crate::server::Server;
use crate::{Scale, input};

const PROJECT: &str = r#"
[project]
code = "BENCH"

[[login]]
name = "bench"
password = "bench"
role = "integrator"

[[api_key]]
name = "key"
key = "bench-key"
role = "admin"
"#;

const KEY: (&str, &str) = ("Authorization", "Bearer bench-key");

/// Runs everything and prints the table.
pub fn run(scale: &Scale) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, floor) = (folder.path().join("ours"), folder.path().join("floor"));
    prepare(scale, &ours)?;
    copy(&ours, &floor)?;
    let floor_data = floor;
    let server = Server::start(&scale.binary, &ours)?;
    let (idle, _) = server.memory_mb()?;
    println!("start {:.0} ms, idle memory {idle:.0} MB\n", ms(server.start));
    println!("| work | floor | ours | ratio | statements | peak memory |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut bench = Bench { scale, server, floor: Floor::open(&floor_data)? };
    if scale.wants("w1") {
        bench.customers()?;
    }
    if scale.wants("w2") {
        bench.web_events()?;
    }
    if scale.wants("w3") {
        bench.stream()?;
    }
    if scale.wants("w4") || scale.wants("export") {
        bench.large(&floor_data)?;
    }
    bench.server.stop()
}

/// Makes the project with users, units and customers.
fn prepare(scale: &Scale, data: &Path) -> Result<()> {
    std::fs::create_dir_all(data)?;
    let file = data.join("bench.toml");
    std::fs::write(&file, PROJECT)?;
    let applied = Command::new(&scale.binary).arg("apply").arg(&file).arg("--data").arg(data).output()?;
    if !applied.status.success() {
        bail!("apply failed: {}", String::from_utf8_lossy(&applied.stderr));
    }
    let server = Server::start(&scale.binary, data)?;
    let mut client = Client::connect(server.address)?;
    let users: Vec<String> =
        (0..50).map(|n| format!(r#"{{"code":"U{n}","last_name":"User {n}","first_name":"Ann"}}"#)).collect();
    let units: Vec<String> = (0..20)
        .map(|n| format!(r#"{{"code":"B{n}","name":"Shop {n}","alternative_code":"S{n}"}}"#))
        .collect();
    for (entity, body) in [
        ("user", format!("[{}]", users.join(","))),
        ("unit", format!("[{}]", units.join(","))),
        ("customer", input::customers(scale.customers, 0)),
    ] {
        let path = format!("/api/v1/BENCH/{entity}/import?commit=together");
        let answer = client.call("POST", &path, &[KEY, JSON], body.as_bytes())?.json()?;
        if answer["counts"]["refused"] != 0 {
            bail!("the input of {entity} was refused: {answer}");
        }
    }
    drop(client);
    server.stop()
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.join("projects"))?;
    for entry in std::fs::read_dir(from.join("projects"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join("projects").join(entry.file_name()))?;
    }
    Ok(())
}

struct Bench<'a> {
    scale: &'a Scale,
    server: Server,
    floor: Floor,
}

impl Bench<'_> {
    fn customers(&mut self) -> Result<()> {
        let mut client = Client::connect(self.server.address)?;
        let path = "/api/v1/BENCH/customer/import?commit=together&mode=upsert";
        let (mut floor_changed, mut floor_same, mut ours_changed, mut ours_same) =
            (vec![], vec![], vec![], vec![]);
        let mut statements = (0, 0);
        self.server.forget_peak();
        for round in 1..=self.scale.times {
            let json = input::customers(self.scale.customers, round);
            self.floor.checkpoint()?;
            floor_changed.push(self.floor.customers(&json)?);
            floor_same.push(self.floor.customers(&json)?);
            for (times, changed) in [(&mut ours_changed, true), (&mut ours_same, false)] {
                let began = Instant::now();
                let answer = client.call("POST", path, &[KEY, JSON], json.as_bytes())?.json()?;
                times.push(began.elapsed());
                let expected = if changed { self.scale.customers / 2 } else { 0 };
                if answer["counts"]["updated"] != expected {
                    bail!("W1 updated something else: {}", answer["counts"]);
                }
                let count = answer["statistics"]["statements"].as_u64().unwrap_or(0);
                if changed { statements.0 = count } else { statements.1 = count }
            }
        }
        let (_, peak) = self.server.memory_mb()?;
        row(
            "W1: customers, half changed",
            median(floor_changed),
            median(ours_changed),
            &statements.0.to_string(),
            peak,
        );
        row("W1 again, unchanged", median(floor_same), median(ours_same), &statements.1.to_string(), peak);
        Ok(())
    }

    fn web_events(&mut self) -> Result<()> {
        let mut client = Client::connect(self.server.address)?;
        let token = token(&mut client)?;
        let (calls, customers) = (self.scale.calls, self.scale.customers);
        self.server.forget_peak();
        let mut floor = Vec::new();
        for n in 0..calls {
            floor.push(self.floor.web_events(&floor::call(n, 1_000, customers))?);
        }
        let mut ours = Vec::new();
        for n in 0..calls {
            ours.push(web_call(
                &mut client,
                &input::web_call(&token, &input::web_events(n, 1_000, customers)),
            )?);
        }
        let (_, peak) = self.server.memory_mb()?;
        let batch = client.call("GET", "/api/v1/BENCH/batches?limit=1", &[KEY], b"")?.json()?;
        let statements = &batch["batches"][0]["statistics"]["statements"];
        let floor = median(floor);
        row("W2: 1,000 web events a call", floor, median(ours), &statements.to_string(), peak);
        // Full load: each caller sends one call after the other.
        let bodies: Vec<Vec<String>> = (0..self.scale.callers)
            .map(|caller| {
                let first = 1_000 + caller * 1_000;
                (first..first + calls)
                    .map(|n| input::web_call(&token, &input::web_events(n, 1_000, customers)))
                    .collect()
            })
            .collect();
        let address = self.server.address;
        let began = Instant::now();
        let mut times = std::thread::scope(|scope| -> Result<Vec<Duration>> {
            let run = |bodies: &Vec<String>| -> Result<Vec<Duration>> {
                let mut client = Client::connect(address)?;
                bodies.iter().map(|body| web_call(&mut client, body)).collect()
            };
            let callers: Vec<_> = bodies.iter().map(|bodies| scope.spawn(move || run(bodies))).collect();
            let mut times = Vec::new();
            for caller in callers {
                times.extend(caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??);
            }
            Ok(times)
        })?;
        let wall = began.elapsed();
        times.sort_unstable();
        let rate = (times.len() * 1_000) as f64 / wall.as_secs_f64();
        let (_, peak) = self.server.memory_mb()?;
        println!(
            "| W2, {} callers at once | {:.0} rows/s | {rate:.0} rows/s, p50 {:.0} ms, p99 {:.0} ms | {:.2} | | {peak:.0} MB |",
            self.scale.callers,
            1_000.0 / floor.as_secs_f64(),
            ms(times[times.len() / 2]),
            ms(times[times.len() * 99 / 100]),
            1_000.0 / floor.as_secs_f64() / rate,
        );
        Ok(())
    }

    fn stream(&mut self) -> Result<()> {
        let mut client = Client::connect(self.server.address)?;
        let lines = input::event_lines(0, self.scale.stream, self.scale.customers);
        self.floor.checkpoint()?;
        let floor = self.floor.stream(&lines)?;
        self.server.forget_peak();
        let began = Instant::now();
        let answer =
            client.call("POST", "/api/v1/BENCH/event/import", &[KEY, LINES], lines.as_bytes())?.json()?;
        let ours = began.elapsed();
        if answer["counts"]["added"] != self.scale.stream {
            bail!("W3 added something else: {}", answer["counts"]);
        }
        let (_, peak) = self.server.memory_mb()?;
        row("W3: events as NDJSON", floor, ours, &answer["statistics"]["statements"].to_string(), peak);
        Ok(())
    }

    /// Fills the database up to its large size, then W4 and the export.
    fn large(&mut self, floor_data: &Path) -> Result<()> {
        let mut client = Client::connect(self.server.address)?;
        let count = client.call("GET", "/api/v1/BENCH/event?limit=1", &[KEY], b"")?;
        if count.status != 200 {
            bail!("events cannot be read: status {}", count.status);
        }
        let first = 10_000_000;
        // A tenth of the customers have them all, so that each has about a thousand.
        let lines = input::event_lines(first, self.scale.large, self.scale.customers / 10);
        self.server.forget_peak();
        let (before, _) = self.server.memory_mb()?;
        let began = Instant::now();
        let answer =
            client.call("POST", "/api/v1/BENCH/event/import", &[KEY, LINES], lines.as_bytes())?.json()?;
        let took = began.elapsed();
        if answer["counts"]["added"] != self.scale.large {
            bail!("the large import added something else: {}", answer["counts"]);
        }
        let (_, peak) = self.server.memory_mb()?;
        println!(
            "| {} events imported in one call | | {:.1} s, {:.0} rows/s | | {} | {peak:.0} MB ({before:.0} before) |",
            self.scale.large,
            took.as_secs_f64(),
            self.scale.large as f64 / took.as_secs_f64(),
            answer["statistics"]["statements"],
        );
        self.floor.checkpoint()?;
        self.floor.stream(&lines)?;
        drop(lines);
        self.floor = Floor::open(floor_data)?;
        if self.scale.wants("w4") {
            self.query(&mut client)?;
        }
        if self.scale.wants("export") {
            self.export(&mut client)?;
        }
        Ok(())
    }

    fn query(&mut self, client: &mut Client) -> Result<()> {
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        let mut found = 0;
        for n in 0..self.scale.times * 3 {
            let customer = n * 37 % (self.scale.customers / 10);
            let (took, count) = self.floor.query(customer, 0)?;
            floor.push(took);
            let select = "kind,label,customer,unit,occurred_at,website,status,external_system,external_reference,number";
            let filter =
                format!("customer%20eq%20%27C{customer:06}%27%20and%20occurred_at%20ge%202026-01-01");
            let path =
                format!("/api/v1/BENCH/event?limit=1000&order=occurred_at&select={select}&filter={filter}");
            let began = Instant::now();
            let answer = client.call("GET", &path, &[KEY], b"")?;
            ours.push(began.elapsed());
            found = answer.json()?["events"].as_array().map_or(0, Vec::len);
            if found == 0 || (self.scale.wants_only("w4") && found != count) {
                bail!("W4 found {found} events where the floor found {count}");
            }
        }
        let (_, peak) = self.server.memory_mb()?;
        row(&format!("W4: {found} of many events, sorted"), median(floor), median(ours), "", peak);
        Ok(())
    }

    fn export(&mut self, client: &mut Client) -> Result<()> {
        self.server.forget_peak();
        let (mut lines, mut bytes) = (0_usize, 0_usize);
        let began = Instant::now();
        let status = client.stream(
            "GET",
            "/api/v1/BENCH/event",
            &[KEY, ("Accept", "application/x-ndjson")],
            b"",
            &mut |part| {
                bytes += part.len();
                lines += part.iter().filter(|byte| **byte == b'\n').count();
            },
        )?;
        let took = began.elapsed();
        if status != 200 {
            bail!("the export answered {status}");
        }
        let (_, peak) = self.server.memory_mb()?;
        println!(
            "| export of {lines} events as NDJSON | | {:.1} s, {:.0} rows/s, {:.0} MB | | | {peak:.0} MB |",
            took.as_secs_f64(),
            lines as f64 / took.as_secs_f64(),
            bytes as f64 / 1e6,
        );
        Ok(())
    }
}

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

fn token(client: &mut Client) -> Result<String> {
    let body = r#"{"username":"bench","password":"bench","organisation":"BENCH"}"#;
    let path = "/crmcom/crmapi/rest/v2/authentication/token";
    let answer = client.call("POST", path, &[JSON], body.as_bytes())?.json()?;
    answer["data"]["token"].as_str().map(str::to_owned).with_context(|| format!("no token: {answer}"))
}

fn web_call(client: &mut Client, body: &str) -> Result<Duration> {
    let began = Instant::now();
    let answer = client.call(
        "POST",
        "/crmcom/crmapi/rest/v2/customer_events/bulk/web/create",
        &[JSON],
        body.as_bytes(),
    )?;
    let took = began.elapsed();
    let answer = answer.json()?;
    let count = |set: &str| answer["data"][set].as_array().map_or(0, Vec::len);
    let (good, bad) = (count("processed_customer_events_set"), count("unprocessed_customer_events_set"));
    if (good, bad) != (980, 20) {
        bail!("W2 processed {good} and refused {bad}: {}", answer["status"]);
    }
    Ok(took)
}

fn row(name: &str, floor: Duration, ours: Duration, statements: &str, peak: f64) {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!(
        "| {name} | {:.1} ms | {:.1} ms | {ratio:.2} | {statements} | {peak:.0} MB |",
        ms(floor),
        ms(ours)
    );
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
