//! A service taken back under load loses no call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gearshift_bus::{
    Bus, EndpointInfo, ErrorKind, NatsOptions, PrivateServer, ServerOptions, ServiceInfo,
};
use tokio::task::JoinSet;

use crate::world::{Outcome, message, patient};

/// Far longer than an answer takes, and far shorter than anybody's patience.
const ANSWER_MAX: Duration = Duration::from_secs(5);

const SUBJECT: &str = "gearshift.plugin.pay.v1.check";

fn info() -> ServiceInfo {
    let endpoint = EndpointInfo {
        name: "check".to_owned(),
        subject: SUBJECT.to_owned(),
        metadata: BTreeMap::new(),
    };
    ServiceInfo {
        name: "pay".to_owned(),
        id: String::new(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::new(),
        endpoints: vec![endpoint],
    }
}

/// Asks again and again until nobody serves; every call before is answered.
async fn call(bus: Bus, answered: Arc<AtomicU64>) {
    let requests = bus.requests();
    loop {
        match requests.request(message(SUBJECT, "7"), ANSWER_MAX).await {
            Ok(reply) => assert_eq!(reply.payload, "7"),
            Err(error) if matches!(error.kind(), ErrorKind::NoResponders { .. }) => return,
            Err(error) => panic!("a call was lost: {error}"),
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_taken_back_under_load_loses_no_call() -> Outcome {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let options = NatsOptions::new(server.url());
    let (serving, calling) = (Bus::connect(&options).await?, Bus::connect(&options).await?);
    for _ in 0..20 {
        let (registration, servers) = serving.requests().offer(info(), "q").await?;
        let mut tasks = JoinSet::new();
        for mut server in servers {
            tasks.spawn(async move {
                while let Some(request) = server.next().await {
                    let reply = request.message.clone();
                    request.respond(reply).await.unwrap();
                }
            });
        }
        let answered = Arc::new(AtomicU64::new(0));
        for _ in 0..64 {
            tasks.spawn(call(calling.clone(), Arc::clone(&answered)));
        }
        patient(async {
            while answered.load(Ordering::Relaxed) < 500 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(registration);
        while let Some(ended) = patient(tasks.join_next()).await {
            ended?;
        }
    }
    Ok(())
}
