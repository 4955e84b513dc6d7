//! The name somebody probably meant.

/// The candidate nearest to a name, for hints; `None` when all are far from it.
///
/// Near means at most a third of the letters changed, added, lost or swapped, whatever their case.
pub fn near<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let most = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().take(64).flat_map(char::to_lowercase).collect();
        if letters.len().abs_diff(wanted.len()) > most {
            continue;
        }
        let distance = distance(&wanted, &letters);
        // Something of both must remain.
        let kept = distance < wanted.len().max(letters.len());
        if kept && distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Number of letters changed, added, lost or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn a_slip_finds_its_name() {
        let names = ["code", "name", "number", "customer", "support_rep"];
        assert_eq!(near("custmoer", names), Some("customer"));
        assert_eq!(near("Nmae", names), Some("name"));
        assert_eq!(near("supportrep", names), Some("support_rep"));
    }

    #[test]
    fn what_is_far_finds_nothing() {
        assert_eq!(near("zzz", ["code", "name"]), None);
        assert_eq!(near("", ["a", "code"]), None);
        assert_eq!(near("x", ["y"]), None);
    }
}
