//! The health door: two questions over HTTP, for whoever starts and stops processes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::life::Gauge;

/// Longest question that is read, in bytes.
const QUESTION_BYTES_MAX: usize = 4 * 1024;

/// Questions answered at once; others wait in the queue of the operating system.
const ASKERS_MAX: usize = 16;

/// How long one question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause after the operating system refused to accept.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Health(#[expect(dead_code, reason = "held for its drop")] JoinSet<()>);

impl Health {
    /// Answers at this address, such as `127.0.0.1:8081`.
    pub(crate) async fn open(address: &str, gauge: Gauge) -> Result<Self, Error> {
        let opened = TcpListener::bind(address).await;
        let listener =
            opened.map_err(|source| Error::Health { address: address.to_owned(), source })?;
        tracing::info!(address, "health is told at `/livez` and `/readyz`");
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, gauge));
        Ok(Self(tasks))
    }
}

async fn listen(listener: TcpListener, gauge: Gauge) {
    let mut askers = JoinSet::new();
    let permits = Arc::new(Semaphore::new(ASKERS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        while askers.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a question for health was not accepted");
                sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        let gauge = gauge.clone();
        askers.spawn(async move {
            // Whoever asked and went away needs no answer.
            if let Ok(Err(error)) = timeout(PATIENCE, attend(stream, &gauge)).await {
                tracing::debug!(%error, "a question for health was not answered");
            }
            drop(permit);
        });
    }
}

async fn attend(mut stream: TcpStream, gauge: &Gauge) -> std::io::Result<()> {
    let mut question = Vec::with_capacity(512);
    while !question.windows(4).any(|end| end == b"\r\n\r\n") {
        if question.len() > QUESTION_BYTES_MAX || stream.read_buf(&mut question).await? == 0 {
            break;
        }
    }
    let answer = answer(&question, gauge);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The whole answer to a request of HTTP/1.
fn answer(question: &[u8], gauge: &Gauge) -> String {
    let state = gauge.state();
    let line = question.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let path = target.map(|target| target.split('?').next().unwrap_or_default());
    let is_http = version.is_some_and(|version| version.starts_with("HTTP/1."));
    let (status, body) = match (method, path) {
        _ if !is_http => ("400 Bad Request", "not a request of HTTP/1"),
        (Some("GET" | "HEAD"), Some("/livez")) => ("200 OK", "ok"),
        (Some("GET" | "HEAD"), Some("/readyz")) if state.takes_calls() => {
            ("200 OK", state.as_str())
        }
        (Some("GET" | "HEAD"), Some("/readyz")) => ("503 Service Unavailable", state.as_str()),
        (Some("GET" | "HEAD"), _) => ("404 Not Found", "ask for /livez or /readyz"),
        (_, _) => ("405 Method Not Allowed", "ask with GET"),
    };
    let length = body.len() + 1;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    if method == Some("HEAD") { head } else { format!("{head}{body}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;

    fn ask(question: &str, gauge: &Gauge) -> (String, String) {
        let answer = answer(question.as_bytes(), gauge);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[test]
    fn only_two_questions_are_answered() {
        let gauge = Gauge::new(1);
        let told = |question: &str| ask(question, &gauge).0;
        assert_eq!(told("GET /livez HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 OK");
        assert_eq!(told("GET /livez?verbose HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK");
        assert_eq!(told("GET /readyz HTTP/1.1\r\n\r\n"), "HTTP/1.1 503 Service Unavailable");
        assert_eq!(told("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
        assert_eq!(told("POST /livez HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
        for odd in ["", "\r\n", "GET", "GET /livez", "GET /livez SMTP", "\u{0}\u{7f}"] {
            assert_eq!(told(odd), "HTTP/1.1 400 Bad Request", "{odd:?}");
        }
        assert_eq!(ask("HEAD /livez HTTP/1.1\r\n\r\n", &gauge).1, "");
    }

    #[tokio::test]
    async fn a_process_is_alive_before_it_is_ready() {
        let plugin = Plugin::new("idle", "1.0.0");
        let gauge = plugin.gauge();
        // A port that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let _health = Health::open(&free.to_string(), gauge.clone()).await.unwrap();
        let ask = async |path: &str| {
            let mut stream = TcpStream::connect(free).await.unwrap();
            let question = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.write_all(question.as_bytes()).await.unwrap();
            let mut told = String::new();
            stream.read_to_string(&mut told).await.unwrap();
            told
        };
        assert!(ask("/livez").await.ends_with("\r\n\r\nok\n"));
        assert!(ask("/readyz").await.ends_with("\r\n\r\ninitializing\n"));
        let bus = gearshift_bus::Bus::in_memory();
        let running = crate::Running::start(plugin, &bus, gauge).await.unwrap();
        assert!(ask("/readyz").await.starts_with("HTTP/1.1 200 OK"));
        running.drain().await;
        assert!(ask("/readyz").await.ends_with("\r\n\r\nstopped\n"));
        let taken = Health::open(&free.to_string(), Gauge::new(1)).await.unwrap_err();
        assert!(matches!(taken, Error::Health { .. }), "{taken}");
    }
}
