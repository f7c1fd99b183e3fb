//! Presence: which instances answer, so that one that was killed is missed: it says no goodbye.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gearshift_protocol::{Announcement, AnnouncementKind};

use super::catalogue::Catalogue;
use super::told::{Told, Who};

/// How long an instance that answered before does not answer until it counts as gone: longer than
/// clients take to come back to a server that was restarted.
const GONE_AFTER: Duration = Duration::from_secs(6);

/// The instances that answered the last looks.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// By service id.
    known: BTreeMap<String, Known>,
    /// Was there a look before, by whomever? Whoever the first one finds did not come just now.
    looked: bool,
    /// Is it known whom the engine that told last knew?
    begun: bool,
    /// Who is kept on the bus as told.
    kept: Option<Told>,
}

#[derive(Debug)]
struct Known {
    plugin: String,
    version: String,
    /// Did it answer a look?
    answered: bool,
    /// Was it found without a word of its own?
    found: bool,
    /// Did it say goodbye?
    left: bool,
    /// Since when it does not answer.
    missing: Option<Instant>,
}

/// What became of an instance that said nothing about it.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) plugin: String,
    pub(super) id: String,
    pub(super) version: String,
    /// Else it came.
    pub(super) gone: bool,
}

impl Presence {
    /// Is it known whom the engine that told last knew?
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// These were told as there, by this engine or another one; whoever of them does not answer is
    /// missed from the next look on.
    pub(super) fn begin(&mut self, told: Option<Told>) {
        self.begun = true;
        self.kept.clone_from(&told);
        let Some(Told(told)) = told else { return };
        self.looked = true;
        for (id, Who { plugin, version }) in told {
            self.known.entry(id).or_insert(Known {
                plugin,
                version,
                answered: true,
                found: false,
                left: false,
                missing: None,
            });
        }
    }

    /// Whoever is told as there by now, where that is not what is kept.
    pub(super) fn unkept(&self) -> Option<Told> {
        let is_told = |(_, known): &(&String, &Known)| known.answered && !known.left;
        let told = self.known.iter().filter(is_told).map(|(id, known)| {
            let who = Who { plugin: known.plugin.clone(), version: known.version.clone() };
            (id.clone(), who)
        });
        Some(Told(told.collect())).filter(|told| self.kept.as_ref() != Some(told))
    }

    /// That is kept now.
    pub(super) fn keeps(&mut self, told: Told) {
        self.kept = Some(told);
    }

    /// An instance announced something; false where that is known.
    pub(super) fn heard(&mut self, plugin: &str, announced: &Announcement) -> bool {
        match announced.event {
            AnnouncementKind::Registered => {
                let known = self.known.entry(announced.id.clone()).or_insert_with(|| Known {
                    plugin: plugin.to_owned(),
                    version: announced.version.clone(),
                    answered: false,
                    found: false,
                    left: false,
                    missing: None,
                });
                known.left = false;
                !std::mem::take(&mut known.found)
            }
            AnnouncementKind::Unregistered => {
                if let Some(known) = self.known.get_mut(&announced.id) {
                    known.left = true;
                }
                true
            }
            AnnouncementKind::Available
            | AnnouncementKind::Overloaded
            | AnnouncementKind::State
            | AnnouncementKind::Other
            | _ => true,
        }
    }

    /// These answered `now`; who came and who is gone without a word.
    pub(super) fn look(&mut self, catalogue: &Catalogue, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        for known in self.known.values_mut() {
            known.missing = known.missing.or(Some(now));
        }
        let plugins = catalogue.instances().iter();
        for one in plugins.filter(|one| one.operations().next().is_some()) {
            let (plugin, id, version) = (&one.info.name, &one.info.id, &one.info.version);
            let is_new = !self.known.contains_key(id);
            let found = is_new && self.looked;
            let known = self.known.entry(id.clone()).or_insert_with(|| Known {
                plugin: plugin.clone(),
                version: version.clone(),
                answered: true,
                found,
                left: false,
                missing: None,
            });
            (known.answered, known.missing) = (true, None);
            if found {
                changes.push(Change::new(known, id, false));
            }
        }
        self.looked = true;
        self.known.retain(|id, known| {
            let is_over = |since: Instant| now.duration_since(since) >= GONE_AFTER;
            let is_gone = known.missing.is_some_and(is_over);
            if is_gone && known.answered && !known.left {
                changes.push(Change::new(known, id, true));
            }
            !is_gone
        });
        changes
    }

    /// Does somebody not answer who is not known to be gone?
    pub(super) fn misses(&self) -> bool {
        self.known.values().any(|known| known.missing.is_some())
    }

    /// Nobody could have answered: whoever is missed is missed from now on.
    pub(super) fn excuse(&mut self) {
        self.known.values_mut().for_each(|known| known.missing = None);
    }
}

impl Change {
    fn new(known: &Known, id: &str, gone: bool) -> Self {
        let (plugin, version) = (known.plugin.clone(), known.version.clone());
        Self { plugin, id: id.to_owned(), version, gone }
    }
}

#[cfg(test)]
mod tests {
    use gearshift_bus::{EndpointInfo, ServiceInfo};

    use super::*;

    fn seen(ids: &[&str], now: Instant) -> Catalogue {
        let service = |id: &&str| ServiceInfo {
            name: "p".to_owned(),
            id: (*id).to_owned(),
            version: "1.0.0".to_owned(),
            metadata: BTreeMap::new(),
            endpoints: vec![EndpointInfo {
                name: "work".to_owned(),
                subject: "gearshift.plugin.p.v1.work".to_owned(),
                metadata: BTreeMap::new(),
            }],
        };
        Catalogue::new(now, ids.iter().map(service).collect())
    }

    fn said(event: &str, id: &str) -> Announcement {
        let text = format!(
            r#"{{"event":"{event}","id":"{id}","version":"1.0.0","state":"active",
                "in_flight":0,"capacity":1}}"#
        );
        Announcement::parse(text.as_bytes()).unwrap()
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let word = |gone| if gone { "gone" } else { "came" };
        changes.iter().map(|one| format!("{} {}", one.id, word(one.gone))).collect()
    }

    #[test]
    fn g4_whoever_stops_answering_without_a_goodbye_is_told_gone_once() {
        let (mut presence, start) = (Presence::default(), crate::runtime::clock::monotonic());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let look = |presence: &mut Presence, ids: &[&str], seconds: u64| {
            told(&presence.look(&seen(ids, start), at(seconds)))
        };
        assert_eq!(look(&mut presence, &["a", "b"], 0), [""; 0], "they were there before");
        assert_eq!(look(&mut presence, &["a"], 5), [""; 0]);
        assert!(presence.misses());
        assert_eq!(look(&mut presence, &["a"], 10), [""; 0], "not for long enough");
        assert_eq!(look(&mut presence, &["a"], 11), ["b gone"]);
        assert_eq!(look(&mut presence, &["a"], 20), [""; 0]);
        // It was only paused.
        assert_eq!(look(&mut presence, &["a", "b"], 21), ["b came"]);
        assert!(!presence.heard("p", &said("registered", "b")), "that is known");
    }

    #[test]
    fn g4_what_instances_say_themselves_is_not_told_again() {
        let (mut presence, start) = (Presence::default(), crate::runtime::clock::monotonic());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        presence.look(&seen(&["a"], start), at(0));
        assert!(presence.heard("p", &said("registered", "b")));
        assert_eq!(presence.look(&seen(&["a", "b"], start), at(1)), []);
        assert!(presence.heard("p", &said("unregistered", "b")));
        assert_eq!(presence.look(&seen(&["a", "b"], start), at(2)), [], "it drains");
        assert_eq!(presence.look(&seen(&["a"], start), at(3)), []);
        assert_eq!(presence.look(&seen(&["a"], start), at(20)), []);
        assert!(!presence.misses());
        // One that was only heard of was never there.
        assert!(presence.heard("p", &said("registered", "c")));
        assert_eq!(presence.look(&seen(&["a"], start), at(21)), []);
        assert_eq!(presence.look(&seen(&["a"], start), at(40)), []);
        assert!(!presence.misses());
    }

    #[test]
    fn decision_53_whoever_was_told_as_there_by_another_engine_is_missed_by_the_next() {
        let (mut before, start) = (Presence::default(), crate::runtime::clock::monotonic());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        before.begin(None);
        assert_eq!(before.look(&seen(&["a", "b"], start), at(0)), []);
        assert!(before.heard("p", &said("registered", "c")), "it may never answer");
        assert!(before.heard("p", &said("unregistered", "b")), "it says so itself");
        let mut next = Presence::default();
        next.begin(before.unkept());
        assert_eq!(told(&next.look(&seen(&["d"], start), at(1))), ["d came"]);
        assert!(next.misses());
        assert_eq!(told(&next.look(&seen(&["d"], start), at(7))), ["a gone"]);
        let told = next.unkept().unwrap();
        assert!(told.0.keys().eq(["d"]), "nobody is told twice: {told:?}");
        next.keeps(told);
        assert_eq!(next.unkept(), None);
    }

    #[test]
    fn g4_nobody_is_missed_while_nobody_could_answer() {
        let (mut presence, start) = (Presence::default(), crate::runtime::clock::monotonic());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        presence.look(&seen(&["a"], start), at(0));
        assert_eq!(presence.look(&seen(&[], start), at(5)), []);
        presence.excuse();
        assert_eq!(presence.look(&seen(&[], start), at(12)), []);
        assert_eq!(told(&presence.look(&seen(&[], start), at(18))), ["a gone"]);
    }
}
