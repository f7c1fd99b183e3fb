//! `migrate`: instances go on under another version of their definition.

use std::collections::BTreeMap;

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::command::{Migrate, MigrateReply};
use serde_json::json;

use super::args::Global;
use super::connect;
use super::failure::{CONFLICT, Failure, Outcome, PARTLY};
use super::ids::{alive, confirm, given};
use super::output::{clean, tell};
use super::words::{count, few, states};

const EXAMPLES: &str = "\
Examples:
  gearshift migrate order-77 --to 6 --dry-run
  gearshift migrate order-77 --to 6 --map awaiting_payment=waiting
  gearshift migrate --where \"workflow == 'order' && version <= 5\" --to 6 --reason INC-512 --yes

Every instance is looked at first. One that runs the version already is unchanged. Where one is
refused, none is migrated (exit 4), unless `--skip-refused` leaves it as it is (exit 8). Refused
is an instance

  that has ended, is stuck, or is being taken back;
  with an active state that has no counterpart, by name or by `--map`, or whose counterpart is no
    state to rest in, or with counterparts that cannot be active together;
  with a call or a child workflow under way, unless the counterpart of its state asks the same
    operation, or runs the same workflow: by the `id` of the invoke, else in the order written;
  with variables larger than the new limit;
  where a timer that is new in an active state has a computed delay;
  with a step under way that is gone, or does something else there;
  with something done that can be taken back, unless its step or call has the same `undo` there.

Nothing is run: no entry, no exit, no transition, no call but of new steps whose needs are over.
Steps that ended keep what they gave, those that are gone lose it; new ones wait for their needs;
one that is paused stays paused. Timers keep their due times; those that are gone are dropped, new
ones count from now. New variables begin with their first values. Told are, here and in the history:
steps, timers and variables that go or come, approvals that go or ask for something else, votes that
are void, calls that the new version would have made on entry, deferred events that wait on, what
history states forget. Not looked at are guards, actions, and the meaning of values: `gearshift diff
order@5 order@6` tells what has changed. The history goes on, each line in the words of its version while
that is deployed.";

/// `gearshift migrate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MigrateArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present = "filter")]
    ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    filter: Option<String>,
    /// The version to go on under: `6` or `order@6`; the newest where absent
    #[arg(long, value_name = "VERSION", value_parser = version)]
    to: Option<To>,
    /// A state that is called differently there. May be repeated
    #[arg(long = "map", value_name = "OLD=NEW", value_parser = pair)]
    states: Vec<(String, String)>,
    /// Leave those that cannot go on as they are, and migrate the others
    #[arg(long)]
    skip_refused: bool,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// `6` or `order@6`.
#[derive(Clone, Debug)]
struct To {
    workflow: Option<String>,
    version: u32,
}

fn version(text: &str) -> Result<To, String> {
    let (workflow, number) = match text.rsplit_once('@') {
        Some((workflow, number)) => (Some(workflow.to_owned()), number),
        None => (None, text),
    };
    let number = number.parse().ok().filter(|number| *number > 0);
    let version =
        number.ok_or_else(|| format!("`{text}` is no version, such as `6` or `order@6`"))?;
    Ok(To { workflow, version })
}

impl To {
    /// A version of another workflow is none to go on under.
    fn check(&self, instance: &str) -> Result<(), Failure> {
        let of = instance.split_once('/').map_or(instance, |(workflow, _)| workflow);
        match self.workflow.as_deref() {
            Some(wanted) if wanted != of => {
                let told = format!("`{instance}` is no instance of `{wanted}`");
                Err(Failure::new(CONFLICT, told).with_help("an instance stays with its workflow"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        Some(_) | None => Err(format!("`{text}` is not OLD=NEW")),
    }
}

/// Migrates each instance, after all of them were looked at.
pub(super) async fn migrate(global: &Global, args: &MigrateArgs) -> Outcome {
    for (at, (old, new)) in args.states.iter().enumerate() {
        let before = args.states.iter().take(at).find(|(other, _)| other == old);
        if let Some((_, other)) = before {
            let message = format!("`--map` says both `{old}={other}` and `{old}={new}`");
            return Err(Failure::usage(message));
        }
    }
    let client = connect::client(global).await?;
    let ids = match &args.filter {
        Some(filter) => alive(&client, global, filter).await?.0,
        None => given(&args.ids)?,
    };
    let several = ids.len() != 1 || args.filter.is_some();
    let mut plans = Vec::with_capacity(ids.len());
    for id in &ids {
        plans.push(plan(global, args, &client, id).await?);
    }
    if args.dry_run {
        let exit = tell_plans(global, several, plans)?;
        return Ok(if exit == PARTLY && !args.skip_refused { CONFLICT } else { exit });
    }
    if !args.skip_refused && plans.iter().any(|plan| matches!(plan, Plan::Refused { .. })) {
        return Err(none(global, several, plans));
    }
    let moves = plans.iter().filter(|plan| matches!(plan, Plan::Moves(_))).count();
    if args.filter.is_some() && moves > 0 {
        confirm(global, &format!("migrate {}", count(moves, "instance")))?;
    }
    let mut told = Told::new(global, several);
    for plan in plans {
        let result = match plan {
            Plan::Moves(plan) => {
                let order = order(global, args, &plan.instance, false);
                client.migrate(&order).await.map_err(Failure::from)
            }
            Plan::Unchanged(reply) => Ok(reply),
            Plan::Refused { failure, .. } => Err(failure),
        };
        told.add(result)?;
    }
    told.end("moved")
}

/// What would become of one instance.
enum Plan {
    /// It can go on.
    Moves(MigrateReply),
    /// It runs the version already.
    Unchanged(MigrateReply),
    /// It cannot go on, and why.
    Refused { instance: String, failure: Failure },
}

async fn plan(
    global: &Global,
    args: &MigrateArgs,
    client: &Client,
    id: &str,
) -> Result<Plan, Failure> {
    match client.migrate(&order(global, args, id, true)).await {
        Ok(plan) => {
            if let Some(to) = &args.to {
                to.check(&plan.instance)?;
            }
            Ok(if plan.unchanged { Plan::Unchanged(plan) } else { Plan::Moves(plan) })
        }
        Err(error) => {
            let failure = Failure::from(error);
            if failure.exit != CONFLICT {
                return Err(failure);
            }
            let named = failure.problem.instance.clone();
            Ok(Plan::Refused { instance: named.unwrap_or_else(|| id.to_owned()), failure })
        }
    }
}

/// Shows each plan, and does nothing.
fn tell_plans(global: &Global, several: bool, plans: Vec<Plan>) -> Outcome {
    let output = global.out();
    let mut told = Told::new(global, several);
    let mut document = Vec::new();
    for plan in plans {
        match plan {
            Plan::Moves(reply) | Plan::Unchanged(reply) => {
                document.push(json!(reply));
                told.count(&reply)?;
            }
            Plan::Refused { failure, .. } if !several => return Err(failure.with_help(HELP)),
            Plan::Refused { instance, failure } => {
                let reason = &failure.problem.detail;
                document.push(json!({ "instance": instance, "refused": reason }));
                output.line(format!("refused  {}", clean(reason)))?;
                told.refused.push(failure.exit);
            }
        }
    }
    output.json(&document)?;
    told.end("would move")
}

/// Why none of them is migrated; where there are several, each refusal is told by itself.
fn none(global: &Global, several: bool, plans: Vec<Plan>) -> Failure {
    let total = plans.len();
    let refused = plans.into_iter().filter_map(|plan| match plan {
        Plan::Refused { failure, .. } => Some(failure),
        Plan::Moves(_) | Plan::Unchanged(_) => None,
    });
    let mut refused: Vec<_> = refused.collect();
    if !several && let Some(only) = refused.pop() {
        return only.with_help(HELP);
    }
    for failure in &refused {
        tell(failure.render(global.stderr_look()).trim_end());
    }
    let number = refused.len();
    let mut failure =
        Failure::new(CONFLICT, format!("{number} of {total} instances cannot be migrated"));
    if let Some(first) = refused.first() {
        failure.problem.code.clone_from(&first.problem.code);
        failure.problem.name.clone_from(&first.problem.name);
    }
    failure.with_help(format!("nothing was done; {HELP}, or `--skip-refused`"))
}

/// What helps where an instance cannot go on.
const HELP: &str = "say which state takes the place of one that is gone with `--map OLD=NEW`";

/// What was told, and how much of it.
struct Told<'a> {
    global: &'a Global,
    several: bool,
    moved: usize,
    unchanged: usize,
    refused: Vec<u8>,
}

impl<'a> Told<'a> {
    const fn new(global: &'a Global, several: bool) -> Self {
        Self { global, several, moved: 0, unchanged: 0, refused: Vec::new() }
    }

    /// One result, shown and counted.
    fn add(&mut self, result: Result<MigrateReply, Failure>) -> Result<(), Failure> {
        let output = self.global.out();
        match result {
            Ok(reply) => {
                output.json(&reply)?;
                self.count(&reply)
            }
            Err(failure) if !self.several => Err(failure.with_help(HELP)),
            Err(failure) => {
                tell(failure.render(self.global.stderr_look()).trim_end());
                output.json(&failure.problem)?;
                self.refused.push(failure.exit);
                Ok(())
            }
        }
    }

    fn count(&mut self, reply: &MigrateReply) -> Result<(), Failure> {
        *(if reply.unchanged { &mut self.unchanged } else { &mut self.moved }) += 1;
        self.global.out().line(line(reply))
    }

    /// The counts, and the exit code: non-zero only where something was refused.
    fn end(&self, moved: &str) -> Outcome {
        let refused = self.refused.len();
        if self.several {
            let (number, unchanged) = (self.moved, self.unchanged);
            let text = format!("{moved} {number}, unchanged {unchanged}, refused {refused}");
            self.global.out().line(text)?;
        }
        Ok(match self.refused.as_slice() {
            [] => 0,
            [first, rest @ ..]
                if self.moved + self.unchanged == 0 && rest.iter().all(|exit| exit == first) =>
            {
                *first
            }
            _ => PARTLY,
        })
    }
}

fn order(global: &Global, args: &MigrateArgs, id: &str, dry_run: bool) -> Migrate {
    Migrate {
        instance: id.to_owned(),
        version: args.to.as_ref().map(|to| to.version),
        states: args.states.iter().cloned().collect::<BTreeMap<_, _>>(),
        dry_run,
        reason: global.reason.clone(),
    }
}

/// `order/o-7  order@5 → order@6  awaiting_payment → waiting`, and what is to be noted below it.
fn line(reply: &MigrateReply) -> String {
    let MigrateReply { instance, from, to, before, after, notes, unchanged, .. } = reply;
    let workflow = instance.split('/').next().unwrap_or_default();
    let (before, after) = (states(before), states(after));
    let mut text = if *unchanged {
        format!("{instance}  {workflow}@{to}  unchanged")
    } else {
        let place = if before == after { after } else { format!("{before} → {after}") };
        format!("{instance}  {workflow}@{from} → {workflow}@{to}  {place}")
    };
    text = clean(&text).into_owned();
    for note in few(notes) {
        text.push_str(&format!("\n  {}", clean(&note)));
    }
    text
}
