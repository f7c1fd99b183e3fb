//! [`Captures`]: which inbox takes which subjects.

use std::collections::BTreeMap;

use crate::{Error, ErrorKind, Subject, SubjectPattern};

/// The captured patterns of all inboxes; no two inboxes overlap.
#[derive(Debug, Default)]
pub(crate) struct Captures(BTreeMap<String, Vec<SubjectPattern>>);

impl Captures {
    /// Checks what [`Captures::set`] would be given.
    pub(crate) fn check(&self, inbox: &str, patterns: &[SubjectPattern]) -> Result<(), Error> {
        for (other_inbox, others) in &self.0 {
            if other_inbox == inbox {
                continue;
            }
            for pattern in patterns {
                if let Some(other) = others.iter().find(|other| pattern.overlaps(other)) {
                    return Err(overlap(pattern, other, other_inbox));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, inbox: &str, patterns: Vec<SubjectPattern>) {
        self.0.insert(inbox.to_owned(), patterns);
    }

    /// The inbox that captures `subject`.
    pub(crate) fn find(&self, subject: &Subject) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, patterns)| patterns.iter().any(|pattern| pattern.matches(subject)))
            .map(|(inbox, _)| inbox.as_str())
    }

    pub(crate) fn matches(&self, inbox: &str, subject: &Subject) -> bool {
        self.0
            .get(inbox)
            .is_some_and(|patterns| patterns.iter().any(|pattern| pattern.matches(subject)))
    }
}

/// The patterns without those that another one covers; they may not cross.
pub(crate) fn minimal(
    inbox: &str,
    patterns: &[SubjectPattern],
) -> Result<Vec<SubjectPattern>, Error> {
    let mut kept: Vec<SubjectPattern> = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        pattern.check_capturable()?;
        if kept.iter().any(|other| other.covers(pattern)) {
            continue;
        }
        kept.retain(|other| !pattern.covers(other));
        kept.push(pattern.clone());
    }
    for (index, pattern) in kept.iter().enumerate() {
        if let Some(other) = kept.iter().skip(index + 1).find(|other| pattern.overlaps(other)) {
            return Err(overlap(pattern, other, inbox));
        }
    }
    Ok(kept)
}

fn overlap(pattern: &SubjectPattern, other: &SubjectPattern, inbox: &str) -> Error {
    ErrorKind::Overlap {
        pattern: pattern.to_string(),
        other: other.to_string(),
        inbox: inbox.to_owned(),
    }
    .into()
}
