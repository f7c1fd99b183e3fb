//! System update: a new version is put in place step by step, and taken back when it is not
//! healthy.
//!
//! The plugins work on a copy of `system/` in `output/system/`; `output/journal.txt` tells in which
//! order they did what.

mod deploy;
mod migrate;
mod place;
mod transaction;
mod verify;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use place::Place;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let place = Place::new(dir);
    vec![
        Plugin::new("transaction_manager", "1.0.0")
            .operation("begin_transaction", transaction::begin)
            .operation("rollback_transaction", transaction::roll_back)
            .operation("commit_transaction", transaction::commit)
            .state(place.clone()),
        Plugin::new("backup_manager", "1.0.0")
            .operation("create_backup", transaction::create_backup)
            .operation("restore_backup", transaction::restore_backup)
            .state(place.clone()),
        Plugin::new("database_migrator", "1.0.0")
            .operation("migrate_schema", migrate::migrate)
            .operation("rollback_migration", migrate::roll_back)
            .state(place.clone()),
        Plugin::new("code_deployer", "1.0.0")
            .operation("deploy_update", deploy::deploy)
            .operation("rollback_deployment", deploy::roll_back)
            .state(place.clone()),
        Plugin::new("system_verifier", "1.0.0")
            .operation("verify_system_health", verify::verify)
            .state(place),
    ]
}
