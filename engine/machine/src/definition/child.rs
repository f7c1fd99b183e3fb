//! [`Child`]: a workflow that a definition runs by its name, which may not exist.

use super::problem::Problem;

/// A workflow that `run:` or `invoke:` names; one that is computed is not among them.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its name.
    pub workflow: String,
    /// Its version, where one is named.
    pub version: Option<u32>,
    /// The warning for whoever knows that there is no such workflow: one file cannot tell.
    pub missing: Problem,
}

impl Child {
    /// Does `name` at `version` serve as this child?
    #[must_use]
    pub fn is(&self, name: &str, version: u32) -> bool {
        self.workflow == name && self.version.is_none_or(|wanted| wanted == version)
    }
}
