//! Routes: one for requests, one for notices, three probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gearshift_bus::Headers;
use gearshift_protocol::{Problem, ProblemKind, headers as names};
use tokio::net::TcpListener;

use super::auth::Token;
use super::notices;
use crate::api;
use crate::runtime::Handle;

/// The largest body taken, in bytes; definitions are the largest things sent here (01 §10).
const BODY_MAX: usize = 1_024 * 1_024;
/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A bound door.
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    handle: Handle,
}

/// Why a door did not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The token is none.
    #[error(transparent)]
    Token(#[from] super::TokenError),
    /// Serving failed.
    #[error("serving HTTP failed: {0}")]
    Serve(#[source] std::io::Error),
}

/// What handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) handle: Handle,
    token: Arc<Token>,
}

impl Door {
    /// Binds `listen`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::Token`].
    pub async fn bind(handle: Handle, listen: SocketAddr, token: &str) -> Result<Self, Error> {
        let bound = |source| Error::Bind { address: listen, source };
        let token = Arc::new(Token::new(token)?);
        let listener = TcpListener::bind(listen).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let shared = Shared { handle: handle.clone(), token };
        let guarded = Router::new()
            .route("/v1/request/{subject}", post(request))
            .route("/v1/notices", get(notices::stream))
            .route_layer(middleware::from_fn_with_state(shared.clone(), authorize))
            .layer(DefaultBodyLimit::max(BODY_MAX));
        let open = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/healthz", get(ready));
        let router = guarded.merge(open).fallback(nothing_here).with_state(shared);
        Ok(Self { listener, address, router, handle })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the engine stops.
    ///
    /// # Errors
    /// [`Error::Serve`].
    pub async fn run(self) -> Result<(), Error> {
        let handle = self.handle;
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(async move { handle.stopping().await })
            .await
            .map_err(Error::Serve)
    }
}

/// Checks the bearer token before anything of the request is read.
async fn authorize(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if !shared.token.accepts(presented) {
        let detail = "this door wants the token that `gearshift dev` printed";
        return refuse(&Problem::new(ProblemKind::Unauthenticated, detail));
    }
    next.run(request).await
}

async fn request(
    State(shared): State<Shared>,
    subject: Result<Path<String>, PathRejection>,
    list: HeaderMap,
    body: Request,
) -> Response {
    let Ok(Path(subject)) = subject else {
        let detail = "the subject in the path is not percent-encoded UTF-8";
        return refuse(&Problem::new(ProblemKind::BadRequest, detail));
    };
    let collected = axum::body::to_bytes(body.into_body(), BODY_MAX);
    let body = match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let detail = format!("request body exceeds the limit of {BODY_MAX} bytes");
            return refuse(&Problem::new(ProblemKind::TooLarge, detail));
        }
        Err(_) => {
            return refuse(&Problem::new(ProblemKind::Timeout, "request body did not arrive"));
        }
    };
    let headers = match bus_headers(&list) {
        Ok(headers) => headers,
        Err(problem) => return refuse(&problem),
    };
    match api::answer(&shared.handle, api::Request { subject, headers, body }).await {
        Ok(body) => json(StatusCode::OK, names::JSON, body),
        Err(problem) => refuse(&problem),
    }
}

/// The request's headers as a bus message has them; the door's own stay behind.
fn bus_headers(list: &HeaderMap) -> Result<Headers, Box<Problem>> {
    const KEPT_BEHIND: [&str; 8] = [
        "authorization",
        "host",
        "content-length",
        "accept",
        "accept-encoding",
        "user-agent",
        "connection",
        "cookie",
    ];
    let mut headers = Headers::default();
    for (name, value) in list {
        if KEPT_BEHIND.contains(&name.as_str()) {
            continue;
        }
        let refused = |reason: String| {
            let problem = Problem::new(ProblemKind::BadRequest, reason);
            Box::new(problem.with_code("GS3007", "headers"))
        };
        let text = value
            .to_str()
            .map_err(|_| refused(format!("header `{name}` is not printable ASCII")))?;
        if headers.get(name.as_str()).is_some() {
            return Err(refused(format!("header `{name}` occurs twice")));
        }
        headers.insert(name.as_str(), text).map_err(|error| refused(error.to_string()))?;
    }
    Ok(headers)
}

async fn ready(State(shared): State<Shared>) -> Response {
    let partitions = shared.handle.health().into_iter();
    let waiting = partitions
        .filter_map(|health| Some(format!("partition {}: {}", health.partition, health.reason?)))
        .chain(shared.handle.missing_definitions())
        .chain(shared.handle.bus_absence())
        .chain(shared.handle.what_loads())
        .collect::<Vec<_>>();
    if shared.handle.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if waiting.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, waiting.join("\n") + "\n").into_response()
}

async fn nothing_here() -> Response {
    let detail = "nothing is here; requests go to /v1/request/<subject>";
    refuse(&Problem::new(ProblemKind::NotFound, detail))
}

pub(super) fn refuse(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Bytes::from(serde_json::to_vec(problem).unwrap_or_default());
    let mut response = json(status, names::PROBLEM_JSON, body);
    if let Some(wait) = problem.retry_after_ms {
        let seconds = wait.div_ceil(1_000).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn json(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
