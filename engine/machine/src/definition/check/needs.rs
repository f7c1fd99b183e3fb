//! `needs:` and `fallback:`: the steps that a step names.

use super::context::Context;
use super::nearest::did_you_mean;
use super::step_names::Listed;
use crate::definition::codes;
use crate::definition::model::{Mode, Need, NeedKind};
use crate::definition::parse::Node;
use crate::definition::problem::{Span, quoted};

/// A step and what is said around it.
#[derive(Clone, Copy)]
pub(super) struct Site<'l, 't> {
    pub(super) listed: &'l Listed<'t>,
    pub(super) at: usize,
    pub(super) mode: Mode,
    /// Of each step the one whose fallback it is.
    pub(super) fallbacks: &'l [Option<usize>],
}

impl Site<'_, '_> {
    fn id(&self, at: usize) -> &str {
        self.listed.steps.get(at).map_or("", |step| &*step.id)
    }

    /// The step whose fallback the step at `at` is.
    pub(super) fn fallback_of(&self, at: usize) -> Option<usize> {
        self.fallbacks.get(at).copied().flatten()
    }
}

impl<'t> Context<'t> {
    /// `needs:`: one step, all of several, or groups.
    pub(super) fn needs(&self, site: Site<'_, 't>, node: &'t Node) -> Vec<Need> {
        if node.entries().is_none() {
            let of = self.needed(site, node);
            return if of.is_empty() { Vec::new() } else { vec![Need { kind: NeedKind::All, of }] };
        }
        let fields = self.fields(node, "needs", "`needs`");
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        let mut needs = Vec::new();
        for (name, kind) in [("all", NeedKind::All), ("any", NeedKind::Any)] {
            let Some(node) = get(name) else { continue };
            let errors = self.report.count();
            let of = self.needed(site, node);
            if !of.is_empty() {
                needs.push(Need { kind, of });
            } else if self.report.count() == errors {
                self.report.add(codes::NEEDS, node.span, format!("`{name}` of nothing"));
            }
        }
        needs.extend(self.counted(site, node, get("n_of"), get("of")));
        if fields.is_empty() {
            self.report.add(codes::NEEDS, node.span, "`needs` of nothing");
        }
        needs
    }

    /// `{ n_of: 2, of: [a, b, c] }`.
    fn counted(
        &self,
        site: Site<'_, 't>,
        node: &Node,
        count: Option<&'t Node>,
        of: Option<&'t Node>,
    ) -> Option<Need> {
        let start = Span::new(node.span.start, node.span.start + 1);
        let (count, of) = match (count, of) {
            (Some(count), Some(of)) => (count, of),
            (None, None) => return None,
            (Some(_), None) => {
                self.report.add(codes::MISSING_FIELD, start, "`n_of` without `of`: which steps");
                return None;
            }
            (None, Some(_)) => {
                self.report.add(codes::MISSING_FIELD, start, "`of` without `n_of`: how many");
                return None;
            }
        };
        let errors = self.report.count();
        let number = self.count(count);
        let of = self.needed(site, of);
        if self.report.count() != errors {
            return None;
        }
        let number = number?;
        match u16::try_from(number) {
            Ok(least) if usize::from(least) <= of.len() => {
                Some(Need { kind: NeedKind::AtLeast(least), of })
            }
            Ok(_) | Err(_) => {
                let message = format!("`n_of` of {number} exceeds the {} steps of `of`", of.len());
                self.report.add(codes::NEEDS, count.span, message);
                None
            }
        }
    }

    /// The places of the steps that a list names.
    fn needed(&self, site: Site<'_, 't>, node: &Node) -> Vec<u16> {
        let mut of: Vec<u16> = Vec::new();
        for (name, span) in self.texts(node, "the id of a step") {
            let Some(at) = self.step_at(site, &name, span) else { continue };
            let own = site.id(site.at);
            let problem = if at == site.at {
                Some(format!("step `{own}` needs itself"))
            } else if let Some(original) = site.fallback_of(at) {
                let original = site.id(original);
                Some(format!("`{name}` is the fallback of `{original}`; need that one"))
            } else if site.mode != Mode::Graph && at > site.at {
                Some(format!("the mode runs `{name}` behind `{own}`"))
            } else if of.iter().any(|seen| usize::from(*seen) == at) {
                Some(format!("step `{name}` is named twice"))
            } else {
                None
            };
            match problem {
                Some(message) => self.report.add(codes::NEEDS, span, message),
                None => of.extend(u16::try_from(at)),
            }
        }
        of
    }

    /// The place of the step `name` among those listed together.
    fn step_at(&self, site: Site<'_, 't>, name: &str, span: Span) -> Option<usize> {
        let at = site.listed.at(name);
        if at.is_none() {
            let elsewhere = self.outline.graphs.iter().find(|other| other.at(name).is_some());
            let help = match elsewhere {
                Some(other) => {
                    let state = &self.outline.state(other.place).id;
                    Some(format!("it is a step of state `{state}`, which runs at another time"))
                }
                None => did_you_mean(name, site.listed.steps.iter().map(|step| &*step.id)),
            };
            let message = format!("no step {}", quoted(name));
            self.report.help(codes::UNKNOWN_STEP, span, message, help);
        }
        at
    }

    /// `fallback:`: the place of the step, named or written here.
    pub(super) fn fallback(&self, site: Site<'_, 't>, node: &'t Node) -> Option<u16> {
        let inline = node.entries().is_some();
        let at = if inline {
            site.listed.steps.iter().position(|step| step.inside == Some(site.at))?
        } else {
            let name = self.text(node, "the id of a step, or a step")?;
            self.step_at(site, &name, node.span)?
        };
        let own = site.id(site.at);
        let name = site.id(at);
        let target = site.listed.steps.get(at)?;
        let problem = if at == site.at {
            Some(format!("step `{own}` is its own fallback"))
        } else if let Some(original) = site.fallback_of(site.at) {
            let original = site.id(original);
            Some(format!("`{own}` is the fallback of `{original}` and has one itself"))
        } else if let Some(first) = site.fallback_of(at).filter(|first| *first != site.at) {
            Some(format!("`{name}` is the fallback of `{}` already", site.id(first)))
        } else if target.node.get("needs").is_some() {
            Some(format!("`{name}` has `needs`; a fallback runs when `{own}` has failed"))
        } else {
            None
        };
        if let Some(message) = problem {
            self.report.add(codes::FALLBACK, node.span, message);
            return None;
        }
        u16::try_from(at).ok()
    }
}
