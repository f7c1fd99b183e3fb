//! Long work by a plugin in TypeScript: a promise, signs of life, and a result that is stored,
//! whether the engine lives or not.

use futures_util::StreamExt as _;
use tokio::process::Child;
use tokio::time::Instant;

use crate::world::{LOOK_AGAIN, PATIENCE, World, command_of, examples, gearshift, output};

/// An engine and the scanner.
async fn world() -> (World, Child) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::serving(folder, vec![examples().join("scan.workflow.yaml")]).await;
    let scanner = world.spawn(world.node("scanner.ts"));
    let end = Instant::now() + PATIENCE;
    while world.client.request("$SRV.PING.scanner", "".into()).await.is_err() {
        assert!(Instant::now() < end, "the scanner does not come");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    (world, scanner)
}

/// Asks for a scan, and waits until its progress is shown.
async fn begins(world: &World, id: &str, pages: u32) {
    let (of, pages) = (format!("scanId={id}"), format!("pages={pages}"));
    world
        .gearshift(&["send", "scan.requested", "-d", &of, "-d", &pages, "-d", "msPerPage=100"])
        .await;
    progresses(world, id).await;
}

async fn progresses(world: &World, id: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let calls = world.gearshift(&["show", id]).await["calls"].take();
        if calls.to_string().contains("page ") {
            assert_eq!(calls[0]["attempt"], 1, "{calls}");
            return;
        }
        assert!(Instant::now() < end, "no progress is shown: {calls}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// It has ended, by the first attempt.
async fn is_done(world: &World, id: &str, pages: u32) {
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = world.gearshift(&["show", id]).await;
        if shown["status"] == "done" {
            assert_eq!(shown["output"]["pages"], pages, "{shown}");
            assert_eq!(shown["steps"][0]["retry_count"], 0, "{shown}");
            return;
        }
        assert!(Instant::now() < end, "it does not end: {shown}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn g8_long_work_in_typescript_goes_on_while_the_engine_is_killed() {
    let (world, _scanner) = world().await;
    begins(&world, "s-1", 60).await;
    world.kill_engine().await;
    world.next_engine().await;
    // The next engine knows of the promise, and hears the signs of life.
    progresses(&world, "s-1").await;
    is_done(&world, "s-1", 60).await;
}

#[tokio::test]
async fn g8_a_result_from_typescript_is_stored_while_no_engine_runs() {
    let (world, _scanner) = world().await;
    let mut results = world.client.subscribe("gearshift.result.*").await.unwrap();
    begins(&world, "s-2", 20).await;
    world.kill_engine().await;
    let result = tokio::time::timeout(PATIENCE, results.next()).await.unwrap().unwrap();
    assert_eq!(&*result.payload, br#"{"pages":20}"#);
    world.next_engine().await;
    is_done(&world, "s-2", 20).await;
}

#[tokio::test]
async fn the_conformance_kit_finds_nothing_about_long_work_in_typescript() {
    let (world, _scanner) = world().await;
    let mut command = command_of(gearshift());
    command.args(["plugin", "check", "scanner", "-d", "pages=10", "-d", "msPerPage=100"]);
    let done = output(command.args(["--nats", world.server.url()])).await;
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("all is well"), "{said}");
    assert!(said.contains("it was published, and can be read"), "{said}");
}
