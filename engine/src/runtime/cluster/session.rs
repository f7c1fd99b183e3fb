//! Session: this engine's sign of life, repeated every third of a lease.
//!
//! A sign that had expired is never repeated: others may have drawn their conclusions. A new
//! session begins, and every lease has to be taken again by comparison before it counts.

use std::time::{Duration, Instant};

use gearshift_bus::{Change, Error as BusError, Swapped, Value};

use super::membership::{Cluster, State};
use super::view::{ENGINE, Known, Member, text_of};
use crate::runtime::clock::monotonic;
use crate::runtime::error::Error;

/// The sign of life as it was last confirmed.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Counts the sessions of this process.
    pub(super) number: u64,
    revision: u64,
    /// Counted from before the confirmation was asked for, so that nobody can see the sign expire
    /// earlier; `None` before the first.
    confirmed_until: Option<Instant>,
}

/// Looks at the name of this engine, while another has it, before it gives up.
const NAME_POLL: Duration = Duration::from_millis(50);
/// Leases after which an engine whose sign of life stays the same is none, whether that expired or
/// not.
const GHOST: u32 = 4;
/// Attempts to find out what became of a sign, before the next one is due anyway.
const SIGNS_MAX: u32 = 3;

impl Session {
    pub(super) const fn none() -> Self {
        Self { number: 0, revision: 0, confirmed_until: None }
    }

    /// Is it certain that nobody has seen the sign expire?
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed_until.is_some_and(|until| monotonic() < until)
    }
}

/// What a sign of life met.
enum Sign {
    Seen,
    /// The key is not what this engine wrote last.
    Strange,
}

impl Cluster {
    /// Gives the first sign of life and looks at who else is there.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        // Long enough for an earlier life under the same name to be forgotten.
        let end = monotonic() + self.lease * 2;
        self.renew_session();
        let mut met = None;
        loop {
            match self.sign().await? {
                Sign::Seen => break,
                Sign::Strange if monotonic() < end => {
                    met = met.or(self.named().await?);
                    tokio::time::sleep(NAME_POLL).await;
                }
                // One that lives had repeated it by now.
                Sign::Strange if met.is_some() && self.named().await? == met => {
                    self.forget(&self.node).await?;
                }
                Sign::Strange => {
                    return Err(Error::Unavailable(format!(
                        "another engine on this bus is called `{}`",
                        self.node
                    )));
                }
            }
        }
        self.look().await
    }

    /// The revision of the sign of life that stands under this engine's name.
    async fn named(&self) -> Result<Option<u64>, BusError> {
        Ok(self.bucket.get(&self.engine_key()).await?.map(|value| value.revision))
    }

    /// Takes away a sign of life that should have expired: a server that was killed may forget
    /// that it was to.
    async fn forget(&self, node: &str) -> Result<(), BusError> {
        tracing::warn!(node, "a sign of life did not expire, and is taken away");
        self.bucket.delete(&format!("{ENGINE}{node}")).await
    }

    /// The other engines whose sign of life is the same as at a look long ago.
    fn ghosts(&self) -> Vec<String> {
        let (now, me) = (monotonic(), &*self.node);
        let mut state = self.locked();
        let State { view, looked, .. } = &mut *state;
        looked.retain(|node, (revision, _)| {
            view.members.get(node).is_some_and(|known| known.revision == *revision)
        });
        let others = view.members.iter().filter(|(node, _)| *node != me);
        let met = others.filter_map(|(node, known)| {
            let (_, since) = looked.entry(node.clone()).or_insert((known.revision, now));
            (now.duration_since(*since) > self.lease * GHOST).then(|| node.clone())
        });
        met.collect()
    }

    /// Repeats the sign of life; after an outage under a new session.
    pub(super) async fn renew(&self) {
        for _ in 0..SIGNS_MAX {
            let sign = tokio::time::timeout(self.patience(), self.sign_or_resume()).await;
            match sign {
                Ok(Ok(Sign::Seen)) => {
                    if self.locked().silence.ends() {
                        tracing::warn!(node = &*self.node, "sign of life is confirmed again");
                    }
                    return;
                }
                Ok(Ok(Sign::Strange)) => {}
                Ok(Err(error)) => return self.unconfirmed(&error.to_string()),
                Err(_) => return self.unconfirmed("no answer"),
            }
        }
    }

    fn unconfirmed(&self, reason: &str) {
        let begins = self.locked().silence.begins();
        if begins {
            tracing::warn!(node = &*self.node, reason, "sign of life was not confirmed");
        } else {
            tracing::debug!(node = &*self.node, reason, "sign of life is still not confirmed");
        }
    }

    /// How long one operation on the bucket may take.
    pub(super) fn patience(&self) -> Duration {
        self.lease / 3
    }

    async fn sign_or_resume(&self) -> Result<Sign, BusError> {
        if let Sign::Seen = self.sign().await? {
            return Ok(Sign::Seen);
        }
        let key = self.engine_key();
        let found = self.bucket.get(&key).await?;
        let mut state = self.locked();
        match found.as_ref().and_then(member_of) {
            // An earlier sign whose answer was lost.
            Some(member) if member.session == state.me.session => {
                state.session.revision = found.map_or(0, |found| found.revision);
            }
            Some(member) if member.node == *self.node => {
                drop(state);
                tracing::error!(node = &*self.node, "another engine has this node's name");
            }
            Some(_) | None => {
                // Whoever was away may have been so with everybody else: they come first.
                state.claims_from = monotonic() + self.lease / 2;
                drop(state);
                tracing::warn!(node = &*self.node, "sign of life had expired, new session");
                self.renew_session();
            }
        }
        Ok(Sign::Strange)
    }

    async fn sign(&self) -> Result<Sign, BusError> {
        let (me, number, expected) = {
            let state = self.locked();
            (state.me.clone(), state.session.number, state.session.revision)
        };
        let sent = monotonic();
        let (key, text) = (self.engine_key(), text_of(&me));
        let swapped = self.bucket.compare_and_set_expiring(&key, expected, text, self.lease);
        let Swapped::Stored(revision) = swapped.await? else { return Ok(Sign::Strange) };
        let mut state = self.locked();
        if state.session.number == number {
            state.session.revision = revision;
            state.session.confirmed_until = Some(sent + self.lease);
            state.view.members.insert(me.node.clone(), Known { revision, value: me });
        }
        Ok(Sign::Seen)
    }

    fn renew_session(&self) {
        let mut state = self.locked();
        state.me.session = uuid::Uuid::new_v4().simple().to_string();
        let number = state.session.number + 1;
        state.session = Session { number, revision: 0, confirmed_until: None };
    }

    /// Takes the sign of life away: the others need not wait for it to expire.
    pub(super) async fn end(&self) {
        let key = self.engine_key();
        let deleted = self.bucket.delete(&key);
        if !matches!(tokio::time::timeout(self.patience(), deleted).await, Ok(Ok(()))) {
            tracing::debug!(node = &*self.node, "sign of life is left to expire");
        }
    }

    /// Reads the whole bucket, as a watch tells it only from now on, and may miss what expires.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let keys = self.bucket.keys("").await?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(value) = self.bucket.get(&key).await? {
                found.push(Change::Put { key, value });
            }
        }
        {
            let mut state = self.locked();
            let is_there = |wanted: &str| {
                found.iter().any(|change| match change {
                    Change::Put { key, .. } | Change::Deleted { key } => key == wanted,
                })
            };
            let me = self.node.clone();
            state
                .view
                .members
                .retain(|node, _| **node == *me || is_there(&format!("{ENGINE}{node}")));
            for change in &found {
                state.view.hear(change);
            }
        }
        for node in self.ghosts() {
            self.forget(&node).await?;
            self.locked().view.members.remove(&node);
        }
        self.tell();
        Ok(())
    }

    fn engine_key(&self) -> String {
        format!("{ENGINE}{}", self.node)
    }
}

fn member_of(value: &Value) -> Option<Member> {
    serde_json::from_slice(&value.value).ok()
}
