//! `send`, `tasks`, `approve`, `reject`, `decide`: what moves instances.

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::command::Decide;
use gearshift_client::protocol::query::Tasks;
use gearshift_client::protocol::view::Task;
use gearshift_client::protocol::{
    EventHeaders, EventReply, InstanceVerdict, Status, Verdict, Wait,
};
use serde_json::json;
use tokio::time::Instant;

use super::args::Global;
use super::connect;
use super::data::DataArgs;
use super::failure::{Failure, Outcome};
use super::ids::{Tally, given, incomplete};
use super::output::{Table, clean};
use super::verdicts::{exit_code, in_words, line_of};
use super::words::{plain, span, states, until, within};

const SEND_EXAMPLES: &str = "\
Examples:
  gearshift send document.submitted -d documentId=doc-43 -d title=Budget -d submitter=eve \\
    --wait-for under_review
  gearshift send user.action --instance document_approval/doc-43 -d action=approve -d userId=ann
  gearshift send payment.received --id pay-7 -d orderId=o-7 -d amount=120
                                                  the same --id twice is applied once

One line per instance the event concerned. Exit 0: it was taken, or is kept for later; 1: the
instance is stuck, failed, or ended elsewhere than in --wait-for, or was cancelled where that is
@end; 3: no instance has the key; 4: the instance does not accept the event now; 7: --wait-for was
not reached in --timeout.";

const TASKS_EXAMPLES: &str = "\
Examples:
  gearshift tasks
  gearshift tasks --for ann -o jsonl | jq -r .id | gearshift approve - --reason 'bulk review'";

const VOTE_EXAMPLES: &str = "\
Examples:
  gearshift approve doc-43 --reason 'numbers match'
  gearshift reject doc-43 doc-44 --reason 'missing figures'
  gearshift tasks -o jsonl | jq -r .id | gearshift approve -

Exit 4: it is decided already, or cannot be decided so.";

const DECIDE_EXAMPLES: &str = "\
Examples:
  gearshift decide doc-43 request_changes --reason 'page 3 is missing'
  gearshift ls --where \"state == 'under_review'\" -o jsonl | jq -r .id \\
    | gearshift decide - request_changes --reason overdue";

/// `gearshift send`.
#[derive(Debug, Args)]
#[command(after_help = SEND_EXAMPLES)]
pub(super) struct SendArgs {
    /// The event's type, such as document.submitted
    event: String,
    #[command(flatten)]
    data: DataArgs,
    /// Wait until this state is active; `@end`: until the instance has ended
    #[arg(long, value_name = "STATE")]
    wait_for: Option<String>,
    /// Your name for the event: sent twice, it is applied once
    #[arg(long)]
    id: Option<String>,
    /// The instance it is for; else the workflow's `correlate` finds it
    #[arg(long, value_name = "WORKFLOW/KEY")]
    instance: Option<String>,
    /// Only store it; do not wait for what becomes of it
    #[arg(long, conflicts_with = "wait_for")]
    one_way: bool,
}

/// `gearshift tasks`.
#[derive(Debug, Args)]
#[command(after_help = TASKS_EXAMPLES)]
pub(super) struct TasksArgs {
    /// Only those of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Only those assigned to this user
    #[arg(long = "for", value_name = "USER")]
    assign: Option<String>,
    /// At most so many
    #[arg(long, default_value = "100", value_parser = within(1, 10_000))]
    limit: u32,
}

/// `gearshift approve` and `gearshift reject`.
#[derive(Debug, Args)]
#[command(after_help = VOTE_EXAMPLES)]
pub(super) struct VoteArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// `gearshift decide`.
#[derive(Debug, Args)]
#[command(after_help = DECIDE_EXAMPLES)]
#[command(override_usage = "gearshift decide [OPTIONS] <ID>... <CHOICE>")]
pub(super) struct DecideArgs {
    /// Ids as for `approve`, then the choice
    #[arg(required = true, num_args = 2.., value_names = ["ID", "CHOICE"])]
    ids_and_choice: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// Why what was waited for did not come.
pub(super) async fn not_there(
    global: &Global,
    client: &Client,
    verdict: &InstanceVerdict,
) -> String {
    match verdict.status {
        Some(Status::Stuck) => {
            // It says why itself; where nobody answers, the line above has said the rest.
            let detail = client.instance(&verdict.instance).await.ok();
            let reason = detail.and_then(|it| it.summary.stuck_reason).unwrap_or_default();
            format!("not there, and only a person can move it: {}", plain(&reason))
        }
        Some(status) if status.is_ended() => {
            format!("not there: it is {} in {}", status.as_str(), states(&verdict.active))
        }
        Some(_) | None => format!("not there within {}", span(millis(global))),
    }
}

/// `name` or `name@version`.
pub(super) fn name_and_version(text: &str) -> Result<(String, Option<u32>), Failure> {
    let Some((name, version)) = text.split_once('@') else { return Ok((text.to_owned(), None)) };
    let parsed = version.parse::<u32>().ok().filter(|version| *version > 0);
    let version = parsed.ok_or_else(|| {
        Failure::usage(format!("`{text}`: `{version}` is not a version from 1 to {}", u32::MAX))
    })?;
    Ok((name.to_owned(), Some(version)))
}

/// Sends an event.
pub(super) async fn send(global: &Global, args: SendArgs) -> Outcome {
    let client = connect::client(global).await?;
    let data = args.data.object()?;
    let mut headers =
        EventHeaders { id: args.id, instance: args.instance, ..EventHeaders::default() };
    let output = global.out();
    if args.one_way {
        client.publish(&args.event, &data, &headers).await?;
        output.json(&json!({ "stored": true }))?;
        output.line(format!("{} stored", args.event))?;
        return Ok(0);
    }
    if let Some(state) = &args.wait_for {
        headers.wait_for = Wait::from_header(Some(state));
        headers.timeout_ms = Some(millis(global));
    }
    let began = Instant::now();
    let reply = client.send_with(&args.event, &data, &headers).await?;
    print_reply(global, &client, &reply, began).await?;
    Ok(exit_code(&reply, &headers.wait_for))
}

async fn print_reply(
    global: &Global,
    client: &Client,
    reply: &EventReply,
    began: Instant,
) -> Result<(), Failure> {
    let output = global.out();
    output.json(reply)?;
    for verdict in &reply.verdicts {
        output.line(line_of(verdict, began))?;
    }
    if reply.reached || !output.is_text() {
        return Ok(());
    }
    let stuck = |one: &&InstanceVerdict| one.status == Some(Status::Stuck);
    if let Some(stuck) = reply.verdicts.iter().find(stuck) {
        return output.line(clean(&not_there(global, client, stuck).await));
    }
    // What came to another end before says so by itself.
    if began.elapsed() >= global.timeout {
        output.line(format!("not there within {}", span(millis(global))))?;
    }
    Ok(())
}

pub(super) fn millis(global: &Global) -> u64 {
    u64::try_from(global.timeout.as_millis()).unwrap_or(u64::MAX)
}

/// Lists open approvals.
pub(super) async fn tasks(global: &Global, args: TasksArgs) -> Outcome {
    let ask = Tasks {
        workflow: args.workflow,
        assign: args.assign,
        limit: Some(args.limit),
        after: None,
    };
    let page = connect::client(global).await?.tasks(&ask).await?;
    let table = Table::<Task> {
        headings: &["ID", "WORKFLOW", "TITLE", "FOR", "DUE", "CHOICES"],
        cells: |task| {
            vec![
                short_id(&task.id).to_owned(),
                task.workflow.clone(),
                task.title.clone(),
                asked(task),
                until(task.due_in_ms),
                task.choices.join(" "),
            ]
        },
    };
    global.out().items(&page.items, &table)?;
    Ok(incomplete(global, &page.missing))
}

/// Whom a task asks: the person, the roles, how many; `-` where it asks nobody in particular.
fn asked(task: &Task) -> String {
    let is_plain = task.roles.is_empty() && task.need <= 1 && !task.not_initiator;
    match (is_plain, &task.assign) {
        (true, Some(assign)) => assign.clone(),
        (true, None) => "-".to_owned(),
        (false, _) => crate::api::asked(task),
    }
}

/// The key of `workflow/key`.
pub(super) fn short_id(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, key)| key)
}

/// Decides open approvals by `choice`.
pub(super) async fn vote(global: &Global, args: VoteArgs, choice: &str) -> Outcome {
    choose(global, &args.ids, choice, &args.data).await
}

/// Decides open approvals by the choice that stands last.
pub(super) async fn decide(global: &Global, args: DecideArgs) -> Outcome {
    match args.ids_and_choice.split_last() {
        Some((choice, ids)) if !ids.is_empty() => choose(global, ids, choice, &args.data).await,
        Some(_) | None => Err(Failure::usage("an id and a choice are needed")),
    }
}

/// What came of a decision; one that a step waited for leaves the states as they are.
fn decided(verdict: &InstanceVerdict, choice: &str) -> String {
    if let Verdict::Transitioned { from, to, .. } = &verdict.verdict
        && from == to
        && *to == verdict.active
    {
        return format!("{choice}, in {}", states(&verdict.active));
    }
    in_words(verdict)
}

async fn choose(global: &Global, ids: &[String], choice: &str, data: &DataArgs) -> Outcome {
    if data.is_stdin() && ids.iter().any(|id| id == "-") {
        return Err(Failure::usage("stdin cannot hold both ids and data"));
    }
    let client = connect::client(global).await?;
    let data = if data.is_given() { Some(data.object()?) } else { None };
    let ids = given(ids)?;
    let output = global.out();
    let mut tally = Tally::default();
    for id in &ids {
        let order = Decide {
            instance: id.clone(),
            choice: choice.to_owned(),
            data: data.clone(),
            reason: global.reason.clone(),
        };
        let result = match client.decide(&order).await {
            Ok(verdict) => {
                output.json(&verdict)?;
                let by = client.user();
                output.line(format!("{}  {}  by {by}", verdict.key, decided(&verdict, choice)))?;
                Ok(verdict.verdict.exit_code())
            }
            Err(error) => Err(error.into()),
        };
        tally.add(output, global, ids.len() > 1, result)?;
    }
    Ok(tally.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_from_1() {
        assert_eq!(name_and_version("order").unwrap(), ("order".to_owned(), None));
        assert_eq!(name_and_version("order@3").unwrap(), ("order".to_owned(), Some(3)));
        for text in ["order@0", "order@x", "order@-1", "order@4294967296"] {
            assert_eq!(name_and_version(text).unwrap_err().exit, 2, "{text}");
        }
    }
}
