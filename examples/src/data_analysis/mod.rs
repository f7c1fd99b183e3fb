//! Data analysis: small data and large data take different ways to one report.

mod analyze;
mod inspect;
mod report;

use std::path::Path;

use gearshift_plugins_sdk::Plugin;

use crate::files::Folder;

/// The plugins, working on the files in `dir`.
pub(crate) fn plugins(dir: &Path) -> Vec<Plugin> {
    let folder = Folder(dir.to_owned());
    let plugin = |name| Plugin::new(name, "1.0.0").state(folder.clone());
    vec![
        plugin("data_inspector").operation("analyze_structure", inspect::analyze_structure),
        plugin("simple_processor").operation("quick_analysis", analyze::quick_analysis),
        plugin("advanced_processor")
            .operation("distributed_analysis", analyze::distributed_analysis),
        plugin("chart_generator").operation("create_basic_charts", report::create_basic_charts),
        plugin("dashboard_generator").operation("create_dashboard", report::create_dashboard),
        plugin("report_generator")
            .operation("create_analysis_report", report::create_analysis_report),
    ]
}
