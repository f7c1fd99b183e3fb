//! What survives when the process does not, and what happens when the disk is full.
//!
//! Each test starts itself once more as a child process, told by an environment variable.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use gearshift_bus::{Appended, Bus, Error, ErrorKind, FRAME_BYTES_MAX};

use crate::log::frame;
use crate::world::{Outcome, kind, message, pattern};

const DIR: &str = "GEARSHIFT_BUS_TEST_DIR";

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

fn start(mut command: Command, test: &str, dir: &Path) -> std::io::Result<Child> {
    command.args([test, "--exact", "--nocapture"]).env(DIR, dir).stdout(Stdio::piped()).spawn()
}

/// Tells the parent; a line of its own, whatever the test harness prints.
fn tell(name: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    write!(out, "\nacked {name} {number}\n").unwrap();
    out.flush().unwrap();
}

fn heard(line: &str) -> Option<(String, u64)> {
    let (name, number) = line.strip_prefix("acked ")?.split_once(' ')?;
    Some((name.to_owned(), number.parse().ok()?))
}

async fn write_log(bus: &Bus, name: &str) -> Result<(), Error> {
    let log = bus.log(name).await?;
    let mut last = log.tail().await?.last;
    loop {
        let appended = log.append(last, frame(last + 1)).await?;
        last += 1;
        assert_eq!(appended, Appended::Stored(last));
        tell(name, last);
    }
}

async fn write_inbox(bus: &Bus) -> Result<(), Error> {
    let inbox = bus.inbox("inbox").await?;
    inbox.capture(&[pattern("a")]).await?;
    loop {
        let next = inbox.tail().await?.last + 1;
        let stored = inbox.publish(message("a", &next.to_string())).await?;
        tell("inbox", stored);
    }
}

async fn write_bucket(bus: &Bus) -> Result<(), Error> {
    let bucket = bus.bucket("bucket").await?;
    let mut number = bucket.get("k").await?.map_or(0, |value| value.revision);
    loop {
        number = bucket.put("k", Bytes::from((number + 1).to_string())).await?;
        tell("bucket", number);
    }
}

/// Fills segments and trims them away, so that a kill may hit in between.
async fn write_large(bus: &Bus) -> Result<(), Error> {
    let log = bus.log("large").await?;
    let mut last = log.tail().await?.last;
    loop {
        let appended = log.append(last, large_frame(last + 1)).await?;
        last += 1;
        assert_eq!(appended, Appended::Stored(last));
        log.trim(last.saturating_sub(10)).await?;
        tell("large", last);
    }
}

fn large_frame(sequence: u64) -> Bytes {
    sequence.to_le_bytes().repeat(512 * 1024).into()
}

async fn check_survivors(dir: &Path, acked: &BTreeMap<String, u64>) -> Outcome {
    let bus = Bus::embedded(dir).await?;
    for name in ["left", "right"] {
        let log = bus.log(name).await?;
        let last = log.tail().await?.last;
        assert!(last >= acked[name], "{name}: {last} of {}", acked[name]);
        let read = log.read_from(1, usize::MAX).await?;
        assert_eq!(read.len() as u64, last);
        assert!(read.iter().all(|entry| entry.frame == frame(entry.sequence)));
    }
    let large = bus.log("large").await?;
    let tail = large.tail().await?;
    assert!(tail.last >= acked["large"] && tail.first + 12 > acked["large"], "{tail:?}");
    for sequence in tail.first..=tail.last {
        let read = large.read_from(sequence, 1).await?;
        assert!(read[0].frame == large_frame(sequence), "{sequence}");
    }
    let inbox = bus.inbox("inbox").await?;
    let last = inbox.tail().await?.last;
    assert!(last >= acked["inbox"]);
    for delivered in inbox.read_from(1, usize::MAX).await? {
        assert_eq!(delivered.message.payload, delivered.sequence.to_string());
    }
    let value = bus.bucket("bucket").await?.get("k").await?.unwrap();
    assert!(value.revision >= acked["bucket"]);
    assert_eq!(value.value, value.revision.to_string());
    Ok(bus.close().await?)
}

#[tokio::test]
async fn every_acked_write_survives_a_kill() -> Outcome {
    if let Some(dir) = child_dir() {
        let bus = Bus::embedded(&dir).await?;
        tokio::try_join!(
            write_log(&bus, "left"),
            write_log(&bus, "right"),
            write_inbox(&bus),
            write_bucket(&bus),
            write_large(&bus),
        )?;
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mut acked = BTreeMap::new();
    for lines in [100, 5_000, 2_333] {
        let command = Command::new(std::env::current_exe()?);
        let mut child = start(command, "crash::every_acked_write_survives_a_kill", dir.path())?;
        let mut output = BufReader::new(child.stdout.take().ok_or("piped")?).lines();
        for line in output.by_ref().map_while(Result::ok).take(lines) {
            acked.extend(heard(&line));
        }
        child.kill()?;
        // What it said before it died counts too.
        acked.extend(output.map_while(Result::ok).filter_map(|line| heard(&line)));
        assert!(!child.wait()?.success());
        assert_eq!(acked.len(), 5, "everybody came to write: {acked:?}");
        check_survivors(dir.path(), &acked).await?;
    }
    Ok(())
}

/// Appends until the disk is full, then checks that the store refuses everything else.
async fn fill_the_disk(dir: &Path) -> Outcome {
    let bus = Bus::embedded(dir).await?;
    let (log, bucket) = (bus.log("l").await?, bus.bucket("b").await?);
    let mut last = 0;
    let error = loop {
        match log.append(last, vec![1; FRAME_BYTES_MAX].into()).await {
            Ok(appended) => assert_eq!(appended, Appended::Stored(last + 1)),
            Err(error) => break error,
        }
        last += 1;
        tell("l", last);
    };
    assert_eq!(*error.kind(), ErrorKind::DiskFull, "{error:?}");
    assert_eq!(log.tail().await?.last, last, "what was not acknowledged is not shown");
    assert_eq!(log.read_from(last, 1).await?.len(), 1, "what is there can be read");
    let refused = [
        kind(log.append(last, Bytes::new()).await),
        kind(log.trim(2).await),
        kind(bucket.put("k", Bytes::new()).await),
        kind(bus.log("other").await),
    ];
    let says_so = |kind: &ErrorKind| {
        let ErrorKind::Poisoned { reason } = kind else { return false };
        reason.contains("the disk is full")
    };
    assert!(refused.iter().all(says_so), "{refused:?}");
    assert!(says_so(&kind(bus.close().await)), "closing cannot promise anything");
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing() -> Outcome {
    if let Some(dir) = child_dir() {
        return fill_the_disk(&dir).await;
    }
    let dir = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    // No file may grow beyond 64 MiB (in units of 512 bytes): to the store that is a full disk.
    command.args(["-c", "trap '' XFSZ; ulimit -f 131072; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe()?);
    let test = "crash::a_full_disk_stops_the_store_and_loses_nothing";
    let output = start(command, test, dir.path())?.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let acked = said.lines().filter_map(heard).map(|(_, number)| number).max();
    let acked = acked.ok_or("something fits")?;
    assert!(acked >= 3, "{acked}");
    let log = Bus::embedded(dir.path()).await?.log("l").await?;
    let last = log.tail().await?.last;
    assert!(last >= acked);
    for sequence in 1..=last {
        let read = log.read_from(sequence, 1).await?;
        assert!(read[0].frame.len() == FRAME_BYTES_MAX && read[0].frame[0] == 1);
    }
    assert_eq!(log.append(last, frame(last + 1)).await?, Appended::Stored(last + 1));
    Ok(())
}
