//! Command lines that are none, closed pipes, and servers that are not there.

use crate::support::Place;

#[test]
fn c1_unknown_names_are_exit_2_with_the_nearest_one() {
    let place = Place::new();
    let done = place.gearshift(&["ls", "--wher", "true"]).ends(2);
    assert!(done.err.contains("--where"), "{}", done.err);
    let done = place.gearshift(&["aprove", "x"]).ends(2);
    assert!(done.err.contains("approve"), "{}", done.err);
    let output = place.command(&["dev"]).env("GEARSHIFT_LISTN", "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("did you mean `GEARSHIFT_LISTEN`?"), "{err}");
}

#[test]
fn c9_numbers_out_of_range_name_the_range() {
    let place = Place::new();
    for limit in ["0", "-1", "18446744073709551616"] {
        let done = place.gearshift(&["ls", &format!("--limit={limit}")]).ends(2);
        assert!(done.err.contains("from 1 to 10000"), "{}", done.err);
    }
    let done = place.gearshift(&["dev", "--listen", "127.0.0.1:65536"]).ends(2);
    assert!(done.err.contains("0 to 65535"), "{}", done.err);
}

#[test]
fn c12_all_needs_a_yes_where_nobody_can_be_asked() {
    let done = Place::new().gearshift(&["dlq", "drop", "--all"]).ends(2);
    assert!(done.err.contains("--yes"), "{}", done.err);
}

#[test]
fn c13_a_closed_pipe_is_no_failure() {
    for line in [&["explain"][..], &["schema"], &["explain", "-o", "jsonl"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Place::new().command(line).stdout(writer).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{line:?}");
    }
}

#[test]
fn colors_follow_the_flag_and_never_reach_json() {
    let place = Place::new();
    place.write("x.workflow.yaml", "workflow: x\nversion: 1\nstatse: {}\n");
    let check = ["check", "x.workflow.yaml", "--color", "always"];
    assert!(place.gearshift(&check).ends(1).out.contains('\u{1b}'));
    let json = [&check[..], &["-o", "json"]].concat();
    assert!(!place.gearshift(&json).ends(1).out.contains('\u{1b}'));
}

#[test]
fn a_complaint_names_only_what_was_typed() {
    let place = Place::new();
    let mut command = place.command(&["ls", "--wher", "x"]);
    command.env("GEARSHIFT_SERVER", "http://127.0.0.1:1").env("GEARSHIFT_TOKEN", "secret");
    let output = command.env("GEARSHIFT_TIMEOUT", "5s").output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("Usage: gearshift ls") && !err.contains("--token"), "{err}");
    assert!(!err.contains("--server") && !err.contains("--timeout"), "{err}");
}

#[test]
fn help_is_had_in_every_way() {
    let place = Place::new();
    for line in [&["help"][..], &["help", "--help"], &["help", "-h"], &["--help"]] {
        assert!(place.gearshift(line).ends(0).out.contains("Exit codes:"), "{line:?}");
    }
    assert!(place.gearshift(&["help", "send", "--help"]).ends(0).out.contains("--wait-for"));
}

#[test]
fn no_server_is_exit_6_with_help() {
    let place = Place::new();
    let done = place.gearshift(&["-s", "http://127.0.0.1:1", "ls"]).ends(6);
    assert!(done.err.starts_with("error[GS5002]: "), "{}", done.err);
    assert!(done.err.contains("gearshift dev"), "{}", done.err);
    let done = place.gearshift(&["-s", "http://127.0.0.1:1", "ls", "-o", "json"]).ends(6);
    assert_eq!(done.json()["code"], "GS5002");
}

#[test]
fn an_address_that_is_none_is_a_usage_error_that_shows_no_password() {
    let done = Place::new().gearshift(&["-s", "nats://ann:secret@", "ls"]).ends(2);
    assert!(done.err.contains("nats://HOST:PORT"), "{}", done.err);
    assert!(!done.err.contains("secret"), "{}", done.err);
}

#[test]
fn an_address_of_nobody_is_a_usage_error_that_names_what_there_is() {
    let place = Place::new();
    for wrong in ["nats://127.0.0.1:4222:1", "nats://ann:secret@127.0.0.1:x"] {
        let done = place.gearshift(&["-s", wrong, "ls"]).ends(2);
        assert!(done.err.contains("nats://HOST:PORT"), "{}", done.err);
        assert!(!done.err.contains("secret"), "{}", done.err);
    }
    for wrong in ["foo://x", "https://x", "127.0.0.1:4500"] {
        let done = place.gearshift(&["-s", wrong, "ls"]).ends(2);
        let told = format!("`{wrong}` starts with none of `http://`, `nats://` and `tls://`");
        assert!(done.err.contains(&told), "{}", done.err);
    }
}

#[test]
fn every_command_has_help_with_examples() {
    let place = Place::new();
    let all = place.gearshift(&["--help"]).ends(0).out;
    assert!(all.contains("Exit codes:"), "{all}");
    for command in ["run", "dev", "serve", "bus", "send", "approve", "ls", "dlq", "retry", "watch"]
    {
        let help = place.gearshift(&[command, "--help"]).ends(0).out;
        assert!(help.contains("Examples:\n  gearshift "), "{command}: {help}");
    }
}
