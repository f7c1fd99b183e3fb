//! Rule 2: what every configuration must be.

use super::ids::StateId;
use super::instance::{Instance, Status};
use crate::definition::model::{Definition, StateKind};

/// Looks at the active states of a decision before anybody takes it for true: one pass over them,
/// whatever the size of the definition.
///
/// # Panics
/// Where they are no legal configuration: a bug of ours, which must cost this instance only and
/// never reach a journal.
pub(crate) fn assert_legal(definition: &Definition, instance: &Instance) {
    let broken = illegal(definition, &instance.active);
    // Nowhere is only an instance whose start was rolled back, and then waits or was cancelled, one
    // that begins paused, and one that its transaction did not have.
    let waits = matches!(
        instance.status,
        Status::Stuck | Status::Cancelled | Status::Paused | Status::Failed
    );
    let nowhere = instance.active.is_empty() && waits;
    if let Some(why) = broken.filter(|_| !nowhere) {
        panic!("no legal configuration: {why}");
    }
}

/// Why states are no legal configuration: the root is active, of each compound exactly one child,
/// of each parallel all regions, and no history.
fn illegal(definition: &Definition, active: &[StateId]) -> Option<String> {
    if active.first() != Some(&StateId::ROOT) {
        return Some("the root is not active".to_owned());
    }
    // The states around the one looked at, outermost first, with how many children are active.
    let mut open: Vec<(StateId, usize)> = Vec::new();
    for (at, &id) in active.iter().enumerate() {
        if id.index() >= definition.states.len() {
            return Some(format!("{id:?} is no state of the definition"));
        }
        if at > 0 && active.get(at - 1).is_some_and(|before| *before >= id) {
            return Some(format!("`{}` is not in document order", definition.state(id).id));
        }
        while let Some((around, children)) = open.pop_if(|it| !definition.is_descendant(id, it.0)) {
            if let Some(why) = wrong_number(definition, around, children) {
                return Some(why);
            }
        }
        let state = definition.state(id);
        if let Some((around, children)) = open.last_mut() {
            if state.parent != Some(*around) {
                return Some(format!("the parent of `{}` is not active", state.id));
            }
            *children += 1;
        }
        open.push((id, 0));
    }
    open.into_iter().find_map(|(id, children)| wrong_number(definition, id, children))
}

/// Why so many active children are wrong for the state `id`.
fn wrong_number(definition: &Definition, id: StateId, children: usize) -> Option<String> {
    let state = definition.state(id);
    let due = match state.kind {
        StateKind::Compound => 1,
        StateKind::Parallel => state.children.len() - state.histories.len(),
        StateKind::Atomic | StateKind::Final => 0,
        StateKind::History { .. } => return Some(format!("history `{}` is active", state.id)),
    };
    (children != due)
        .then(|| format!("`{}` has {children} active children, {due} are due", state.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Format, load};

    const CHART: &str = "
workflow: t
states:
  a: {}
  p:
    parallel:
      l: { states: { l1: {}, l2: {}, lh: { history: shallow, default: l1 } } }
      m: {}
      h: { history: deep, default: [l2] }
";

    #[test]
    fn rule_02_only_legal_configurations_pass() {
        let definition = load(CHART, "t.workflow.yaml", Format::Yaml).unwrap().definition;
        let look = |names: &[&str]| {
            let ids = names.iter().map(|name| definition.state_named(name).unwrap());
            illegal(&definition, &ids.collect::<Vec<_>>())
        };
        assert_eq!(look(&["t", "a"]), None);
        assert_eq!(look(&["t", "p", "l", "l2", "m"]), None);
        for (names, why) in [
            (&[][..], "the root is not active"),
            (&["a"][..], "the root is not active"),
            (&["t"][..], "`t` has 0 active children, 1 are due"),
            (&["t", "a", "p", "l", "l1", "m"][..], "`t` has 2 active children, 1 are due"),
            (&["t", "p", "l", "l1"][..], "`p` has 1 active children, 2 are due"),
            (&["t", "p", "l", "m"][..], "`l` has 0 active children, 1 are due"),
            (&["t", "p", "l", "l1", "l2", "m"][..], "`l` has 2 active children, 1 are due"),
            (&["t", "p", "l1", "m"][..], "the parent of `l1` is not active"),
            (&["t", "p", "l", "lh", "m"][..], "history `lh` is active"),
            (&["t", "p", "m", "l", "l1"][..], "`l` is not in document order"),
        ] {
            assert_eq!(look(names).as_deref(), Some(why), "{names:?}");
        }
    }
}
