//! [`Gives`]: what an attempt is to be answered with, as who was asked publishes it.
//!
//! What is known of plugins is a hint that may be seconds old, so no answer is refused by that
//! alone: who runs is asked again first. An answer that fits what is known needs none of that; one
//! of a plugin that nobody knew of, as it has just begun, is looked at likewise.

use std::sync::Arc;
use std::time::Instant;

use gearshift_bus::Subject;
use gearshift_machine::machine::{CallOutcome, ErrorKind};
use gearshift_machine::value::Value;
use gearshift_protocol::metadata::METADATA_OUTPUT;

use super::ask::Asked;
use super::catalogue::Published;
use super::instances::Picked;
use super::prefer::Prefer;
use super::registry::{Providers, Route, key_of};
use super::reply::failure;
use super::sending::Sending;
use super::shapes::Shape;
use super::signs::{Sign, words_of};
use crate::runtime::clock::monotonic;

/// What an attempt is to be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gives {
    /// Of the operation.
    subject: Subject,
    /// Where the one instance was asked that was chosen.
    alone: Option<Subject>,
    /// When it was asked: whoever took it was there then.
    asked: Instant,
    /// `None`: nobody was known to offer it, and somebody answered all the same.
    shape: Option<Arc<Shape>>,
}

/// An output that is not what is known to be published, or of which nothing is known.
pub(crate) struct Doubt {
    gives: Gives,
    output: Value,
    /// Why it is not what is known; `None` where nothing is.
    why: Option<String>,
}

impl Route {
    /// What is due of whoever of the group answers, or of the instance that was chosen; `None`
    /// where nobody knows.
    fn shape<'r>(&'r self, picked: Option<&'r Picked>) -> Option<&'r Arc<Shape>> {
        picked.map_or(self.gives.as_ref(), |picked| picked.gives.as_ref())
    }

    /// The same, to be kept; also where nobody was known to offer it.
    pub(super) fn gives(&self, picked: Option<&Picked>, asked: Instant) -> Option<Gives> {
        let shape = self.shape(picked).cloned();
        if shape.is_none() && self.offered {
            return None;
        }
        let alone = picked.map(|picked| picked.subject.clone());
        Some(Gives { subject: self.subject.clone(), alone, asked, shape })
    }

    /// Is it what whoever of the group answers is to give, as far as anybody knows?
    pub(crate) fn gave(&self, output: &Value) -> bool {
        self.gives.as_ref().is_none_or(|shape| shape.misfit(output).is_none())
    }
}

impl Providers {
    /// What whoever of the group answers the operation is to give, where it was asked of late.
    pub(crate) fn known_to_give(&self, operation: &str) -> Option<Gives> {
        Prefer::ALL
            .into_iter()
            .find_map(|prefer| self.known(operation, prefer))?
            .gives(None, monotonic())
    }

    /// The same where it was not asked yet, as behind a restart: who runs is asked.
    pub(crate) async fn found_to_give(&self, operation: &Arc<str>) -> Option<Gives> {
        let route = self.find(operation, Prefer::of(None)).await.ok()?;
        route.gives(None, monotonic())
    }
}

impl Sending {
    /// What it is to be answered with.
    pub(super) fn gives(&self) -> Option<Gives> {
        self.route.gives(self.picked.as_ref(), self.began)
    }

    /// What came of it, or that it is to be looked at again.
    pub(super) fn compared(&self, providers: &Providers, outcome: CallOutcome) -> Asked {
        let CallOutcome::Success(output) = outcome else { return Asked::Ended(outcome) };
        let shape = self.route.shape(self.picked.as_ref());
        let why = shape.and_then(|shape| shape.misfit(&output));
        let is_known = || shape.is_some() || self.route.offered;
        let is_looked_for = || providers.is_undiscoverable(&self.route.subject);
        if why.is_none() && (is_known() || is_looked_for()) {
            return Asked::Ended(CallOutcome::Success(output));
        }
        match self.gives() {
            Some(gives) => Asked::Doubted(Box::new(Doubt { gives, output, why })),
            None => Asked::Ended(CallOutcome::Success(output)),
        }
    }
}

/// What came of an attempt, compared with what it was to be.
pub(crate) async fn sure(
    providers: &Providers,
    gives: Option<Gives>,
    outcome: CallOutcome,
) -> CallOutcome {
    match (gives, outcome) {
        (Some(gives), CallOutcome::Success(output)) => {
            let why = gives.shape.as_ref().map(|shape| shape.misfit(&output));
            match why {
                Some(None) => CallOutcome::Success(output),
                why => Doubt { gives, output, why: why.flatten() }.settled(providers).await,
            }
        }
        (None | Some(_), outcome) => outcome,
    }
}

impl Gives {
    /// What is published now by who was asked.
    fn now(&self, providers: &Providers) -> Published {
        let Some(seen) = providers.catalogue() else { return Published::Nowhere };
        let alone = self.alone.as_ref();
        let id = alone.and_then(|it| it.as_str().rsplit_once('.')).map(|(_, id)| id);
        seen.published(self.subject.as_str(), id)
    }

    fn refused(&self, why: &str) -> CallOutcome {
        let operation = key_of(self.subject.as_str());
        let text =
            format!("the answer is not what `{operation}` publishes in `{METADATA_OUTPUT}`: {why}");
        failure(ErrorKind::InvalidReply, "reply_schema", text)
    }
}

impl Doubt {
    /// What it says of the operation. Rarely one that does not fit turns out to be right, and then
    /// it was one sign too many.
    pub(super) const fn sign(&self) -> Sign {
        if self.why.is_some() { Sign::Bad } else { Sign::Well }
    }

    /// Why it is in doubt, for people.
    pub(super) fn words(&self) -> String {
        let why = self.why.as_deref();
        why.map_or_else(String::new, |why| words_of(&self.gives.refused(why)))
    }

    /// What came of the attempt, now that who runs is asked.
    pub(crate) async fn settled(self, providers: &Providers) -> CallOutcome {
        let Self { gives, output, why } = self;
        let as_known = |output| match &why {
            Some(why) => gives.refused(why),
            None => CallOutcome::Success(output),
        };
        if why.is_none() && providers.is_undiscoverable(&gives.subject) {
            return CallOutcome::Success(output);
        }
        match providers.discover(gives.asked).await {
            // The next answers are compared with what is known now.
            Ok(seen) => providers.agree(&seen),
            Err(error) => {
                tracing::debug!(%error, "plugins could not be discovered");
                return as_known(output);
            }
        }
        match gives.now(providers) {
            // Who answered has gone, and had published what it did not keep to.
            Published::Nowhere => {
                if why.is_none() {
                    providers.answers_undiscovered(&gives.subject);
                }
                as_known(output)
            }
            // It may have been one that came since.
            Published::Unsure => CallOutcome::Success(output),
            Published::As(text) => match providers.shapes.of(&text).misfit(&output) {
                Some(why) => gives.refused(&why),
                None => CallOutcome::Success(output),
            },
        }
    }
}
