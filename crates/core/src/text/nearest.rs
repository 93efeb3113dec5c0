//! What was probably meant by a word that is not known.

/// The known word nearest to an unknown one, when it is near enough to be meant. Case, `-` and `_` make no difference.
pub fn nearest<'c>(known: impl IntoIterator<Item = &'c str>, word: &str) -> Option<&'c str> {
    let normal = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let word = normal(word);
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&normal(candidate), &word), candidate))
        .filter(|(score, _)| *score > 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
