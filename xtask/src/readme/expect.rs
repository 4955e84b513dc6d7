//! Whether a command printed what the README says.

/// Stands for any lines when alone in a line, and for any text within one.
const ANYTHING: char = '…';

/// Returns how `actual` differs from what is expected, or `None` when it does not.
///
/// White space at the end of a line does not count, nor do blank lines at the end.
pub(crate) fn difference(expected: &str, actual: &str) -> Option<String> {
    let wanted: Vec<&str> = expected.trim_end().lines().map(str::trim_end).collect();
    let seen: Vec<&str> = actual.trim_end().lines().map(str::trim_end).collect();
    let reached = unmatched(&wanted, &seen)?;
    let what = wanted.get(reached).map_or_else(
        || String::from("more was printed than expected"),
        |line| format!("`{}` was expected and not printed there", line.trim()),
    );
    Some(format!(
        "the output differs: {what}; mend the program, or what the README promises\nexpected:\n{}\nprinted:\n{}",
        wanted.join("\n"),
        seen.join("\n")
    ))
}

/// Returns the furthest expected line that could not be matched, or `None` when all lines match.
fn unmatched(wanted: &[&str], seen: &[&str]) -> Option<usize> {
    let (mut want, mut see, mut furthest) = (0, 0, 0);
    let mut skip: Option<(usize, usize)> = None; // the last `…` line, and where what follows it was tried
    while see < seen.len() {
        furthest = furthest.max(want);
        if wanted.get(want).is_some_and(|line| is_any_lines(line)) {
            skip = Some((want, see));
            want += 1;
        } else if wanted.get(want).is_some_and(|line| line_matches(line, seen[see])) {
            want += 1;
            see += 1;
        } else if let Some((at, tried)) = skip {
            skip = Some((at, tried + 1));
            want = at + 1;
            see = tried + 1;
        } else {
            return Some(furthest);
        }
    }
    let left = wanted[want..].iter().position(|line| !is_any_lines(line))?;
    Some(furthest.max(want + left))
}

fn is_any_lines(line: &str) -> bool {
    line.trim() == ANYTHING.to_string()
}

fn line_matches(wanted: &str, seen: &str) -> bool {
    let mut pieces = wanted.split(ANYTHING);
    let first = pieces.next().unwrap_or_default();
    let Some(last) = pieces.next_back() else {
        return wanted == seen;
    };
    let Some(mut rest) = seen.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(expected: &str, actual: &str) -> bool {
        difference(expected, actual).is_none()
    }

    #[test]
    fn equal_texts_are_equal_but_for_white_space_at_ends() {
        assert!(same("a\nb\n", "a\r\nb"));
        assert!(same("", ""));
        assert!(!same("a", "a\nb"));
        assert!(!same("a\nb", "a"));
        assert!(!same("a", "  a"));
    }

    #[test]
    fn a_lone_ellipsis_is_any_number_of_lines() {
        assert!(same("a\n…\nz", "a\nz"));
        assert!(same("a\n…\nz", "a\nb\nz\nc\nz"));
        assert!(same("…", ""));
        assert!(same("…\nb\n…", "a\nb"));
        assert!(!same("a\n…\nz", "a\nb"));
    }

    #[test]
    fn an_ellipsis_in_a_line_is_any_text() {
        assert!(same(r#"{"token":"…","expires":…}"#, r#"{"token":"abc","expires":43200}"#));
        assert!(same("took … ms, … rows", "took 3 ms, 10 rows"));
        assert!(!same("took … ms", "took 3 s"));
        assert!(!same("ab…ba", "aba"));
    }

    #[test]
    fn the_difference_names_the_line_that_is_missing() {
        let text = difference("a\n…\nrefused: 1\n", "a\nb\nrefused: 2\n").unwrap();
        assert!(text.starts_with("the output differs: `refused: 1` was expected"), "{text}");
        assert!(difference("a", "a\nb").unwrap().contains("more was printed"));
    }
}
