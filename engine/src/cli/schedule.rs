//! `schedule`: look at the schedules of deployed workflows, and start one now.

use clap::{Args, Subcommand};
use gearshift_client::protocol::command::TriggerSchedule;
use gearshift_client::protocol::query::Definitions;
use gearshift_client::protocol::view::ScheduleView;

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::output::Table;

const EXAMPLES: &str = "\
Examples:
  gearshift schedule ls
  gearshift schedule show report/nightly
  gearshift schedule trigger report/nightly --reason 'the numbers were corrected'

A schedule is named `workflow/schedule`. Pausing the definition (`gearshift pause --definition`)
stops its schedules: moments that come meanwhile are left out. `trigger` starts as a due moment
does: where `overlap` leaves it out it says why (exit 4).";

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
    headings: &["SCHEDULE", "DUE", "NEXT", "LAST", "RUNNING", "STARTED", "SKIPPED", ""],
    cells: |one| {
        vec![
            one.id.clone(),
            one.recurrence.clone(),
            one.next.first().cloned().unwrap_or_default(),
            one.last.clone().unwrap_or_default(),
            (one.running.len() + usize::try_from(one.waiting).unwrap_or(0)).to_string(),
            one.started.to_string(),
            one.skipped.to_string(),
            if one.paused { "paused".to_owned() } else { String::new() },
        ]
    },
};

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
                Failure::new(super::failure::NOT_FOUND, told)
            })?;
            output.json(found)?;
            for (name, value) in lines(found) {
                output.line(format!("{name:<11} {value}"))?;
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
            output.line(format!("{}  {told}", reply.schedule))?;
        }
    }
    Ok(0)
}

/// A schedule as `show` has it.
pub(super) fn lines(one: &ScheduleView) -> Vec<(&'static str, String)> {
    let list = |list: &[String]| match list {
        [] => "none".to_owned(),
        some => some.join("  "),
    };
    let mut lines = vec![
        ("schedule", format!("{}{}", one.id, if one.paused { "  (paused)" } else { "" })),
        ("starts", format!("{}@{}", one.workflow, one.version)),
        ("due", one.recurrence.clone()),
        ("overlap", one.overlap.clone()),
        ("catch up", one.catch_up.clone()),
        ("next", list(&one.next)),
        ("running", list(&one.running)),
        ("waiting", one.waiting.to_string()),
        ("started", one.started.to_string()),
        ("skipped", one.skipped.to_string()),
    ];
    if let (Some(last), Some(instance)) = (&one.last, &one.last_instance) {
        lines.push(("last", format!("{last}  {instance}")));
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
