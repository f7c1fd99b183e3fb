//! Replies: what is sent of an answer, and what instead where that is too large.

use bytes::Bytes;
use gearshift_bus::{Message, Subject};
use gearshift_protocol::{Encoding, headers};

use crate::answer::Answered;
use crate::bodies::too_large;

/// `quiet`: what says nothing is JSON, so that most answers travel without any header.
pub(crate) fn reply(subject: Subject, answer: Answered, quiet: bool) -> Message {
    let (body, list) = match answer {
        Ok((Encoding::Json, body)) if quiet => (Bytes::from(body), Vec::new()),
        Ok((encoding, body)) => {
            let list = vec![(headers::CONTENT_TYPE, encoding.content_type().to_owned())];
            (Bytes::from(body), list)
        }
        Err(failure) => {
            let failure = failure.into_wire();
            let mut list = failure.to_headers();
            list.push((headers::CONTENT_TYPE, headers::JSON.to_owned()));
            (Bytes::new(), list)
        }
    };
    let mut reply = Message::new(subject, body);
    for (name, value) in list {
        insert(&mut reply, name, value);
    }
    reply
}

/// Values were made fit to travel; one that is not is left out rather than the answer.
pub(crate) fn insert(reply: &mut Message, name: &'static str, value: String) {
    if let Err(error) = reply.headers.insert_known(name, value) {
        tracing::warn!(%error, name, "a header could not be sent");
    }
}

pub(crate) fn warn_unsent(sent: Result<(), gearshift_bus::Error>) {
    if let Err(error) = sent {
        tracing::warn!(%error, "the answer could not be sent");
    }
}

/// What is sent where a reply is too large: whoever asks hears why, and does not wait in vain.
pub(crate) fn too_large_instead(
    instead_of: &Message,
) -> impl FnOnce(usize, usize) -> Message + use<> {
    let load = instead_of.headers.get(headers::LOAD).map(str::to_owned);
    let subject = instead_of.subject.clone();
    move |size, limit| {
        let mut refusal = reply(subject, Err(too_large(size, limit)), false);
        if let Some(load) = load {
            insert(&mut refusal, headers::LOAD, load);
        }
        refusal
    }
}
