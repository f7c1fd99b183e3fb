//! Which instances there are, and what they could be told.

use std::collections::BTreeSet;
use std::sync::Arc;

use gearshift_machine::definition::model::Trigger;
use gearshift_machine::machine::InstanceKey;

use super::command::{Play, nothing_yet};
use crate::api;
use crate::cli::words::{names, nearest, states};

/// Instances that are listed.
const INSTANCES_MAX: usize = 1_000;

impl Play {
    /// The events that the definitions declare.
    pub(super) fn events(&self) -> Vec<String> {
        let declared = self.stage.definitions().iter().flat_map(|definition| &definition.events);
        declared.map(|event| event.name.to_string()).collect()
    }

    /// The workflows that can be started.
    pub(super) fn workflows(&self) -> BTreeSet<Arc<str>> {
        self.stage.definitions().iter().map(|definition| Arc::clone(&definition.name)).collect()
    }

    /// The workflow and the key that the words behind `start` mean. The name of a workflow is
    /// taken for it; where there is only one, any other word is a key.
    pub(super) fn meant_by_start(
        &self,
        words: &[String],
    ) -> Result<(Arc<str>, Option<String>), String> {
        let all = self.workflows();
        let known = |word: &str| all.get(word).cloned();
        let only = if all.len() == 1 { all.first().cloned() } else { None };
        let (first, second) = match words {
            [] => {
                let several = || {
                    let list: Vec<String> = all.iter().map(ToString::to_string).collect();
                    format!("say which workflow to start: {}", names(&list))
                };
                return only.map(|only| (only, None)).ok_or_else(several);
            }
            [first, more @ ..] => (first, more.first()),
        };
        if let Some(workflow) = known(first) {
            return Ok((workflow, second.cloned()));
        }
        if second.is_none() {
            let parts = first.split_once('/').filter(|(_, key)| !key.is_empty());
            if let Some((workflow, key)) = parts.and_then(|(name, key)| Some((known(name)?, key))) {
                return Ok((workflow, Some(key.to_owned())));
            }
            if let Some(only) = only {
                return Ok((only, Some(first.clone())));
            }
        }
        let name = first.split_once('/').map_or(&**first, |(name, _)| name);
        let meant = nearest(name, all.iter().map(|name| &**name));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        Err(format!("no workflow here is called `{name}`{meant}"))
    }

    /// Does any definition take an event of this name, or declare it?
    pub(super) fn knows(&self, name: &str) -> bool {
        self.stage.definitions().iter().any(|definition| {
            definition.event(name).is_some()
                || definition.transitions.iter().any(|transition| match &transition.trigger {
                    Trigger::Events(list) => list.iter().any(|it| it.matches(name)),
                    Trigger::Always | Trigger::After { .. } | Trigger::Initial => false,
                })
        })
    }

    /// Lists what began, with a number for `use`.
    pub(super) fn instances(&self) -> Result<(), String> {
        let all = self.stage.instances(INSTANCES_MAX);
        if all.is_empty() {
            return Err(nothing_yet());
        }
        for (number, instance) in (1_usize..).zip(&all) {
            let mark = if self.current.as_ref() == Some(&instance.key) { "*" } else { " " };
            let Some((_, definition)) = self.instance(&instance.key) else { continue };
            let detail = api::detail(instance, &definition, self.stage.now());
            let (key, states) = (&instance.key, states(&detail.summary.active));
            let status = detail.summary.status.as_str();
            self.say(&format!("{mark} {number:>2}  {key}  {states}  {status}"))?;
        }
        Ok(())
    }

    /// The instance that a number of the list, `workflow/key` or a key means.
    pub(super) fn named(&self, name: &str) -> Result<InstanceKey, String> {
        let all = self.stage.instances(INSTANCES_MAX);
        let keys = || all.iter().map(|instance| &instance.key);
        let found: Vec<_> =
            keys().filter(|key| key.key() == name || key.to_string() == name).collect();
        match found.as_slice() {
            [only] => return Ok((*only).clone()),
            [one, other, ..] => {
                return Err(format!("`{name}` is the key of `{one}` and of `{other}`"));
            }
            [] => {}
        }
        let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = number.and_then(|at| keys().nth(at));
        found.cloned().ok_or_else(|| format!("no instance `{name}`; `instances` lists them"))
    }
}
