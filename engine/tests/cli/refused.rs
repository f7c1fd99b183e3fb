//! What a login may not do: the server says so to nobody in particular, and we say it at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::roles::{accounts, by, engine};
use crate::server::Server;
use crate::support::{Done, Place};

/// Far less than the time that an answer may take.
const AT_ONCE: Duration = Duration::from_secs(15);

/// What a role is refused, as the command line says it.
#[track_caller]
fn refused(done: Done, began: Instant, what: &str) {
    let done = done.ends(5);
    assert!(done.err.contains(&format!("does not let this login {what}")), "{}", done.err);
    assert!(done.err.contains("error[GS4030]"), "{}", done.err);
    assert_eq!(done.err.lines().count(), 2, "an error and its help, no logs: {}", done.err);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn what_a_role_may_not_do_is_refused_at_once_with_5() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    let order = ["-d", "orderId=o-9"];
    for (user, line, what) in [
        ("ann", &["start", "order", "--as", "bob"][..], "publish `gearshift.command.bob.start`"),
        ("ann", &["send", "order.placed"], "publish `gearshift.event.order.placed`"),
        ("ann", &["send", "order.placed", "--one-way"], "publish `order.placed`"),
        ("orders", &["ls"], "publish `gearshift.query.instances`"),
        ("orders", &["approve", "o-9"], "publish `gearshift.command.orders.decide`"),
        ("validator", &["health"], "publish `gearshift.query.health`"),
        ("validator", &["send", "order.placed"], "publish `gearshift.event.order.placed`"),
    ] {
        let data = if matches!(line[0], "send" | "start") { &order[..] } else { &[] };
        let began = Instant::now();
        refused(by(&place, &server, user, &[line, data].concat()), began, what);
    }
    // It subscribes and asks whether an engine is there: whichever is refused first is told.
    let began = Instant::now();
    let done = by(&place, &server, "orders", &["watch"]);
    let asked = "publish `gearshift.query.definitions`";
    let what = if done.err.contains(asked) { asked } else { "subscribe to `gearshift.notice.*.*`" };
    refused(done, began, what);
    // What they may do goes without a word about what else they may not.
    let done = by(&place, &server, "ann", &["ls"]).ends(0);
    assert_eq!(done.err, "");
    let line = ["send", "order.placed", "-d", "orderId=o-9"];
    assert_eq!(by(&place, &server, "orders", &line).ends(0).err, "");
}

#[test]
fn an_engine_with_the_login_of_another_role_does_not_start() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    for user in ["ann", "orders", "validator"] {
        let began = Instant::now();
        let done = by(&place, &server, user, &["serve", "--nats", server.url()]).ends(5);
        let what = "does not let this login publish `$JS.API.STREAM.";
        assert!(done.err.contains(what), "{}", done.err);
        assert!(done.err.contains("gearshift bus config --role engine"), "{}", done.err);
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
}

#[test]
fn a_forgotten_inbox_prefix_is_told_at_once() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    let began = Instant::now();
    let mut command = place.command(&["ls", "-s", server.url()]);
    command.env("GEARSHIFT_NATS_USER", "ann");
    command.env("GEARSHIFT_NATS_PASSWORD", crate::roles::PASSWORD);
    let done = Done::of(&command.output().unwrap()).ends(5);
    assert!(done.err.contains("subscribe to `_INBOX.>`, where replies arrive"), "{}", done.err);
    assert!(done.err.contains("--nats-inbox-prefix"), "{}", done.err);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn the_doctor_says_what_a_login_may_not_look_at_and_waits_for_none_of_it() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    for user in ["ann", "orders"] {
        let line = ["bus", "doctor", "--nats", server.url(), "--monitor", server.monitor()];
        let done = by(&place, &server, user, &line).ends(0);
        assert!(done.out.contains("streams      not ours to look at"), "{}", done.out);
        assert!(!done.out.contains("none of ours yet"), "{}", done.out);
        assert_eq!(done.err, "");
    }
}
