//! How lives end that reach no final state.

use serde::{Deserialize, Serialize};

/// How a life ended that reached no final state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndView {
    /// `failed`, `cancelled` or `killed`; the status of a killed instance is `cancelled`.
    pub how: String,
    /// All of it in words: `killed by ann: too late`.
    pub words: String,
    /// Who ordered it, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in the words of who ordered it or of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The step that it failed by, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What kind of failure that was: `timeout`, `permanent` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The plugin's code, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl EndView {
    /// The words behind the status, which stands beside them: `by ann: too late` where it is
    /// cancelled, all of them where it was killed.
    #[must_use]
    pub fn beside(&self, status: &str) -> &str {
        let rest = self.words.strip_prefix(status).unwrap_or(&self.words);
        rest.trim_start_matches(':').trim_start()
    }
}

#[cfg(test)]
mod tests {
    use super::EndView;

    #[test]
    fn a_status_is_not_told_twice() {
        let end = |words: &str| EndView { words: words.to_owned(), ..EndView::default() };
        assert_eq!(end("failed: step `a`: no").beside("failed"), "step `a`: no");
        assert_eq!(end("cancelled by ann: late").beside("cancelled"), "by ann: late");
        assert_eq!(end("killed by ann: late").beside("cancelled"), "killed by ann: late");
        assert_eq!(end("cancelled").beside("cancelled"), "");
    }
}
