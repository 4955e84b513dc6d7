//! Which of several names somebody may have meant.

/// Number of characters to add, drop or replace to get from one text to the other, looking at the
/// first hundred of each.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut costs: Vec<usize> = (0..=b.len()).collect();
    for (n, left) in a.chars().take(100).enumerate() {
        let mut diagonal = costs[0];
        costs[0] = n + 1;
        for (m, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = costs[m + 1];
            costs[m + 1] = replaced.min(costs[m] + 1).min(diagonal + 1);
        }
    }
    costs[b.len()]
}

/// The candidate nearest to `text`, if it is at most two characters away and not another word
/// altogether; of equally near ones the first by code point.
pub fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|near| (distance(text, near), near))
        .filter(|(distance, near)| *distance <= 2 && *distance < near.chars().count())
        .min()
        .map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_slip_is_forgiven_and_a_large_one_is_not() {
        let names = ["customer", "contact", "at"];
        assert_eq!(nearest("custmer", names), Some("customer"));
        assert_eq!(nearest("contcat", names), Some("contact"));
        assert_eq!(nearest("place", names), None);
        assert_eq!(nearest("xy", names), None);
    }
}
