//! Definitions by chance: nested states, regions, history, guards, timers, deferred events; and
//! families of them, with calls and children.

use std::collections::BTreeMap;

use fastrand::Rng;
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load};
use serde_json::{Map, Value, json};

/// Events that charts wait for.
pub(crate) const EVENTS: [&str; 6] = ["a", "b", "c", "a.x", "d", "e"];
/// Levels of nesting.
const DEPTH_MAX: usize = 4;
/// States of one chart, more or less; those of a child are fewer.
const STATES_MAX: usize = 40;
const STATES_OF_CHILD_MAX: usize = 12;
/// What charts with calls and children may hear besides.
const NEWS: [&str; 4] = ["said", "done.invoke", "error.platform", "error.communication"];

/// What a state is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Atomic,
    Final,
    Compound,
    Parallel,
    History,
}

struct State {
    kind: Kind,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Does it call a plugin?
    calls: bool,
    /// Does it run a child?
    raises: bool,
}

/// What a chart has to do with others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    /// Nothing.
    Alone,
    /// It makes calls and runs children.
    Parent,
    /// It makes calls and talks to its parent.
    Child,
}

/// The chart of a seed.
pub(crate) fn chart(seed: u64) -> Definition {
    drawn("chart", seed, Company::Alone)
}

/// The charts of a seed that make calls: `chart`, and its children's, `kid`.
pub(crate) fn family(seed: u64) -> [Definition; 2] {
    [drawn("chart", seed, Company::Parent), drawn("kid", !seed, Company::Child)]
}

fn drawn(name: &str, seed: u64, company: Company) -> Definition {
    let random = Rng::with_seed(seed);
    let mut chart = Chart { random, states: Vec::new(), quiet: true, company };
    let roots = chart.grow(None, 0);
    let text = json!({
        "workflow": name,
        "vars": { "n": 0 },
        "on_error": "ignore",
        "limits": { "microsteps": 100 },
        "states": chart.write(&roots),
        "on": [{ "event": "end.of.all", "to": id(*roots.last().unwrap_or(&0)) }],
    });
    let text = text.to_string();
    match load(&text, "chart.json", Format::Json) {
        Ok(loaded) => loaded.definition,
        Err(problems) => panic!("seed {seed}: {problems:#?}\n{text}"),
    }
}

/// Ids in the order of the alphabet are in the order of the document.
fn id(place: usize) -> String {
    format!("s{place:03}")
}

struct Chart {
    random: Rng,
    states: Vec<State>,
    /// Are the actions in hand those of a state, and not of a transition?
    quiet: bool,
    company: Company,
}

impl Chart {
    /// Children of a state; the first one is never history.
    fn grow(&mut self, parent: Option<usize>, depth: usize) -> Vec<usize> {
        let regions = parent.is_some_and(|it| self.kind(it) == Kind::Parallel);
        let count = self.random.usize(2..=4);
        let mut children = Vec::new();
        for at in 0..count {
            let last = at + 1 == count;
            let states_max = match self.company {
                Company::Alone | Company::Parent => STATES_MAX,
                Company::Child => STATES_OF_CHILD_MAX,
            };
            let deep = depth < DEPTH_MAX && self.states.len() < states_max;
            let kind = match self.random.u8(0..10) {
                0 | 1 if deep => Kind::Compound,
                2 if deep => Kind::Parallel,
                3 | 4 if last && parent.is_some() && at > 0 => Kind::History,
                5 | 6 if last && !regions && at > 0 => Kind::Final,
                _ if regions && deep => Kind::Compound,
                _ => Kind::Atomic,
            };
            let place = self.states.len();
            let lasts = !matches!(kind, Kind::Final | Kind::History);
            let calls = lasts && self.is_one_of_four(self.company != Company::Alone);
            let raises = lasts && self.is_one_of_four(self.company == Company::Parent);
            self.states.push(State { kind, parent, children: Vec::new(), calls, raises });
            children.push(place);
            if matches!(kind, Kind::Compound | Kind::Parallel) {
                let below = self.grow(Some(place), depth + 1);
                if let Some(state) = self.states.get_mut(place) {
                    state.children = below;
                }
            }
        }
        children
    }

    /// By chance, where it may be at all; charts that stand alone draw nothing here.
    fn is_one_of_four(&mut self, may_be: bool) -> bool {
        may_be && self.random.u8(0..4) == 0
    }

    fn kind(&self, place: usize) -> Kind {
        self.states.get(place).map_or(Kind::Atomic, |state| state.kind)
    }

    fn children(&self, place: usize) -> Vec<usize> {
        self.states.get(place).map(|state| state.children.clone()).unwrap_or_default()
    }

    fn write(&mut self, places: &[usize]) -> Value {
        let states: BTreeMap<String, Value> =
            places.iter().map(|place| (id(*place), self.state(*place))).collect();
        json!(states)
    }

    fn state(&mut self, place: usize) -> Value {
        let kind = self.kind(place);
        let children = self.children(place);
        let mut keys = Map::new();
        match kind {
            Kind::History => {
                let parent = self.states.get(place).and_then(|state| state.parent);
                let siblings = self.children(parent.unwrap_or_default());
                let first = siblings.first().copied().unwrap_or_default();
                let word = if self.random.bool() { "deep" } else { "shallow" };
                return json!({ "history": word, "default": { "to": id(first), "do": self.act() } });
            }
            Kind::Final => {
                return json!({ "final": true, "entry": self.act(), "output": "${ vars.n }" });
            }
            Kind::Compound => drop(keys.insert("states".to_owned(), self.write(&children))),
            Kind::Parallel => drop(keys.insert("parallel".to_owned(), self.write(&children))),
            Kind::Atomic => {}
        }
        if kind == Kind::Compound && self.random.bool() {
            let to = self.descendant(place);
            keys.insert("initial".to_owned(), json!({ "to": to, "do": self.act() }));
        }
        if kind != Kind::Atomic && self.random.bool() {
            keys.insert("done".to_owned(), json!(self.target()));
        }
        keys.insert("entry".to_owned(), self.act());
        keys.insert("exit".to_owned(), self.act());
        let on: Vec<Value> = (0..self.random.usize(0..4)).map(|_| self.transition()).collect();
        keys.insert("on".to_owned(), json!(on));
        if self.random.u8(0..5) == 0 {
            let guard = format!("vars.n == {}", self.random.u8(0..7));
            keys.insert("always".to_owned(), json!([{ "when": guard, "to": self.target() }]));
        }
        if self.random.u8(0..4) == 0 {
            let time = format!("{}s", self.random.u8(1..5));
            keys.insert("after".to_owned(), json!({ time: self.target() }));
        }
        if self.random.u8(0..5) == 0 {
            keys.insert("defer".to_owned(), json!([self.event()]));
        }
        let invokes = self.invokes(place);
        if !invokes.is_empty() {
            keys.insert("invoke".to_owned(), json!(invokes));
        }
        Value::Object(keys)
    }

    /// The calls and children of a state.
    fn invokes(&mut self, place: usize) -> Vec<Value> {
        let (calls, raises) =
            self.states.get(place).map_or((false, false), |state| (state.calls, state.raises));
        let mut invokes = Vec::new();
        if calls {
            let attempts = self.random.u8(1..4);
            invokes.push(json!({
                "id": format!("c{place:03}"),
                "call": "p.op",
                "with": { "n": "${ vars.n }" },
                "set": { "n": "output.n" },
                "timeout": "3s",
                "retry": { "attempts": attempts, "backoff": "1s" },
            }));
        }
        if raises {
            invokes.push(json!({
                "id": format!("k{place:03}"),
                "workflow": "kid",
                "with": { "n": "${ vars.n }" },
                "set": { "n": "output.n" },
                "forward": self.random.bool(),
            }));
        }
        invokes
    }

    /// An action that talks to others.
    fn say(&mut self) -> Option<Value> {
        let to = match self.company {
            Company::Alone => return None,
            Company::Child => "parent".to_owned(),
            Company::Parent => {
                let raises = |(place, state): (usize, &State)| state.raises.then_some(place);
                let places: Vec<_> = self.states.iter().enumerate().filter_map(raises).collect();
                let place = self.random.choice(places)?;
                format!("invoke.k{place:03}")
            }
        };
        let event = if self.company == Company::Child { "said" } else { self.event() };
        Some(json!({ "send": { "event": event, "with": { "n": "${ vars.n }" }, "to": to } }))
    }

    /// What a transition waits for.
    fn trigger(&mut self) -> &'static str {
        match self.is_one_of_four(self.company != Company::Alone) {
            true => NEWS.get(self.random.usize(..NEWS.len())).copied().unwrap_or("said"),
            false => self.event(),
        }
    }

    fn event(&mut self) -> &'static str {
        EVENTS.get(self.random.usize(..EVENTS.len())).copied().unwrap_or("a")
    }

    /// Any state at all.
    fn target(&mut self) -> String {
        id(self.random.usize(..self.states.len()))
    }

    /// A state below another one.
    fn descendant(&mut self, place: usize) -> String {
        let mut children = self.children(place);
        loop {
            let at = self.random.usize(..children.len());
            let child = children.get(at).copied().unwrap_or(place);
            let below = self.children(child);
            if below.is_empty() || self.random.bool() {
                return id(child);
            }
            children = below;
        }
    }

    fn transition(&mut self) -> Value {
        let mut keys = Map::new();
        self.quiet = false;
        keys.insert("event".to_owned(), json!(self.trigger()));
        if self.random.u8(0..3) == 0 {
            keys.insert("when".to_owned(), json!(format!("vars.n > {}", self.random.u8(0..5))));
        }
        keys.insert("do".to_owned(), self.act());
        self.quiet = true;
        if self.random.u8(0..4) > 0 {
            keys.insert("to".to_owned(), json!(self.target()));
            keys.insert("internal".to_owned(), json!(self.random.bool()));
        }
        Value::Object(keys)
    }

    /// Some actions.
    fn act(&mut self) -> Value {
        let mut actions = vec![json!({ "set": { "n": "(vars.n + 1) % 7" } })];
        match self.random.u8(0..12) {
            0 => actions.push(json!({ "raise": "e" })),
            1 => {
                actions.push(json!({ "send": { "event": self.event(), "after": "2s", "id": "x" } }))
            }
            3 => actions.push(json!({ "cancel": "x" })),
            4 => actions.push(json!({ "set": { "n": "1 / (vars.n - 3)" } })),
            5 => actions.push(json!({ "publish": "bell.rung", "with": "${ vars.n }" })),
            6 => actions.clear(),
            7 | 8 => actions.extend(self.say()),
            _ => {}
        }
        json!(actions)
    }
}
