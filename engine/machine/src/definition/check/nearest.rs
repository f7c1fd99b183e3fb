//! Did you mean …?

/// The known word nearest to `word`, where one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 128 {
        return None;
    }
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(far, candidate)| match length.min(candidate.len()) {
            0..3 => *far == 0 || (*far == 1 && same_letters(word, candidate)),
            shorter => *far <= 1 + shorter / 4,
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Advice for an unknown word; none where nothing is near.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// Are they the same letters in another order? Short words are near to everything otherwise.
fn same_letters(left: &str, right: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(left) == sorted(right)
}

/// Edits between the two, where swapping two neighbors is one edit and case counts nothing.
fn distance(left: &str, right: &str) -> usize {
    let lower = |text: &str| -> Vec<char> { text.to_lowercase().chars().take(128).collect() };
    let (left, right) = (lower(left), lower(right));
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in right.iter().enumerate() {
            let mut best = at(&last, j) + usize::from(from != to);
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped =
                i > 0 && j > 0 && left.get(i - 1) == Some(to) && right.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    at(&last, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        assert_eq!(nearest("aproved", ["approved", "rejected"]), Some("approved"));
        assert_eq!(nearest("transitons", ["transitions", "title"]), Some("transitions"));
        assert_eq!(nearest("ot", ["on", "to"]), Some("to"));
        assert_eq!(nearest("WHEN", ["when"]), Some("when"));
        assert_eq!(nearest("b", ["a", "c"]), None);
        assert_eq!(nearest("finalize", ["approved", "rejected"]), None);
    }
}
