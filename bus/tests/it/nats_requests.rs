//! What requests, services and notices promise on NATS beside what every backend does.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use gearshift_bus::{
    Bus, EndpointInfo, ErrorKind, NatsOptions, Offer, PrivateServer, QUEUE_REQUESTS_MAX,
    ServerOptions, ServiceInfo,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::world::{Outcome, PATIENCE, kind, message, patient, pattern};

/// Long enough for what is on its way, where nothing is to come.
const QUIET: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error>;

/// A server, a bus on it, and a plain client.
async fn setup() -> Result<(PrivateServer, Bus, async_nats::Client), Failure> {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let client = async_nats::connect(server.url()).await?;
    Ok((server, bus, client))
}

fn service(name: &str) -> ServiceInfo {
    ServiceInfo {
        name: name.to_owned(),
        id: "mine".to_owned(),
        version: "1.2.0".to_owned(),
        metadata: BTreeMap::from([("gearshift.plugin".to_owned(), "1".to_owned())]),
        endpoints: ["check", "charge"]
            .map(|endpoint| EndpointInfo {
                name: endpoint.to_owned(),
                subject: format!("gearshift.plugin.{name}.v1.{endpoint}"),
                metadata: BTreeMap::from([("idempotent".to_owned(), "by-id".to_owned())]),
            })
            .into(),
    }
}

async fn json(client: &async_nats::Client, subject: String) -> Result<Value, Failure> {
    let reply = client.request(subject, "".into()).await?;
    Ok(serde_json::from_slice(&reply.payload)?)
}

#[tokio::test]
async fn nobody_serving_is_told_in_fifty_milliseconds() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let asked = Instant::now();
        let told = kind(requests.request(message("ask", ""), PATIENCE).await);
        assert_eq!(told, ErrorKind::NoResponders { subject: "ask".to_owned() });
        fastest = fastest.min(asked.elapsed());
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    Ok(())
}

#[tokio::test]
async fn headers_travel_both_ways_with_plain_clients() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut server = bus.requests().serve(&pattern("ask"), "q").await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Gearshift-Attempt", "2");
    let ask = client.request_with_headers("ask", headers, "question".into());
    let serve = async {
        let request = server.next().await.ok_or("the bus is open")?;
        assert_eq!(request.message.headers.get("gearshift-attempt"), Some("2"));
        let answer = message("x", "answer").with_header("Nats-Service-Error-Code", "422")?;
        Ok::<_, Failure>(request.respond(answer).await?)
    };
    let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
    served?;
    let reply = reply?;
    assert_eq!(reply.payload, "answer");
    let headers = reply.headers.ok_or("headers came back")?;
    assert_eq!(headers.get("Nats-Service-Error-Code").map(|value| value.as_str()), Some("422"));
    Ok(())
}

#[tokio::test]
async fn a_full_queue_is_a_503_to_other_clients() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut server = bus.requests().serve(&pattern("ask"), "q").await?;
    for _ in 0..QUEUE_REQUESTS_MAX {
        client.publish_with_reply("ask", "_INBOX.nobody", "".into()).await?;
    }
    let reply = client.request("ask", "".into()).await?;
    let headers = reply.headers.ok_or("it says why")?;
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(header("Nats-Service-Error-Code").as_deref(), Some("503"));
    assert_eq!(header("Gearshift-Full").as_deref(), Some("16384"));
    assert!(patient(server.next()).await.is_some(), "what was taken is still served");
    Ok(())
}

#[tokio::test]
async fn whoever_attends_a_service_refuses_while_holding_what_arrives() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let offer = Offer::new("q").attended();
    let (_registration, mut servers) = bus.requests().offer_as(service("pay"), offer).await?;
    let subject = "gearshift.plugin.pay.v1.check";
    for number in 0..QUEUE_REQUESTS_MAX {
        client.publish_with_reply(subject, "_INBOX.nobody", number.to_string().into()).await?;
    }
    let refused = servers[0].hold(client.request(subject, "one too many".into()));
    let headers = patient(refused).await?.headers.ok_or("it says why")?;
    assert_eq!(headers.get("Gearshift-Full").map(|value| value.as_str()), Some("16384"));
    for number in 0..QUEUE_REQUESTS_MAX {
        let request = patient(servers[0].next()).await.ok_or("it is held")?;
        assert_eq!(request.message.payload, number.to_string());
    }
    Ok(())
}

#[tokio::test]
async fn p12_a_reply_subject_that_is_no_inbox_is_refused() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut server = bus.requests().serve(&pattern("ask"), "q").await?;
    let mut journal = client.subscribe("gearshift.>").await?;
    for reply in ["$JS.API.STREAM.DELETE.x", "gearshift.journal.0", "orders.paid", "$SYS.x"] {
        client.publish_with_reply("ask", reply, "evil".into()).await?;
    }
    client.publish("ask", "no reply asked for".into()).await?;
    client.publish_with_reply("ask", "_INBOX.me.1", "good".into()).await?;
    let request = patient(server.next()).await.ok_or("the bus is open")?;
    assert_eq!(request.message.payload, "good", "the others never arrive");
    let silence = tokio::time::timeout(QUIET, journal.next()).await;
    assert!(silence.is_err(), "nothing was answered there");
    Ok(())
}

#[tokio::test]
async fn a_service_is_a_micro_service() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let (registration, mut servers) = bus.requests().offer(service("pay"), "q").await?;
    let ping = json(&client, "$SRV.PING.pay".to_owned()).await?;
    assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
    let info = json(&client, format!("$SRV.INFO.pay.{}", ping["id"].as_str().unwrap())).await?;
    assert_eq!((&info["name"], &info["version"]), (&"pay".into(), &"1.2.0".into()));
    assert_eq!(info["metadata"]["gearshift.plugin"], "1");
    let endpoints = info["endpoints"].as_array().ok_or("a list")?;
    let charge = endpoints.iter().find(|one| one["name"] == "charge").ok_or("it is listed")?;
    assert_eq!(charge["subject"], "gearshift.plugin.pay.v1.charge");
    assert_eq!(
        (&charge["queue_group"], &charge["metadata"]["idempotent"]),
        (&"q".into(), &"by-id".into())
    );
    let subject = "gearshift.plugin.pay.v1.charge";
    for failing in [false, true, false] {
        let serve = async {
            let request = servers[1].next().await.unwrap();
            let mut reply = message("x", if failing { "" } else { "done" });
            if failing {
                reply = reply
                    .with_header("Nats-Service-Error-Code", "500")?
                    .with_header("Nats-Service-Error", "no money")?
                    .with_header("Gearshift-Error-Kind", "permanent")?;
            }
            request.respond(reply).await
        };
        let requests = bus.requests();
        let ask = requests.request(message(subject, "7"), PATIENCE);
        let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
        served?;
        let headers = reply?.headers;
        assert_eq!(headers.get("Nats-Service-Error-Code"), failing.then_some("500"));
        assert_eq!(headers.get("Gearshift-Error-Kind"), failing.then_some("permanent"));
    }
    let stats = json(&client, "$SRV.STATS.pay".to_owned()).await?;
    let endpoints = stats["endpoints"].as_array().ok_or("a list")?;
    let charge = endpoints.iter().find(|one| one["name"] == "charge").ok_or("it is listed")?;
    assert_eq!((&charge["num_requests"], &charge["num_errors"]), (&3.into(), &1.into()));
    assert!(charge["last_error"].as_str().unwrap().contains("no money"));
    drop(registration);
    let gone = client.request("$SRV.PING.pay", "".into()).await;
    assert!(gone.is_err(), "nobody answers any more");
    Ok(())
}

#[tokio::test]
async fn a_service_taken_back_serves_what_was_delivered() -> Outcome {
    taken_back(Offer::new("q")).await?;
    taken_back(Offer::new("q").attended()).await
}

async fn taken_back(offer: Offer) -> Outcome {
    let (_server, bus, client) = setup().await?;
    let (registration, mut servers) = bus.requests().offer_as(service("pay"), offer).await?;
    let mut replies = client.subscribe("_INBOX.me.*").await?;
    for number in 0..10 {
        let subject = "gearshift.plugin.pay.v1.check";
        client.publish_with_reply(subject, format!("_INBOX.me.{number}"), "".into()).await?;
    }
    let first = patient(servers[0].next()).await.ok_or("ten came")?;
    first.respond(message("x", "")).await?;
    // The ten were sent together: once the server has answered again, all have arrived.
    let told = bus.requests().request(message("nobody", ""), PATIENCE).await;
    assert!(matches!(kind(told), ErrorKind::NoResponders { .. }));
    tokio::time::sleep(QUIET).await;
    drop(registration);
    while let Some(request) = patient(servers[0].next()).await {
        request.respond(message("x", "")).await?;
    }
    for _ in 0..10 {
        patient(replies.next()).await.ok_or("each is answered")?;
    }
    Ok(())
}

#[tokio::test]
async fn p10_liars_are_ignored_when_services_are_discovered() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let _real = bus.requests().offer(service("pay"), "q").await?;
    let liar = client.clone();
    let mut calls = client.subscribe("$SRV.INFO").await?;
    let mut lying = tokio::task::JoinSet::new();
    lying.spawn(async move {
        while let Some(call) = calls.next().await {
            let Some(reply) = call.reply else { continue };
            let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
            let long = format!(
                r#"{{"type":"io.nats.micro.v1.info_response","name":"{}","id":"1","version":"1"}}"#,
                "n".repeat(5_000)
            );
            for lie in ["", "{", "null", "{\"name\":7}", deep.as_str(), long.as_str()] {
                liar.publish(reply.clone(), lie.to_owned().into()).await.unwrap();
            }
            for number in 0..6_000 {
                let lie = format!(
                    r#"{{"type":"io.nats.micro.v1.info_response","name":"l{number}","id":"1",
                    "version":"1.0.0"}}"#
                );
                liar.publish(reply.clone(), lie.into()).await.unwrap();
            }
            liar.flush().await.unwrap();
        }
    });
    client.flush().await?;
    let asked = Instant::now();
    let found = patient(bus.requests().discover()).await?;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(found.len() <= 4_096, "{}", found.len());
    assert!(found.iter().all(|one| one.name.len() <= 128));
    assert!(found.iter().any(|one| one.name == "pay"), "the honest one is among them");
    Ok(())
}

#[tokio::test]
async fn malformed_requests_are_marked_and_still_answered() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut server = bus.requests().serve(&pattern("ask"), "q").await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Twice", "1");
    headers.append("Twice", "2");
    client.publish_with_reply_and_headers("ask", "_INBOX.me.1", headers, "".into()).await?;
    let request = patient(server.next()).await.ok_or("the bus is open")?;
    let said = request.message.headers.get("Gearshift-Malformed").unwrap_or_default();
    assert!(said.contains("`Twice`"), "{said}");
    assert_eq!(request.message.headers.get("Twice"), Some("1"));
    Ok(())
}

#[tokio::test]
async fn notices_reach_subscribers_and_cost_nothing_without() -> Outcome {
    let (server, bus, client) = setup().await?;
    let notice = || message("gearshift.notice.order.done", "n");
    for _ in 0..1_000 {
        bus.notify(notice())?;
    }
    let told = bus.requests().request(message("nobody", ""), PATIENCE).await;
    assert!(matches!(kind(told), ErrorKind::NoResponders { .. }));
    let before = received(server.monitor_url()).await?;
    for _ in 0..10_000 {
        bus.notify(notice())?;
    }
    let after = received(server.monitor_url()).await?;
    assert!(after - before < 100, "{} of 10,000 were sent to nobody", after - before);
    let mut subscription = client.subscribe("gearshift.notice.>").await?;
    client.flush().await?;
    // Within the silence nothing is sent; after that every notice is.
    patient(async {
        loop {
            bus.notify(notice())?;
            if tokio::time::timeout(Duration::from_millis(20), subscription.next()).await.is_ok() {
                return Ok::<_, gearshift_bus::Error>(());
            }
        }
    })
    .await?;
    for number in 0..500 {
        bus.notify(message("gearshift.notice.order.done", &number.to_string()))?;
    }
    for number in 0..500 {
        let next = patient(subscription.next()).await.ok_or("it is delivered")?;
        assert_eq!(next.payload, number.to_string());
    }
    Ok(())
}

/// Messages that the server has taken from clients so far.
async fn received(monitor: &str) -> Result<u64, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = monitor.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").ok_or("a body")?.1;
    let body: Value = serde_json::from_str(body)?;
    Ok(body["in_msgs"].as_u64().ok_or("a count")?)
}

#[tokio::test]
async fn requests_go_on_after_the_server_was_killed() -> Outcome {
    let (mut server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let mut serving = requests.serve(&pattern("ask"), "q").await?;
    let mut served = tokio::task::JoinSet::new();
    served.spawn(async move {
        while let Some(request) = serving.next().await {
            request.respond(message("x", "ok")).await.unwrap();
        }
    });
    assert_eq!(requests.request(message("ask", ""), PATIENCE).await?.payload, "ok");
    server.kill();
    let lost = requests.request(message("ask", ""), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(lost.kind(), ErrorKind::Disconnected | ErrorKind::Timeout { .. }), "{lost:?}");
    server.restart().await?;
    // Until the subscription is back the server knows nobody who serves.
    patient(async {
        loop {
            match requests.request(message("ask", ""), Duration::from_secs(2)).await {
                Ok(reply) => return assert_eq!(reply.payload, "ok"),
                Err(_not_yet) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    Ok(())
}
