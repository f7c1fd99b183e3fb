//! Extension: a definition with further steps, as a running instance may be given (decision 0026).
//!
//! The steps are put into the tree of the definition, and the whole is checked as any other; what
//! is wrong is told at its place in the text of the steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::check::{self, Checked};
use super::codes;
use super::load::{Format, from_canonical, parsed};
use super::model::Definition;
use super::parse::{Key, Kind, Node, Scalar, canonical, path_at};
use super::problem::{Problem, Span, quoted};

/// The first number of derived versions: those below are authors'.
pub const DERIVED_MIN: u32 = 1 << 31;

/// A text of further steps: `steps:`, as a definition has it.
#[derive(Clone, Copy, Debug)]
pub struct Further<'a> {
    /// The text.
    pub text: &'a str,
    /// What problems call it.
    pub origin: &'a str,
    /// How it is written.
    pub format: Format,
}

/// A definition with further steps.
#[derive(Clone, Debug)]
pub struct Extended {
    /// The definition: a derived version, whose number follows from its content.
    pub definition: Definition,
    /// The steps that were added, in the order of the text; those inside others are not named.
    pub added: Vec<Arc<str>>,
    /// What the author of the steps should look at.
    pub warnings: Vec<Problem>,
}

/// Adds steps to the graph at `graph` of a definition. What is there is not changed. Of another
/// `turn` the same content has another number: for the rare case that one is taken.
///
/// # Errors
/// Every problem of the steps, and of the definition with them.
pub fn extend(
    base: &Definition,
    graph: u16,
    further: Further<'_>,
    turn: u32,
) -> Result<Extended, Vec<Problem>> {
    let Further { text, origin, format } = further;
    let wrong = |message: String| vec![Problem::new(codes::STEPS, origin, message)];
    let tree = parsed(text, origin, format)?;
    let Some(of) = base.graphs.get(usize::from(graph)) else {
        return Err(wrong("the definition has no such steps".to_owned()));
    };
    let (mut steps, mut refused) = named_steps(&tree, further);
    refused.extend(unchanged(base, &mut steps, further));
    if steps.is_empty() {
        return Err(refused);
    }
    // One text, so that each place says which of the two it is in.
    let whole = format!("{text}\n{}", base.canonical);
    let mut root = parsed(&base.canonical, "definition", Format::Json)?;
    shift(&mut root, text.len() + 1);
    let added = steps.iter().map(|(key, _)| Arc::clone(&key.text)).collect();
    let state = &base.state(of.state).id;
    if owner(&mut root, state).and_then(|owner| add(owner, steps)).is_none() {
        return Err(wrong(format!("`{state}` has no `steps` to add to")));
    }
    number(&mut root, base, turn);
    let Checked { definition, problems, .. } = check::check(&whole, origin, &root);
    let place = |problem: Problem| placed(problem, &tree, text.len());
    if definition.is_none() || !refused.is_empty() {
        refused.extend(problems.into_iter().filter(Problem::is_error).map(place));
        refused.sort_by_key(|problem| problem.span);
        return Err(refused);
    }
    let inside = |problem: &Problem| problem.span.is_some_and(|span| span.end <= text.len());
    let warnings = problems.into_iter().filter(inside).map(place).collect();
    let definition = from_canonical(&canonical(&root))?;
    Ok(Extended { definition, added, warnings })
}

/// What stands below `steps:`, each step under its name; and what is no step.
fn named_steps(tree: &Node, further: Further<'_>) -> (Vec<(Key, Node)>, Vec<Problem>) {
    let Further { text, origin, .. } = further;
    let refuse = |code, span: Span, message: String| {
        let mut problem = Problem::new(code, origin, message).at(text, span);
        problem.path = path_at(tree, span);
        problem
    };
    let start = Span::new(tree.span.start, tree.span.start);
    let entries = tree.entries().unwrap_or_default();
    let unknown = entries.iter().filter(|(key, _)| &*key.text != "steps").map(|(key, _)| {
        let message = format!("unknown key {}: only `steps` stands here", quoted(&key.text));
        refuse(codes::UNKNOWN_FIELD, key.span, message)
    });
    let mut refused: Vec<_> = unknown.collect();
    let Some(steps) = tree.get("steps") else {
        if refused.is_empty() {
            refused.push(refuse(codes::MISSING_FIELD, start, "`steps` is missing".to_owned()));
        }
        return (Vec::new(), refused);
    };
    let named = match &steps.kind {
        Kind::Map(entries) => entries.clone(),
        Kind::List(items) => {
            let mut named = Vec::with_capacity(items.len());
            for item in items {
                let id = item.get("id").and_then(|id| Some((id.scalar()?, id.span)));
                let Some((scalar, span)) = id else {
                    let start = Span::new(item.span.start, item.span.start + 1);
                    let message = "a step in a list needs `id`".to_owned();
                    refused.push(refuse(codes::MISSING_FIELD, start, message));
                    continue;
                };
                named.push((Key { text: Arc::clone(&scalar.text), span }, without_id(item)));
            }
            named
        }
        Kind::Scalar(_) => Vec::new(),
    };
    if named.is_empty() && refused.is_empty() {
        refused.push(refuse(codes::STEPS, steps.span, "there are no steps".to_owned()));
    }
    (named, refused)
}

fn without_id(item: &Node) -> Node {
    let entries = item.entries().unwrap_or_default().iter();
    let entries = entries.filter(|(key, _)| &*key.text != "id").cloned();
    Node { span: item.span, kind: Kind::Map(entries.collect()) }
}

/// A further step can be no other one, and cannot make one that is there its fallback: that one
/// would run at another time. What does is told and left out, so that the rest can be checked.
fn unchanged(
    base: &Definition,
    steps: &mut Vec<(Key, Node)>,
    further: Further<'_>,
) -> Vec<Problem> {
    let all = base.graphs.iter().flat_map(|graph| &graph.steps);
    let known: BTreeSet<&str> = all.map(|step| &*step.id).collect();
    let mut refused = Vec::new();
    steps.retain(|(key, _)| {
        let again = known.contains(&*key.text);
        if again {
            let message = format!("step {} exists already", quoted(&key.text));
            let problem = Problem::new(codes::DUPLICATE_STEP, further.origin, message);
            refused.push(problem.at(further.text, key.span));
        }
        !again
    });
    for (_, step) in steps {
        let Kind::Map(entries) = &mut step.kind else { continue };
        entries.retain(|(key, node)| {
            let name = node.scalar().filter(|_| &*key.text == "fallback").map(|it| &it.text);
            let Some(name) = name.filter(|name| known.contains(&***name)) else { return true };
            let message = format!("`{name}` is there already and runs when its own needs are over");
            let problem = Problem::new(codes::FALLBACK, further.origin, message);
            let help = "write the fallback inside the step, or add another step for it";
            refused.push(problem.at(further.text, node.span).with_help(help));
            false
        });
    }
    refused
}

/// Moves all places behind the text of the steps.
fn shift(node: &mut Node, by: usize) {
    let moved = |span: Span| Span::new(span.start + by, span.end + by);
    node.span = moved(node.span);
    match &mut node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                key.span = moved(key.span);
                shift(value, by);
            }
        }
    }
}

/// The node whose `steps:` are those of `state`: the state's, or the definition's where it has no
/// states.
fn owner<'n>(root: &'n mut Node, state: &str) -> Option<&'n mut Node> {
    if root.get("states").is_none() {
        return Some(root);
    }
    find(root, state)
}

fn find<'n>(node: &'n mut Node, state: &str) -> Option<&'n mut Node> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    let children =
        entries.iter_mut().filter(|(key, _)| ["states", "parallel"].contains(&&*key.text));
    for (_, children) in children {
        let Kind::Map(states) = &mut children.kind else { continue };
        for (key, child) in states {
            if &*key.text == state {
                return Some(child);
            }
            if let Some(found) = find(child, state) {
                return Some(found);
            }
        }
    }
    None
}

/// Appends the steps in the form that `owner` has them in.
fn add(owner: &mut Node, steps: Vec<(Key, Node)>) -> Option<()> {
    let Kind::Map(entries) = &mut owner.kind else { return None };
    let (_, list) = entries.iter_mut().find(|(key, _)| &*key.text == "steps")?;
    match &mut list.kind {
        Kind::Map(known) => known.extend(steps),
        Kind::List(known) => known.extend(steps.into_iter().map(|(key, step)| {
            let id = (Key { text: "id".into(), span: key.span }, text(&key.text, key.span));
            let rest = step.entries().unwrap_or_default().to_vec();
            let entries = std::iter::once(id).chain(rest).collect();
            Node { span: step.span, kind: Kind::Map(entries) }
        })),
        Kind::Scalar(_) => return None,
    }
    Some(())
}

fn text(text: &Arc<str>, span: Span) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: Arc::clone(text), quoted: true }) }
}

/// Gives the definition the number that follows from its content, and says what it comes from.
fn number(root: &mut Node, base: &Definition, turn: u32) {
    let content = format!("{turn}:{}", canonical(root));
    let digest: [u8; 32] = Sha256::digest(content.as_bytes()).into();
    let [first, second, third, fourth, ..] = digest;
    let version = DERIVED_MIN | u32::from_be_bytes([first, second, third, fourth]);
    let from = base.derived_from.unwrap_or(base.version);
    let span = root.span;
    let Kind::Map(entries) = &mut root.kind else { return };
    for (name, value) in [("derived_from", from), ("version", version)] {
        entries.retain(|(key, _)| &*key.text != name);
        let at = entries.iter().position(|(key, _)| &*key.text == "workflow");
        let scalar = Scalar { text: value.to_string().into(), quoted: false };
        let key = Key { text: name.into(), span };
        let node = Node { span, kind: Kind::Scalar(scalar) };
        entries.insert(at.map_or(0, |at| at + 1), (key, node));
    }
}

/// A problem at its place in the text of the steps; what is wrong with the definition as a whole
/// has none.
fn placed(problem: Problem, tree: &Node, length: usize) -> Problem {
    let also = problem.also.into_iter().filter(|(span, _)| span.end <= length).collect();
    let problem = Problem { also, ..problem };
    match problem.span {
        Some(span) if span.end <= length => Problem { path: path_at(tree, span), ..problem },
        Some(_) | None => Problem {
            message: format!("with these steps: {}", problem.message),
            path: String::new(),
            span: None,
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            ..problem
        },
    }
}
