//! [`NoticeGate`]: which notices are worth sending.

use std::collections::HashMap;
use std::time::Duration;

use crate::Subject;

/// How long nothing is sent to a subject that nobody listened to.
const SILENCE: Duration = Duration::from_millis(50);

/// How often it is asked whether somebody still listens.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Subjects remembered; beyond that all are forgotten, which costs one probe each.
const SUBJECTS_MAX: usize = 4_096;

/// What to do with a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody listens.
    Drop,
    /// Somebody listens, or it is not known yet.
    Send,
    /// Send it so that the server says if nobody listens.
    Probe,
}

/// What is known of who listens, per subject.
///
/// The server answers a message that asks for a reply and reaches nobody; so a subject is
/// probed with a notice itself, and again when the answer may have changed.
#[derive(Debug, Default)]
pub(super) struct NoticeGate(HashMap<Subject, Known>);

#[derive(Debug, Default)]
struct Known {
    silent_until: Option<Duration>,
    probe_at: Duration,
    probe: Option<u64>,
}

impl NoticeGate {
    pub(super) fn decide(&mut self, subject: &Subject, now: Duration) -> Verdict {
        if let Some(known) = self.0.get_mut(subject) {
            if known.silent_until.is_some_and(|until| now < until) {
                return Verdict::Drop;
            }
            if known.silent_until.is_none() && now < known.probe_at {
                return Verdict::Send;
            }
            known.silent_until = None;
            known.probe_at = now + PROBE_INTERVAL;
            return Verdict::Probe;
        }
        if self.0.len() >= SUBJECTS_MAX {
            self.0.clear();
        }
        let known = Known { probe_at: now + PROBE_INTERVAL, ..Known::default() };
        self.0.insert(subject.clone(), known);
        Verdict::Probe
    }

    /// Would a notice be dropped now?
    pub(super) fn is_silent(&self, subject: &Subject, now: Duration) -> bool {
        let known = self.0.get(subject).and_then(|known| known.silent_until);
        known.is_some_and(|until| now < until)
    }

    /// Takes note of a probe and gives the one it replaces.
    pub(super) fn probing(&mut self, subject: &Subject, probe: u64) -> Option<u64> {
        self.0.get_mut(subject)?.probe.replace(probe)
    }

    /// Nobody got the probe.
    pub(super) fn nobody(&mut self, subject: &Subject, probe: u64, now: Duration) {
        if let Some(known) = self.0.get_mut(subject)
            && known.probe == Some(probe)
        {
            known.probe = None;
            known.silent_until = Some(now + SILENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn silence_lasts_until_the_next_probe() {
        let subject = Subject::parse("gearshift.notice.order.done").expect("a subject");
        let mut gate = NoticeGate::default();
        assert_eq!(gate.decide(&subject, at(0)), Verdict::Probe);
        assert_eq!(gate.probing(&subject, 7), None);
        assert_eq!(gate.decide(&subject, at(1)), Verdict::Send, "not known yet");
        gate.nobody(&subject, 7, at(2));
        assert!(gate.is_silent(&subject, at(51)));
        assert_eq!(gate.decide(&subject, at(51)), Verdict::Drop);
        assert!(!gate.is_silent(&subject, at(52)));
        assert_eq!(gate.decide(&subject, at(52)), Verdict::Probe, "somebody may have come");
        assert_eq!(gate.probing(&subject, 8), None);
        gate.nobody(&subject, 7, at(53));
        assert_eq!(gate.decide(&subject, at(54)), Verdict::Send, "a late answer counts nothing");
        assert_eq!(gate.decide(&subject, at(1_051)), Verdict::Send);
        assert_eq!(gate.decide(&subject, at(1_052)), Verdict::Probe, "each second");
        assert_eq!(gate.probing(&subject, 9), Some(8));
    }

    #[test]
    fn subjects_are_apart_and_bounded() {
        let mut gate = NoticeGate::default();
        for number in 0..3 * SUBJECTS_MAX {
            let subject = Subject::parse(&format!("n.{number}")).expect("a subject");
            assert_eq!(gate.decide(&subject, at(0)), Verdict::Probe);
            assert!(gate.0.len() <= SUBJECTS_MAX);
        }
    }
}
