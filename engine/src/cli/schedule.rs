//! `schedule`: look at the schedules of deployed workflows, pause them, and start one now.

use clap::{Args, Subcommand};
use gearshift_client::protocol::command::{HoldSchedule, TriggerSchedule};
use gearshift_client::protocol::query::Definitions;
use gearshift_client::protocol::view::ScheduleView;
use gearshift_client::protocol::{Problem, ProblemKind};

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::output::{Table, clean};
use super::words::cut;

const EXAMPLES: &str = "\
Examples:
  gearshift schedule ls
  gearshift schedule show report/nightly
  gearshift schedule trigger report/nightly --reason 'the numbers were corrected'
  gearshift schedule pause report/nightly --reason 'the printer is broken'
  gearshift schedule resume report/nightly

A schedule is named `workflow/schedule`. `trigger` starts as a due moment does: where `overlap`
leaves it out it says why (exit 4). `pause` stops one schedule, `gearshift pause --definition` all
of a workflow: moments that come meanwhile are left out, what runs goes on, and so does a `trigger`.
`show` tells who ordered what of it and why, and why the last moment was left out, where nothing
was started since.";

/// `gearshift schedule`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

/// What to do with schedules.
#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// List the schedules of deployed workflows
    Ls {
        /// Only those of this workflow
        workflow: Option<String>,
    },
    /// Show one schedule, and the moments at which it is due next
    Show {
        /// `workflow/schedule`
        #[arg(value_parser = id)]
        schedule: Id,
    },
    /// Start an instance now, as if it were due
    Trigger {
        /// `workflow/schedule`
        #[arg(value_parser = id)]
        schedule: Id,
    },
    /// Let the calendar start nothing until `resume`; what runs goes on
    Pause {
        /// `workflow/schedule`
        #[arg(value_parser = id)]
        schedule: Id,
    },
    /// Let the calendar count again
    Resume {
        /// `workflow/schedule`
        #[arg(value_parser = id)]
        schedule: Id,
    },
}

/// A workflow and the name of a schedule of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Id {
    workflow: String,
    schedule: String,
}

fn id(text: &str) -> Result<Id, String> {
    match text.split_once('/') {
        Some((workflow, schedule)) if !workflow.is_empty() && !schedule.is_empty() => {
            Ok(Id { workflow: workflow.to_owned(), schedule: schedule.to_owned() })
        }
        Some(_) | None => Err(format!("`{text}` is not `workflow/schedule`")),
    }
}

const SCHEDULES: Table<'static, ScheduleView> = Table {
    headings: &["SCHEDULE", "DUE", "NEXT", "LAST", "RUNNING", "WAITING", "STARTED", "SKIPPED", ""],
    cells: |one| {
        vec![
            one.id.clone(),
            one.recurrence.clone(),
            one.next.first().map(|at| moment(at)).unwrap_or_default(),
            one.last.as_deref().map(moment).unwrap_or_default(),
            one.running.len().to_string(),
            one.waiting.to_string(),
            one.started.to_string(),
            one.skipped.to_string(),
            remark(one),
        ]
    },
};

/// A moment without a fraction that says nothing.
fn moment(at: &str) -> String {
    at.replace(".000Z", "Z")
}

/// What keeps it from starting something: at the end of a line, so in few words.
fn remark(one: &ScheduleView) -> String {
    const SHOWN_MAX: usize = 60;
    match (&one.pause, &one.left_out) {
        (Some(pause), _) => format!("paused by {}", somebody(&pause.by)),
        (None, _) if one.paused => "paused: its definition is".to_owned(),
        (None, Some(left_out)) => format!("left out: {}", cut(&left_out.reason, SHOWN_MAX)),
        (None, None) => String::new(),
    }
}

fn somebody(by: &str) -> &str {
    if by.is_empty() { "somebody" } else { by }
}

/// Looks at schedules, or orders a start.
pub(super) async fn schedule(global: &Global, args: &ScheduleArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    match &args.command {
        ScheduleCommand::Ls { workflow } => {
            let page = client.schedules(&Definitions { name: workflow.clone() }).await?;
            output.items(&page.items, &SCHEDULES)?;
        }
        ScheduleCommand::Show { schedule: Id { workflow, schedule } } => {
            let page = client.schedules(&Definitions { name: Some(workflow.clone()) }).await?;
            let found = page.items.iter().find(|one| one.name == *schedule).ok_or_else(|| {
                let told = format!("no schedule is called `{workflow}/{schedule}`");
                let told = Problem::new(ProblemKind::NotFound, told);
                Failure::from(told.with_code("GS4032", "unknown_schedule"))
            })?;
            output.json(found)?;
            for (name, value) in lines(found) {
                output.line(clean(&format!("{name:<11} {value}")))?;
            }
        }
        ScheduleCommand::Trigger { schedule: Id { workflow, schedule } } => {
            let order = TriggerSchedule {
                workflow: workflow.clone(),
                schedule: schedule.clone(),
                reason: global.reason.clone(),
            };
            let reply = client.trigger_schedule(&order).await?;
            output.json(&reply)?;
            let told = match &reply.instance {
                Some(instance) => format!("started {instance}"),
                None => "waits for the end of an earlier start".to_owned(),
            };
            output.line(clean(&format!("{}  {told}", reply.schedule)))?;
        }
        ScheduleCommand::Pause { schedule } => {
            let view = client.pause_schedule(&held(global, schedule)).await?;
            output.json(&view)?;
            let runs = match view.running.len() {
                0 => String::new(),
                running => format!("; what it started runs on ({running})"),
            };
            output.line(format!("{}  paused{runs}", view.id))?;
        }
        ScheduleCommand::Resume { schedule } => {
            let view = client.resume_schedule(&held(global, schedule)).await?;
            output.json(&view)?;
            let next = view.next.first().map(|at| format!("; due {}", moment(at)));
            output.line(format!("{}  resumed{}", view.id, next.unwrap_or_default()))?;
        }
    }
    Ok(0)
}

fn held(global: &Global, Id { workflow, schedule }: &Id) -> HoldSchedule {
    let (workflow, schedule) = (workflow.clone(), schedule.clone());
    HoldSchedule { workflow, schedule, reason: global.reason.clone() }
}

/// A schedule as `show` has it.
pub(super) fn lines(one: &ScheduleView) -> Vec<(&'static str, String)> {
    let list = |list: &[String]| match list {
        [] => "none".to_owned(),
        some => some.iter().map(|it| moment(it)).collect::<Vec<_>>().join("  "),
    };
    let because = |reason: &str| match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let mut lines = vec![
        ("schedule", one.id.clone()),
        ("starts", format!("{}@{}", one.workflow, one.version)),
        ("due", one.recurrence.clone()),
        ("overlap", one.overlap.clone()),
        ("catch up", one.catch_up.clone()),
    ];
    match &one.pause {
        Some(pause) => {
            let (by, since, why) = (somebody(&pause.by), &pause.since, because(&pause.reason));
            lines.push(("paused", format!("by {by} since {since}{why}")));
        }
        None if one.paused => lines.push(("paused", "its definition is".to_owned())),
        None => {}
    }
    lines.extend([
        ("next", list(&one.next)),
        ("running", list(&one.running)),
        ("waiting", one.waiting.to_string()),
        ("started", one.started.to_string()),
        ("skipped", one.skipped.to_string()),
    ]);
    if let (Some(last), Some(instance)) = (&one.last, &one.last_instance) {
        lines.push(("last", format!("{}  {instance}", moment(last))));
    }
    if let Some(left_out) = &one.left_out {
        lines.push(("left out", format!("{}  {}", left_out.at, left_out.reason)));
    }
    for order in &one.orders {
        let (at, what, by) = (&order.at, &order.what, somebody(&order.by));
        let came = if order.came.is_empty() { String::new() } else { format!("  {}", order.came) };
        lines.push(("ordered", format!("{at}  {what} by {by}{}{came}", because(&order.reason))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e6_a_schedule_is_named_with_its_workflow() {
        let named = Id { workflow: "report".to_owned(), schedule: "nightly".to_owned() };
        assert_eq!(id("report/nightly"), Ok(named));
        for wrong in ["report", "/nightly", "report/", ""] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }
}
