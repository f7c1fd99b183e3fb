//! [`Traffic`]: requests and replies, over a connection that nothing else depends on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_nats::{StatusCode, Subscriber};
use futures_util::StreamExt;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

use super::NatsOptions;
use super::live::{Live, Outgoing};
use super::notices::NoticeGate;
use super::requests::{ERROR_CODE, ERROR_TEXT};
use super::told::{Told, Unsent};
use crate::local::{Lifecycle, lock};
use crate::requests::OnReply;
use crate::second::{Answered, Hearing, digest};
use crate::{Error, ErrorKind, Message, Subject};

/// How often a lost connection is looked at by a request that waits for it.
const RECONNECT_POLL: Duration = Duration::from_millis(20);

/// Entries above which unanswered probes are forgotten.
const WAITING_MAX: usize = 65_536;

/// How long a message that asks for no reply waits for the next connection.
const RENEWAL_MAX: Duration = Duration::from_secs(5);

/// Sends requests and tells replies apart by the last token of the subject they arrive at.
///
/// The client's own way keeps an entry for ever for each request that timed out.
#[derive(Debug, Clone)]
pub(super) struct Traffic(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held for its drop, which ends the task")]
    tasks: JoinSet<()>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lifecycle: Lifecycle,
    live: watch::Sender<Arc<Live>>,
    /// What every reply subject begins with, up to the last dot; it outlives connections, so
    /// that a reply finds its request over the next one too.
    prefix: String,
    pub(super) waiting: Mutex<HashMap<u64, Waiting, BuildHasherDefault<Token>>>,
    /// Wakes who looks for overdue requests.
    pub(super) told: Notify,
    /// Whether it knows that there are some.
    pub(super) sweeping: AtomicBool,
    /// Who hears of second replies.
    pub(super) hearing: Hearing,
    gate: Mutex<NoticeGate>,
    started: OnceLock<tokio::time::Instant>,
}

#[derive(Debug)]
pub(super) enum Waiting {
    Request(oneshot::Sender<async_nats::Message>, Option<Subject>),
    /// Nobody waits, and somebody is told.
    Told(Box<Told>),
    /// Nobody waits; that nobody listens is told to the gate.
    Probe(Subject),
}

/// Tokens are random already.
#[derive(Debug, Default)]
pub(super) struct Token(u64);

impl Hasher for Token {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, token: u64) {
        self.0 = token;
    }
}

impl Traffic {
    pub(super) async fn start(options: &NatsOptions, lifecycle: Lifecycle) -> Result<Self, Error> {
        let mut options = options.clone();
        options.name.push_str(" traffic");
        let live = Live::open(&options, &lifecycle, 0).await?;
        let prefix = format!("{}.", live.client.new_inbox());
        let replies = live.subscribe(&format!("{prefix}*")).await?;
        let shared = Arc::new(Shared {
            lifecycle,
            live: watch::Sender::new(Arc::new(live)),
            prefix,
            waiting: Mutex::default(),
            told: Notify::new(),
            sweeping: AtomicBool::new(false),
            hearing: Hearing::default(),
            gate: Mutex::default(),
            started: OnceLock::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(keep(Arc::clone(&shared), options, replies));
        let sweeping = Arc::clone(&shared);
        tasks.spawn(async move { sweeping.sweep().await });
        Ok(Self(Arc::new(Inner { shared, tasks })))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The first reply, as the client delivers it; a 503 of the server is an error.
    pub(super) async fn ask(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        let reply = self.exchange(Outgoing::from(message), timeout).await?;
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(ErrorKind::NoResponders { subject: message.subject.to_string() }.into());
        }
        Ok(reply)
    }

    /// Sends a request at once, or gives it back; `then` is told its outcome.
    pub(super) fn tell_of(
        &self,
        message: Message,
        timeout: Duration,
        then: OnReply,
    ) -> Result<(), Unsent> {
        self.shared().tell_of(message, timeout, then)
    }

    pub(super) async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        self.shared().exchange(outgoing, timeout).await
    }

    /// Sends what nobody answers.
    pub(super) async fn tell(&self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        let shared = self.shared();
        let live = shared.live();
        match live.send(outgoing, None).await {
            Err(error) if matches!(error.kind(), ErrorKind::Disconnected) => {}
            sent => return sent,
        }
        // Rare, so its room is not part of every reply.
        let sending = Box::pin(shared.send(outgoing, None));
        match tokio::time::timeout(RENEWAL_MAX, sending).await {
            Ok(sent) => sent,
            Err(elapsed) => Err(Error::new(ErrorKind::Disconnected, elapsed)),
        }
    }

    /// [`Traffic::tell`] without waiting; whether it went out.
    pub(super) fn tell_at_once(&self, outgoing: Outgoing<'_>) -> bool {
        let live = self.shared().live();
        // Without a turn of the task's budget a ready channel looks full after some messages.
        let sending = tokio::task::unconstrained(live.send(outgoing, None));
        matches!(futures_util::FutureExt::now_or_never(sending), Some(Ok(())))
    }

    /// Tells whoever subscribes, if anybody does; never waits.
    pub(super) fn notify(&self, message: &Message) -> Result<(), Error> {
        let shared = self.shared();
        let now = shared.elapsed();
        let verdict = lock(&shared.gate).decide(&message.subject, now);
        let reply_to = match verdict {
            super::notices::Verdict::Drop => return Ok(()),
            super::notices::Verdict::Send => None,
            super::notices::Verdict::Probe => {
                let (token, reply_to) = shared.enter(Waiting::Probe(message.subject.clone()));
                let replaced = lock(&shared.gate).probing(&message.subject, token);
                shared.forget(replaced);
                Some(reply_to)
            }
        };
        let live = shared.live();
        let sending = live.send(Outgoing::from(message), reply_to.as_deref());
        // Without a turn of the task's budget a ready channel looks full after some messages.
        let sending = tokio::task::unconstrained(sending);
        match futures_util::FutureExt::now_or_never(sending) {
            Some(Err(error)) if !matches!(error.kind(), ErrorKind::Disconnected) => Err(error),
            // A notice may be lost: the client's queue is full, or there is no connection.
            Some(_) | None => Ok(()),
        }
    }

    /// Whether [`Traffic::notify`] would send anything under this subject now.
    pub(super) fn is_heard(&self, subject: &Subject) -> bool {
        let shared = self.shared();
        let now = shared.elapsed();
        !lock(&shared.gate).is_silent(subject, now)
    }

    /// Sends what waits to be sent.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        let live = self.shared().live();
        if !live.is_up() {
            return Ok(());
        }
        live.client.flush().await.map_err(|error| Error::new(ErrorKind::Disconnected, error))
    }

    /// Ends every subscription; without a connection there is nothing to end.
    pub(super) async fn drain(&self) {
        self.shared().live().client.drain().await.ok();
    }
}

impl Shared {
    /// The connection to use now.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.borrow())
    }

    /// The connection after the one of this generation, which has ended.
    pub(super) async fn renewed(&self, generation: u64) -> Result<Arc<Live>, Error> {
        let mut live = self.live.subscribe();
        let renewed = tokio::select! {
            biased;
            () = self.lifecycle.closed() => return Err(ErrorKind::Closed.into()),
            renewed = live.wait_for(|live| live.generation > generation) => renewed,
        };
        renewed
            .map(|live| Arc::clone(&live))
            .map_err(|error| Error::new(ErrorKind::Disconnected, error))
    }

    /// Sends a message, over the next connection if this one has ended; waits while the
    /// client's queue is full.
    pub(super) async fn send(
        &self,
        outgoing: Outgoing<'_>,
        reply_to: Option<&str>,
    ) -> Result<(), Error> {
        loop {
            let live = self.live();
            match live.send(outgoing, reply_to).await {
                Err(error) if matches!(error.kind(), ErrorKind::Disconnected) => {
                    Box::pin(self.renewed(live.generation)).await?;
                }
                sent => return sent,
            }
        }
    }

    /// Waits for the connection: what the client queues meanwhile would leave after the caller
    /// gave up on it.
    pub(super) async fn connected(&self) {
        while !self.is_connected() && self.lifecycle.check().is_ok() {
            tokio::time::sleep(RECONNECT_POLL).await;
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.live.borrow().is_up()
    }

    /// A token that nobody can guess who saw others, and the subject its reply arrives at.
    pub(super) fn enter(&self, waiting: Waiting) -> (u64, String) {
        let (token, reply_to) = self.token();
        lock(&self.waiting).insert(token, waiting);
        (token, reply_to)
    }

    pub(super) fn token(&self) -> (u64, String) {
        let token = fastrand::u64(..);
        (token, format!("{}{token:x}", self.prefix))
    }

    /// Takes a replaced probe away, and all probes once there are far more than subjects.
    fn forget(&self, replaced: Option<u64>) {
        let mut waiting = lock(&self.waiting);
        if let Some(token) = replaced {
            waiting.remove(&token);
        }
        if waiting.len() > WAITING_MAX {
            waiting.retain(|_, one| !matches!(one, Waiting::Probe(_)));
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.get_or_init(tokio::time::Instant::now).elapsed()
    }
}

/// Hands out replies for as long as the bus is open, over one connection after the other.
async fn keep(shared: Arc<Shared>, options: NatsOptions, mut replies: Subscriber) {
    let lifecycle = shared.lifecycle.clone();
    let keeping = async {
        let shared = &shared;
        let replies_to = format!("{}*", shared.prefix);
        let mut answered = Answered::default();
        loop {
            hand_out(shared, &mut replies, &mut answered).await;
            if lifecycle.check().is_err() {
                return;
            }
            tracing::warn!(
                connection = options.name,
                "a message that the client cannot read has ended the connection for requests; \
                 it is made anew"
            );
            let next = shared.live().generation + 1;
            let renewed = Live::renew(&options, &lifecycle, next, &replies_to).await;
            replies = renewed.1;
            shared.live.send_replace(Arc::new(renewed.0));
        }
    };
    tokio::select! {
        biased;
        () = lifecycle.closed() => {}
        () = keeping => {}
    }
    // Whoever still waits gets to know that nothing comes any more; not under the lock, as what is
    // to be told may let go of anything.
    let unanswered = std::mem::take(&mut *lock(&shared.waiting));
    drop(unanswered);
}

async fn hand_out(shared: &Shared, replies: &mut Subscriber, answered: &mut Answered) {
    while let Some(reply) = replies.next().await {
        let token = reply.subject.strip_prefix(shared.prefix.as_str());
        let Some(token) = token.and_then(|token| u64::from_str_radix(token, 16).ok()) else {
            continue;
        };
        // Taken out before it is handed over: the lock is not held meanwhile.
        let waiting = lock(&shared.waiting).remove(&token);
        match waiting {
            Some(Waiting::Request(sender, asked)) => {
                if let Some(asked) = asked.filter(|_| reply.status.is_none()) {
                    answered.keep(token, said(&reply), asked);
                }
                // The requester may have given up in this moment; then nobody needs the reply.
                sender.send(reply).unwrap_or_default();
            }
            Some(Waiting::Told(told)) => {
                if reply.status.is_none() {
                    answered.keep(token, said(&reply), told.asked().clone());
                }
                shared.answer(told, reply);
            }
            Some(Waiting::Probe(subject)) => {
                let nobody = reply.status == Some(StatusCode::NO_RESPONDERS);
                if nobody {
                    let now = shared.elapsed();
                    lock(&shared.gate).nobody(&subject, token, now);
                }
            }
            None => {
                if let Some((asked, differs)) = answered.second(token, said(&reply)) {
                    shared.hearing.tell(asked, differs);
                }
            }
        }
    }
}

/// Names what a reply says.
fn said(reply: &async_nats::Message) -> u64 {
    let list = reply.headers.as_ref();
    let header = |name: &str| list?.get(name).map(|value| value.as_str());
    digest(&reply.payload, [ERROR_CODE, ERROR_TEXT].map(header))
}
