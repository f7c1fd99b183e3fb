//! Property: an instance that goes on under a version with the same content stays what it was.

use proptest::prelude::*;

use super::check::{World, definition};
use super::property::{charts, play, told};
use crate::definition::model::Definition;
use crate::machine::{Instance, Migrated, Status, migrate};

/// The same content under the next version.
fn next_version(of: &Definition) -> Definition {
    let text = match of.canonical.contains("\"version\":") {
        true => of.canonical.replace("\"version\":1", "\"version\":2"),
        false => of.canonical.replacen('{', "{\"version\":2,", 1),
    };
    definition(&text)
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
