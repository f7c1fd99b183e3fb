//! What only a bus in a directory promises.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Appended, Bus, Error, ErrorKind, Log};

use crate::log::fill;
use crate::world::{Outcome, World, kind, patient};

const MIB: usize = 1024 * 1024;

async fn append_large(log: &Log, count: u64) -> Result<(), Error> {
    let last = log.tail().await?.last;
    for sequence in last..last + count {
        let frame = vec![u8::try_from(sequence % 251).unwrap(); 8 * MIB];
        let appended = log.append(sequence, Bytes::from(frame)).await?;
        assert_eq!(appended, Appended::Stored(sequence + 1));
    }
    Ok(())
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// Changes one bit of the byte in the middle of the first occurrence of `text`.
fn damage(path: &Path, text: &[u8]) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let Some(at) = bytes.windows(text.len()).position(|window| window == text) else {
        return false;
    };
    bytes[at + text.len() / 2] ^= 1;
    fs::write(path, bytes).unwrap();
    true
}

#[tokio::test]
async fn a_directory_is_open_once() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    fill(&bus.log("l").await?, 3).await?;
    let locked = ErrorKind::Locked { dir: world.dir().display().to_string() };
    assert_eq!(kind(world.open().await), locked);
    bus.close().await?;
    let again = world.open().await?;
    assert_eq!(again.log("l").await?.tail().await?.last, 3);
    drop((bus, again));
    let bus = world.open().await?;
    assert_eq!(bus.log("l").await?.tail().await?.last, 3, "dropping closes too");
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn others_cannot_read_what_is_stored() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let world = World::embedded()?;
    let dir = world.dir().join("new").join("bus");
    let bus = Bus::embedded(&dir).await?;
    let digest = bus.blobs("s").await?.put(Bytes::from_static(b"secret")).await?;
    bus.close().await?;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for private in [&dir, &dir.join("store"), &dir.join("blobs/s")] {
        assert_eq!(mode(private), 0o700, "{}", private.display());
    }
    for private in [dir.join("lock"), dir.join("tails"), dir.join("blobs/s").join(digest.as_str())]
    {
        assert_eq!(mode(&private), 0o600, "{}", private.display());
    }
    Ok(())
}

#[tokio::test]
async fn segments_follow_one_another() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    append_large(&bus.log("l").await?, 10).await?;
    let bus = world.reopen(bus).await?;
    let log = bus.log("l").await?;
    append_large(&log, 2).await?;
    let mut next = 1;
    while next <= 12 {
        let read = log.read_from(next, 20 * MIB).await?;
        assert_eq!(read.len(), 2, "two frames of 8 MiB fit into 20 MiB");
        for entry in read {
            assert_eq!(entry.sequence, next);
            assert_eq!(u64::from(entry.frame[0]), next - 1);
            next += 1;
        }
    }
    assert!(log.read_from(13, 1).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn trimming_gives_disk_space_back() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    let log = bus.log("l").await?;
    append_large(&log, 20).await?;
    let full = bus.disk_bytes().await;
    assert!(full > 160 * MIB as u64, "{full}");
    log.trim(20).await?;
    // One segment stays, and the engine's journal; files are removed in the background.
    let freed = async {
        while bus.disk_bytes().await > 110 * MIB as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    patient(freed).await;
    let log = world.reopen(bus).await?.log("l").await?;
    let tail = log.tail().await?;
    assert_eq!((tail.first, tail.last), (20, 20));
    assert_eq!(log.read_from(20, 1).await?.len(), 1);
    append_large(&log, 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_destroyed_log_gives_disk_space_back() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    let log = bus.log("l").await?;
    append_large(&log, 10).await?;
    log.destroy().await?;
    let bus = world.reopen(bus).await?;
    let tables = files_below(&world.dir().join("store/keyspaces"));
    let left: u64 = tables.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(left < MIB as u64, "{left}");
    assert_eq!(bus.log("l").await?.tail().await?.last, 0);
    Ok(())
}

#[tokio::test]
async fn a_damaged_table_is_found() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    append_large(&bus.log("l").await?, 6).await?;
    bus.close().await?;
    let text = vec![2; 4096];
    let tables = files_below(&world.dir().join("store/keyspaces"));
    let damaged = tables.iter().filter(|path| damage(path, &text)).count();
    assert!(damaged > 0, "the frame has left the journal");
    let log = world.open().await?.log("l").await?;
    assert_eq!(log.read_from(1, 16 * MIB).await?.len(), 2, "what lies before can be read");
    let found = kind(log.read_from(3, MIB).await);
    assert_eq!(found, ErrorKind::Corrupt { sequence: Some(3) });
    assert_eq!(log.read_from(4, MIB).await?.len(), 1, "and what lies behind");
    Ok(())
}

#[tokio::test]
async fn a_damaged_journal_is_found() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    fill(&bus.log("l").await?, 50).await?;
    bus.close().await?;
    let journals = files_below(&world.dir().join("store"));
    let damaged = journals.iter().filter(|path| damage(path, b"frame 0020")).count();
    assert_eq!(damaged, 1);
    let found = kind(world.open().await);
    assert!(matches!(found, ErrorKind::Corrupt { .. }), "{found:?}");
    Ok(())
}

#[tokio::test]
async fn a_journal_that_came_back_shorter_is_found() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    fill(&bus.log("l").await?, 50).await?;
    bus.close().await?;
    for path in files_below(&world.dir().join("store")) {
        let bytes = fs::read(&path)?;
        let text = b"frame 0041";
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            fs::File::options().write(true).open(&path)?.set_len(at as u64)?;
        }
    }
    assert_eq!(kind(world.open().await), ErrorKind::Corrupt { sequence: Some(41) });
    Ok(())
}

#[tokio::test]
async fn a_damaged_blob_is_found_and_can_be_put_again() -> Outcome {
    let world = World::embedded()?;
    let blobs = world.open().await?.blobs("s").await?;
    let digest = blobs.put(Bytes::from_static(b"content")).await?;
    assert!(damage(&world.dir().join("blobs/s").join(digest.as_str()), b"content"));
    assert_eq!(kind(blobs.get(&digest).await), ErrorKind::Corrupt { sequence: None });
    blobs.put(Bytes::from_static(b"content")).await?;
    assert_eq!(blobs.get(&digest).await?, Some(Bytes::from_static(b"content")));
    Ok(())
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit_and_keep_their_order() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[crate::world::pattern("a")]).await?;
    let publish = (0..500).map(|n| inbox.publish(crate::world::message("a", &n.to_string())));
    let sequences = futures_util::future::try_join_all(publish).await?;
    for (number, sequence) in sequences.iter().enumerate() {
        let read = inbox.read_from(*sequence, 1).await?;
        assert_eq!(read[0].message.payload, number.to_string());
    }
    assert_eq!(inbox.tail().await?.last, 500);
    Ok(())
}

#[tokio::test]
async fn expired_keys_leave_the_disk_with_the_next_write() -> Outcome {
    let world = World::embedded()?;
    let bus = world.open().await?;
    let bucket = bus.bucket("b").await?;
    let ttl = Duration::from_secs(1);
    for key in ["one", "two", "again"] {
        bucket.put_expiring(key, Bytes::from_static(b"1"), ttl).await?;
    }
    world.pass_ms(1_000).await;
    bucket.put_expiring("again", Bytes::from_static(b"2"), ttl).await?;
    world.pass_ms(-1_000).await;
    assert_eq!(bucket.keys("").await?, ["again"], "nothing comes back when the clock does");
    let bus = world.reopen(bus).await?;
    assert_eq!(bus.bucket("b").await?.keys("").await?, ["again"]);
    Ok(())
}

/// Zeroes what follows the first occurrence of `text`: pages that a power cut kept from the disk.
fn tear(path: &Path, text: &[u8], torn_bytes: usize) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let Some(at) = bytes.windows(text.len()).position(|window| window == text) else {
        return false;
    };
    let end = (at + torn_bytes).min(bytes.len());
    bytes[at..end].fill(0);
    fs::write(path, bytes).unwrap();
    true
}

/// Appends five small frames and a large one, then tears the journal within the large one.
async fn torn_world(torn_bytes: usize) -> Result<World, Box<dyn std::error::Error>> {
    let world = World::embedded()?;
    let bus = world.open().await?;
    let log = bus.log("l").await?;
    fill(&log, 5).await?;
    let large: Vec<u8> = (0..2_000).flat_map(|n| format!("part {n:05}").into_bytes()).collect();
    log.append(5, large.into()).await?;
    bus.close().await?;
    // A power cut leaves no note of an orderly close.
    fs::remove_file(world.dir().join("tails"))?;
    let journals = files_below(&world.dir().join("store"));
    let torn = journals.iter().filter(|path| tear(path, b"part 00700", torn_bytes)).count();
    assert_eq!(torn, 1);
    Ok(world)
}

#[tokio::test]
async fn a_commit_cut_off_at_its_end_never_happened() -> Outcome {
    let log = torn_world(usize::MAX / 2).await?.open().await?.log("l").await?;
    assert_eq!(log.tail().await?.last, 5);
    fill(&log, 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_commit_with_a_hole_is_refused_not_misread() -> Outcome {
    let found = kind(torn_world(4096).await?.open().await);
    assert_eq!(found, ErrorKind::Corrupt { sequence: None });
    Ok(())
}
