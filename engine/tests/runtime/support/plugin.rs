//! [`Recorded`]: the plugin `recorded`, which remembers its calls and answers by a script.

use std::sync::{Arc, Mutex};

use gearshift_bus::{Bus, Headers, Message, Request, Server, SubjectPattern};
use gearshift_protocol::headers;

/// One call as the plugin saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// The idempotency key.
    pub(crate) call: String,
    /// Counted from 1.
    pub(crate) attempt: u32,
    /// The calling instance.
    pub(crate) instance: String,
    /// What came in.
    pub(crate) input: serde_json::Value,
    /// Where the journals ended when the call came in.
    pub(crate) tails: Vec<u64>,
}

/// What the plugin answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// An empty output.
    Done,
    /// Another attempt may succeed.
    Retryable,
    /// Another attempt is useless.
    Permanent,
    /// Nothing until [`Recorded::release`].
    Hold,
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

/// A plugin that remembers its calls.
#[derive(Clone)]
pub(crate) struct Recorded {
    seen: Arc<Mutex<Vec<Seen>>>,
    held: Arc<Mutex<Vec<Request>>>,
    script: Arc<Script>,
}

impl Recorded {
    pub(crate) fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), held: Arc::default(), script: Arc::new(script) }
    }

    /// All calls so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Answers everything that is held.
    pub(crate) async fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for request in held {
            answer(request, Answer::Done).await;
        }
    }

    /// Answers what is held of one instance.
    pub(crate) async fn release_of(&self, instance: &str) {
        let all = std::mem::take(&mut *self.held.lock().unwrap());
        for request in all {
            match request.message.headers.get(headers::INSTANCE) == Some(instance) {
                true => answer(request, Answer::Done).await,
                false => self.held.lock().unwrap().push(request),
            }
        }
    }

    /// Answers nothing of what is held, ever.
    pub(crate) fn forget(&self) {
        self.held.lock().unwrap().clear();
    }

    /// How many wait for [`Recorded::release`].
    pub(crate) fn held(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    /// Begins to serve; what comes is taken by [`Recorded::run`].
    pub(crate) async fn listen(bus: &Bus) -> Server {
        let pattern = SubjectPattern::parse("gearshift.plugin.recorded.v1.*").unwrap();
        bus.requests().serve(&pattern, "q").await.unwrap()
    }

    /// Serves until the bus is closed or the task is dropped.
    pub(crate) async fn run(self, mut server: Server, bus: Bus, partitions: u16) {
        while let Some(request) = server.next().await {
            let seen = read(&request.message, tails(&bus, partitions).await);
            let decided = (self.script)(&seen);
            self.seen.lock().unwrap().push(seen);
            match decided {
                Answer::Hold => self.held.lock().unwrap().push(request),
                Answer::Done | Answer::Retryable | Answer::Permanent => {
                    answer(request, decided).await;
                }
            }
        }
    }
}

fn read(message: &Message, tails: Vec<u64>) -> Seen {
    let header = |name| message.headers.get(name).unwrap().to_owned();
    Seen {
        call: header(headers::CALL_ID),
        attempt: header(headers::ATTEMPT).parse().unwrap(),
        instance: header(headers::INSTANCE),
        input: serde_json::from_slice(&message.payload).unwrap(),
        tails,
    }
}

async fn answer(request: Request, answer: Answer) {
    let mut reply = Message::new(request.message.subject.clone(), "{}");
    let kind = match answer {
        Answer::Done | Answer::Hold => None,
        Answer::Retryable => Some("retryable"),
        Answer::Permanent => Some("permanent"),
    };
    if let Some(kind) = kind {
        let mut list = Headers::new();
        list.insert(headers::SERVICE_ERROR_CODE, "500").unwrap();
        list.insert(headers::SERVICE_ERROR, "as the script says").unwrap();
        list.insert(headers::ERROR_KIND, kind).unwrap();
        reply.headers = list;
    }
    request.respond(reply).await.unwrap();
}

/// Where the journals end now.
pub(crate) async fn tails(bus: &Bus, partitions: u16) -> Vec<u64> {
    let mut tails = Vec::new();
    for partition in 0..partitions {
        let log = bus.log(&format!("journal-{partition}")).await.unwrap();
        tails.push(log.tail().await.unwrap().last);
    }
    tails
}
