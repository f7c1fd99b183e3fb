//! `rule_engine` decides by `rules.json`, `recorder` keeps what was decided.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::analyze::Analysis;
use crate::files::{self, Folder};

#[derive(Deserialize, JsonSchema)]
pub(super) struct Decide {
    analysis: Analysis,
    rules: String,
}

/// A rule: it matches where the type or one of the keywords does; without either, always.
#[derive(Deserialize)]
struct Rule {
    name: String,
    priority: u32,
    pipeline: String,
    #[serde(default)]
    document_type: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    parameters: Value,
}

/// Which way, and why.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Decision {
    pipeline: String,
    reason: String,
    /// All rules that match, the most important first.
    matched_rules: Vec<String>,
    parameters: Value,
}

impl Rule {
    /// Why it matches.
    fn reason(&self, analysis: &Analysis) -> Option<String> {
        if let Some(kind) = self.document_type.as_ref().filter(|it| **it == analysis.document_type)
        {
            return Some(format!("the document is {kind}"));
        }
        let word = self.keywords.iter().find(|word| analysis.keywords.contains(word));
        if let Some(word) = word {
            return Some(format!("it says `{word}`"));
        }
        let is_default = self.document_type.is_none() && self.keywords.is_empty();
        is_default.then(|| "no other rule matches".to_owned())
    }
}

pub(super) async fn decide(
    State(Folder(folder)): State<Folder>,
    _: Context,
    decide: Decide,
) -> Result<Decision, Failure> {
    let text = files::read_text(&folder, &decide.rules).await?;
    let mut rules: Vec<Rule> = serde_json::from_str(&text)
        .map_err(|error| Failure::permanent(error.to_string()).code("bad_rules"))?;
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
    let matched = rules.iter().filter_map(|rule| Some((rule, rule.reason(&decide.analysis)?)));
    let matched: Vec<_> = matched.collect();
    let Some((rule, reason)) = matched.first() else {
        return Err(Failure::permanent("no rule matches, and none is the default").code("no_rule"));
    };
    Ok(Decision {
        pipeline: rule.pipeline.clone(),
        reason: format!("rule `{}` of priority {}: {reason}", rule.name, rule.priority),
        matched_rules: matched.iter().map(|(rule, _)| rule.name.clone()).collect(),
        parameters: rule.parameters.clone(),
    })
}

/// What was decided and done.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Record {
    document: String,
    decision: Decision,
    result: Value,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Recorded {
    file: String,
}

pub(super) async fn record(
    State(Folder(folder)): State<Folder>,
    _: Context,
    record: Record,
) -> Result<Recorded, Failure> {
    let name = record.document.rsplit('/').next().unwrap_or_default();
    let file = format!("output/{name}.json");
    files::write_json(&files::below(&folder, &file)?, &record).await?;
    Ok(Recorded { file })
}
