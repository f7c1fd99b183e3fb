//! Lints about regions: started anew (L1), shutting one another out, setting one variable (L6).

use std::collections::BTreeMap;
use std::iter::once;

use super::graph::{default_entry, domain, regions, subtree, transitions_of};
use super::lints::{Lint, descriptors, overlap};
use crate::definition::codes;
use crate::definition::model::{Action, StateKind, Transition};
use crate::definition::problem::Span;
use crate::machine::{StateId, TransitionId};

/// More of anything that is compared in pairs within one parallel state are not looked at.
const COMPARED_MAX: usize = 64;

pub(super) fn lint(lint: &Lint<'_, '_>) {
    for id in lint.ids() {
        transitions_of(lint.definition, id).for_each(|it| restarts_regions(lint, it));
    }
    let exits = exits(lint);
    let parallel = |id: &StateId| lint.definition.state(*id).kind == StateKind::Parallel;
    for id in lint.ids().filter(parallel).filter(|id| lint.is_reachable(*id)) {
        let parallel = Parallel::new(lint, id);
        parallel.shut_out();
        parallel.race_for_events(&exits);
        parallel.race_on_entry();
        parallel.race_on_exit(&exits);
    }
}

/// L1: a transition that leaves and enters again a parallel state around it, or that it starts
/// from.
fn restarts_regions(lint: &Lint<'_, '_>, id: TransitionId) {
    let definition = lint.definition;
    let transition = definition.transition(id);
    let source = transition.source;
    if transition.targets.is_empty() || definition.state(source).hidden_for.is_some() {
        return;
    }
    let targets = written_targets(lint, transition);
    let domain = domain(definition, transition);
    let restarted = once(source).chain(definition.ancestors(source));
    let restarted = restarted.take_while(|up| Some(*up) != domain).find(|up| {
        definition.state(*up).kind == StateKind::Parallel
            && targets.iter().any(|target| definition.is_descendant(*target, *up))
            && regions(definition, *up).nth(1).is_some()
    });
    if let Some(parallel) = restarted {
        let parallel = &definition.state(parallel).id;
        let message = format!("it leaves and enters again every region of `{parallel}`");
        let (_, to) = lint.spans.transitions.get(id.index()).copied().unwrap_or_default();
        lint.context.report.add(codes::RESTARTS_REGIONS, to, message);
    }
}

/// The targets as they are written: calls on the way have put a hidden state before them.
fn written_targets(lint: &Lint<'_, '_>, transition: &Transition) -> Vec<StateId> {
    let definition = lint.definition;
    let written = |target: &StateId| {
        let state = definition.state(*target);
        let onward = state.hidden_for.and_then(|_| state.transitions.first());
        onward.map_or_else(|| vec![*target], |id| definition.transition(*id).targets.clone())
    };
    transition.targets.iter().flat_map(written).collect()
}

/// The variables that `exit` of each state sets.
fn exits(lint: &Lint<'_, '_>) -> BTreeMap<StateId, Vec<u16>> {
    let sets = |id: StateId| (id, sets(lint.definition.state(id).exit.iter().flatten()));
    lint.ids().map(sets).filter(|(_, vars)| !vars.is_empty()).collect()
}

/// A transition that starts inside a region and waits for an event.
struct Inside {
    /// The region's place among all regions.
    region: usize,
    id: TransitionId,
    /// It leaves its region, and with it all others.
    leaves: bool,
}

/// One parallel state, looked at region by region.
struct Parallel<'l, 'a, 't> {
    lint: &'l Lint<'a, 't>,
    id: StateId,
    regions: Vec<StateId>,
    inside: Vec<Inside>,
}

impl<'l, 'a, 't> Parallel<'l, 'a, 't> {
    fn new(lint: &'l Lint<'a, 't>, id: StateId) -> Self {
        let definition = lint.definition;
        let regions: Vec<StateId> = regions(definition, id).collect();
        let mut inside = Vec::new();
        for state in subtree(definition, id).filter(|state| lint.is_reachable(*state)) {
            // Regions are in document order, and so are the states inside them.
            let Some(region) = regions.partition_point(|region| *region <= state).checked_sub(1)
            else {
                continue;
            };
            for transition in &definition.state(state).transitions {
                let at = regions.get(region).copied().unwrap_or(id);
                let leaves = domain(definition, definition.transition(*transition));
                let leaves = leaves
                    .is_some_and(|domain| domain != at && !definition.is_descendant(domain, at));
                inside.push(Inside { region, id: *transition, leaves });
            }
        }
        Self { lint, id, regions, inside }
    }

    fn name(&self, region: usize) -> &str {
        self.regions.get(region).map_or("", |id| &self.lint.definition.state(*id).id)
    }

    /// Is there an event that both take?
    fn same_event(&self, left: TransitionId, right: TransitionId) -> bool {
        let left = descriptors(self.lint.definition.transition(left));
        let right = descriptors(self.lint.definition.transition(right));
        left.iter().any(|left| right.iter().any(|right| overlap(left, right)))
    }

    /// Rule 8: where one region's transition leaves all of them, one event is taken by one region
    /// only, the earlier one.
    fn shut_out(&self) {
        let lint = self.lint;
        let goes = |it: &&Inside| !lint.definition.transition(it.id).targets.is_empty();
        let leavers = || self.inside.iter().filter(|it| it.leaves).take(COMPARED_MAX);
        for loser in self.inside.iter().filter(goes) {
            let mut winners = if loser.leaves {
                self.inside.iter().take(COMPARED_MAX).filter(goes).collect()
            } else {
                leavers().collect::<Vec<_>>()
            };
            winners.retain(|it| it.region < loser.region);
            let winner = winners.into_iter().find(|it| self.same_event(it.id, loser.id));
            let Some(winner) = winner else { continue };
            let message = format!(
                "where `{}` takes this event (line {}), this transition is not taken",
                self.name(winner.region),
                lint.definition.transition(winner.id).line,
            );
            let also = vec![(lint.span(winner.id), "taken instead".to_owned())];
            let span = lint.span(loser.id);
            lint.context.report.full(codes::REGION_SHUT_OUT, span, message, None, also);
        }
    }

    /// L6: one variable, two regions, one event; actions of the transition, of the states left and
    /// of those entered.
    fn race_for_events(&self, exits: &BTreeMap<StateId, Vec<u16>>) {
        let lint = self.lint;
        let mut setters: BTreeMap<u16, Vec<&Inside>> = BTreeMap::new();
        // Of those that leave their region only one is taken: they do not race.
        for it in self.inside.iter().filter(|it| !it.leaves) {
            for var in self.sets_of(it.id, exits) {
                setters.entry(var).or_default().push(it);
            }
        }
        for (var, setters) in setters {
            for (at, second) in setters.iter().enumerate().take(COMPARED_MAX) {
                let racing = setters.iter().take(at).find(|first| {
                    first.region != second.region && self.same_event(first.id, second.id)
                });
                let Some(first) = racing else { continue };
                let also = vec![(lint.span(first.id), "the other one".to_owned())];
                let span = lint.span(second.id);
                self.race(var, first.region, second.region, "on this event", (span, also));
            }
        }
    }

    /// What a transition sets that stays within its region.
    fn sets_of(&self, id: TransitionId, exits: &BTreeMap<StateId, Vec<u16>>) -> Vec<u16> {
        let definition = self.lint.definition;
        let transition = definition.transition(id);
        let mut vars = sets(&transition.actions);
        if let Some(domain) = domain(definition, transition) {
            let source = transition.source;
            let around = definition.ancestors(source).take_while(|up| *up != domain);
            vars.extend(around.filter_map(|up| exits.get(&up)).flatten());
            let last = definition.state(source).last;
            let first = if source == domain { StateId(source.0.saturating_add(1)) } else { source };
            if first <= last {
                let left = exits.range(first..=last).take(COMPARED_MAX);
                vars.extend(left.flat_map(|(_, vars)| vars));
            }
            for target in &transition.targets {
                let above: Vec<_> =
                    definition.ancestors(*target).take_while(|up| *up != domain).collect();
                vars.extend(above.iter().flat_map(|up| self.entry_sets(*up)));
                vars.extend(self.entered_sets(*target));
            }
        }
        vars.sort_unstable();
        vars.dedup();
        vars
    }

    fn entry_sets(&self, state: StateId) -> Vec<u16> {
        sets(self.lint.definition.state(state).entry.iter().flatten())
    }

    /// What is set where `state` is entered with its default descendants.
    fn entered_sets(&self, state: StateId) -> Vec<u16> {
        let definition = self.lint.definition;
        let mut vars = Vec::new();
        for entered in default_entry(definition, state, COMPARED_MAX) {
            vars.extend(self.entry_sets(entered));
            let initial = definition.state(entered).initial.map(|id| definition.transition(id));
            vars.extend(initial.map(|it| sets(&it.actions)).unwrap_or_default());
        }
        vars
    }

    /// L6, where the parallel state is entered by default.
    fn race_on_entry(&self) {
        let regions = self.regions.iter().map(|region| self.entered_sets(*region));
        self.race_together(regions.collect(), "entry", "entered");
    }

    /// L6, where the parallel state is left.
    fn race_on_exit(&self, exits: &BTreeMap<StateId, Vec<u16>>) {
        let left = |region: &StateId| {
            let last = self.lint.definition.state(*region).last;
            let left = exits.range(*region..=last).take(COMPARED_MAX);
            left.flat_map(|(_, vars)| vars.iter().copied()).collect()
        };
        self.race_together(self.regions.iter().map(left).collect(), "exit", "left");
    }

    fn race_together(&self, sets: Vec<Vec<u16>>, key: &str, how: &str) {
        let mut first: BTreeMap<u16, usize> = BTreeMap::new();
        for (region, mut vars) in sets.into_iter().enumerate() {
            vars.sort_unstable();
            vars.dedup();
            for var in vars {
                let other = *first.entry(var).or_insert(region);
                if other != region {
                    let when =
                        format!("when `{}` is {how}", self.lint.definition.state(self.id).id);
                    let also = vec![(self.setter(other, var, key), "the other one".to_owned())];
                    let span = self.setter(region, var, key);
                    self.race(var, other, region, &when, (span, also));
                }
            }
        }
    }

    /// Where inside a region `entry` or `exit` sets the variable; else the region's own place.
    fn setter(&self, region: usize, var: u16, key: &str) -> Span {
        let definition = self.lint.definition;
        let Some(region) = self.regions.get(region).copied() else { return Span::default() };
        let mut setters = subtree(definition, region).filter(|id| {
            let state = definition.state(*id);
            let blocks = if key == "entry" { &state.entry } else { &state.exit };
            sets(blocks.iter().flatten()).contains(&var)
        });
        setters.next().map_or_else(|| self.lint.state_span(region), |id| self.lint.key(id, key))
    }

    fn race(
        &self,
        var: u16,
        first: usize,
        second: usize,
        when: &str,
        (span, also): (Span, Vec<(Span, String)>),
    ) {
        let name = self.lint.definition.vars.get(usize::from(var)).map_or("", |var| &*var.name);
        let (first, second) = (self.name(first), self.name(second));
        let message = format!("`{first}` and `{second}` both set `{name}` {when}");
        self.lint.context.report.full(codes::RACING_SET, span, message, None, also);
    }
}

/// The variables that actions set.
fn sets<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<u16> {
    let mut vars = Vec::new();
    collect_sets(actions, &mut vars);
    vars
}

fn collect_sets<'a>(actions: impl IntoIterator<Item = &'a Action>, vars: &mut Vec<u16>) {
    for action in actions {
        match action {
            Action::Set(entries) => vars.extend(entries.iter().filter_map(|(path, _)| path.var)),
            Action::Route(route) => {
                vars.extend(route.set.iter().filter_map(|(path, _)| path.var));
            }
            Action::If(branches) => {
                branches.iter().for_each(|(_, body)| collect_sets(body, vars));
            }
            Action::Each { body, .. } => collect_sets(body, vars),
            Action::Send { id_to, .. } => {
                vars.extend(id_to.iter().filter_map(|path| path.var));
            }
            Action::Raise { .. }
            | Action::Cancel { .. }
            | Action::Publish { .. }
            | Action::Log { .. }
            | Action::Checkpoint { .. }
            | Action::Sequence(_)
            | Action::Graph(_)
            | Action::Tell(_) => {}
        }
    }
}
