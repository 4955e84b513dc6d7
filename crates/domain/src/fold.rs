//! The folded form of text, in which case and accents do not count.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Folds text for searching: decomposed, marks removed, lower case.
///
/// Both databases compare this form, so that neither's own idea of case matters.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Lower case with accents kept: for comparisons that ignore case alone.
pub fn lower(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        assert_eq!(fold("Éléonore MÜLLER"), "eleonore muller");
        assert_eq!(fold("STRAßE"), "straße");
        assert_eq!(lower("ÉTÉ"), "été");
    }
}
