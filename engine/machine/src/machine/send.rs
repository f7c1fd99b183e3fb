//! `send:`: events to oneself, to the parent, to children and to named instances (rules 22-26, 31).

use std::sync::Arc;

use super::effect::Effect;
use super::ids::InstanceKey;
use super::input::{Event, EventKind};
use super::instance::TimerKind;
use super::letter::{Address, Letter, LetterBody};
use super::timers::TIMERS_MAX;
use super::work::{ActionError, Failure, Origin, Overrun, Work};
use crate::definition::model::{Action, Recipient, check_event_name, reserved_token};
use crate::value::Value;

/// What is malformed, or fails while it is computed.
const MALFORMED: &str = "error.execution.send";
/// What is well-formed and leads nowhere.
const NOWHERE: &str = "error.communication.send";

impl Work<'_> {
    /// Sends an event, now or later.
    pub(super) fn run_send(
        &mut self,
        action: &Action,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        let Action::Send { event: name, with, after, id, replace, id_to, to } = action else {
            return Ok(());
        };
        let id = id.as_ref().map(|id| self.text(id, event, MALFORMED)).transpose()?;
        let made = |work: &mut Self| {
            let name = work.text(name, event, MALFORMED)?;
            check_event_name(&name).map_err(malformed)?;
            if let Some(token) = reserved_token(&name) {
                let message = format!("names that begin with `{token}` are made by the engine");
                return Err(malformed(message));
            }
            let data = work.payload(with.as_ref(), event, MALFORMED)?;
            let delay = after.as_ref().map(|after| work.delay_ms(after, event)).transpose()?;
            let to = to.as_ref().map(|to| work.address(to, event)).transpose()?.flatten();
            let timers = work.instance.timers.len();
            if delay.is_some() && timers >= TIMERS_MAX {
                let message = format!("timers exceed the limit of {TIMERS_MAX}");
                return Err(Failure::Error(ActionError::new("error.execution.limit", message)));
            }
            Ok((work.made(name, EventKind::External, data), delay, to))
        };
        let (mut sent, delay, to) = made(self).map_err(|failure| failure.of_send(id.as_ref()))?;
        sent.send_id = id;
        sent.origin = Some(self.instance.key.to_string().into());
        if let Some(path) = id_to {
            let text = match &sent.send_id {
                Some(id) => Arc::clone(id),
                None => format!("send.{}", self.fresh_id()).into(),
            };
            self.assign(path, Value::String(Arc::clone(&text)))?;
            sent.send_id = Some(text);
        }
        if let (true, Some(id)) = (*replace, &sent.send_id) {
            self.cancel_sends(id);
        }
        let later = |event: Event, to: Option<Address>| match to {
            None => TimerKind::Send { event: Box::new(event) },
            Some(to) => TimerKind::SendTo { event: Box::new(event), to },
        };
        match (delay, to) {
            (Some(delay), to) => self.arm(delay, later(sent, to)),
            (None, Some(to)) => self.post(sent, &to)?,
            (None, None) => {
                let words = format!("send {}", sent.name);
                self.emit(Effect::SendSelf { event: sent }, words)?;
            }
        }
        Ok(())
    }

    /// To whom `to:` leads; `None` is the instance itself (rule 26).
    fn address(&self, to: &Recipient, event: Option<&Event>) -> Result<Option<Address>, Failure> {
        let (text, named) = match to {
            Recipient::Written(text) => (self.text(text, event, MALFORMED)?, false),
            Recipient::Instance(text) => (self.text(text, event, MALFORMED)?, true),
        };
        let address = match address(&text) {
            Ok(address @ Address::Instance(_)) => address,
            Ok(address @ (Address::Parent | Address::Child(_))) if !named => address,
            Ok(_) => return Err(malformed(format!("instance `{text}` is not `workflow/key`"))),
            Err(message) => return Err(malformed(message)),
        };
        let own = matches!(&address, Address::Instance(key) if *key == self.instance.key);
        Ok((!own).then_some(address))
    }

    /// Hands an event over to another instance; one that is known to be nowhere raises its error,
    /// and the block goes on (rule 26).
    pub(super) fn post(&mut self, event: Event, to: &Address) -> Result<(), Overrun> {
        let name = Arc::clone(&event.name);
        let send_id = event.send_id.clone();
        let event = self.traced(event);
        let (to, body) = match to {
            Address::Instance(key) => (key.clone(), LetterBody::Event { event, forwarded: false }),
            Address::Child(id) => match self.child_named(id) {
                Some(child) => (child, LetterBody::Event { event, forwarded: false }),
                None => return self.nowhere(format!("no child runs as `{id}`"), send_id),
            },
            Address::Parent => match self.instance.parent.as_deref() {
                // What a cancelled child still says is for nobody (rule 36).
                Some(_) if self.orphaned || self.is_orphan() => {
                    self.note(format!("{name} does not reach the parent"));
                    return Ok(());
                }
                Some(parent) => {
                    let invoke_id = Some(Arc::clone(&parent.invoke_id));
                    let event = Event { invoke_id, ..event };
                    (parent.key.clone(), LetterBody::FromChild { call: parent.call, event })
                }
                None => return self.nowhere("the instance has no parent".to_owned(), send_id),
            },
        };
        let words = format!("send {name} to {to}");
        self.emit_letter(to, body, words)
    }

    /// Asks for a letter to be delivered.
    pub(super) fn emit_letter(
        &mut self,
        to: InstanceKey,
        body: LetterBody,
        words: String,
    ) -> Result<(), Overrun> {
        let id = self.next_effect_id();
        self.emit(Effect::Letter(Letter { id, number: 0, to, body }), words)
    }

    fn nowhere(&mut self, message: String, send_id: Option<Arc<str>>) -> Result<(), Overrun> {
        let error = ActionError { name: NOWHERE, message, send_id };
        self.queue_error(error, Origin::default())
    }
}

fn malformed(message: String) -> Failure {
    Failure::Error(ActionError::new(MALFORMED, message))
}

/// Reads `parent`, `invoke.<id>` or `workflow/key`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    if text.contains('/') {
        return InstanceKey::parse(text).map(Address::Instance);
    }
    if text == "parent" {
        return Ok(Address::Parent);
    }
    match text.strip_prefix("invoke.") {
        Some(id) => {
            check_event_name(id).map_err(|_| format!("`{text}` names no child"))?;
            Ok(Address::Child(id.into()))
        }
        None => Err(format!(
            "address `{}` is none of `parent`, `invoke.<id>` and `workflow/key`",
            text.escape_debug()
        )),
    }
}
