//! Release: what is done once a frame is durable, and again after a restart.

use gearshift_machine::machine::Effect;
use gearshift_machine::partition::Done;

use super::Drive;
use crate::runtime::asks::Asker;
use crate::runtime::longwork;
use crate::runtime::notices::{Hearings, NoticeMessage};

impl Drive {
    /// The frame is durable: effects go out, the asker hears, views follow.
    pub(super) fn release(
        &mut self,
        mut done: Done,
        asker: Option<Asker>,
        hearings: &mut Hearings,
    ) {
        if let (Some(key), Some(definition)) = (&done.key, &done.definition) {
            for effect in std::mem::take(&mut done.effects) {
                if let Effect::Notice(notice) = effect {
                    let (kind, shared) = (notice.kind, &self.shared);
                    let ask = || shared.hearing(&definition.name, kind);
                    let Some(hearing) = hearings.of(&definition.name, kind, ask) else { continue };
                    let message = NoticeMessage {
                        key: key.clone(),
                        generation: done.generation,
                        step: done.step,
                        at: self.now,
                        kind,
                        data: notice.data.to_value(definition),
                        version: definition.version,
                    };
                    shared.announce(hearing, message);
                } else {
                    self.dispatch.perform(key, definition, (effect, true));
                }
            }
            if !self.shared.waiters.is_idle() {
                self.shared.waiters.reached(key, &done);
            }
            self.awaiting.reached(key, &done);
            let awaits = |call, attempt| self.partition.awaits(key, call, attempt);
            longwork::settle(&self.shared, key, awaits, self.now);
        } else if let Some(key) = &done.key {
            let effects = std::mem::take(&mut done.effects).into_iter();
            effects.for_each(|effect| self.dispatch.perform_alone(key, effect));
        }
        if let Some(asker) = asker {
            self.awaiting.tell(asker, done);
        }
    }

    /// Calls and publishes that were decided but not confirmed are sent again after a restart.
    pub(super) fn resend(&self) {
        for (key, call, attempt) in self.partition.calls_sent_once() {
            self.dispatch.unanswered(key, call, attempt);
        }
        let index = self.shared.definitions.index();
        self.dispatch.listen(self.partition.calls_pending(&index.definitions));
        for (key, effect) in self.partition.pending_effects(&index.definitions) {
            let instance = self.partition.instance(&key);
            let pinned = instance
                .and_then(|instance| index.definitions.pinned(key.workflow(), instance.pin))
                .or_else(|| index.definitions.latest(key.workflow()));
            match pinned {
                Some(definition) => self.dispatch.perform(&key, definition, (effect, false)),
                None => self.dispatch.perform_alone(&key, effect),
            }
        }
        // Behind those that had their place before.
        for (key, call, unsure) in self.partition.calls_held(&index.definitions) {
            let pin = self.partition.instance(&key).map(|instance| instance.pin);
            let pinned = pin.and_then(|pin| index.definitions.pinned(key.workflow(), pin));
            if let Some(definition) = pinned {
                self.dispatch.hold(key, definition, (call, !unsure));
            }
        }
    }
}
