//! What an owner of the partition does: decide, append, release; restore; take snapshots.

use gearshift_machine::machine::{Effect, Timestamp};
use gearshift_machine::partition::{
    Batch, Done, Inspected, Partition, PartitionInput, Position, Restore, Snapshot, SnapshotRun,
    Stamped, inspect,
};

use super::journal::{Appended, Fault};
use super::post;
use super::world::World;

/// One owner: the partition as it believes it to be.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) partition: Partition,
    /// The last journal sequence it knows.
    pub(super) tail: u64,
    pub(super) flight: Option<Flight>,
    pub(super) run: Option<(SnapshotRun, Vec<Vec<u8>>)>,
}

/// A frame on its way to the journal.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) frame: Vec<u8>,
    pub(super) inputs: Vec<(Origin, Stamped)>,
    pub(super) results: Vec<Done>,
    /// The partition without the frame.
    pub(super) before: Partition,
    /// Is it unknown whether the frame was stored?
    pub(super) unknown: bool,
}

/// Where an input came from: who waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Inbox,
    Door(u64),
    Mail,
    Due,
}

impl World<'_> {
    /// The owner's loop, one turn: find out about the last frame, append it, or decide.
    pub(super) fn drive(&mut self) {
        let Some(owner) = &self.owner else { return };
        match &owner.flight {
            None => self.decide(),
            Some(flight) if flight.unknown => self.resolve(),
            Some(_) => self.append(),
        }
    }

    fn decide(&mut self) {
        let inputs = self.collect();
        let Some(owner) = &mut self.owner else { return };
        if inputs.is_empty() {
            return;
        }
        for (_, stamped) in &inputs {
            if let PartitionInput::Confirmed { effect } = &stamped.input
                && let Some(message) = self.unconfirmed.remove(effect)
            {
                self.confirming.insert(*effect, message);
            }
        }
        let before = owner.partition.clone();
        let stamped = inputs.iter().map(|(_, stamped)| stamped.clone()).collect();
        let Batch { frame, results, left } =
            owner.partition.decide(&self.charts.definitions, stamped);
        assert!(left.is_empty() && results.len() == inputs.len(), "a small batch fits");
        let flight = Flight {
            frame: frame.clone().unwrap_or_default(),
            inputs,
            results,
            before,
            unknown: false,
        };
        self.report.count("batches");
        self.check_batch(&flight);
        if frame.is_none() {
            self.release(flight);
        } else if let Some(owner) = &mut self.owner {
            owner.flight = Some(flight);
        }
    }

    /// What waits: from the inbox in order, requests, mail, due work.
    fn collect(&mut self) -> Vec<(Origin, Stamped)> {
        let Some(owner) = &self.owner else { return Vec::new() };
        let mut inputs = Vec::new();
        let cursor = owner.partition.cursors().next().map_or(1, |(_, cursor)| cursor.next());
        let from = usize::try_from(cursor.saturating_sub(1)).unwrap_or(0);
        let most = self.random.place(6);
        let mut last = None;
        for (sequence, told) in (cursor.max(1)..).zip(self.inbox.iter().skip(from)).take(most) {
            let source = Some(Position { source: 0, sequence });
            let (key, event) = (told.key.clone(), told.event.clone());
            let early = self.charts.early(key.workflow(), &event.name);
            let input = if key.workflow() == "nobody" {
                PartitionInput::Reject { event, reason: "unaddressed".into(), key: None, source }
            } else {
                PartitionInput::Deliver { key, event, early, source }
            };
            inputs.push((Origin::Inbox, input));
            last = Some(sequence);
        }
        if let Some(sequence) = last
            && self.random.chance(600)
        {
            inputs.push((Origin::Inbox, PartitionInput::Advance { source: 0, sequence }));
        }
        for (id, told) in &self.door {
            let (key, event) = (told.key.clone(), told.event.clone());
            let early = self.charts.early(key.workflow(), &event.name);
            let input = PartitionInput::Deliver { key, event, early, source: None };
            inputs.push((Origin::Door(*id), input));
        }
        inputs.extend(self.mail.drain(..).map(|input| (Origin::Mail, input)));
        let letters = post::letters(&mut self.random, &self.letters, self.taken.as_ref());
        inputs.extend(letters.into_iter().map(|input| (Origin::Mail, input)));
        let due = owner.partition.due(Timestamp(self.now), 1 + self.random.place(20));
        inputs.extend(due.into_iter().map(|input| (Origin::Due, input)));
        if self.random.chance(self.faults.odd_timer) {
            let key = super::inputs::key(&mut self.random, "patient");
            let timer = u32::try_from(self.random.below(12)).unwrap_or(0);
            inputs.push((Origin::Mail, PartitionInput::TimerDue { key, timer }));
        }
        let at = Timestamp(self.now);
        inputs.into_iter().map(|(origin, input)| (origin, Stamped { input, at })).collect()
    }

    fn append(&mut self) {
        let fault = self.draw_fault();
        let Some(owner) = &mut self.owner else { return };
        let Some(flight) = &mut owner.flight else { return };
        match self.journal.append(owner.tail, &flight.frame, fault) {
            Appended::Stored(sequence) => self.stored(sequence),
            Appended::Unknown => flight.unknown = true,
            Appended::Refused => self.report.count("refused appends"),
            Appended::Fenced => self.resolve(),
        }
    }

    pub(super) fn draw_fault(&mut self) -> Fault {
        if self.random.chance(self.faults.ack_lost) {
            Fault::AckLost
        } else if self.random.chance(self.faults.request_lost) {
            Fault::RequestLost
        } else if self.random.chance(self.faults.unavailable) {
            Fault::Unavailable
        } else {
            Fault::None
        }
    }

    fn stored(&mut self, sequence: u64) {
        let Some(owner) = &mut self.owner else { return };
        owner.tail = sequence;
        if let Some(flight) = owner.flight.take() {
            self.release(flight);
        }
    }

    /// Reads the tail: is our frame there, is somebody else the owner, or is it to be sent again?
    fn resolve(&mut self) {
        let Some(owner) = &mut self.owner else { return };
        let Some(flight) = &mut owner.flight else { return };
        let mut found = None;
        for (sequence, message) in self.journal.read_from(owner.tail + 1) {
            if message == flight.frame {
                found = Some(sequence);
                break;
            }
            match inspect(message) {
                Inspected::Frame { epoch, .. } => {
                    assert!(epoch < owner.partition.epoch(), "two owners in one epoch");
                    self.report.count("stale frames met");
                }
                Inspected::Foreign => {}
                Inspected::Unreadable(error) => panic!("unreadable frame at {sequence}: {error}"),
            }
        }
        if let Some(sequence) = found {
            self.report.count("unknown appends found");
            self.stored(sequence);
        } else {
            // Only foreign and stale messages there: adopt the tail and send the same bytes again.
            self.report.count("appends sent again");
            flight.unknown = false;
            owner.tail = self.journal.tail();
        }
    }

    /// The frame is durable: answers and effects leave.
    fn release(&mut self, flight: Flight) {
        for ((origin, stamped), done) in flight.inputs.into_iter().zip(flight.results) {
            self.check_answer(origin, &done);
            self.letter_answered(&stamped.input, &done.outcome);
            if let Origin::Door(id) = origin {
                self.door.remove(&id);
            }
            if let PartitionInput::Confirmed { effect } = stamped.input {
                self.confirming.remove(&effect);
                self.unconfirmed.remove(&effect);
            }
            if let (Some(key), Some(trace)) = (&done.key, &done.trace) {
                for fired in &trace.fired {
                    self.report.took(key.workflow(), fired.transition);
                }
            }
            for effect in done.effects {
                self.check_released(&effect);
                if let (Effect::Letter(letter), Some(key)) = (&effect, &done.key) {
                    self.letters.insert(letter.number, (key.clone(), letter.clone()));
                }
                if let (Effect::Call(call), Some(key)) = (&effect, &done.key) {
                    self.calls.push((key.clone(), call.clone()));
                    let old = self.calls.len().saturating_sub(20);
                    self.calls.drain(..old);
                }
            }
        }
    }

    /// The owner dies; what it had not appended is gone.
    pub(super) fn crash(&mut self) {
        self.report.count("crashes");
        let Some(owner) = self.owner.take() else { return };
        self.mail.clear();
        self.check_restored(&owner);
    }

    /// A new owner: restores, opens an epoch. The old one, if there is one, becomes a zombie.
    pub(super) fn take_over(&mut self) {
        let (mut partition, read) = self.restore();
        if let Some(old) = &self.owner {
            self.check_restored(old);
        }
        let frame = partition.epoch_frame(self.epoch + 1, "simulated");
        let appended = match self.draw_fault() {
            Fault::None | Fault::AckLost => self.journal.append(read, &frame, Fault::None),
            Fault::RequestLost | Fault::Unavailable => return self.report.count("lost takeovers"),
        };
        assert_eq!(appended, Appended::Stored(read + 1));
        self.epoch += 1;
        let new = Owner { partition, tail: read + 1, flight: None, run: None };
        self.check_pending(&new.partition);
        self.zombies.extend(self.owner.replace(new));
        self.report.count("takeovers");
    }

    /// The partition out of the last snapshot and the tail, and the last sequence read.
    pub(super) fn restore(&self) -> (Partition, u64) {
        let snapshot = self.snapshots.last().map(|(manifest, slices)| {
            Snapshot::open(manifest, slices).unwrap_or_else(|error| panic!("{error}"))
        });
        let restored = self.replay(snapshot);
        (restored, self.journal.tail())
    }

    pub(super) fn replay(&self, snapshot: Option<Snapshot>) -> Partition {
        let mut restore = Restore::begin(0, snapshot);
        for (sequence, message) in self.journal.read_from(restore.next_sequence()) {
            if let Err(error) = restore.apply(sequence, message) {
                panic!("{error}: {}", self.place());
            }
        }
        restore.finish()
    }

    /// Takes the next slice of a snapshot, between batches only.
    pub(super) fn snapshot_slice(&mut self) {
        let Some(owner) = &mut self.owner else { return };
        if owner.flight.is_some() {
            return;
        }
        let (run, slices) =
            owner.run.get_or_insert_with(|| (owner.partition.snapshot_begin(), Vec::new()));
        if let Some(slice) = run.next_slice(&owner.partition, owner.tail) {
            slices.push(slice);
        } else if let Some((run, slices)) = owner.run.take() {
            let names: Vec<_> = (0..slices.len()).map(|number| number.to_string()).collect();
            self.snapshots.push((run.manifest(&names), slices));
            let old = self.snapshots.len().saturating_sub(2);
            self.snapshots.drain(..old);
            self.report.count("snapshots");
        }
    }

    /// A replaced owner goes on: it is fenced, unless the bus lets its frame slip in.
    pub(super) fn zombie(&mut self) {
        let Some(mut zombie) = self.zombies.pop() else { return };
        let frame = match zombie.flight.take() {
            Some(flight) => Some(flight.frame),
            None => {
                let input = PartitionInput::Advance { source: 9, sequence: self.journal.tail() };
                let inputs = vec![Stamped { input, at: Timestamp(self.now) }];
                zombie.partition.decide(&self.charts.definitions, inputs).frame
            }
        };
        let Some(frame) = frame else { return };
        if self.random.chance(self.faults.blind_zombie) {
            self.journal.append(self.journal.tail(), &frame, Fault::None);
            self.report.count("zombie frames that slipped in");
        } else {
            let appended = self.journal.append(zombie.tail, &frame, Fault::None);
            assert_eq!(appended, Appended::Fenced, "a zombie wrote: {}", self.place());
            self.report.count("zombies fenced");
        }
    }
}
