//! Servers and engines that are away: what is said, how it ends, and what goes on afterwards.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::nats::{ONE, first_notice, serve};
use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

/// An address where nobody answers.
const NOWHERE: &str = "nats://127.0.0.1:9";
/// Longer than anything takes that ends at all.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn c3_every_command_ends_with_6_where_the_server_is_away_and_names_it_once() {
    let place = Place::new();
    for line in [
        &["ls", "-s", NOWHERE][..],
        &["watch", "-s", NOWHERE],
        &["health", "-s", NOWHERE],
        &["serve", "--nats", NOWHERE, "--no-wait"],
        &["bus", "doctor", "--nats", NOWHERE],
    ] {
        let done = place.gearshift(line).ends(6);
        let said = done.out.replace(&format!("{NOWHERE}\n"), "") + &done.err;
        assert_eq!(said.matches("127.0.0.1:9").count(), 1, "{line:?}: {said}");
        assert!(said.contains("no NATS server answers at `127.0.0.1:9`"), "{line:?}: {said}");
    }
    let done = place.gearshift(&["ls", "-s", NOWHERE, "-o", "json"]).ends(6);
    assert_eq!(done.json()["code"], "GS5002");
}

#[test]
fn without_an_engine_every_command_says_so_at_once() {
    let place = Place::new();
    let server = Server::start("");
    for line in [&["ls"][..], &["watch"], &["watch", "hall"], &["health"], &["tasks"]] {
        let line = [line, &["-s", server.url()]].concat();
        let done = place.gearshift(&line).ends(6);
        assert!(done.err.contains("no engine answers on `gearshift.query."), "{}", done.err);
    }
}

#[test]
fn watch_gives_a_silent_engine_as_long_as_timeout_says() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    engine.signal("-STOP");
    for line in [&["watch"][..], &["watch", "hall"], &["health"]] {
        let line = [line, &["-s", server.url(), "--timeout", "1s"]].concat();
        let began = Instant::now();
        let done = place.gearshift(&line).ends(7);
        assert!(began.elapsed() < Duration::from_secs(15), "{line:?}: {:?}", began.elapsed());
        assert!(done.err.contains("no answer within 1s"), "{line:?}: {}", done.err);
    }
    engine.signal("-CONT");
}

#[test]
fn watch_outlives_its_engine_and_sees_an_end_that_nobody_told() {
    let place = Place::new();
    let mut server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let mut engine = serve(&place, server.url(), &["light.workflow.yaml", "--data", "kept"]);
    let url = server.url().to_owned();
    place.gearshift(&["start", "light", "--key", "hall", "-s", &url]).ends(0);
    let told = place.path("told.txt");
    let mut command = place.command(&["watch", "hall", "-s", &url]);
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut watch = Dev::spawn(command);
    first_notice(&place, &url, &mut watch);
    let is_told = |words: &str| {
        until(LONG, || std::fs::read_to_string(&told).unwrap().contains(words).then_some(()));
    };
    engine.signal("-TERM");
    assert_eq!(engine.wait(), Some(0));
    is_told("no engine answers on `gearshift.query.instance`; watching goes on");
    server.kill();
    runtime().block_on(server.restart());
    let _engine = serve(&place, server.url(), &["--data", "kept"]);
    is_told("an engine answers again");
    // Notices are for whoever listens; this one may come before the engine knows of the watch.
    place.gearshift(&["cancel", "hall", "-s", server.url()]).ends(0);
    assert_eq!(watch.wait(), Some(1));
}

#[test]
fn health_tells_whether_all_is_served_over_either_door() {
    let place = Place::new();
    let server = Server::start("");
    let more = ["--listen", "127.0.0.1:0", "--monitor", server.monitor()];
    let engine = serve(&place, server.url(), &more);
    let done = place.gearshift(&["health", "-s", server.url()]).ends(0);
    assert!(done.out.starts_with("ready "), "{}", done.out);
    assert!(done.out.contains("4 of 4 partitions served"), "{}", done.out);
    let over_http = ["health", "-s", engine.text("url"), "--token", engine.text("token")];
    let health = place.gearshift(&[&over_http[..], &["-o", "json"]].concat()).ends(0).json();
    assert_eq!(health["status"], "ready");
    assert_eq!(health["partitions"].as_array().unwrap().len(), 4);
    let quiet = place.gearshift(&[&over_http[..], &["-o", "none"]].concat()).ends(0);
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""));
    place.gearshift(&["health", "-s", engine.text("url"), "--token", "wrong"]).ends(5);
}

/// What a probe says: the status and the lines below it.
fn probe(engine: &Dev, path: &str) -> (String, String) {
    let address = engine.text("url").strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn an_engine_without_its_server_lives_and_is_not_ready() {
    let place = Place::new();
    let mut server = Server::start("");
    let engine = serve(&place, server.url(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(probe(&engine, "/readyz"), ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned()));
    server.kill();
    let said = until(LONG, || {
        let (status, body) = probe(&engine, "/readyz");
        status.contains("503").then_some(body)
    });
    let address = server.url().strip_prefix("nats://").unwrap();
    assert!(said.contains(&format!("the connection to `{address}` is lost")), "{said}");
    assert!(probe(&engine, "/livez").0.contains("200"));
    let over_http = ["health", "-s", engine.text("url"), "--token", engine.text("token")];
    let health = place.gearshift(&over_http).ends(1).out;
    assert!(health.starts_with("degraded ") && health.contains(" is lost"), "{health}");
    runtime().block_on(server.restart());
    until(LONG, || probe(&engine, "/readyz").0.contains("200").then_some(()));
    // Events are read again a moment after partitions are served.
    until(LONG, || place.gearshift(&over_http).code.eq(&0).then_some(()));
}

#[test]
fn health_is_1_where_events_are_not_read() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let line = ["send", "light.switched", "-d", "room=hall", "--one-way", "-s", server.url()];
    place.gearshift(&line).ends(0);
    let health = ["health", "-s", server.url()];
    until(LONG, || {
        place.gearshift(&["show", "hall", "-s", server.url()]).code.eq(&0).then_some(())
    });
    place.gearshift(&health).ends(0);
    server.delete_stream("gearshift-inbox-events");
    let done = until(LONG, || {
        let done = place.gearshift(&health);
        (done.code == 1).then_some(done)
    });
    assert!(done.out.contains("`events` is not read beyond 1"), "{}", done.out);
    assert!(done.out.contains("warning "), "{}", done.out);
}

#[test]
fn an_outage_is_said_when_it_begins_and_when_it_ends() {
    let place = Place::new();
    let mut server = Server::start("");
    let log = place.path("log.txt");
    place.write("light.workflow.yaml", ONE);
    let line = ["serve", "light.workflow.yaml", "--nats", server.url(), "-o", "json", "--no-wait"];
    let mut command = place.command(&line);
    command.env("RUST_LOG", "gearshift=debug").stderr(std::fs::File::create(&log).unwrap());
    let mut engine = Dev::spawn(command);
    engine.line();
    let lines = |words: &str| {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect::<Vec<_>>()
    };
    let comes = |words: &str, times: usize| {
        until(LONG, || (lines(words).len() >= times).then_some(()));
    };
    server.kill();
    comes("sign of life is still not confirmed", 2);
    comes("high-water marks are still not kept", 2);
    runtime().block_on(server.restart());
    comes("sign of life is confirmed again", 1);
    comes("high-water marks are kept again", 1);
    for words in ["sign of life was not confirmed", "high-water marks are not kept"] {
        assert_eq!(lines(words).len(), 1, "{:?}", lines(words));
        assert!(lines(words)[0].contains("WARN"), "{:?}", lines(words));
    }
    // A journal that is not what it was: its partition is tried again, and that is said once.
    server.delete_stream("gearshift-log-journal-0");
    for number in 0..12 {
        // Those of other partitions are answered.
        let key = format!("k{number}");
        place.gearshift(&["start", "light", "--key", &key, "--timeout", "1s", "-s", server.url()]);
    }
    comes("partition is still not served", 2);
    let of_the_first = lines("\"partition is not served\"");
    let of_the_first = of_the_first.iter().filter(|line| line.contains("\"partition\":0"));
    assert_eq!(of_the_first.count(), 1, "{:?}", lines("not served"));
}

#[test]
fn a_signal_ends_commands_that_wait() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    place.gearshift(&["start", "light", "--key", "hall", "-s", server.url()]).ends(0);
    for (line, code) in [
        (&["watch", "hall"][..], None),
        (&["start", "light", "--key", "attic", "--wait"], None),
        (&["serve", "--nats", NOWHERE], Some(130)),
    ] {
        let mut command = place.command(&[line, &["-s", server.url()]].concat());
        let told = place.path("signalled.txt");
        command.stderr(std::fs::File::create(&told).unwrap());
        let mut child = Dev::spawn(command);
        if line[0] == "serve" {
            until(LONG, || {
                std::fs::read_to_string(&told).unwrap().contains("waiting").then_some(())
            });
        }
        // Who runs the tests in the background has children ignore SIGINT that do not handle it.
        child.signal(if line[0] == "serve" { "-INT" } else { "-TERM" });
        // Without a handler the signal itself ends it, and shells say 143.
        assert_eq!(child.wait(), code, "{line:?}");
    }
}

/// A timer is due while nothing can be written, and a call waits.
const BUSY: &str = "\
workflow: busy
version: 1
initial: off
states:
  off: { entry: { call: nobody.work }, after: { 2s: on_ } }
  on_: {}
";

/// An engine with five timers of which none can fire yet, and where it tells.
fn busy(place: &Place, server: &Server) -> (Dev, PathBuf) {
    place.write("busy.workflow.yaml", BUSY);
    let told = place.path("told.txt");
    let line = ["serve", "busy.workflow.yaml", "--data", "kept", "--nats", server.url()];
    let mut command = place.command(&[&line[..], &["-o", "json", "--no-wait"]].concat());
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut engine = Dev::spawn(command);
    engine.line();
    for key in ["a", "b", "c", "d", "e"] {
        place.gearshift(&["start", "busy", "--key", key, "-s", server.url()]).ends(0);
    }
    (engine, told)
}

/// It ends soon after a signal, says these words, and what was stored goes on at the next start.
fn ends_soon(mut engine: Dev, told: &Path, expected: &[&str]) {
    engine.signal("-TERM");
    let began = Instant::now();
    assert_eq!(engine.wait(), Some(6));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let said = std::fs::read_to_string(told).unwrap();
    for words in expected {
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn goes_on(place: &Place, server: &Server) {
    let _next = serve(place, server.url(), &["--data", "kept"]);
    until(LONG, || {
        let list = place.gearshift(&["ls", "--where", "state == 'on_'", "-s", server.url()]);
        (list.out.matches("busy@1").count() == 5).then_some(())
    });
}

const ENDED: &str = "the bus is away: ended without it";
const KEPT: &str = "nothing acknowledged is lost";

#[test]
fn an_engine_whose_server_is_gone_for_good_ends_soon_and_says_what_it_gave_up() {
    let place = Place::new();
    let mut server = Server::start("");
    let (engine, told) = busy(&place, &server);
    server.kill();
    let is_missed = || std::fs::read_to_string(&told).unwrap().contains("sign of life was not");
    until(LONG, || is_missed().then_some(()));
    ends_soon(engine, &told, &[ENDED, "is lost", KEPT]);
    runtime().block_on(server.restart());
    goes_on(&place, &server);
}

#[test]
fn an_engine_whose_server_is_silent_ends_as_soon_and_says_so() {
    let place = Place::new();
    let server = Server::start("");
    let (engine, told) = busy(&place, &server);
    server.pause();
    ends_soon(engine, &told, &[ENDED, "is silent", KEPT]);
    server.resume();
    goes_on(&place, &server);
}
