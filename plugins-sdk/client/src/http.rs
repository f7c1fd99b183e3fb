//! Requests over the HTTP door: `POST /v1/request/{subject}`, notices as server-sent events.

use std::time::Duration;

use bytes::Bytes;
use gearshift_protocol::{Problem, ProblemKind, headers};
use reqwest::{Response, Url};

use crate::error::{Error, ErrorKind};
use crate::transport::{Ask, millis, problem};
use crate::watch::{Watch, WatchFilter};

/// Largest answer taken, in bytes: 64 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct HttpTransport {
    client: reqwest::Client,
    base: Url,
    token: Option<Token>,
}

/// A secret, shown to nobody.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl HttpTransport {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self, Error> {
        let refuse = |what| {
            let detail = format!("`{url}` is not the address of an engine: {what}");
            Error::from(Problem::new(ProblemKind::BadRequest, detail))
        };
        let base = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        if base.scheme() != "http" {
            return Err(refuse("it does not start with `http://`".to_owned()));
        }
        // Proxies of the environment do not concern an engine that listens on loopback.
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| Error::unreachable(url, error))?;
        let token = (!token.is_empty()).then(|| Token(token.to_owned()));
        Ok(Self { client, base, token })
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Bytes, Error> {
        let url = self.url(&["v1", "request", &ask.subject]);
        let mut request = self.client.post(url).timeout(ask.deadline).body(ask.body);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let response = self.send(request, ask.deadline).await?;
        self.body(response, ask.deadline).await
    }

    pub(crate) async fn watch(
        &self,
        filter: WatchFilter,
        deadline: Duration,
    ) -> Result<Watch, Error> {
        let mut url = self.url(&["v1", "notices"]);
        for (name, value) in [("workflow", &filter.workflow), ("key", &filter.key)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let request = self.client.get(url).header("Accept", "text/event-stream");
        // The stream has no end, so the deadline is for its beginning only.
        let response = tokio::time::timeout(deadline, self.send(request, deadline))
            .await
            .map_err(|_| Error::from(ErrorKind::Timeout { millis: millis(deadline) }))??;
        let kind = content_type(&response);
        if !kind.starts_with("text/event-stream") {
            return Err(Error::protocol(format!("notices came as `{kind}`")));
        }
        Ok(Watch::http(self.base.to_string(), response, filter))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // An `http` address always has a path, so this cannot fail.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends, and turns a refusal into its problem.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        deadline: Duration,
    ) -> Result<Response, Error> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(&token.0),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.failed(error, deadline))?;
        let status = response.status();
        if status.is_success() && !content_type(&response).starts_with(headers::PROBLEM_JSON) {
            return Ok(response);
        }
        let body = self.body(response, deadline).await?;
        let words = String::from_utf8_lossy(&body[..body.len().min(1024)]);
        let words = if words.is_empty() { status.to_string().into() } else { words };
        Err(problem(status.as_u16(), &words, &body).into())
    }

    async fn body(&self, mut response: Response, deadline: Duration) -> Result<Bytes, Error> {
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.failed(error, deadline))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                let size = body.len();
                return Err(Error::protocol(format!(
                    "{size} bytes exceed the limit of {ANSWER_BYTES_MAX}"
                )));
            }
        }
        Ok(body.into())
    }

    fn failed(&self, error: reqwest::Error, deadline: Duration) -> Error {
        if error.is_timeout() {
            ErrorKind::Timeout { millis: millis(deadline) }.into()
        } else if error.is_builder() {
            Problem::new(ProblemKind::BadRequest, error.to_string()).into()
        } else {
            Error::unreachable(self.base.as_str(), error)
        }
    }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(headers::CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
