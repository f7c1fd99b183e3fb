//! A damaged partition: refused under its own code, and the others go on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::nats::{ONE, serve};
use crate::server::{Server, runtime};
use crate::support::{Place, until};

/// The file that holds the messages of a stream.
fn block(folder: &Path, stream: &str) -> Option<PathBuf> {
    let here = folder.join("streams").join(stream).join("msgs/1.blk");
    if here.is_file() {
        return Some(here);
    }
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).find_map(|path| block(&path, stream))
}

/// Changes one bit of the second message of a journal; the server is not running.
fn flip(store: &Path, stream: &str) {
    let block = block(store, stream).unwrap();
    let mut bytes = std::fs::read(&block).unwrap();
    let subject = b"gearshift.journal.3";
    let starts = bytes.windows(subject.len()).enumerate();
    let places: Vec<_> = starts.filter(|(_, it)| it == subject).map(|(at, _)| at).collect();
    assert!(places.len() > 3, "{} messages", places.len());
    // A byte of the frame, behind the headers.
    bytes[places[2] - 60] ^= 1;
    std::fs::write(&block, bytes).unwrap();
}

#[test]
fn e14_a_damaged_partition_takes_no_list_and_no_deployment_from_the_others() {
    let place = Place::new();
    let store = place.path("store");
    let mut server = Server::in_dir(&store);
    place.write("light.workflow.yaml", ONE);
    let mut engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let url = server.url().to_owned();
    for room in 0..24 {
        let room = format!("room=r{room}");
        place.gearshift(&["send", "light.switched", "-d", &room, "-s", &url]).ends(0);
    }
    // It has no time for snapshots, so that journals are read from their beginnings.
    engine.signal("-KILL");
    engine.wait();
    runtime().block_on(server.terminate());
    flip(&store, "gearshift-log-journal-3");
    runtime().block_on(server.restart());
    // It deploys and is ready.
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let url = server.url().to_owned();
    let ask = |line: &[&str]| place.gearshift(&[line, &["-s", &url]].concat());
    let listed = until(Duration::from_secs(20), || {
        let done = ask(&["ls", "-o", "jsonl"]);
        (done.code == 8).then_some(done)
    });
    let rows = listed.out.lines().count();
    assert!((1..24).contains(&rows), "{rows}");
    let words =
        "error[GS6002]: the list is not complete: partition 3 refuses: GS6002 journal_corrupt";
    for list in [vec!["ls"], vec!["tasks"], vec!["dlq", "ls"]] {
        let done = ask(&list).ends(8);
        assert!(done.err.contains(words), "{}", done.err);
        assert!(done.err.contains("stored bytes are corrupt at sequence"), "{}", done.err);
        assert!(done.err.contains("--accept-journal-loss"), "{}", done.err);
        assert!(!done.err.contains("it recovers"), "{}", done.err);
    }
    place.write("light.workflow.yaml", &ONE.replace("version: 1", "version: 2"));
    let done = ask(&["deploy", "light.workflow.yaml"]).ends(0);
    assert!(done.err.contains("not counted there: partition 3 refuses"), "{}", done.err);
    // What is done to all that is found is not done to some.
    let done = ask(&["pause", "--where", "status == 'running'", "--yes"]).ends(6);
    assert!(done.err.contains("error[GS6002]"), "{}", done.err);
    let done = ask(&["health"]).ends(1);
    assert!(done.out.contains("3 of 4 partitions served"), "{}", done.out);
}
