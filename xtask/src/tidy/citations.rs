//! Sections that comments cite exist.
//!
//! `Source: crmcom §6.4, §6.5 and weavy §2.` cites three sections of two pages: `docs/reference/crmcom.md`
//! must have headings numbered 6.4 and 6.5, and `docs/reference/weavy.md` one numbered 2. Elsewhere in
//! `crates/` a page's name before a `§` is a citation as well.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{Tree, numbered};

/// The pages that may be cited, each `docs/reference/<page>.md`.
const PAGES: &[&str] = &["native", "crmcom", "weavy", "webhooks", "shopranos", "jerasoft", "hooks"];

/// Pages that lie outside the repository: whoever reads the code could not follow the citation.
const ELSEWHERE: &[&str] = &["design", "style"];

/// What begins the part of a comment that names where its facts come from.
const SOURCE: &str = "Source:";

/// The section numbers of each page that exists.
type Sections<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// One `§` in a text: the word before it, if that can be a page, and the number after it.
#[derive(Debug, PartialEq)]
struct Citation<'a> {
    page: Option<&'a str>,
    section: &'a str,
}

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let sections: Sections = PAGES
        .iter()
        .filter_map(|page| Some((*page, headings(tree.get(&format!("docs/reference/{page}.md"))?))))
        .collect();
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.starts_with("crates/")) {
        findings.extend(check_text(path, text, &sections));
    }
    findings
}

fn check_text(path: &str, text: &str, sections: &Sections) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_source = false;
    let mut page = None;
    for (line, text) in numbered(text) {
        let comment = comment(text);
        let begins = comment.is_some_and(|comment| comment.starts_with(SOURCE));
        in_source = begins || (in_source && comment.is_some_and(|comment| !comment.is_empty()));
        if begins || !in_source {
            page = None;
        }
        for citation in citations(text) {
            page = citation.page.or(page);
            let problem = match page {
                Some(page) => problem(page, citation.section, sections, in_source),
                None if in_source => {
                    Some(format!("§{} of which page? write its name before", citation.section))
                }
                None => None,
            };
            findings.extend(problem.map(|text| Finding::fault(path, line, text)));
        }
    }
    findings
}

/// Returns what is wrong with a citation; a page we do not know counts only after `Source:`.
fn problem(page: &str, section: &str, sections: &Sections, in_source: bool) -> Option<String> {
    if !PAGES.contains(&page) {
        let wrong = in_source || ELSEWHERE.contains(&page);
        return wrong.then(|| format!("`{page}` is no page to cite; cite one of {}", PAGES.join(", ")));
    }
    match sections.get(page) {
        None => {
            Some(format!("{page} §{section} is cited and docs/reference/{page}.md does not exist; add it"))
        }
        Some(numbers) if numbers.contains(&section) => None,
        Some(_) => Some(format!("docs/reference/{page}.md has no section {section}; cite one it has")),
    }
}

/// Returns what a line of a comment says, without its marks.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim();
    let marks = ["///", "//!", "//", "#", "--"];
    marks.iter().find_map(|mark| line.strip_prefix(mark)).map(str::trim)
}

/// Returns the citations in a line, in order. What a standard says (`RFC 9110 §15.5`) is none.
fn citations(line: &str) -> Vec<Citation<'_>> {
    let mut found = Vec::new();
    let mut end_of_last = 0;
    for (at, mark) in line.match_indices('§') {
        let before = &line[end_of_last..at];
        let after = &line[at + mark.len()..];
        let length = after.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(after.len());
        let section = after[..length].trim_end_matches('.');
        end_of_last = at + mark.len() + length;
        if !section.is_empty() && !before.contains("RFC ") {
            found.push(Citation { page: page_before(before), section });
        }
    }
    found
}

/// Returns the last word of what stands before a `§`, unless it only joins two numbers of one page.
fn page_before(text: &str) -> Option<&str> {
    if text.trim_end().ends_with([',', ';', '–', '-', '/']) {
        return None;
    }
    let word = text.split_whitespace().next_back()?.trim_matches(|c: char| !c.is_alphanumeric());
    (!word.is_empty() && !matches!(word, "and" | "or" | "to" | "Source" | "see" | "in")).then_some(word)
}

/// Returns the numbers of a page's headings: `6.4` of `### 6.4 Rows`, `A` of `## Appendix A. Columns`.
fn headings(page: &str) -> Vec<&str> {
    let mut in_fence = false;
    let mut numbers = Vec::new();
    for line in page.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        if in_fence || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim_start();
        let title = title.trim_start_matches("Appendix ").trim_start_matches('§');
        let first = title.split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ':', ')']);
        numbers.extend(is_section_number(first).then_some(first));
    }
    numbers
}

fn is_section_number(word: &str) -> bool {
    word.split('.').all(|part| {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_uppercase());
        !part.is_empty() && part.len() - digits.len() <= 1 && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRMCOM: &str =
        "# CRM.COM\n## 6. Bulk\n```sh\n# 7 no heading\n```\n### 6.4 Web\n## Appendix A. Columns\n";

    fn found(text: &str) -> Vec<String> {
        let tree =
            Tree::of(&[("docs/reference/crmcom.md", CRMCOM), ("crates/dialect-crmcom/src/x.rs", text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn headings_have_numbers() {
        assert_eq!(headings(CRMCOM), ["6", "6.4", "A"]);
    }

    #[test]
    fn sections_that_exist_are_fine() {
        assert_eq!(found("/// Source: crmcom §6.4.\n"), [""; 0]);
        assert_eq!(
            found("    /// Source: crmcom §6.4, P-19 and P-20, §6\n    /// and §A; RFC 9110 §15.5.\n"),
            [""; 0]
        );
        assert_eq!(found("table(\"crmcom §6\");\n"), [""; 0]);
        assert_eq!(found("/// Source: the server's own tests.\n"), [""; 0]);
    }

    #[test]
    fn every_page_is_checked_like_the_others() {
        let cite = |text: &str| {
            let page = ("docs/reference/native.md", "# Our own\n## 4. Batches\n### 4.2 The answer\n");
            check(&Tree::of(&[page, ("crates/engine/src/x.rs", text)])).len()
        };
        assert_eq!(cite("/// Source: native §4.2.\n"), 0);
        assert_eq!(cite("/// Source: native §4.5.\n"), 1);
    }

    #[test]
    fn a_section_that_does_not_exist_is_found() {
        assert_eq!(
            found("//! x\n//! Source: crmcom §6.5.\n"),
            [
                "crates/dialect-crmcom/src/x.rs:2: docs/reference/crmcom.md has no section 6.5; cite one it has"
            ]
        );
        assert_eq!(found("/// Source: crmcom §6.4 and\n/// §9.\n").len(), 1);
        assert_eq!(found("let reference = \"crmcom §8\";\n").len(), 1);
        assert_eq!(found("/// Source: crmcom §6.4.\n///\n/// Unlike §9 of it.\n"), [""; 0]);
    }

    #[test]
    fn a_page_that_is_not_there_is_found() {
        assert!(found("/// Source: weavy §1.\n")[0].contains("docs/reference/weavy.md does not exist"));
        assert!(found("/// Source: crm §1.\n")[0].contains("`crm` is no page"));
        assert!(found("/// Source: §1.\n")[0].contains("of which page"));
    }

    #[test]
    fn pages_outside_the_repository_are_not_cited() {
        assert!(found("// See design §4.\n")[0].contains("`design` is no page"));
    }
}
