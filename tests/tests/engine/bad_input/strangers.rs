//! E14, E15, E17, E18, E22: what strangers write into our streams, byte by byte, on a server.

use std::io::{Read, Write};
use std::net::TcpStream;

use gearshift_client::protocol::query::DeadLetters;
use gearshift_tests::world::{Backend, World, eventually_async};
use serde_json::json;

use crate::flows::{FLOW, note, seen, started};

/// A world on a server, with some instances in both partitions.
fn on_a_server(test: impl FnOnce(&mut World)) {
    let mut world = World::new(Backend::Nats);
    world.deploy(FLOW);
    for number in 0..8 {
        started(&world, &format!("k{number}"));
        note(&world, &format!("k{number}"), "n1");
    }
    test(&mut world);
}

/// Publishes bytes as they are, over a connection of nobody's library.
fn publish(world: &World, subject: &str, headers: &[u8], payload: &[u8]) {
    let address = world.server_url().strip_prefix("nats://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut text = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n".to_vec();
    if headers.is_empty() {
        write!(text, "PUB {subject} {}\r\n", payload.len()).unwrap();
    } else {
        let head = [b"NATS/1.0\r\n", headers, b"\r\n"].concat();
        let total = head.len() + payload.len();
        write!(text, "HPUB {subject} {} {total}\r\n", head.len()).unwrap();
        text.extend_from_slice(&head);
    }
    text.extend_from_slice(payload);
    text.extend_from_slice(b"\r\nPING\r\n");
    stream.write_all(&text).unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|part| part == b"PONG") {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..count]);
    }
    assert!(!answer.windows(4).any(|part| part == b"-ERR"), "{:?}", answer.escape_ascii());
}

/// Every instance takes `op`, and has what it took before.
fn all_take(world: &World, op: &str, before: &[&str]) {
    for number in 0..8 {
        let key = format!("k{number}");
        assert_eq!(seen(world, &key), before);
        note(world, &key, op);
    }
}

#[test]
fn e17_foreign_records_in_a_journal_are_skipped_and_the_chain_is_unbroken() {
    on_a_server(|world| {
        for subject in ["gearshift.journal.0", "gearshift.journal.1"] {
            publish(world, subject, b"", b"a stranger's record");
            publish(world, subject, b"", b"");
        }
        all_take(world, "n2", &["n1"]);
        publish(world, "gearshift.journal.0", b"X: y\r\n", b"GS");
        world.restart();
        all_take(world, "n3", &["n1", "n2"]);
        assert!(world.handle().health().iter().all(|one| one.serving));
    });
}

/// The partition that met `record` refuses with `reason`; the other one goes on.
fn refused(record: &[u8], reason: &str) {
    on_a_server(|world| {
        publish(world, "gearshift.journal.0", b"", record);
        world.restart();
        let health = world.handle().health();
        let (bad, good) = (&health[0], &health[1]);
        assert!(!bad.serving && good.serving, "{health:?}");
        let told = bad.reason.clone().unwrap_or_default();
        assert!(told.contains(reason), "{told}");
        let mut answers = (0, 0);
        for number in 0..8 {
            match world.run(world.client().instance(&format!("flow/k{number}"))) {
                Ok(_) => answers.0 += 1,
                Err(error) => {
                    assert_eq!(error.exit_code(), 6, "{error}");
                    answers.1 += 1;
                }
            }
        }
        assert!(answers.0 > 0 && answers.1 > 0, "{answers:?}");
    });
}

#[test]
fn e14_a_damaged_frame_stops_its_partition_only() {
    let mut frame = b"GSFR\x01\x00".to_vec();
    frame.resize(64, 7);
    refused(&frame, "checksum");
}

#[test]
fn e15_a_frame_of_a_newer_version_stops_its_partition_and_names_the_version() {
    let mut frame = b"GSFR\x09\x00".to_vec();
    frame.resize(64, 7);
    refused(&frame, "version 9");
}

/// After what was published, the next event of the same subject arrives.
fn reading_goes_on(world: &World, op: &str) {
    let data = json!({ "key": "k0", "op": op }).to_string();
    publish(world, "go.noted", b"", data.as_bytes());
    let client = world.client();
    world.run(eventually_async("the next event", async || {
        let shown = client.instance("flow/k0").await.ok()?;
        let list = shown.vars["seen"].as_array()?.clone();
        list.iter().any(|one| one == op).then_some(())
    }));
}

fn letters(world: &World) -> Vec<String> {
    let page = world.run(world.client().dead_letters(&DeadLetters::default())).unwrap();
    page.items.into_iter().map(|letter| letter.reason).collect()
}

#[test]
fn e22_bytes_that_are_no_text_are_a_dead_letter_and_reading_goes_on() {
    on_a_server(|world| {
        publish(world, "go.noted", b"", b"{\"key\": \"k0\", \"op\": \"\xff\xfe\"}");
        publish(world, "go.noted", b"", b"\x00\xff");
        reading_goes_on(world, "after");
        let reasons = letters(world);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
    });
}

#[test]
fn e18_e22_headers_that_are_no_text_doubled_or_huge_do_not_stop_reading() {
    on_a_server(|world| {
        let data = |op: &str| json!({ "key": "k1", "op": op }).to_string().into_bytes();
        let huge = [b"X-Huge: ", "y".repeat(8 * 1024).as_bytes(), b"\r\n"].concat();
        let cases: [(&str, &[u8]); 5] = [
            ("h1", b"Nats-Msg-Id: \xff\xfe\r\n"),
            ("h2", b"Nats-Msg-Id: a\r\nNats-Msg-Id: b\r\n"),
            ("h3", b"ce-id: 1\r\n"),
            ("h4", &huge),
            ("h5", b"Nats-Msg-Id:\r\nce-type: \xff\r\n"),
        ];
        for (op, headers) in cases {
            publish(world, "go.noted", headers, &data(op));
        }
        reading_goes_on(world, "after");
        // Each was taken once, or is a dead letter with a reason.
        let (taken, reasons) = (seen(world, "k1"), letters(world));
        println!("taken: {taken:?}, dead letters: {reasons:?}");
        assert_eq!(taken.len() - 1 + reasons.len(), cases.len(), "{taken:?} {reasons:?}");
        assert!(reasons.iter().all(|reason| !reason.is_empty()), "{reasons:?}");
    });
}
