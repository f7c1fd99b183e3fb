//! Property: an instance that goes on under a version with the same content stays what it was.

use proptest::prelude::*;

use super::check::{World, definition};
use super::property::{charts, play, told};
use crate::definition::model::Definition;
use crate::machine::{Input, Instance, Migrated, Status, migrate};
use crate::value::Value;

/// The same content under the next version.
fn next_version(of: &Definition) -> Definition {
    let text = match of.canonical.contains("\"version\":") {
        true => of.canonical.replace("\"version\":1", "\"version\":2"),
        false => of.canonical.replacen('{', "{\"version\":2,", 1),
    };
    definition(&text)
}

#[test]
fn what_an_item_could_not_keep_is_asked_for_again_under_another_version() {
    let text = "
workflow: t
version: 1
vars: { rate: null, total: 0 }
steps:
  all:
    foreach: { in: input.list, as: it, collect: all }
    call: p.one
    set: { total: vars.total + vars.rate * output.n }
";
    let (from, to) = (definition(text), definition(&text.replace("version: 1", "version: 2")));
    let mut world = World::new(from.clone());
    world.run("start {list: [1, 2]}");
    world.run("reply p.one {n: 3}");
    let old = world.instance.clone().unwrap();
    let items = |instance: &Instance| {
        let run = &instance.progress.as_ref().unwrap().graphs[0];
        let fan = run.steps.get(0).unwrap().fan.as_ref().unwrap();
        fan.items.iter().map(|item| item.error().is_some()).collect::<Vec<_>>()
    };
    assert_eq!(items(&old), [false, true]);
    world.instance = Some(migrate(&old, &from, &to, &[], world.now).unwrap().instance);
    world.definition = to;
    assert_eq!(items(world.instance.as_ref().unwrap()), [false, true]);
    let first = world.calls[0].clone();
    let outcome = crate::machine::CallOutcome::Success(Value::Null);
    world.tell(&Input::CallReply { call: first.call, attempt: 1, outcome });
    world.run("command set {rate: 2}");
    world.run("command retry");
    assert!(world.out.ends_with("command retry -> call p.one | steps\n"), "{}", world.out);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_version_with_the_same_content_changes_nothing_but_the_version(
        script in prop::collection::vec(told(), 1..40),
    ) {
        for from in charts() {
            let to = next_version(&from);
            let mut world = World::new(from.clone());
            world.run("start {submitter: sue}");
            for told in &script {
                play(&mut world, told);
                let Some(old) = &world.instance else { continue };
                let found = migrate(old, &from, &to, &[], world.now);
                let taken_back = old.status == Status::Compensating;
                if old.status.is_ended() || old.stuck.is_some() || taken_back {
                    prop_assert!(found.is_err());
                    continue;
                }
                let instance = Instance {
                    pin: to.pin(),
                    step: old.step + 1,
                    updated_at: world.now,
                    ..old.clone()
                };
                prop_assert_eq!(found, Ok(Migrated { instance, notes: Vec::new() }));
            }
        }
    }
}
