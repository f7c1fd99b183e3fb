//! `dev`: its address, its files, its end, and reloading.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::{Dev, Place, until};

const ONE: &str = "\
workflow: light
version: 1
events: { switched: {} }
initial: off
states:
  off: { on: { switched: on_ } }
  on_: { on: { switched: off } }
";

#[test]
fn c2_a_taken_port_is_named_and_foreign_addresses_need_a_token() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = place.gearshift(&["dev", "--listen", &address]).ends(3);
    assert!(done.err.contains(&format!("port {port} ")), "{}", done.err);
    assert!(done.err.contains("127.0.0.1:0"), "{}", done.err);
    // A port is nothing that the engine knows, so there is no code to look up.
    assert!(done.err.starts_with("error: port "), "{}", done.err);
    let done = place.gearshift(&["dev", "--listen", "0.0.0.0:0", "--data", "kept"]).ends(2);
    assert!(done.err.contains("--token"), "{}", done.err);
    assert!(!place.path("kept").exists(), "nothing half created");
}

#[test]
fn c6_a_data_directory_has_one_owner() {
    let place = Place::new();
    let _first = place.dev(&["--data", "kept"]);
    let done = place.gearshift(&["dev", "--listen", "127.0.0.1:0", "--data", "kept"]).ends(4);
    assert!(done.err.contains("`kept` is in use by another gearshift (process "), "{}", done.err);
    let done = place.gearshift(&["dev", "--listen", "127.0.0.1:0", "--data", "no/such"]).ends(3);
    assert!(done.err.contains("`no/such`"), "{}", done.err);
    assert!(!place.path("no").exists(), "nothing half created");
    place.write("file", "");
    let done = place.gearshift(&["dev", "--listen", "127.0.0.1:0", "--data", "file"]).ends(3);
    assert!(done.err.contains("data directory `file`: not a directory"), "{}", done.err);
}

#[cfg(unix)]
#[test]
fn what_it_keeps_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    let dev = place.dev(&["--data", "kept"]);
    let mode =
        |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("kept"), mode(".gearshift")), (0o700, 0o700));
    assert_eq!((mode(".gearshift/dev.json"), mode("kept/token")), (0o600, 0o600));
    let kept = std::fs::read_to_string(place.path("kept/token")).unwrap();
    assert_eq!(kept, dev.text("token"));
}

#[cfg(unix)]
#[test]
fn c11_a_signal_ends_it_gracefully_and_takes_the_note_back() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new();
        let mut dev = place.dev(&[]);
        assert!(place.path(".gearshift/dev.json").exists());
        dev.signal(signal);
        assert_eq!(dev.wait(), Some(0), "{signal}");
        assert!(!place.path(".gearshift/dev.json").exists());
    }
}

#[test]
fn data_and_token_outlive_the_process() {
    let place = Place::new();
    place.write("light.workflow.yaml", ONE);
    let first = place.dev(&["--data", "kept"]);
    let token = first.text("token").to_owned();
    place.gearshift(&["start", "light", "--key", "hall"]).ends(0);
    let send = ["send", "switched", "--instance", "light/hall", "--wait-for", "on_"];
    place.gearshift(&send).ends(0);
    // Killed, not stopped: the note it left names a process that is no more.
    drop(first);
    place.gearshift(&["ls"]).ends(6);
    let second = place.dev(&["--data", "kept"]);
    assert_eq!(second.text("token"), token);
    let list = place.gearshift(&["ls", "-o", "json"]).ends(0).json();
    assert_eq!((&list[0]["key"], &list[0]["active"][0]), (&"hall".into(), &"on_".into()));
}

#[test]
fn changed_files_are_reloaded_and_a_changed_version_is_refused_with_advice() {
    let place = Place::new();
    place.write("flows/light.workflow.yaml", ONE);
    let mut command = place.command(&["dev", "flows", "--listen", "127.0.0.1:0"]);
    let advice = place.path("advice.txt");
    command.stderr(std::fs::File::create(&advice).unwrap());
    let mut dev = Dev::spawn(command);
    dev.line_with("loaded   light@1");
    place.gearshift(&["start", "light", "--key", "hall"]).ends(0);
    // First a change without a new version, then one with it: they are taken in this order.
    place.write("flows/light.workflow.yaml", &ONE.replace("initial: off", "initial: on_"));
    place.write("flows/other.workflow.yaml", &ONE.replace("light", "other"));
    dev.line_with("reload   other@1");
    place.write("flows/light.workflow.yaml", &ONE.replace("version: 1", "version: 2"));
    let line = dev.line_with("reload   light@2");
    assert!(line.contains("1 instance on older versions"), "{line}");
    let told = std::fs::read_to_string(&advice).unwrap();
    assert!(told.contains("error[GS4010]"), "{told}");
    assert!(told.contains("raise `version:` to 2"), "{told}");
    let old = place.gearshift(&["show", "hall", "-o", "json"]).ends(0).json();
    assert_eq!(old["version"], 1);
    // 2 is taken as well: the next free version is named.
    place.write("flows/light.workflow.yaml", &ONE.replace("initial: off", "initial: on_"));
    place.write("flows/last.workflow.yaml", &ONE.replace("light", "last"));
    dev.line_with("reload   last@1");
    let told = std::fs::read_to_string(&advice).unwrap();
    assert!(told.contains("raise `version:` to 3"), "{told}");
    std::fs::remove_file(place.path("flows/last.workflow.yaml")).unwrap();
    let line = dev.line_with("removed  ");
    assert!(line.contains("last.workflow.yaml") && line.contains("stays"), "{line}");
}

#[test]
fn a_broken_file_does_not_keep_the_others_from_loading() {
    let place = Place::new();
    place.write("a.workflow.yaml", &ONE.replace("initial: off", "initial: of"));
    place.write("b.workflow.yaml", ONE);
    let mut command = place.command(&["dev", "--listen", "127.0.0.1:0", "-o", "json"]);
    let told = place.path("told.txt");
    command.stderr(std::fs::File::create(&told).unwrap());
    let mut dev = Dev::spawn(command);
    assert!(dev.line().contains(r#""loaded":["light@1"]"#));
    let told = std::fs::read_to_string(&told).unwrap();
    assert!(told.contains("a.workflow.yaml:4:"), "{told}");
}

#[test]
fn a_child_that_nobody_knows_is_a_warning_here_too() {
    let place = Place::new();
    let parent = |name: &str, child: &str| {
        let states = format!("{{ a: {{ run: {child}, done: b }}, b: {{ final: true }} }}");
        place.write(
            &format!("{name}.workflow.yaml"),
            &format!("workflow: {name}\nstates: {states}\n"),
        );
    };
    parent("p", "kid@2");
    // What another file of the folder holds is known, whichever is read first.
    parent("a", "kid");
    place.write("kid.workflow.yaml", "workflow: kid\nstates: { a: { final: true } }\n");
    let mut command = place.command(&["dev", "--listen", "127.0.0.1:0", "-o", "json"]);
    command.stderr(std::fs::File::create(place.path("told")).unwrap());
    let mut dev = Dev::spawn(command);
    dev.line();
    let told = || std::fs::read_to_string(place.path("told")).unwrap();
    let found = until(Duration::from_secs(10), || Some(told()).filter(|it| it.contains("GS0212")));
    assert!(found.contains("p.workflow.yaml:2:"), "{found}");
    assert!(found.contains("no workflow `kid@2` is known"), "{found}");
    dev.signal("-INT");
    dev.wait();
    assert_eq!(told().matches("GS0212").count(), 1, "{}", told());
}

const ASKS: &str = "\
workflow: asks
states:
  asking: { entry: { call: oracle.ask, set: { heard: output } }, done: told }
  told: { final: true, output: { heard: '${ vars.heard }' } }
vars: { heard: null }
";

#[test]
fn mocks_that_come_change_and_go_while_it_runs_are_picked_up_and_told() {
    let place = Place::new();
    place.write("flows/asks.workflow.yaml", ASKS);
    let mut dev = Dev::spawn(place.command(&["dev", "flows", "--listen", "127.0.0.1:0"]));
    dev.line_with("loaded   asks@1");
    let heard = |key: &str| {
        let line = ["start", "asks", "--key", key, "--wait", "-o", "json"];
        place.gearshift(&line).ends(0).json()["output"]["heard"].clone()
    };
    // Nobody answers yet; the call waits for who does.
    place.gearshift(&["start", "asks", "--key", "early"]).ends(0);
    let call = ["plugin", "call", "oracle", "ask"];
    place.gearshift(&call).ends(3);
    place.write("flows/mocks.yaml", "oracle.ask: 7\n");
    dev.line_with("mocks.yaml: 1 operation mocked");
    assert_eq!(heard("a"), 7);
    let why = place.gearshift(&["why", "early"]).ends(0).out;
    assert!(!why.contains("no plugin"), "{why}");
    // What is wrong is told, and what was said before goes on.
    place.write("flows/mocks.yaml", "oracle.ask: { output: 1, fail: permanent }\n");
    place.write("flows/mocks.yaml", "oracle.ask: { output: 8 }\noracle.more: 9\n");
    dev.line_with("mocks.yaml: 2 operations mocked");
    assert_eq!(heard("b"), 8);
    std::fs::remove_file(place.path("flows/mocks.yaml")).unwrap();
    dev.line_with("mocks.yaml is gone");
    place.gearshift(&call).ends(3);
}
