//! Differences between what is expected and what is the case, as people read them.

use serde::Serialize;

use crate::cli::output::{Look, clean};

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// `state`, `vars.reviewer`, `effects`, ….
    pub(super) what: String,
    /// What was expected; several lines for lists.
    pub(super) expected: Vec<String>,
    /// What is the case.
    pub(super) found: Vec<String>,
}

/// A line of one side, of the other, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side<'a> {
    Both(&'a str),
    Expected(&'a str),
    Found(&'a str),
}

impl Difference {
    /// A difference of two texts.
    pub(super) fn of(what: &str, expected: &str, found: &str) -> Self {
        let one = |text: &str| vec![text.to_owned()];
        Self { what: what.to_owned(), expected: one(expected), found: one(found) }
    }

    /// `state` in a line of its own, then what was expected with `-` and what was found with `+`.
    pub(super) fn render(&self, look: Look, indent: usize) -> String {
        let (red, green) = (look.red(), look.green());
        let mut text = format!("{:indent$}{}\n", "", clean(&self.what));
        for side in merged(&self.expected, &self.found) {
            let line = match side {
                Side::Both(line) => format!("    {}", clean(line)),
                Side::Expected(line) => format!("  {green}- {}{green:#}  (expected)", clean(line)),
                Side::Found(line) => format!("  {red}+ {}{red:#}", clean(line)),
            };
            text.push_str(&format!("{:indent$}{line}\n", ""));
        }
        text
    }
}

/// A difference of two lists.
pub(super) fn lines(what: &str, expected: &[String], found: &[String]) -> Difference {
    Difference { what: what.to_owned(), expected: expected.to_vec(), found: found.to_vec() }
}

/// Both lists in one, what they have in common told once: by the longest common subsequence.
fn merged<'a>(expected: &'a [String], found: &'a [String]) -> Vec<Side<'a>> {
    let width = found.len() + 1;
    let mut common = vec![0_usize; (expected.len() + 1) * width];
    let cell = |table: &[usize], row: usize, column: usize| {
        table.get(row * width + column).copied().unwrap_or_default()
    };
    for (row, left) in expected.iter().enumerate().rev() {
        for (column, right) in found.iter().enumerate().rev() {
            let longest = if left == right {
                cell(&common, row + 1, column + 1) + 1
            } else {
                cell(&common, row + 1, column).max(cell(&common, row, column + 1))
            };
            if let Some(place) = common.get_mut(row * width + column) {
                *place = longest;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut all = Vec::new();
    loop {
        match (expected.get(row), found.get(column)) {
            (Some(left), Some(right)) if left == right => {
                all.push(Side::Both(left));
                (row, column) = (row + 1, column + 1);
            }
            (Some(left), Some(_))
                if cell(&common, row + 1, column) >= cell(&common, row, column + 1) =>
            {
                all.push(Side::Expected(left));
                row += 1;
            }
            (_, Some(right)) => {
                all.push(Side::Found(right));
                column += 1;
            }
            (Some(left), None) => {
                all.push(Side::Expected(left));
                row += 1;
            }
            (None, None) => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_lists_have_is_told_once_and_the_rest_stands_where_it_belongs() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (expected, found) = (list("a b c d"), list("a c x d"));
        let sides = merged(&expected, &found);
        let expected = [
            Side::Both("a"),
            Side::Expected("b"),
            Side::Both("c"),
            Side::Found("x"),
            Side::Both("d"),
        ];
        assert_eq!(sides, expected);
    }
}
