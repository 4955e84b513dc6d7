//! Crates use only what [`MAY_USE`] allows, and manifests say what ours all say.

use toml::{Table, Value};

use super::tree::{Tree, numbered};
use super::{Finding, MAY_USE};

/// A use of one of our crates in a manifest.
#[derive(Debug)]
struct Use {
    package: String,
    line: usize,
    in_tests: bool,
}

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let shared = tree.get("Cargo.toml").and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
    let mut findings = Vec::new();
    for name in tree.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let text = tree.get(&path).unwrap_or_default();
        match text.parse::<Table>() {
            Ok(manifest) => findings.extend(check_crate(tree, name, &path, text, &manifest, &shared)),
            Err(error) => findings.push(Finding::fault(&path, 1, format!("not TOML: {}", error.message()))),
        }
    }
    findings.extend(check_lints(tree));
    findings
}

fn check_crate(
    tree: &Tree,
    name: &str,
    path: &str,
    text: &str,
    manifest: &Table,
    shared: &Table,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if at(manifest, &["package", "name"]).and_then(Value::as_str) != Some(name) {
        let text = format!("the package is not named like its folder; name it `{name}`");
        findings.push(Finding::fault(path, 1, text));
    }
    let Some(row) = row(name) else {
        let text =
            format!("`{name}` is not in the table of crates; add its line to MAY_USE in xtask/src/tidy.rs");
        findings.push(Finding::fault(path, 1, text));
        return findings;
    };
    let ours = tree.crates();
    for used in uses(manifest, shared, text) {
        if ours.contains(used.package.as_str()) && used.package != name {
            findings.extend(refusal(name, row, &used).map(|text| Finding::fault(path, used.line, text)));
        }
    }
    findings
}

/// Returns why the crate of a row may not use another, if so.
fn refusal(name: &str, row: usize, used: &Use) -> Option<String> {
    let package = &used.package;
    let (_, allowed) = MAY_USE[row];
    if used.in_tests {
        let above = self::row(package).is_some_and(|other| other < row);
        return (!above).then(|| {
            format!("the tests of `{name}` may use only what stands above it in MAY_USE, not `{package}`")
        });
    }
    if allowed.iter().any(|pattern| fits(pattern, package)) {
        return None;
    }
    let allowed = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
    Some(format!(
        "`{name}` may not use `{package}` (only {allowed}); move what needs it to where it may be used"
    ))
}

/// Returns the index of the crate's row in [`MAY_USE`]; its own name counts before a pattern.
fn row(name: &str) -> Option<usize> {
    let exact = MAY_USE.iter().position(|(pattern, _)| *pattern == name);
    exact.or_else(|| MAY_USE.iter().position(|(pattern, _)| fits(pattern, name)))
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Returns all dependencies of a manifest, also those for one platform only, by package name.
fn uses(manifest: &Table, shared: &Table, text: &str) -> Vec<Use> {
    let mut tables = vec![manifest];
    if let Some(targets) = at(manifest, &["target"]).and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut uses = Vec::new();
    for table in tables {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
            for (key, value) in entries {
                uses.push(Use {
                    package: package(key, value, shared),
                    line: line_of(text, section, key),
                    in_tests: section == "dev-dependencies",
                });
            }
        }
    }
    uses
}

/// Returns the package that a dependency's key stands for, which may be named elsewhere.
fn package(key: &str, value: &Value, shared: &Table) -> String {
    let here = value.get("package");
    let there = at(shared, &["workspace", "dependencies", key, "package"]);
    here.or(there).and_then(Value::as_str).unwrap_or(key).to_owned()
}

/// Returns the line on which a section of the manifest names a key, or 1.
fn line_of(text: &str, section: &str, key: &str) -> usize {
    let mut inside = false;
    for (number, line) in numbered(text) {
        if let Some(header) = line.trim().strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == section || header.ends_with(&format!(".{section}"));
            if header.ends_with(&format!("{section}.{key}")) {
                return number;
            }
        } else if inside && line.split(['.', '=', ' ']).next() == Some(key) {
            return number;
        }
    }
    1
}

/// Every manifest of a crate inherits the workspace's lints, unless it is a workspace of its own.
fn check_lints(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        let manifest: Table = text.parse().unwrap_or_default();
        let inherits = at(&manifest, &["lints", "workspace"]) == Some(&Value::Boolean(true));
        let is_member = manifest.contains_key("package") && !manifest.contains_key("workspace");
        if is_member && !inherits {
            let text = "the workspace's lints are not inherited; add `[lints]` with `workspace = true`";
            findings.push(Finding::fault(path, 1, text));
        }
    }
    findings
}

/// Returns the value at a path of keys.
fn at<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one crate beside all crates of the table, and prints what is found.
    fn check(name: &str, dependencies: &str) -> Vec<String> {
        let manifest = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}")
        };
        let mut files: Vec<(String, String)> =
            ["domain", "store", "store-sqlite", "store-postgres", "engine", "cli"]
                .iter()
                .chain(&["dialect", "dialect-weavy", "dialect-crmcom", "server"])
                .map(|name| (format!("crates/{name}/Cargo.toml"), manifest(name, "")))
                .collect();
        files.retain(|(path, _)| *path != format!("crates/{name}/Cargo.toml"));
        files.push((format!("crates/{name}/Cargo.toml"), manifest(name, dependencies)));
        files.push(("Cargo.toml".into(), "[workspace.dependencies]\ndb = { package = \"store\" }\n".into()));
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        super::check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_table_allows_is_fine() {
        assert_eq!(check("engine", "[dependencies]\nstore.workspace = true\nserde = \"1\"\n"), [""; 0]);
        assert_eq!(check("server", "[dependencies]\nstore-sqlite = {}\ndialect-weavy = {}\n"), [""; 0]);
    }

    #[test]
    fn what_the_table_does_not_allow_is_found_with_its_line() {
        assert_eq!(
            check("dialect-weavy", "[dependencies]\ndomain.workspace = true\nstore = {}\n"),
            [
                "crates/dialect-weavy/Cargo.toml:7: `dialect-weavy` may not use `store` (only dialect, engine, \
                 domain); move what needs it to where it may be used"
            ]
        );
        assert_eq!(check("domain", "[build-dependencies]\nstore = {}\n").len(), 1);
        assert_eq!(check("store-sqlite", "[dependencies.store-postgres]\npath = \"x\"\n").len(), 1);
        assert_eq!(check("cli", "[target.'cfg(unix)'.dependencies]\ndomain = {}\n").len(), 1);
        assert_eq!(check("dialect-weavy", "[dependencies]\ndialect-crmcom = {}\n").len(), 1);
    }

    #[test]
    fn another_name_hides_nothing() {
        assert_eq!(check("cli", "[dependencies]\ndb.workspace = true\n").len(), 1);
        assert_eq!(check("cli", "[dependencies]\nx = { package = \"domain\" }\n").len(), 1);
    }

    #[test]
    fn tests_may_use_what_stands_above() {
        assert_eq!(check("engine", "[dev-dependencies]\nstore-sqlite = {}\n"), [""; 0]);
        assert_eq!(check("dialect-weavy", "[dev-dependencies]\nstore-sqlite = {}\n"), [""; 0]);
        assert_eq!(check("store", "[dev-dependencies]\nstore-sqlite = {}\n").len(), 1);
        assert_eq!(check("dialect-weavy", "[dev-dependencies]\ndialect-crmcom = {}\n").len(), 1);
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        assert!(check("helpers", "")[0].contains("not in the table"));
    }

    #[test]
    fn a_manifest_says_its_folder_and_the_lints() {
        let tree = Tree::of(&[("crates/domain/Cargo.toml", "[package]\nname = \"core\"\n")]);
        let findings = super::check(&tree);
        assert!(findings[0].text.contains("name it `domain`"));
        assert!(findings[1].text.contains("lints"));
    }
}
