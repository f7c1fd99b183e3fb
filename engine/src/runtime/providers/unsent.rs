//! What becomes of an attempt that is given up before it is sent.

use std::sync::Arc;

use gearshift_machine::machine::{ErrorKind, NOT_SENT};

use super::ask::{Asked, Attempt};
use super::breakers::Pass;
use super::registry::Route;
use super::reply::failure;
use crate::runtime::unsent::{GivenUp, Unsent};

/// An attempt that its breaker let pass: dropped before it is sent, another call may be the one
/// that is tried.
pub(crate) struct Passed<'a> {
    attempt: &'a Attempt,
    route: &'a Route,
    pass: Option<Pass>,
}

impl<'a> Passed<'a> {
    pub(super) const fn new(attempt: &'a Attempt, route: &'a Route, pass: Pass) -> Self {
        Self { attempt, route, pass: Some(pass) }
    }

    /// It is sent now, or somebody else sees to it.
    pub(crate) fn goes(mut self) {
        self.pass = None;
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.attempt.not_sent(self.route, pass);
        }
    }
}

impl Attempt {
    /// The same among those that wait for something before they are sent.
    pub(crate) fn that_waits(self, all: &Arc<Unsent>) -> Self {
        let turn = all.begin(self.call.call, self.call.attempt, self.first);
        Self { turn: Some(turn), ..self }
    }

    /// It is sent now and answered as ever, or was given up before: then how that is told.
    pub(super) fn goes(&self) -> Option<Asked> {
        self.turn.as_ref()?.go().err().map(told)
    }

    /// Resolves once it is given up, with how that is told; never where it is sent.
    pub(crate) async fn given_up(&self) -> Asked {
        match &self.turn {
            Some(turn) => told(turn.given_up().await),
            None => std::future::pending().await,
        }
    }
}

fn told(why: GivenUp) -> Asked {
    match why {
        GivenUp::Withdrawn => withdrawn(),
        GivenUp::Forgotten => Asked::Nothing,
    }
}

/// It was not sent, and whoever decided it hears so.
pub(super) fn withdrawn() -> Asked {
    let text = "it was not sent: what was done is taken back, and nobody wants it any more";
    Asked::Ended(failure(ErrorKind::PluginNotFound, NOT_SENT, text))
}
