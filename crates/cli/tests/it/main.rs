//! The whole program: real processes, sockets and signals.

mod callers;
mod chinook;
mod commands;
mod hostile;
mod kill;
mod lifecycle;
mod memory;
mod program;
mod wire;

use program::Folder;

const ACME: &str = r#"
[project]
code = "ACME"
time_zone = "Europe/Paris"
[[api_key]]
name = "erp"
key = "erp-key"
role = "integrator"
[[records]]
entity = "customer"
rows = [{ code = "C0001", number = "ACR0000000020", name = "Quai Sud", city = "Brest" }]
"#;

fn acme() -> Folder {
    Folder::of_project(ACME)
}
