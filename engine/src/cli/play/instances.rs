//! Which instances there are, and what they could be told.

use gearshift_machine::definition::model::Trigger;
use gearshift_machine::machine::InstanceKey;

use super::command::{Play, nothing_yet};
use crate::api;
use crate::cli::words::states;

/// Instances that are listed.
const INSTANCES_MAX: usize = 1_000;

impl Play {
    /// The events that the definitions declare.
    pub(super) fn events(&self) -> Vec<String> {
        let declared = self.stage.definitions().iter().flat_map(|definition| &definition.events);
        declared.map(|event| event.name.to_string()).collect()
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
