//! Lists agree with folders: entities, dialects and stores, scenarios, and the rooms of every dialect.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{Tree, numbered};

/// What every dialect's folder holds.
const ROOMS: &[&str] = &[
    "README.md",
    "src/wire.rs",
    "src/translate.rs",
    "src/routes.rs",
    "src/caller.rs",
    "src/fault.rs",
    "src/decisions.rs",
];

/// Where the program is put together: its list of dialects and its list of stores.
const COMPOSITION: &str = "crates/server/src/compose.rs";

/// How a dialect's README says which rooms it has not.
const LEFT_OUT: &str = "Rooms left out:";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = check_catalogue(tree);
    findings.extend(check_composition(tree));
    for name in tree.crates().into_iter().filter(|name| name.starts_with("dialect-")) {
        let folder = format!("crates/{name}/");
        findings.extend(check_rooms(tree, &folder));
        findings.extend(check_scenarios(tree, &folder));
    }
    findings
}

/// Every file of the catalogue is in its list, and every line of the list is a file.
///
/// The list may be in any source file of the crate: its lines are told by what they include.
fn check_catalogue(tree: &Tree) -> Vec<Finding> {
    let mut listed = BTreeMap::new();
    let mut list = String::from("crates/domain/src/catalog.rs");
    for (path, text) in tree.below("crates/domain/src/").filter(|(path, _)| path.ends_with(".rs")) {
        for (line, name) in numbered(text).filter_map(|(line, text)| Some((line, listed_entity(text)?))) {
            list = format!("crates/domain/src/{path}");
            listed.insert(name, (list.clone(), line));
        }
    }
    let files: Vec<&str> =
        tree.below("crates/domain/catalog/").filter_map(|(path, _)| path.strip_suffix(".toml")).collect();
    let mut findings = Vec::new();
    for name in files.iter().filter(|name| !listed.contains_key(*name)) {
        let text = format!("no list names this entity; add its line to {list}");
        findings.push(Finding::fault(&format!("crates/domain/catalog/{name}.toml"), 1, text));
    }
    for (name, (path, line)) in listed.iter().filter(|(name, _)| !files.contains(name)) {
        let text =
            format!("`{name}` has no file; write crates/domain/catalog/{name}.toml or remove the line");
        findings.push(Finding::fault(path, *line, text));
    }
    findings
}

/// Returns the entity that a line like `("customer", include_str!("../catalog/customer.toml"))` names.
fn listed_entity(line: &str) -> Option<&str> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    let (_, rest) = line.split_once("catalog/")?;
    let (name, _) = rest.split_once(".toml\"")?;
    Some(name)
}

/// Every dialect and every store is named where the program is put together, outside comments.
///
/// A line that names one without a folder does not compile.
fn check_composition(tree: &Tree) -> Vec<Finding> {
    let list = tree.get(COMPOSITION).unwrap_or_default();
    let is_named = |name: &str| {
        let path = format!("{}::", name.replace('-', "_"));
        let code = list.lines().map(|line| line.split("//").next().unwrap_or_default());
        code.flat_map(|code| code.match_indices(&path).map(move |(at, _)| &code[..at]))
            .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let crates = tree.crates().into_iter();
    crates
        .filter(|name| name.starts_with("dialect-") || name.starts_with("store-"))
        .filter(|name| !is_named(name))
        .map(|name| {
            let text = format!("the program does not use `{name}`; add its line to {COMPOSITION}");
            Finding::fault(&format!("crates/{name}/Cargo.toml"), 1, text)
        })
        .collect()
}

/// Every room is there, or the README says that it is not; never both.
fn check_rooms(tree: &Tree, folder: &str) -> Vec<Finding> {
    let readme = format!("{folder}README.md");
    let (line, left_out) = rooms_left_out(tree.get(&readme).unwrap_or_default());
    let mut findings = Vec::new();
    for room in ROOMS {
        let path = format!("{folder}{room}");
        let name = room_name(room);
        match (tree.get(&path).is_some(), left_out.contains(&name)) {
            (false, false) => {
                let text = format!("this room is missing; write it, or `{LEFT_OUT} {name}` in the README");
                findings.push(Finding::fault(&path, 1, text));
            }
            (true, true) => {
                let text = format!("{room} is said to be left out and exists; take it off this line");
                findings.push(Finding::fault(&readme, line, text));
            }
            _ => {}
        }
    }
    findings
}

/// Returns the line of a README that says so, and the names of the rooms left out.
fn rooms_left_out(readme: &str) -> (usize, Vec<&str>) {
    let said = numbered(readme).find_map(|(line, text)| Some((line, text.split_once(LEFT_OUT)?.1)));
    let (line, list) = said.unwrap_or_default();
    let names = list.split(',').map(|name| room_name(name.trim().trim_end_matches('.').trim_matches('`')));
    (line, names.collect())
}

/// Returns `wire` for `src/wire.rs`.
fn room_name(path: &str) -> &str {
    path.trim_start_matches("src/").trim_end_matches(".rs")
}

/// Every scenario holds something and begins with its case's number, so that a list is in order.
///
/// A folder beside the scenarios may hold what several of them share.
fn check_scenarios(tree: &Tree, folder: &str) -> Vec<Finding> {
    let folder = format!("{folder}scenarios/");
    let mut cases: BTreeMap<&str, &str> = BTreeMap::new();
    let mut width = None;
    let mut findings = Vec::new();
    for (name, text) in tree.below(&folder).filter(|(name, _)| !name.contains('/') && *name != "README.md") {
        let mut find = |text: String| findings.push(Finding::fault(&format!("{folder}{name}"), 1, text));
        if text.trim().is_empty() {
            find("this scenario is empty; write it or remove it".to_owned());
        }
        let Some((case, digits)) = case(name) else {
            find(
                "name it like `07-wrong-password.…`: the case's number in the reference, then words"
                    .to_owned(),
            );
            continue;
        };
        if *width.get_or_insert(digits) != digits {
            find(
                "its number has more or fewer digits than the first one's; add zeros so that names sort"
                    .to_owned(),
            );
        }
        if let Some(other) = cases.insert(case, name) {
            find(format!("case {case} is `{other}` already; merge the two, or mark this one `{case}b`"));
        }
    }
    findings
}

/// Returns the case in a scenario's name (`07`, `c12b`) and how many digits it has.
fn case(name: &str) -> Option<(&str, usize)> {
    let end = name.find(['-', '_'])?;
    let (case, words) = (&name[..end], &name[end + 1..]);
    let number = case.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(case);
    let number = number.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(number);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && words.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((case, number.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    /// A dialect with all its rooms, that README, and further files.
    fn dialect(readme: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut all: BTreeMap<String, &str> = BTreeMap::new();
        for path in ROOMS.iter().chain(&["Cargo.toml"]) {
            all.insert(format!("crates/dialect-weavy/{path}"), "x");
        }
        all.insert("crates/dialect-weavy/README.md".into(), readme);
        all.insert(COMPOSITION.into(), "Box::new(dialect_weavy::Weavy)");
        for (path, text) in files {
            all.insert(format!("crates/dialect-weavy/{path}"), text);
        }
        all.retain(|_, text| *text != "absent");
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        found(&all)
    }

    const LIST: &str =
        "// \"catalog/old.toml\"\n    (\"customer\", include_str!(\"../catalog/customer.toml\")),\n";

    #[test]
    fn a_catalogue_that_agrees_is_fine() {
        let files =
            [("crates/domain/catalog/customer.toml", "x"), ("crates/domain/src/catalog/built_in.rs", LIST)];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn an_entity_without_line_and_a_line_without_entity_are_found() {
        let files = [("crates/domain/catalog/event.toml", "x"), ("crates/domain/src/catalog.rs", LIST)];
        assert_eq!(
            found(&files),
            [
                "crates/domain/catalog/event.toml:1: no list names this entity; add its line to \
                 crates/domain/src/catalog.rs",
                "crates/domain/src/catalog.rs:2: `customer` has no file; write \
                 crates/domain/catalog/customer.toml or remove the line",
            ]
        );
    }

    #[test]
    fn dialects_and_stores_are_named_in_the_composition() {
        let crates = [("crates/dialect-weavy/Cargo.toml", "x"), ("crates/store-sqlite/Cargo.toml", "x")];
        let missing = |list: &str| {
            let named = |finding: &String| finding.contains("the program does not use");
            found(&[crates[0], crates[1], (COMPOSITION, list)]).into_iter().filter(named).collect::<Vec<_>>()
        };
        assert_eq!(missing("dialect_weavy::Weavy, store_sqlite::open(x)"), [""; 0]);
        assert_eq!(
            missing("// dialect_weavy::Weavy\nmy_store_sqlite::open, store_sqlite::open"),
            ["crates/dialect-weavy/Cargo.toml:1: the program does not use `dialect-weavy`; add its line to \
                 crates/server/src/compose.rs"]
        );
        assert_eq!(missing("store_sqlite_x::open, dialect_weavy::Weavy").len(), 1);
    }

    #[test]
    fn a_room_is_there_or_left_out_in_words() {
        let without = [("src/caller.rs", "absent"), ("src/routes.rs", "absent")];
        assert_eq!(dialect("", &[]), [""; 0]);
        assert_eq!(dialect("It sends.\nRooms left out: `routes`, caller.\n", &without), [""; 0]);
        let found = dialect("Rooms left out: caller, fault", &without);
        assert_eq!(
            found,
            [
                "crates/dialect-weavy/src/routes.rs:1: this room is missing; write it, or `Rooms left out: routes` \
                 in the README",
                "crates/dialect-weavy/README.md:1: src/fault.rs is said to be left out and exists; take it off \
                 this line",
            ]
        );
    }

    #[test]
    fn scenarios_are_numbered_alike() {
        let fine = [("scenarios/01-a.http", "x"), ("scenarios/12b_c.http", "x"), ("scenarios/shared/x", "")];
        assert_eq!(dialect("", &fine), [""; 0]);
        assert_eq!(dialect("", &[("scenarios/C01-a.toml", "x"), ("scenarios/README.md", "")]), [""; 0]);
    }

    #[test]
    fn scenarios_that_cannot_be_put_in_order_are_found() {
        let one =
            |name: &str, text: &str| dialect("", &[("scenarios/10-a.http", "x"), (name, text)]).join("\n");
        assert!(one("scenarios/11-b.http", " \n").contains("is empty"));
        assert!(one("scenarios/login.http", "x").contains("name it like"));
        assert!(one("scenarios/7-b.http", "x").contains("digits"));
        assert!(one("scenarios/10-b.http", "x").contains("case 10 is `10-a.http` already"));
    }
}
