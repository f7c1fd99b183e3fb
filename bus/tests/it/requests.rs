//! What requests, groups and discovery promise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearshift_bus::{
    EndpointInfo, Error, ErrorKind, MESSAGE_BYTES_MAX, Message, Offer, QUEUE_REQUESTS_MAX,
    Requests, ServiceInfo,
};
use tokio::sync::oneshot;

use crate::world::{Outcome, PATIENCE, World, kind, message, patient, pattern, subject};

const BRIEF: Duration = Duration::from_millis(20);

pub async fn a_request_gets_its_reply(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let mut server = requests.serve(&pattern("ask.*"), "q").await?;
    let serve = async {
        let request = server.next().await.ok_or("the bus is open")?;
        assert_eq!(request.message, message("ask.x", "question"));
        let answer = message("reply", "answer").with_header("K", "v")?;
        request.respond(answer).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let ask = requests.request(message("ask.x", "question"), PATIENCE);
    let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
    served?;
    let reply = reply?;
    assert_eq!((&reply.payload[..], reply.headers.get("k")), (&b"answer"[..], Some("v")));
    Ok(())
}

pub async fn nobody_serving_is_told_at_once(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let nobody = ErrorKind::NoResponders { subject: "ask".to_owned() };
    assert_eq!(kind(patient(requests.request(message("ask", ""), Duration::MAX)).await), nobody);
    let server = requests.serve(&pattern("ask"), "q").await?;
    let unanswered = kind(requests.request(message("ask", ""), BRIEF).await);
    assert_eq!(unanswered, ErrorKind::Timeout { millis: 20 });
    drop(server);
    assert_eq!(kind(requests.request(message("ask", ""), Duration::MAX).await), nobody);
    Ok(())
}

pub async fn a_dropped_request_times_out_at_its_deadline(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let (timeout, mut dropped) = (Duration::from_millis(200), false);
    let ask = requests.request(message("ask", ""), timeout);
    tokio::pin!(ask);
    let outcome = loop {
        tokio::select! {
            biased;
            request = server.next(), if !dropped => {
                drop(request.ok_or("the bus is open")?);
                dropped = true;
                // The drop alone does not answer: the request is still waiting.
                assert!(tokio::time::timeout(BRIEF, &mut ask).await.is_err());
            }
            outcome = &mut ask => break outcome,
        }
    };
    assert_eq!(kind(outcome), ErrorKind::Timeout { millis: 200 });
    assert!(dropped);
    Ok(())
}

pub async fn each_group_gets_one_request(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let mut members = Vec::new();
    for group in ["q", "q", "audit"] {
        members.push(requests.serve(&pattern("ask"), group).await?);
    }
    let asked = (0..40).map(|_| requests.request(message("ask", ""), BRIEF));
    for outcome in futures_util::future::join_all(asked).await {
        assert!(matches!(kind(outcome), ErrorKind::Timeout { .. }));
    }
    let mut counts = [0, 0, 0];
    for (count, server) in counts.iter_mut().zip(&mut members) {
        while tokio::time::timeout(BRIEF, server.next()).await.is_ok() {
            *count += 1;
        }
    }
    assert_eq!((counts[0] + counts[1], counts[2]), (40, 40));
    assert!(counts[0] > 0 && counts[1] > 0, "both members work: {counts:?}");
    Ok(())
}

pub async fn a_second_reply_is_told_and_whether_it_differs(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let (hear, mut heard) = tokio::sync::mpsc::unbounded_channel();
    requests.on_second_reply(std::sync::Arc::new(move |asked, differs| {
        hear.send((asked.as_str().to_owned(), differs)).unwrap_or_default();
    }));
    let mut first = requests.serve(&pattern("ask.*"), "q").await?;
    let mut second = requests.serve(&pattern("ask.*"), "audit").await?;
    for (subject, later, differs) in [("ask.a", "one", false), ("ask.b", "two", true)] {
        let ask = requests.request(message(subject, ""), PATIENCE);
        let answer = async {
            let request = first.next().await.ok_or("the bus is open")?;
            // How busy it is says nothing of the answer.
            let reply = message("reply", "one").with_header("Load", "1/2")?;
            request.respond(reply).await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let (reply, answered) = patient(async { tokio::join!(ask, answer) }).await;
        answered?;
        assert_eq!(reply?.payload, "one");
        let late = patient(second.next()).await.ok_or("the bus is open")?;
        late.respond(message("reply", later)).await?;
        assert_eq!(patient(heard.recv()).await, Some((subject.to_owned(), differs)));
    }
    Ok(())
}

pub async fn a_full_server_is_not_delivered_to(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let _full = requests.serve(&pattern("ask"), "q").await?;
    let asked = (0..QUEUE_REQUESTS_MAX).map(|_| requests.request(message("ask", ""), BRIEF));
    futures_util::future::join_all(asked).await;
    let refused = requests.request(message("ask", ""), PATIENCE).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Full { limit: QUEUE_REQUESTS_MAX });
    assert!(refused.is_retryable());
    let mut free = requests.serve(&pattern("ask"), "q").await?;
    let serve = async {
        let request = free.next().await.unwrap();
        request.respond(message("reply", "")).await
    };
    // A backend that picks members blindly may meet the full one again: that is told, and can
    // be repeated.
    let ask = async {
        loop {
            match requests.request(message("ask", ""), PATIENCE).await {
                Err(error) if matches!(error.kind(), ErrorKind::Full { .. }) => {}
                outcome => return outcome,
            }
        }
    };
    let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
    served?;
    reply?;
    Ok(())
}

pub async fn requests_above_the_limit_are_refused(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let size = MESSAGE_BYTES_MAX + 1;
    let large = Message::new(subject("ask"), vec![0; size]);
    let too_large = ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX };
    assert_eq!(kind(requests.request(large.clone(), PATIENCE).await), too_large);
    let serve = async {
        let request = server.next().await.unwrap();
        request.respond(large.clone()).await
    };
    let (asked, served) = tokio::join!(requests.request(message("ask", ""), BRIEF), serve);
    assert_eq!(kind(served), too_large);
    assert!(matches!(kind(asked), ErrorKind::Timeout { .. }));
    Ok(())
}

pub async fn an_instance_is_asked_alone_and_tells_more(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let info = |id: &str| ServiceInfo {
        name: "pay".to_owned(),
        id: id.to_owned(),
        version: "1.2.0".to_owned(),
        metadata: BTreeMap::new(),
        endpoints: ["check", "charge"]
            .map(|name| EndpointInfo {
                name: name.to_owned(),
                subject: format!("pay.{name}"),
                metadata: BTreeMap::new(),
            })
            .into(),
    };
    let told = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(3));
    let counter = std::sync::Arc::clone(&told);
    let number = move || counter.load(std::sync::atomic::Ordering::Relaxed).into();
    let first = requests.offer_as(info("1"), Offer::new("q").alone().data(number)).await?;
    let (registration, mut servers) = first;
    let (_second, _others) = requests.offer_as(info("2"), Offer::new("q").alone()).await?;
    assert_eq!(servers.len(), 4);
    let ids: Vec<_> = requests.discover().await?.into_iter().map(|one| one.id).collect();
    assert!(ids.iter().any(|id| id == registration.id()), "{ids:?}");
    for (index, name) in ["check", "charge"].iter().enumerate() {
        let own = message(&format!("pay.{name}.{}", registration.id()), name);
        let server = &mut servers[2 + index];
        let serve = async {
            let request = server.next().await.unwrap();
            assert_eq!(request.message.payload, *name);
            request.respond(message("reply", "ok")).await
        };
        let ask = requests.request(own, PATIENCE);
        let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
        served?;
        assert_eq!(reply?.payload, "ok");
    }
    told.store(4, std::sync::atomic::Ordering::Relaxed);
    for instance in requests.stats().await? {
        let data = match instance.id == registration.id() {
            true => serde_json::json!(4),
            false => serde_json::Value::Null,
        };
        assert!(instance.endpoints.iter().all(|one| one.data == data), "{instance:?}");
        assert_eq!(instance.endpoints.len(), 2, "the subjects of an instance are no endpoints");
    }
    // Taken back, it is asked neither in its group nor alone.
    let gone = format!("pay.check.{}", registration.id());
    drop((registration, servers));
    let gone = kind(patient(requests.request(message(&gone, ""), PATIENCE)).await);
    assert!(matches!(gone, ErrorKind::NoResponders { .. }), "{gone:?}");
    Ok(())
}

pub async fn services_are_discovered_until_they_go(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let info = |name: &str, id: &str| ServiceInfo {
        name: name.to_owned(),
        id: id.to_owned(),
        version: "1.2.0".to_owned(),
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        endpoints: vec![EndpointInfo {
            name: "check".to_owned(),
            subject: "plugin.check".to_owned(),
            metadata: BTreeMap::new(),
        }],
    };
    // A backend may give a service an id of its own.
    let discover = async || {
        let mut found = requests.discover().await?;
        let ids: BTreeSet<String> = found.iter().map(|one| one.id.clone()).collect();
        assert_eq!(ids.len(), found.len(), "ids are apart");
        found.iter_mut().for_each(|one| one.id.clear());
        Ok::<_, Error>(found)
    };
    assert!(discover().await?.is_empty());
    let (second, mut servers) = requests.offer(info("b", "2"), "q").await?;
    let (_first, _served) = requests.offer(info("b", "1"), "other").await?;
    let _other = requests.offer(info("a", "9"), "another").await?;
    assert_eq!(discover().await?, [info("a", ""), info("b", ""), info("b", "")]);
    let ask = requests.request(message("plugin.check", "7"), PATIENCE);
    let serve = async {
        let request = servers[0].next().await.unwrap();
        assert_eq!(request.message.payload, "7");
        request.respond(message("reply", "ok")).await
    };
    let (reply, served) = patient(async { tokio::join!(ask, serve) }).await;
    served?;
    assert_eq!(reply?.payload, "ok");
    drop(second);
    assert_eq!(discover().await?, [info("a", ""), info("b", "")]);
    Ok(())
}

/// Asks without waiting where the backend can, else waits; nothing where it is dropped unheard.
pub async fn told(
    requests: &Requests,
    message: Message,
    timeout: Duration,
) -> Option<Result<Message, Error>> {
    let (tell, told) = oneshot::channel();
    let then = Box::new(move |outcome| drop(tell.send(outcome)));
    if let Err((message, then)) = requests.request_told(message, timeout, then) {
        then(requests.request(message, timeout).await);
    }
    patient(told).await.ok()
}

pub async fn what_is_told_is_what_would_be_returned(world: &World) -> Outcome {
    let requests = world.open().await?.requests();
    let nobody = told(&requests, message("ask.x", ""), PATIENCE).await.ok_or("it is heard")?;
    assert_eq!(kind(nobody), ErrorKind::NoResponders { subject: "ask.x".to_owned() });
    let mut server = requests.serve(&pattern("ask.*"), "q").await?;
    let serve = async {
        let request = server.next().await.ok_or("the bus is open")?;
        assert_eq!(request.message, message("ask.x", "question").with_header("K", "v")?);
        request.respond(message("reply", "answer").with_header("K", "w")?).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let question = message("ask.x", "question").with_header("K", "v")?;
    let ask = told(&requests, question, PATIENCE);
    let (reply, served) = patient(Box::pin(async { tokio::join!(ask, serve) })).await;
    served?;
    let reply = reply.ok_or("it is heard")??;
    assert_eq!((&reply.payload[..], reply.headers.get("k")), (&b"answer"[..], Some("w")));
    let unanswered = told(&requests, message("ask.x", ""), BRIEF).await.ok_or("it is heard")?;
    assert_eq!(kind(unanswered), ErrorKind::Timeout { millis: 20 });
    let size = MESSAGE_BYTES_MAX + 1;
    let large = Message::new(subject("ask.x"), vec![0; size]);
    let refused = told(&requests, large, PATIENCE).await.ok_or("it is heard")?;
    assert_eq!(kind(refused), ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX });
    Ok(())
}

pub async fn who_takes_at_once_gets_every_request_until_the_bus_closes(world: &World) -> Outcome {
    const ASKED: usize = 200;
    let bus = world.open().await?;
    let requests = bus.requests();
    let mut server = requests.serve_at_once(&pattern("ask"), "q").await?;
    let mut elsewhere = requests.serve_at_once(&pattern("ask"), "q").await?;
    let serve = async {
        let mut served = 0;
        while served < ASKED {
            // Given up again and again, also while a request comes in.
            tokio::select! {
                biased;
                request = server.next() => {
                    let request = request.ok_or("the bus is open")?;
                    request.respond(message("reply", "here")).await?;
                    served += 1;
                }
                request = elsewhere.next() => {
                    let request = request.ok_or("the bus is open")?;
                    request.respond(message("reply", "there")).await?;
                    served += 1;
                }
                () = tokio::task::yield_now() => {}
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let asked = (0..ASKED).map(|_| requests.request(message("ask", ""), PATIENCE));
    let asked = futures_util::future::join_all(asked);
    let (replies, served) = patient(async { tokio::join!(asked, serve) }).await;
    served?;
    for reply in replies {
        reply?;
    }
    bus.close().await?;
    assert!(patient(server.next()).await.is_none());
    Ok(())
}
