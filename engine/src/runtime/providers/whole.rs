//! The last steps to an answer that need the bus: an output that is an object's content, and one
//! that is not what it was to be.

use gearshift_bus::Message;
use gearshift_protocol::ObjectRef;

use super::ask::{Asked, Attempt};
use super::gives::{Gives, sure};
use crate::runtime::longwork::read_object_by;

/// A reply that is what an object holds, and what that is to be.
pub(crate) struct Stored {
    pub(super) reply: Message,
    pub(super) object: ObjectRef,
    pub(super) gives: Option<Gives>,
}

impl Attempt {
    /// The answer itself, where it is an object's content, or in doubt. While the bus is away the
    /// deadline of the call decides: it was answered, and another attempt must not be made for
    /// that.
    pub(crate) async fn whole(&self, asked: Asked) -> Asked {
        match asked {
            Asked::Stored(stored) => {
                let Stored { reply, object, gives } = *stored;
                let read = read_object_by(&self.shared, reply, &object, &self.call).await;
                let Some(outcome) = read else { return Asked::Nothing };
                Asked::Ended(sure(&self.shared.providers, gives, outcome).await)
            }
            Asked::Doubted(doubt) => Asked::Ended(doubt.settled(&self.shared.providers).await),
            Asked::Ended(_) | Asked::Promised(_) | Asked::Again | Asked::Nothing => asked,
        }
    }
}
