//! What only the HTTP door has: tokens, paths, a stream that ends.

use gearshift_client::{Client, ErrorKind, WatchFilter};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::world::World;

#[tokio::test]
async fn a_wrong_token_is_denied_and_never_shown() {
    let world = World::http(|_| Some(Ok(json!({"status": "ready"})))).await;
    assert!(world.client.health().await.is_ok());
    assert!(!format!("{:?}", world.client).contains(crate::world::TOKEN));
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nno token";
    let (client, server) = raw(answer).await;
    let error = client.health().await.unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().as_str()), (5, "no token"));
    server.join_all().await;
}

/// A client of a server that gives one fixed answer to one connection, and that server.
async fn raw(answer: &'static str) -> (Client, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(text.contains(" /base/v1/"), "{text}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    (Client::http(&format!("http://{address}/base"), "wrong").unwrap(), server)
}

#[tokio::test]
async fn a_foreign_answer_is_told_by_its_status() {
    let (client, server) = raw("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    let error = client.health().await.unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().as_str()), (6, "502 Bad Gateway"));
    server.join_all().await;
}

#[tokio::test]
async fn a_watch_ends_with_its_stream() {
    let (client, server) = raw(concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
        "data: not a notice\n\n",
    ))
    .await;
    let mut watch = client.watch(WatchFilter::default()).await.unwrap();
    let odd = watch.next().await.unwrap().unwrap_err();
    assert!(matches!(odd.kind(), ErrorKind::Protocol { .. }), "{odd}");
    assert!(watch.next().await.is_none());
    server.join_all().await;
}

#[tokio::test]
async fn a_page_is_no_stream_of_notices() {
    let (client, server) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let error = client.watch(WatchFilter::default()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol { .. }), "{error}");
    server.join_all().await;
}
