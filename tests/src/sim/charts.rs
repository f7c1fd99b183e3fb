//! The definitions that are simulated.

use std::sync::Arc;

use gearshift_machine::definition::model::{Definition, Early};
use gearshift_machine::definition::{Format, load};
use gearshift_machine::partition::Definitions;

/// The texts, by file name.
const TEXTS: [(&str, &str); 8] = [
    ("counter.yaml", include_str!("charts/counter.yaml")),
    ("patient.yaml", include_str!("charts/patient.yaml")),
    ("noisy.yaml", include_str!("charts/noisy.yaml")),
    ("boss.yaml", include_str!("charts/boss.yaml")),
    ("purse.yaml", include_str!("charts/purse.yaml")),
    ("helper.yaml", include_str!("charts/helper.yaml")),
    (
        "document_approval.workflow.yaml",
        include_str!("../../../examples/document-approval/document_approval.workflow.yaml"),
    ),
    ("order.workflow.yaml", include_str!("../../../examples/order/order.workflow.yaml")),
];

/// Definitions that are deployed from the beginning of every episode.
#[derive(Clone, Debug)]
pub struct Charts {
    /// As a partition is handed them.
    pub definitions: Definitions,
    /// In the order of the files.
    pub list: Vec<Arc<Definition>>,
}

impl Charts {
    /// Loads them.
    ///
    /// # Panics
    /// When one of them has a problem.
    #[must_use]
    pub fn load() -> Self {
        let mut charts = Self { definitions: Definitions::default(), list: Vec::new() };
        for (origin, text) in TEXTS {
            let loaded = load(text, origin, Format::Yaml)
                .unwrap_or_else(|problems| panic!("{origin}: {problems:#?}"));
            let definition = Arc::new(loaded.definition);
            let inserted = charts.definitions.insert(Arc::clone(&definition));
            assert!(inserted.is_ok(), "{origin}: {inserted:?}");
            charts.list.push(definition);
        }
        charts
    }

    /// What becomes of an event whose instance does not exist.
    #[must_use]
    pub fn early(&self, workflow: &str, event: &str) -> Early {
        self.definitions
            .latest(workflow)
            .and_then(|definition| definition.event(event))
            .map_or(Early::DeadLetter, |declared| declared.early)
    }
}
