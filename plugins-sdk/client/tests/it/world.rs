//! An engine that answers what a test tells it, behind both doors.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response, Sse, sse};
use axum::routing::{get, post};
use bytes::Bytes;
use gearshift_bus::{Bus, Message, Subject, SubjectPattern};
use gearshift_client::Client;
use gearshift_client::protocol::{Notice, Problem, headers};
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

/// Generous: only a hang reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The token of the HTTP door.
pub(crate) const TOKEN: &str = "gearshift_test";

/// What the engine was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) subject: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

type Answer = dyn Fn(&Asked) -> Option<Result<Value, Problem>> + Send + Sync;

/// The engine and a client of it; both end with the drop.
pub(crate) struct World {
    pub(crate) client: Client,
    asked: watch::Receiver<Vec<Asked>>,
    notices: Notices,
    _tasks: JoinSet<()>,
}

enum Notices {
    Bus(Bus),
    Http { sender: broadcast::Sender<Notice>, watchers: watch::Receiver<usize> },
}

/// What both doors share; `None` as answer is silence.
#[derive(Clone)]
struct Engine {
    asked: watch::Sender<Vec<Asked>>,
    answer: Arc<Answer>,
}

impl Engine {
    fn ask(&self, asked: Asked) -> Option<Result<Value, Problem>> {
        let answer = (self.answer)(&asked);
        self.asked.send_modify(|list| list.push(asked));
        answer
    }
}

impl World {
    pub(crate) async fn bus(
        answer: impl Fn(&Asked) -> Option<Result<Value, Problem>> + Send + Sync + 'static,
    ) -> Self {
        let bus = Bus::in_memory();
        let engine = Engine { asked: watch::Sender::default(), answer: Arc::new(answer) };
        let asked = engine.asked.subscribe();
        let pattern = SubjectPattern::parse("gearshift.>").unwrap();
        let mut server = bus.requests().serve(&pattern, "engine").await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut silent = Vec::new();
            while let Some(request) = server.next().await {
                let message = &request.message;
                let list = message.headers.iter();
                let asked = Asked {
                    subject: message.subject.as_str().to_owned(),
                    headers: list.map(|(name, value)| (name.into(), value.into())).collect(),
                    body: serde_json::from_slice(&message.payload).unwrap(),
                };
                let subject = message.subject.clone();
                match engine.ask(asked) {
                    Some(answer) => request.respond(reply(subject, answer)).await.unwrap(),
                    None => silent.push(request),
                }
            }
        });
        let client = Client::bus(bus.clone());
        Self { client, asked, notices: Notices::Bus(bus), _tasks: tasks }
    }

    pub(crate) async fn http(
        answer: impl Fn(&Asked) -> Option<Result<Value, Problem>> + Send + Sync + 'static,
    ) -> Self {
        let engine = Engine { asked: watch::Sender::default(), answer: Arc::new(answer) };
        let asked = engine.asked.subscribe();
        let sender = broadcast::Sender::new(100);
        let (count, watchers) = watch::channel(0);
        let door = Door { engine, sender: sender.clone(), count: Arc::new(count) };
        let router = Router::new()
            .route("/v1/request/{subject}", post(request))
            .route("/v1/notices", get(notices))
            .with_state(door);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = Client::http(&format!("http://{address}/"), TOKEN).unwrap();
        Self { client, asked, notices: Notices::Http { sender, watchers }, _tasks: tasks }
    }

    /// What the engine was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// Returns once the engine was asked on this subject so often.
    pub(crate) async fn until_asked(&self, subject: &str, times: usize) {
        let count = |list: &Vec<Asked>| list.iter().filter(|one| one.subject == subject).count();
        let mut asked = self.asked.clone();
        asked.wait_for(|list| count(list) >= times).await.unwrap();
    }

    /// Publishes a notice to whoever watches.
    pub(crate) async fn notify(&self, notice: &Notice) {
        match &self.notices {
            Notices::Bus(bus) => {
                let subject = Subject::parse(&notice.subject()).unwrap();
                let payload = serde_json::to_vec(notice).unwrap();
                bus.publish(Message::new(subject, payload)).await.unwrap();
            }
            Notices::Http { sender, watchers } => {
                watchers.clone().wait_for(|count| *count > 0).await.unwrap();
                sender.send(notice.clone()).unwrap();
            }
        }
    }
}

fn reply(subject: Subject, answer: Result<Value, Problem>) -> Message {
    match answer {
        Ok(value) => Message::new(subject, serde_json::to_vec(&value).unwrap()),
        Err(problem) => Message::new(subject, serde_json::to_vec(&problem).unwrap())
            .with_header(headers::SERVICE_ERROR_CODE, &problem.status.to_string())
            .unwrap()
            .with_header(headers::SERVICE_ERROR, &problem.detail)
            .unwrap(),
    }
}

#[derive(Clone)]
struct Door {
    engine: Engine,
    sender: broadcast::Sender<Notice>,
    count: Arc<watch::Sender<usize>>,
}

fn refused(list: &HeaderMap) -> Option<Response> {
    let token = list.get("authorization").and_then(|value| value.to_str().ok());
    let known = token == Some(&format!("Bearer {TOKEN}"));
    (!known).then(|| (StatusCode::UNAUTHORIZED, "no token").into_response())
}

async fn request(
    State(door): State<Door>,
    Path(subject): Path<String>,
    list: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = refused(&list) {
        return refused;
    }
    let pairs = list.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    let body = serde_json::from_slice(&body).unwrap();
    match door.engine.ask(Asked { subject, headers: pairs.collect(), body }) {
        Some(Ok(value)) => (StatusCode::OK, value.to_string()).into_response(),
        Some(Err(problem)) => Response::builder()
            .status(problem.status)
            .header(headers::CONTENT_TYPE, headers::PROBLEM_JSON)
            .body(Body::from(serde_json::to_vec(&problem).unwrap()))
            .unwrap(),
        None => std::future::pending().await,
    }
}

async fn notices(State(door): State<Door>, list: HeaderMap, query: RawQuery) -> Response {
    if let Some(refused) = refused(&list) {
        return refused;
    }
    let body = Value::String(query.0.unwrap_or_default());
    let asked = Asked { subject: "notices".into(), headers: Vec::new(), body };
    door.engine.asked.send_modify(|list| list.push(asked));
    let stream = BroadcastStream::new(door.sender.subscribe()).map(|notice| {
        let text = serde_json::to_string(&notice.unwrap()).unwrap();
        Ok::<_, Infallible>(sse::Event::default().id("7").data(text))
    });
    door.count.send_modify(|count| *count += 1);
    let comment = sse::KeepAlive::new().interval(Duration::from_millis(5));
    Sse::new(stream).keep_alive(comment).into_response()
}
