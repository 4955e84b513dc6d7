//! Files one by one: their length, their names, and words that do not belong in them.

use super::Finding;
use super::tree::{Tree, numbered};

/// From how many lines on a source file is usually two ideas.
const LONG: usize = 600;

/// From how many lines on it certainly is.
const TOO_LONG: usize = 900;

/// The crates that document all they publish.
const DOCUMENTED: &[&str] = &["domain", "store", "engine", "dialect"];

/// Macros of code that is not finished. Written in parts, or this line would be found.
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!(")];

/// Paths and names of one machine, which mean nothing on another. Written in parts likewise.
const OF_ONE_MACHINE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/tmp/ba", "sh_jobs"), concat!("arti", "factory")];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        findings.extend(check_words(path, text));
        if path.ends_with(".rs") {
            findings.extend(check_source(path, text));
        }
    }
    for name in tree.crates() {
        let path = format!("crates/{name}/src/lib.rs");
        findings.extend(tree.get(&path).into_iter().flat_map(|text| check_lib(name, &path, text)));
    }
    findings
}

fn check_source(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.rsplit('/').next() == Some("mod.rs") {
        findings.push(Finding::fault(path, 1, "a module is `name.rs` beside `name/`; move this file there"));
    }
    let lines = text.lines().count();
    if !is_test(path) && lines > LONG {
        let text =
            format!("{lines} lines, and past {LONG} a file is usually two ideas; give one its own file");
        let kind = if lines > TOO_LONG { Finding::fault } else { Finding::advice };
        findings.push(kind(path, LONG + 1, text));
    }
    for (line, code) in numbered(text) {
        let code = code.split("//").next().unwrap_or_default();
        for name in UNFINISHED.iter().filter(|name| is_called(code, name)) {
            findings.push(Finding::fault(
                path,
                line,
                format!("`{name}…)` is left here; finish it or take it out"),
            ));
        }
    }
    findings
}

/// Whether a source file is a test: by its name, or by a folder it lies in.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name == "tests.rs"
        || name.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("/conformance/")
}

/// Whether the macro is called, and not one whose name only ends like it.
fn is_called(code: &str, name: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(in_word))
}

fn check_lib(name: &str, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        let text = "begin with `//!`: what the crate promises, and what it refuses to know";
        findings.push(Finding::fault(path, 1, text));
    }
    let levels = ["warn", "deny"];
    let documented = levels.iter().any(|level| text.contains(&format!("#![{level}(missing_docs")));
    if DOCUMENTED.contains(&name) && !documented {
        let text = "`missing_docs` is not on; add `#![warn(missing_docs)]` after the opening comment";
        findings.push(Finding::fault(path, 1, text));
    }
    findings
}

fn check_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(text) {
        for word in OF_ONE_MACHINE.iter().filter(|word| mentions(text, word)) {
            let text = format!("`{word}` belongs to one machine only; say it without");
            findings.push(Finding::fault(path, line, text));
        }
    }
    findings
}

/// Whether the text mentions a word in any case; a path counts only where it begins, not within another.
fn mentions(text: &str, word: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let in_path = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}' | ')' | '>');
    text.match_indices(word).any(|(at, _)| !word.starts_with('/') || !text[..at].ends_with(in_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let manifest = format!("{}/Cargo.toml", path.split("/src/").next().unwrap());
        check(&Tree::of(&[(path, text), (&manifest, "")])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn long_files_are_advised_against_and_very_long_ones_refused() {
        let path = "crates/engine/src/plan.rs";
        assert_eq!(found(path, &"x\n".repeat(600)), [""; 0]);
        assert!(found(path, &"x\n".repeat(601))[0].contains(":601: note: 601 lines"));
        assert!(found(path, &"x\n".repeat(901))[0].contains(":601: 901 lines"));
        assert_eq!(found("crates/engine/src/plan/tests.rs", &"x\n".repeat(901)), [""; 0]);
    }

    #[test]
    fn modules_are_not_named_mod() {
        assert_eq!(found("crates/engine/src/plan/mod.rs", "").len(), 1);
    }

    #[test]
    fn unfinished_code_is_found_outside_comments() {
        let path = "crates/engine/src/plan.rs";
        for name in UNFINISHED {
            assert_eq!(found(path, &format!("fn x() {{\n    {name})\n}}\n")).len(), 1);
            assert_eq!(found(path, &format!("// {name})\nmy_{name})\n")), [""; 0]);
        }
    }

    #[test]
    fn a_crate_opens_with_what_it_promises() {
        assert_eq!(found("crates/server/src/lib.rs", "//! Wires.\n"), [""; 0]);
        assert_eq!(found("crates/server/src/lib.rs", "mod compose;\n").len(), 1);
        assert_eq!(found("crates/domain/src/lib.rs", "//! Rules.\n").len(), 1);
        assert_eq!(found("crates/domain/src/lib.rs", "//! Rules.\n#![warn(missing_docs)]\n"), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found_where_they_begin() {
        let [folder, jobs, name] = OF_ONE_MACHINE else { panic!("three words") };
        assert_eq!(found("README.md", &format!("a\ncd \"{folder}main\"\n")).len(), 1);
        assert_eq!(found("README.md", &format!("{jobs}.0")).len(), 1);
        assert_eq!(found("README.md", &format!("an {} mirror", name.to_uppercase())).len(), 1);
        assert_eq!(found("README.md", &format!("https://example.com{folder}1 and ..{folder}x")), [""; 0]);
    }
}
