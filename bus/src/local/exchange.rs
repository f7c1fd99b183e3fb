//! [`Exchange`]: subscribers, servers and services of one process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::answer::{Answer, First};
use super::told::Deadlines;
use super::{Lifecycle, Listener, ListenerQueue, lock};
use crate::requests::OnReply;
use crate::second::Hearing;
use crate::service::Data;
use crate::{
    EndpointInfo, EndpointStats, Error, ErrorKind, Message, QUEUE_REQUESTS_MAX, Request,
    ServiceInfo, ServiceStats, Subject, SubjectPattern,
};

/// Replies a requester can hold: the first counts, and several groups may answer at once.
const REPLIES_MAX: usize = 4;

/// Hands messages and requests to whoever asked for them.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    table: Arc<Mutex<Table>>,
    deadlines: Arc<Deadlines>,
    hearing: Hearing,
    lifecycle: Lifecycle,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    turn: usize,
    subscribers: BTreeMap<u64, (SubjectPattern, Arc<ListenerQueue>)>,
    servers: BTreeMap<u64, ServerEntry>,
    services: BTreeMap<u64, (ServiceInfo, Option<Data>)>,
}

struct ServerEntry {
    pattern: SubjectPattern,
    group: String,
    queue: mpsc::Sender<Request>,
}

/// Takes an entry out of the table when it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    table: Arc<Mutex<Table>>,
    id: u64,
}

/// A server's end of its queue.
#[derive(Debug)]
pub(crate) struct Served {
    queue: mpsc::Receiver<Request>,
    lifecycle: Lifecycle,
    #[expect(dead_code, reason = "held for its drop, which unregisters the server")]
    guard: Guard,
}

/// A registered service, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registered(#[expect(dead_code, reason = "held for its drop")] Guard);

impl Exchange {
    pub(crate) fn new(lifecycle: Lifecycle) -> Self {
        let hearing = Hearing::default();
        Self { table: Arc::default(), deadlines: Arc::default(), hearing, lifecycle }
    }

    /// Who hears of second replies.
    pub(crate) const fn hearing(&self) -> &Hearing {
        &self.hearing
    }

    pub(crate) fn publish(&self, message: &Message) {
        let table = lock(&self.table);
        for (pattern, queue) in table.subscribers.values() {
            if pattern.matches(&message.subject) {
                queue.push(message.clone());
            }
        }
    }

    pub(crate) fn is_heard(&self, subject: &Subject) -> bool {
        lock(&self.table).subscribers.values().any(|(pattern, _)| pattern.matches(subject))
    }

    pub(crate) fn subscribe(&self, pattern: &SubjectPattern) -> Result<Listener, Error> {
        self.lifecycle.check()?;
        let queue = Arc::new(ListenerQueue::default());
        let guard = self.enter(|table, id| {
            table.subscribers.insert(id, (pattern.clone(), Arc::clone(&queue)));
        });
        Ok(Listener::new(queue, self.lifecycle.clone(), guard))
    }

    pub(crate) fn serve(&self, pattern: &SubjectPattern, group: &str) -> Result<Served, Error> {
        self.lifecycle.check()?;
        let (sender, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let entry =
            ServerEntry { pattern: pattern.clone(), group: group.to_owned(), queue: sender };
        let guard = self.enter(|table, id| {
            table.servers.insert(id, entry);
        });
        Ok(Served { queue, lifecycle: self.lifecycle.clone(), guard })
    }

    pub(crate) fn register(
        &self,
        info: ServiceInfo,
        data: Option<Data>,
    ) -> Result<Registered, Error> {
        self.lifecycle.check()?;
        Ok(Registered(self.enter(|table, id| {
            table.services.insert(id, (info, data));
        })))
    }

    pub(crate) fn discover(&self) -> Result<Vec<ServiceInfo>, Error> {
        self.lifecycle.check()?;
        Ok(self.services().into_iter().map(|(info, _)| info).collect())
    }

    /// The services with what they tell beside, in order of name and id.
    fn services(&self) -> Vec<(ServiceInfo, Option<Data>)> {
        let mut all: Vec<_> = lock(&self.table).services.values().cloned().collect();
        all.sort_by(|(a, _), (b, _)| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        all
    }

    /// Nobody counts requests here: whoever asks in one process counts for itself.
    pub(crate) fn stats(&self) -> Result<Vec<ServiceStats>, Error> {
        self.lifecycle.check()?;
        let of = |endpoint: EndpointInfo, data: &serde_json::Value| EndpointStats {
            name: endpoint.name,
            subject: endpoint.subject,
            requests: 0,
            errors: 0,
            average: Duration::ZERO,
            last_error: String::new(),
            data: data.clone(),
        };
        let stats = |(info, data): (ServiceInfo, Option<Data>)| {
            // Asked without the table, which what is told may want to look into.
            let data = data.map_or(serde_json::Value::Null, |data| data());
            ServiceStats {
                name: info.name,
                id: info.id,
                version: info.version,
                endpoints: info.endpoints.into_iter().map(|one| of(one, &data)).collect(),
            }
        };
        Ok(self.services().into_iter().map(stats).collect())
    }

    pub(crate) async fn request(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, Error> {
        self.lifecycle.check()?;
        // This end of the channel stays open here: a request dropped without an answer must
        // not end the wait early.
        let (reply, mut replies) = mpsc::channel(REPLIES_MAX);
        self.deliver(&message, &reply)?;
        tokio::select! {
            biased;
            answer = tokio::time::timeout(timeout, replies.recv()) => match answer {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) | Err(_) => Err(timed_out(timeout)),
            },
            () = self.lifecycle.closed() => Err(ErrorKind::Closed.into()),
        }
    }

    /// Asks without waiting; `then` is told the outcome. Gives both back where the message does
    /// not go to exactly one group with room for it.
    pub(crate) fn tell_of(
        &self,
        message: Message,
        timeout: Duration,
        then: OnReply,
    ) -> Result<(), (Message, OnReply)> {
        let mut table = lock(&self.table);
        table.turn = table.turn.wrapping_add(1);
        let Some(members) = table.only_group(&message.subject) else {
            return Err((message, then));
        };
        let told = match self.deadlines.enter(timeout, then, &self.lifecycle) {
            Ok(told) => told,
            Err(then) => return Err((message, then)),
        };
        let unsent = offer(&members, table.turn, Request::told(message, told)).err();
        drop(members);
        drop(table);
        let Some((message, Some(then))) = unsent.map(|unsent| unsent.untold()) else {
            return Ok(());
        };
        Err((message, then))
    }

    /// Hands the request to one member of every group that serves its subject.
    pub(crate) fn deliver(
        &self,
        message: &Message,
        reply: &mpsc::Sender<Message>,
    ) -> Result<(), Error> {
        let mut table = lock(&self.table);
        table.turn = table.turn.wrapping_add(1);
        let groups = table.groups(&message.subject);
        if groups.is_empty() {
            return Err(ErrorKind::NoResponders { subject: message.subject.to_string() }.into());
        }
        let mut delivered = false;
        let several = groups.len() > 1;
        let first = || Arc::new(First::new(message.subject.clone(), self.hearing.clone()));
        let first = several.then(first);
        for members in groups.into_values() {
            let reply = Answer::new(reply.clone(), first.clone());
            let request = Request::new(message.clone(), reply);
            delivered |= offer(&members, table.turn, request).is_ok();
        }
        if delivered { Ok(()) } else { Err(ErrorKind::Full { limit: QUEUE_REQUESTS_MAX }.into()) }
    }

    fn enter(&self, add: impl FnOnce(&mut Table, u64)) -> Guard {
        let mut table = lock(&self.table);
        let id = table.next_id;
        table.next_id += 1;
        add(&mut table, id);
        drop(table);
        Guard { table: Arc::clone(&self.table), id }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { next_id, subscribers, servers, services, .. } = self;
        let counts = (subscribers.len(), servers.len(), services.len());
        f.debug_struct("Table").field("next_id", next_id).field("counts", &counts).finish()
    }
}

impl Table {
    fn groups(&self, subject: &Subject) -> BTreeMap<&str, Vec<&mpsc::Sender<Request>>> {
        let mut groups: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for server in self.servers.values() {
            if server.pattern.matches(subject) {
                groups.entry(&server.group).or_default().push(&server.queue);
            }
        }
        groups
    }

    /// The servers of the one group that serves a subject.
    fn only_group(&self, subject: &Subject) -> Option<Vec<&mpsc::Sender<Request>>> {
        let mut serving = self.servers.values().filter(|server| server.pattern.matches(subject));
        let first = serving.next()?;
        let mut members = vec![&first.queue];
        for server in serving {
            if server.group != first.group {
                return None;
            }
            members.push(&server.queue);
        }
        Some(members)
    }
}

/// Offers the request to the members in turn until one has room for it.
fn offer(
    members: &[&mpsc::Sender<Request>],
    turn: usize,
    mut request: Request,
) -> Result<(), Box<Request>> {
    let first = turn % members.len();
    let (before, from) = members.split_at(first);
    for member in from.iter().chain(before) {
        match member.try_send(request) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(back) | TrySendError::Closed(back)) => request = back,
        }
    }
    Err(Box::new(request))
}

pub(crate) fn timed_out(timeout: Duration) -> Error {
    let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    ErrorKind::Timeout { millis }.into()
}

impl Served {
    pub(crate) async fn next(&mut self) -> Option<Request> {
        tokio::select! {
            biased;
            request = self.queue.recv() => request,
            () = self.lifecycle.closed() => self.queue.try_recv().ok(),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        // An entry may hold requests whose drop reaches nothing here, so holding the lock is
        // safe; ids are never reused, so at most one of the three maps knows this one.
        table.subscribers.remove(&self.id);
        table.servers.remove(&self.id);
        table.services.remove(&self.id);
    }
}
