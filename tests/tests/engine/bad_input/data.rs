//! C6: data directories that are missing, read-only, taken, or made for another engine.

use gearshift_bus::{Bus, ErrorKind};
use gearshift_engine::{Engine, EngineConfig, Error};
use gearshift_tests::world::{Backend, World};

use crate::flows::{FLOW, note, started};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn c6_a_missing_directory_is_made_and_is_its_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    runtime().block_on(async {
        let bus = Bus::embedded(&path).await.unwrap();
        bus.close().await.unwrap();
    });
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn c6_a_directory_in_use_is_refused_by_name() {
    let world = World::new(Backend::Embedded);
    let refused = world.run(Bus::embedded(&world.bus_folder())).unwrap_err();
    let ErrorKind::Locked { dir } = refused.kind() else { panic!("{refused:?}") };
    assert_eq!(*dir, world.bus_folder().display().to_string());
}

#[test]
fn c6_a_file_in_the_place_of_the_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "mine").unwrap();
    let refused = runtime().block_on(Bus::embedded(&path)).unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Io, "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn c6_a_directory_of_another_number_of_partitions_is_refused() {
    let mut world = World::new(Backend::Embedded);
    world.deploy(FLOW);
    started(&world, "a");
    note(&world, "a", "n1");
    assert!(world.shutdown());
    let data = world.data_folder();
    runtime().block_on(async {
        let config =
            EngineConfig { partitions: 8, data: Some(data.clone()), ..EngineConfig::default() };
        let started = Engine::start(Bus::in_memory(), config).await;
        let refused = started.map(|_| ()).unwrap_err();
        assert!(matches!(refused, Error::Partitions { found: 2, configured: 8, .. }), "{refused}");
    });
}

#[test]
fn c6_marks_that_cannot_be_read_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("marks.json"), "{ half").unwrap();
    runtime().block_on(async {
        let data = Some(folder.path().to_owned());
        let config = EngineConfig { data, ..EngineConfig::default() };
        let refused = Engine::start(Bus::in_memory(), config).await.map(|_| ()).unwrap_err();
        assert!(matches!(refused, Error::File { .. }), "{refused}");
        assert!(refused.to_string().contains("marks.json"), "{refused}");
    });
}
