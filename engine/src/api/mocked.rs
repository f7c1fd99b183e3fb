//! What mocks answer, among the plugins that run.

use std::time::Duration;

use gearshift_protocol::view::{OperationView, PluginView};

use crate::runtime::Looked;

/// What stands for every plugin and every operation.
const EVERYTHING: &str = "*";

/// Adds what mocks answer of plugins that do not run: without a version, and without instances.
pub(super) fn with_mocks(
    looked: &Looked,
    name: Option<&str>,
    running: Vec<PluginView>,
) -> Vec<PluginView> {
    let mut all = running;
    for mock in looked.mocked() {
        let (plugin, operation) = mock.split_once('.').unwrap_or((EVERYTHING, EVERYTHING));
        let is_told = all.iter().any(|one| {
            let has = one.operations.iter().any(|it| it.name == operation);
            one.name == plugin && !one.version.is_empty() && has
        });
        if is_told || name.is_some_and(|name| name != plugin) {
            continue;
        }
        let operation = view(looked, plugin, operation);
        match all.iter_mut().find(|one| one.name == plugin && one.version.is_empty()) {
            Some(one) => one.operations.push(operation),
            None => all.push(PluginView {
                name: plugin.to_owned(),
                operations: vec![operation],
                ..PluginView::default()
            }),
        }
    }
    all.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));
    all
}

fn view(looked: &Looked, plugin: &str, operation: &str) -> OperationView {
    let (subject, counted) = looked.of_mock(plugin, operation).unwrap_or_default();
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    OperationView {
        name: operation.to_owned(),
        subject,
        mocked: true,
        idempotent: true,
        calls: counted.calls,
        errors: counted.errors,
        average_us: micros(counted.average),
        p99_us: micros(counted.p99),
        in_flight: counted.in_flight,
        waiting: counted.waiting,
        ..OperationView::default()
    }
}
