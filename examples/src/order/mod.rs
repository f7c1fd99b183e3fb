//! Orders: goods are reserved, paid in time or released again.

mod inventory;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

/// The plugins, working on `stock.json` and `reservations/` in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    vec![inventory::plugin(&dir.join("stock.json"), &dir.join("reservations"))]
}
