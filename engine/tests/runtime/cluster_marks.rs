//! Row E16 among several engines: what was confirmed is remembered on the bus, too.

use gearshift_bus::Bus;
use gearshift_machine::machine::Outcome;

use crate::cluster::{ask_owner, joined, member, served, spread};
use crate::support::{COUNTER, World, eventually, eventually_async};

/// Destroys the journal of partition 0 while no engine runs.
fn recreate(world: &World) {
    world.between(async |bus| bus.log("journal-0").await.unwrap().destroy().await.unwrap());
}

/// One counter in partition 0, told once, and its mark on the bus; the engine has stopped.
fn marked(bus: &Bus) -> String {
    let mut world = joined(bus, "a");
    world.deploy(COUNTER);
    let name = world.name_in(0);
    ask_owner(&[&world], "counter.opened", &name, 0);
    ask_owner(&[&world], "counter.added", &name, 1);
    world.run(eventually_async("the mark is on the bus", async || {
        let mark = bus.bucket("marks").await.unwrap().get("p0").await.unwrap()?;
        String::from_utf8_lossy(&mark.value).contains("\"sequence\":3").then_some(())
    }));
    world.crash();
    name
}

fn reason(world: &World) -> Option<String> {
    world.handle().health()[0].reason.clone()
}

#[test]
fn e16_a_recreated_journal_is_refused_by_every_engine() {
    let bus = Bus::in_memory();
    marked(&bus);
    let second = member(&bus, "b");
    recreate(&second);
    let mut second = second;
    second.start();
    let refused = || {
        let told = reason(&second)?;
        told.starts_with("GS6001 log_behind_mark: journal of partition 0 ends at 0 but 3 was")
            .then_some(())
    };
    second.run(eventually("it refuses", refused));
    spread_but_first(&second);
    // An engine that comes later hears it from the one that found out.
    let third = joined(&bus, "c");
    let says = || {
        let told = reason(&third)?;
        (told.starts_with("GS6001 log_behind_mark") && told.ends_with("(says `b`)")).then_some(())
    };
    third.run(eventually("the others say so, too", says));
}

fn spread_but_first(world: &World) {
    let others = || (served(world).into_iter().eq([1, 2, 3])).then_some(());
    world.run(eventually("the other partitions are served", others));
}

#[test]
fn e16_a_person_may_accept_what_is_lost() {
    let bus = Bus::in_memory();
    let name = marked(&bus);
    let mut second = member(&bus, "b").with(|config| config.accept_lost = [0].into());
    recreate(&second);
    second.start();
    spread(&[&second], &[4]);
    let anew = ask_owner(&[&second], "counter.opened", &name, 0);
    assert!(matches!(anew, Outcome::Started { .. }), "{anew:?}");
    second.crash();
    // Once accepted it is the truth for everybody.
    let third = joined(&bus, "c");
    spread(&[&third], &[4]);
    let repeated = ask_owner(&[&third], "counter.opened", &name, 0);
    assert!(matches!(repeated, Outcome::Duplicate { .. }), "{repeated:?}");
}
