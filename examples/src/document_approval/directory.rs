//! `directory`: who reviews?

use std::path::{Path, PathBuf};

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files;

/// The file with the people.
#[derive(Clone)]
struct Directory(PathBuf);

pub(super) fn plugin(file: &Path) -> Plugin {
    Plugin::new("directory", "1.0.0")
        .operation("pick_reviewer", pick_reviewer)
        .state(Directory(file.to_owned()))
}

/// The event `document.submitted`, as far as it matters here.
#[derive(Deserialize, JsonSchema)]
struct Submitted {
    /// Nobody reviews what they handed in themselves.
    submitter: Option<String>,
}

/// One person, as `directory.json` lists them.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Person {
    user_id: String,
    name: String,
    reviewer: bool,
    open_reviews: u32,
}

async fn pick_reviewer(
    State(Directory(file)): State<Directory>,
    _: Context,
    submitted: Submitted,
) -> Result<Person, Failure> {
    let people: Option<Vec<Person>> = files::read_json(&file).await?;
    let people = people.ok_or_else(|| {
        // The file may be back at the next attempt.
        Failure::retryable(format!("there is no `{}`", file.display()))
    })?;
    let may_review =
        |person: &&Person| person.reviewer && submitted.submitter.as_ref() != Some(&person.user_id);
    people
        .iter()
        .filter(may_review)
        .min_by_key(|person| (person.open_reviews, &person.user_id))
        .cloned()
        .ok_or_else(|| Failure::permanent("nobody may review this").code("no_reviewer"))
}
