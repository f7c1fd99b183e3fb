//! Definitions written in Rust: the same text tree as a file, and the same checks.
//!
//! ```
//! use gearshift_machine::definition::builder::{Mode, Workflow};
//!
//! let workflow = Workflow::new("data_processing")
//!     .mode(Mode::Sequential)
//!     .step("load_data", |step| {
//!         step.call("csv_loader.load_file").timeout("30s").arg("file_path", "input/data.csv")
//!     })
//!     .step("clean_data", |step| step.call("data_cleaner.clean_dataset").undo("trash.restore"));
//! let definition = workflow.build().map_err(|problems| problems[0].to_string())?;
//! assert_eq!(definition.graphs[0].steps.len(), 2);
//!
//! let file = "
//! workflow: data_processing
//! mode: sequential
//! steps:
//!   load_data: { call: csv_loader.load_file, timeout: 30s, with: { file_path: input/data.csv } }
//!   clean_data: { call: data_cleaner.clean_dataset, undo: trash.restore }
//! ";
//! let same = gearshift_machine::definition::load(file, "file", workflow.format());
//! assert_eq!(same.map(|loaded| loaded.definition.hash), Ok(definition.hash));
//! # Ok::<(), String>(())
//! ```

mod action;
mod approval;
mod data;
mod route;
mod schedule;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod tree;
mod workflow;

pub use action::{Action, Transition};
pub use approval::Approval;
pub use data::Data;
pub use route::{Route, Rule};
pub use schedule::Schedule;
pub use state::State;
pub use step::{Cache, Each, OnFailure, Retry, Step, Undo};
pub use workflow::{Event, Workflow};

pub use super::model::{Collect, Mode};
