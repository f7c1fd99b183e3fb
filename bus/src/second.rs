//! Second replies to one request: nobody waits for them, and somebody may want to know.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::Subject;

/// Hears of a reply behind the first one: what was asked, and whether it says something else than
/// the first. Called on a task of the bus: it must be quick and must not block.
pub type OnSecond = Arc<dyn Fn(&Subject, bool) + Send + Sync>;

/// How many replies are remembered. At 20,000 requests a second that is most of half a second.
const REMEMBERED: usize = 8_192;

/// Who hears of second replies.
#[derive(Clone, Default)]
pub(crate) struct Hearing(Arc<RwLock<Option<OnSecond>>>);

/// What the replies said that were told last; direct-mapped, as tokens are random: a newer one
/// takes the place of an older one, and nothing is searched for.
#[derive(Default)]
pub(crate) struct Answered(Vec<Option<Said>>);

struct Said {
    token: u64,
    digest: u64,
    asked: Subject,
}

impl Hearing {
    pub(crate) fn set(&self, then: OnSecond) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(then);
    }

    pub(crate) fn tell(&self, asked: &Subject, differs: bool) {
        let then = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(then) = then {
            then(asked, differs);
        }
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing").finish_non_exhaustive()
    }
}

impl Answered {
    /// Remembers the first reply to the request `token`.
    pub(crate) fn keep(&mut self, token: u64, digest: u64, asked: Subject) {
        if self.0.is_empty() {
            // Whoever asks nothing pays nothing.
            self.0.resize_with(REMEMBERED, || None);
        }
        if let Some(place) = self.0.get_mut(place_of(token)) {
            *place = Some(Said { token, digest, asked });
        }
    }

    /// What was asked under `token`, and whether this reply differs from the first; `None` where
    /// that is not known any more.
    pub(crate) fn second(&self, token: u64, digest: u64) -> Option<(&Subject, bool)> {
        let said = self.0.get(place_of(token))?.as_ref()?;
        (said.token == token).then_some((&said.asked, said.digest != digest))
    }
}

fn place_of(token: u64) -> usize {
    usize::try_from(token % REMEMBERED as u64).unwrap_or(0)
}

/// Names what a reply says: its body and whether it is a failure. What else its headers tell, such
/// as how busy the one who answers is, may differ in the same answer.
pub(crate) fn digest<'a>(
    payload: &[u8],
    failure: impl IntoIterator<Item = Option<&'a str>>,
) -> u64 {
    let mut checksum = crc32c::crc32c(payload);
    for part in failure.into_iter().flatten() {
        // Something of its own in between, so that nothing moves from one part to the other.
        checksum = crc32c::crc32c_append(crc32c::crc32c_append(checksum, &[0xff]), part.as_bytes());
    }
    let size = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    (size << 32) | u64::from(checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_a_second_reply_is_known_by_its_token_and_told_from_an_equal_one() {
        let mut answered = Answered::default();
        let asked = Subject::parse("a.b").unwrap();
        let one = digest(b"{\"n\":1}", []);
        assert!(answered.second(7, one).is_none(), "nothing is known yet");
        answered.keep(7, one, asked.clone());
        assert_eq!(answered.second(7, one), Some((&asked, false)));
        assert_eq!(answered.second(7, digest(b"{\"n\":2}", [])), Some((&asked, true)));
        assert!(answered.second(8, one).is_none());
        // Another one takes its place: what is remembered does not grow.
        let beside = 7 + REMEMBERED as u64;
        answered.keep(beside, one, asked.clone());
        assert!(answered.second(7, one).is_none());
        assert_eq!(answered.second(beside, one), Some((&asked, false)));
        assert_eq!(answered.0.len(), REMEMBERED);
    }

    #[test]
    fn p3_a_failure_with_the_same_body_is_another_answer() {
        let said = [
            digest(b"", []),
            digest(b"x", []),
            digest(b"", [Some("422")]),
            digest(b"", [Some("422"), Some("no")]),
            digest(b"", [Some("42"), Some("2no")]),
        ];
        for (at, one) in said.iter().enumerate() {
            assert!(!said[at + 1..].contains(one), "{at}");
        }
    }
}
