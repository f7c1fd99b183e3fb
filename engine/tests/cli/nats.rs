//! The commands over NATS: `dev --nats`, `serve`, addresses, contexts, and what is refused.

use std::time::Duration;

use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

pub(crate) const ONE: &str = "\
workflow: light
version: 1
correlate: data.room
events: { light.switched: { start: true } }
initial: off
states:
  off: { on: { light.switched: on_ } }
  on_: { on: { light.switched: off } }
";

/// Starts `gearshift serve` on a server and waits until it is ready.
pub(crate) fn serve(place: &Place, url: &str, more: &[&str]) -> Dev {
    let mut line = vec!["serve", "--nats", url, "-o", "json", "--no-wait"];
    line.extend(more);
    let mut engine = Dev::spawn(place.command(&line));
    let first = engine.line();
    engine.about = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first}"));
    engine
}

#[test]
fn dev_on_a_server_of_its_own_is_reached_over_nats_and_http() {
    let place = Place::new();
    place.write("flows/light.workflow.yaml", ONE);
    let mut dev = place.dev(&["flows", "--nats", "--nats-port", "0", "--data", "kept"]);
    let url = dev.text("nats").to_owned();
    assert!(url.starts_with("nats://127.0.0.1:"), "{url}");
    // Over the HTTP door that the note names, and over the bus.
    let send = ["send", "light.switched", "-d", "room=hall", "--wait-for", "on_"];
    place.gearshift(&send).ends(0);
    let seen = place.gearshift(&["show", "hall", "-s", &url, "-o", "json"]).ends(0).json();
    assert_eq!(seen["active"][0], "on_");
    dev.signal("-TERM");
    assert_eq!(dev.wait(), Some(0));
    // What it kept is there again, on another port.
    let dev = place.dev(&["flows", "--nats", "--nats-port", "0", "--data", "kept"]);
    let url = dev.text("nats").to_owned();
    let seen = place.gearshift(&["show", "hall", "-s", &url, "-o", "json"]).ends(0).json();
    assert_eq!(seen["active"][0], "on_");
}

#[test]
fn without_the_flag_dev_is_embedded() {
    let place = Place::new();
    let dev = place.dev(&[]);
    assert!(dev.about["nats"].is_null(), "{}", dev.about);
    let done = place.gearshift(&["dev", "--nats-port", "1"]).ends(2);
    assert!(done.err.contains("--nats"), "{}", done.err);
}

#[test]
fn every_verb_works_over_nats() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let engine = serve(&place, server.url(), &["--data", "kept"]);
    assert_eq!(engine.about["serving"], 4, "{}", engine.about);
    let on = |arguments: &[&str]| {
        let mut line = arguments.to_vec();
        line.extend(["-s", server.url()]);
        place.gearshift(&line)
    };
    on(&["deploy", "light.workflow.yaml"]).ends(0);
    on(&["start", "light", "--key", "hall"]).ends(0);
    let send = ["send", "light.switched", "-d", "room=hall", "--wait-for", "on_"];
    on(&send).ends(0);
    let list = on(&["ls", "-o", "json"]).ends(0).json();
    assert_eq!(list[0]["key"], "hall");
    on(&["history", "hall"]).ends(0);
    on(&["why", "hall"]).ends(0);
    on(&["tasks"]).ends(0);
    on(&["dlq", "ls"]).ends(0);
    on(&["def", "ls"]).ends(0);
    on(&["graph", "light"]).ends(0);
    on(&["cancel", "hall", "--as", "ann", "--reason", "enough"]).ends(0);
    on(&["show", "nobody"]).ends(3);
    let done = on(&["send", "light.switched", "-d", "room=attic"]).ends(0);
    assert!(done.out.contains("attic"), "{}", done.out);
}

#[test]
fn one_way_goes_to_the_bare_subject_even_while_no_engine_is_there() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let mut engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    engine.signal("-TERM");
    assert_eq!(engine.wait(), Some(0));
    let line = ["send", "light.switched", "-d", "room=hall", "--one-way", "-s", server.url()];
    place.gearshift(&line).ends(0);
    // Nobody captures this one, and nobody is there to ask.
    let line = ["send", "no.such", "--one-way", "-s", server.url(), "--timeout", "3s"];
    place.gearshift(&line).ends(6);
    let _engine = serve(&place, server.url(), &[]);
    let show = ["show", "hall", "-s", server.url(), "-o", "json"];
    let seen = until(Duration::from_secs(20), || {
        let done = place.gearshift(&show);
        (done.code == 0).then(|| done.json())
    });
    assert_eq!(seen["active"][0], "on_");
}

/// The first line of a watch that has just begun: notices go where somebody listens already, so
/// the light is switched until one is seen.
pub(crate) fn first_notice(place: &Place, url: &str, watch: &mut Dev) -> String {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| watch.line());
        until(Duration::from_secs(20), || {
            let send = ["send", "light.switched", "-d", "room=hall", "-s", url];
            place.gearshift(&send).ends(0);
            reader.is_finished().then_some(())
        });
        reader.join().unwrap()
    })
}

#[test]
fn watch_ends_with_its_instance() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let line = ["start", "light", "--key", "hall", "-s", server.url()];
    place.gearshift(&line).ends(0);
    let line = ["watch", "hall", "-s", server.url(), "-o", "jsonl"];
    let mut watch = Dev::spawn(place.command(&line));
    let seen = first_notice(&place, server.url(), &mut watch);
    assert!(seen.contains("\"transitioned\""), "{seen}");
    place.gearshift(&["cancel", "hall", "-s", server.url()]).ends(0);
    assert_eq!(watch.wait(), Some(1));
}

#[test]
fn a_context_of_the_nats_command_line_is_a_way_to_the_engine() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", ONE);
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let context = format!(r#"{{"url": "{}", "description": "test"}}"#, server.url());
    place.write("config/nats/context/ops.json", &context);
    place.write("config/nats/context/bad.json", "{");
    let on = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("XDG_CONFIG_HOME", place.path("config"));
        crate::support::Done::of(&command.output().unwrap())
    };
    on(&["def", "ls", "--context", "ops"]).ends(0);
    let done = on(&["def", "ls", "--context", "prod"]).ends(2);
    assert!(done.err.contains("no NATS context `prod`"), "{}", done.err);
    assert!(done.err.contains("bad, ops"), "{}", done.err);
    let done = on(&["def", "ls", "--context", "bad"]).ends(2);
    assert!(done.err.contains("malformed"), "{}", done.err);
    // Nothing is selected: the embedded engine's address is tried.
    on(&["def", "ls", "-s", "http://127.0.0.1:9"]).ends(6);
    place.write("config/nats/context.txt", "ops");
    on(&["def", "ls"]).ends(0);
    on(&["bus", "doctor", "--monitor", server.monitor()]).ends(0);
}

#[test]
fn c3_a_server_that_is_away_is_waited_for_or_named() {
    let place = Place::new();
    let mut server = Server::start("");
    let url = server.url().to_owned();
    server.kill();
    let line = ["serve", "--nats", &url, "--no-wait"];
    let done = place.gearshift(&line).ends(6);
    assert!(done.err.contains(&url["nats://".len()..]), "{}", done.err);
    let told = place.path("told.txt");
    let mut command = place.command(&["serve", "--nats", &url, "-o", "json"]);
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut engine = Dev::spawn(command);
    until(Duration::from_secs(20), || {
        let told = std::fs::read_to_string(&told).unwrap();
        told.contains("waiting for nats://").then_some(())
    });
    runtime().block_on(server.restart());
    assert!(engine.line().contains("\"serving\":4"));
    place.gearshift(&["ls", "-s", "nats://127.0.0.1:9"]).ends(6);
}

#[test]
fn c3_who_is_not_let_in_is_told_so_at_once() {
    let place = Place::new();
    let server = Server::start("authorization { user: ann, password: secret }");
    let line = ["serve", "--nats", server.url()];
    let done = place.gearshift(&line).ends(5);
    assert!(done.err.contains(&server.url()["nats://".len()..]), "{}", done.err);
    let line = ["ls", "-s", server.url(), "--nats-user", "ann", "--nats-password", "wrong"];
    place.gearshift(&line).ends(5);
    let mut command = place.command(&["ls", "-s", server.url()]);
    command.env("GEARSHIFT_NATS_USER", "ann").env("GEARSHIFT_NATS_PASSWORD", "secret");
    // Let in; but no engine answers.
    crate::support::Done::of(&command.output().unwrap()).ends(6);
}

#[test]
fn c3_a_server_without_jetstream_is_refused_with_its_version() {
    let place = Place::new();
    let server = Server::without_jetstream();
    let done = place.gearshift(&["serve", "--nats", server.url()]).ends(5);
    assert!(done.err.contains("JetStream"), "{}", done.err);
    assert!(done.err.contains(server.version()), "{}", done.err);
    let done = place.gearshift(&["bus", "doctor", "--nats", server.url()]).ends(5);
    assert!(done.out.contains("JetStream"), "{}", done.out);
}

#[test]
fn c4_a_stream_that_is_set_up_otherwise_is_refused_with_the_differences() {
    let place = Place::new();
    let server = Server::start("");
    server.create_stream(serde_json::json!({
        "name": "gearshift-log-journal-0", "subjects": ["gearshift.journal.0"],
        "storage": "memory", "retention": "limits", "max_age": 3_600_000_000_000_i64,
    }));
    let done = place.gearshift(&["serve", "--nats", server.url(), "--no-wait"]).ends(4);
    for word in ["gearshift-log-journal-0", "storage", "max_age"] {
        assert!(done.err.contains(word), "{word}: {}", done.err);
    }
    let line = ["bus", "doctor", "--nats", server.url(), "--monitor", server.monitor()];
    let done = place.gearshift(&line).ends(1);
    assert!(done.out.contains("storage is memory, not file"), "{}", done.out);
}

#[test]
fn c5_weak_durability_is_told_and_refused_when_strict() {
    let place = Place::new();
    let server = Server::syncing("10s");
    let monitor = ["--monitor", server.monitor()];
    let mut strict = vec!["serve", "--nats", server.url(), "--strict"];
    strict.extend(monitor);
    let done = place.gearshift(&strict).ends(4);
    assert!(done.err.contains("weak durability") && done.err.contains("10.0s"), "{}", done.err);
    let engine = serve(&place, server.url(), &monitor);
    assert_eq!(engine.text("durability"), "weak");
    let warning = engine.about["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("weak durability: "), "{warning}");
    let mut line = vec!["bus", "doctor", "--nats", server.url(), "-o", "json"];
    line.extend(monitor);
    let found = place.gearshift(&line).ends(1).json();
    let findings = found["findings"].as_array().unwrap();
    let sync = findings.iter().find(|one| one["check"] == "sync").unwrap();
    assert_eq!(sync["level"], "problem");
    // The engines' health carries it on.
    let told = findings.iter().filter(|one| one["check"] == "engines");
    let told: Vec<String> = told.map(|one| one["message"].to_string()).collect();
    assert!(told.iter().any(|one| one.contains("weak durability")), "{told:?}");
    // A monitoring that nobody offers, or another server's, leaves it unknown.
    let other = Server::start("");
    let engine = serve(&place, other.url(), &monitor);
    assert_eq!(engine.text("durability"), "unknown");
    let warning = engine.about["warnings"][0].as_str().unwrap();
    assert!(warning.contains("another server"), "{warning}");
}

#[test]
fn c6_two_engines_do_not_share_a_data_directory() {
    let place = Place::new();
    let server = Server::start("");
    let _first = serve(&place, server.url(), &["--data", "kept"]);
    let line = ["serve", "--nats", server.url(), "--data", "kept"];
    let done = place.gearshift(&line).ends(4);
    assert!(done.err.contains("`kept` is in use by another gearshift (process "), "{}", done.err);
}

#[test]
fn c11_a_signal_ends_serve_gracefully() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new();
        let server = Server::start("");
        let mut engine = serve(&place, server.url(), &["--listen", "127.0.0.1:0"]);
        assert!(engine.text("url").starts_with("http://127.0.0.1:"));
        engine.signal(signal);
        assert_eq!(engine.wait(), Some(0), "{signal}");
    }
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_server_of_ours() {
    let place = Place::new();
    let server = Server::start("");
    let line = ["bus", "doctor", "--nats", server.url(), "--monitor", server.monitor()];
    let done = place.gearshift(&line).ends(0);
    assert!(done.out.contains("none answers"), "{}", done.out);
    let _engine = serve(&place, server.url(), &["--monitor", server.monitor()]);
    let done = place.gearshift(&line).ends(0);
    assert!(done.out.contains("gearshift-log-journal-3"), "{}", done.out);
    assert!(done.out.contains("all 4 partitions are served"), "{}", done.out);
    assert!(done.out.trim_end().ends_with("all is well"), "{}", done.out);
    let done = place.gearshift(&["bus", "doctor", "--nats", "nats://127.0.0.1:9"]).ends(6);
    assert!(done.out.contains("1 problem"), "{}", done.out);
}

#[test]
fn the_doctor_finds_a_stream_in_the_way() {
    let place = Place::new();
    let server = Server::start("");
    server.create_stream(serde_json::json!({ "name": "theirs", "subjects": ["gearshift.>"] }));
    let line = ["bus", "doctor", "--nats", server.url(), "--monitor", server.monitor()];
    let done = place.gearshift(&line).ends(1);
    assert!(done.out.contains("`theirs` captures `gearshift.>`"), "{}", done.out);
}

#[test]
fn e16_the_doctor_finds_a_journal_that_is_gone_before_an_engine_writes_there() {
    let place = Place::new();
    let server = Server::start("");
    let _engine = serve(&place, server.url(), &["--monitor", server.monitor()]);
    server.delete_stream("gearshift-log-journal-2");
    let mut command = place.command(&["bus", "doctor", "--nats", server.url()]);
    command.env("GEARSHIFT_MONITOR", server.monitor());
    let done = crate::support::Done::of(&command.output().unwrap()).ends(1);
    assert!(done.out.contains("somebody deleted `gearshift-log-journal-2`\n"), "{}", done.out);
    assert!(done.out.contains("--accept-journal-loss"), "{}", done.out);
}

#[test]
fn dev_on_a_running_server_knows_its_monitoring() {
    let place = Place::new();
    let server = Server::start("");
    let joined = format!("--nats={}", server.url());
    let dev = place.dev(&[&joined, "--monitor", server.monitor()]);
    assert_eq!(dev.about["warnings"].as_array().unwrap().len(), 0, "{}", dev.about);
    // Commands in its folder know it as well.
    let done = place.gearshift(&["bus", "doctor"]).ends(0);
    assert!(done.out.contains("every write is on the disk"), "{}", done.out);
}

#[test]
fn serve_takes_and_explains_accept_new_inbox() {
    let place = Place::new();
    let help = place.gearshift(&["serve", "--help"]).ends(0);
    assert!(help.out.contains("--accept-new-inbox"), "{}", help.out);
    let server = Server::start("");
    let line = ["--monitor", server.monitor(), "--accept-new-inbox"];
    let _engine = serve(&place, server.url(), &line);
    let done = place.gearshift(&["bus", "doctor", "--nats", server.url(), "-o", "json"]).json();
    let findings = done["findings"].as_array().unwrap();
    let source = findings.iter().find(|one| one["check"] == "events").unwrap();
    assert_eq!(source["message"], "`events` is read up to 0, 0 behind its end");
}

#[test]
fn serve_warns_of_a_child_that_nobody_knows() {
    let server = Server::start("");
    let place = Place::new();
    let states = "{ a: { run: kid@2, done: b }, b: { final: true } }";
    place.write("p.workflow.yaml", &format!("workflow: p\nstates: {states}\n"));
    let line = ["serve", "p.workflow.yaml", "--nats", server.url(), "-o", "json", "--no-wait"];
    let mut command = place.command(&line);
    command.stderr(std::fs::File::create(place.path("told")).unwrap());
    let mut engine = Dev::spawn(command);
    engine.line();
    let told = || std::fs::read_to_string(place.path("told")).unwrap();
    let found = until(Duration::from_secs(10), || Some(told()).filter(|it| it.contains("GS0212")));
    assert!(found.contains("no workflow `kid@2` is known"), "{found}");
}
