//! Both databases have the same migrations, each headed by why it exists and what it locks.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

const FOLDERS: [&str; 2] = ["crates/store-sqlite/migrations/", "crates/store-postgres/migrations/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = FOLDERS.iter().flat_map(|folder| check_folder(tree, folder)).collect();
    let [one, other] = FOLDERS;
    if tree.below(one).next().is_some() && tree.below(other).next().is_some() {
        findings.extend(missing(tree, one, other));
        findings.extend(missing(tree, other, one));
    }
    findings
}

/// Each migration is `<number>_<name>.sql`, has a number of its own, and begins with a comment.
///
/// A folder within is a sequence of its own: control files and project files are numbered apart.
fn check_folder(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mut numbers = BTreeMap::new();
    let mut findings = Vec::new();
    for (path, text) in tree.below(folder) {
        let mut find = |text: String| findings.push(Finding::fault(&format!("{folder}{path}"), 1, text));
        let (sequence, name) = path.rsplit_once('/').unwrap_or(("", path));
        match number(name) {
            None => find(
                "name it like `0007_scripts_and_jobs.sql`: a number, then what it makes in small letters"
                    .to_owned(),
            ),
            Some(number) => {
                if let Some(other) = numbers.insert((sequence, number), name) {
                    find(format!("its number is `{other}`'s already; take the next free one"));
                }
            }
        }
        if !text.starts_with("--") {
            find("begin with a comment `-- …`: why it exists and what it locks".to_owned());
        }
    }
    findings
}

/// Returns the number of `0007_scripts_and_jobs.sql`: digits, then words in `snake_case`.
fn number(name: &str) -> Option<u32> {
    let (number, words) = name.strip_suffix(".sql")?.split_once('_')?;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && words.split('_').all(is_word)).then(|| number.parse().ok())?
}

/// Finds the migrations of one folder that the other has not.
fn missing(tree: &Tree, folder: &str, other: &str) -> Vec<Finding> {
    tree.below(folder)
        .filter(|(name, _)| tree.get(&format!("{other}{name}")).is_none())
        .map(|(name, _)| {
            let text = format!("{other}{name} does not exist; write it, with the same number and name");
            Finding::fault(&format!("{folder}{name}"), 1, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(|finding| finding.text.clone()).collect()
    }

    const FIRST: (&str, &str) = ("crates/store-sqlite/migrations/0001_journal.sql", "-- Why.\n");

    #[test]
    fn one_database_alone_is_fine() {
        assert_eq!(found(&[FIRST]), [""; 0]);
    }

    #[test]
    fn both_have_the_same_migrations() {
        let same = ("crates/store-postgres/migrations/0001_journal.sql", "-- Why.\n");
        let more = ("crates/store-postgres/migrations/0002_ledger.sql", "-- Why.\n");
        assert_eq!(found(&[FIRST, same]), [""; 0]);
        assert_eq!(
            found(&[FIRST, same, more]),
            [
                "crates/store-sqlite/migrations/0002_ledger.sql does not exist; write it, with the same number and \
                 name"
            ]
        );
        assert_eq!(found(&[FIRST, more]).len(), 2);
    }

    #[test]
    fn names_are_a_number_and_words_in_small_letters() {
        let numbers = ["0001_projects.sql", "0012_journal_and_ledger.sql", "3_utf8.sql"].map(number);
        assert_eq!(numbers, [Some(1), Some(12), Some(3)]);
        let none =
            ["projects.sql", "0001-projects.sql", "0001_.sql", "0001_a__b.sql", "0001_Ab.sql", "+1_a.sql"];
        assert_eq!(none.map(number), [None; 6]);
    }

    #[test]
    fn folders_within_are_numbered_apart() {
        let folder = "crates/store-sqlite/migrations";
        let (control, project) =
            (format!("{folder}/control/0001_projects.sql"), format!("{folder}/project/0001_journal.sql"));
        let again = format!("{folder}/project/01_ledger.sql");
        assert_eq!(found(&[(&control, "-- Why.\n"), (&project, "-- Why.\n")]), [""; 0]);
        assert_eq!(found(&[(&again, "-- Why.\n"), (&project, "-- Why.\n")]).len(), 1);
    }

    #[test]
    fn a_migration_says_its_number_and_why_it_exists() {
        let twice = ("crates/store-sqlite/migrations/001_other.sql", "-- Why.\n");
        assert!(found(&[FIRST, twice])[0].contains("number is `0001_journal.sql`'s already"));
        assert!(
            found(&[("crates/store-sqlite/migrations/journal.sql", "-- Why.\n")])[0].contains("name it like")
        );
        assert!(
            found(&[("crates/store-sqlite/migrations/0001_a.sql", "create")])[0]
                .contains("begin with a comment")
        );
    }
}
