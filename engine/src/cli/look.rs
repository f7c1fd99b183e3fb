//! `ls`, `show`, `history`, `why`: what there is to see.

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::query::Instances;
use gearshift_client::protocol::view::{InstanceSummary, Why};
use serde_json::{Value, json};

use super::args::Global;
use super::connect;
use super::detail::describe;
use super::failure::{Failure, Outcome};
use super::ids::{Tally, count_unjudged, given, incomplete, tell_unjudged};
use super::output::{Format, Output, Table, one_line};
use super::timeline::{Row, not_kept, width};
use super::transaction;
use super::words::{age, cut, plain, states, within};

const LS_EXAMPLES: &str = "\
Examples:
  gearshift ls
  gearshift ls --where \"state == 'under_review' && age_s > 86400\"
  gearshift ls --where \"status == 'stuck' && workflow == 'order'\" -o jsonl | jq -r .id
  gearshift ls --where \"end.how == 'killed' && end.by == 'ann'\"
  gearshift ls --where \"size(left_out) > 0\"
  gearshift ls --where \"steps.charge.status == 'failed' || 'charge' in current_step\"

A filter is a CEL expression over: workflow version key status state states age_s vars
generation stuck (the reason), and of steps: progress (0.0 to 1.0) current_step completed_steps
total_steps steps.ID.status .result .error .retry_count .cached; of what ended badly also end.how
(failed cancelled killed) .by .reason .step .kind .code. left_out is a list: what people skipped, or
a kill left, of what was to be taken back. Where it is neither true nor false of an instance (what
it asks for is absent, or of another type), that is left out, counted and told on stderr with the
first reason; `has(vars.x) && …` says no instead. Status is one of running paused compensating stuck
done failed cancelled, of a step pending running retrying completed failed skipped cancelled undone.";

const IDS_EXAMPLES: &str = "\
Examples:
  gearshift show doc-43                           the key
  gearshift history document_approval/doc-43      the full id
  gearshift why 3f9a2c1e                          the unique end of a key
  gearshift ls -o jsonl | jq -r .id | gearshift why -";

/// `gearshift ls`.
#[derive(Debug, Args)]
#[command(after_help = LS_EXAMPLES)]
pub(super) struct LsArgs {
    /// Only instances for which this CEL expression is true
    #[arg(long = "where", value_name = "CEL")]
    filter: Option<String>,
    /// Only those of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// At most so many
    #[arg(long, default_value = "100", value_parser = within(1, 10_000), conflicts_with = "all")]
    limit: u32,
    /// All of them, page by page
    #[arg(long)]
    all: bool,
}

/// `gearshift show`, `history` and `why`.
#[derive(Debug, Args)]
#[command(after_help = IDS_EXAMPLES)]
pub(super) struct IdsArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required = true)]
    ids: Vec<String>,
}

/// Letters of a reason that `ls` prints: `show` has all of it.
const REASON_SHOWN: usize = 60;

const INSTANCES: Table<'static, InstanceSummary> = Table {
    headings: &["ID", "WORKFLOW", "STATE", "STATUS", "AGE", "REASON"],
    cells: |one| {
        vec![
            one.key.clone(),
            format!("{}@{}", one.workflow, one.version),
            states(&one.active),
            one.status.as_str().to_owned(),
            age(one.age_s),
            cut(&one_line(&reason(one)), REASON_SHOWN),
        ]
    },
};

/// Where it stands, and why where there is something to be said.
pub(super) fn place(one: &InstanceSummary) -> String {
    let all = [states(&one.active), reason(one)];
    let all = all.iter().map(|part| one_line(part)).filter(|part| !part.is_empty());
    all.collect::<Vec<_>>().join(" · ")
}

/// Why it is stuck, how it ended, or why what it did is taken back.
fn reason(one: &InstanceSummary) -> String {
    if one.definition_unknown {
        return "its definition is not known here".to_owned();
    }
    let back = one.transaction.as_ref();
    let back = back.filter(|it| matches!(&*it.standing, "rolling_back" | "rolled_back"));
    match (&one.stuck_reason, &one.end, back) {
        (Some(reason), _, _) => plain(reason),
        (None, Some(end), _) => plain(end.beside(one.status.as_str())),
        (None, None, Some(member)) => {
            let why = member.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            plain(&format!("rolled back with transaction `{}`{why}", member.name))
        }
        (None, None, None) => plain(one.rollback_reason.as_deref().unwrap_or_default()),
    }
}

/// Lists instances.
pub(super) async fn ls(global: &Global, args: LsArgs) -> Outcome {
    const PAGE: u32 = 1_000;
    let client = connect::client(global).await?;
    let output = global.out();
    let limit = if args.all { PAGE } else { args.limit };
    let mut ask =
        Instances { filter: args.filter, workflow: args.workflow, limit: Some(limit), after: None };
    // One document holds everything; the other forms are written page by page.
    let (mut document, mut missing, mut unjudged) = (Vec::new(), Vec::new(), None);
    loop {
        let page = client.instances(&ask).await?;
        missing.extend(page.missing);
        count_unjudged(&mut unjudged, page.unjudged);
        if output.format == Format::Json {
            document.extend(page.items);
        } else {
            output.items(&page.items, &INSTANCES)?;
        }
        ask.after = page.next;
        if !args.all || ask.after.is_none() {
            break;
        }
    }
    if output.format == Format::Json {
        output.json(&document)?;
    }
    if ask.after.is_some() && output.is_text() && output.is_terminal {
        output.line(format!("… more than {limit}; `--all` lists all of them"))?;
    }
    if let Some(all) = &unjudged {
        tell_unjudged(global, all.count, all);
    }
    Ok(incomplete(global, &missing))
}

/// `gearshift show`.
#[derive(Debug, Args)]
#[command(after_help = IDS_EXAMPLES)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    ids: IdsArgs,
    /// Every step, call, timer, child and task, where there are many, and all of long values;
    /// `-o json` always has all
    #[arg(long)]
    all: bool,
}

/// Does something with each id, and prints one document for one id, an array for several.
async fn each<F>(global: &Global, args: &IdsArgs, look: F) -> Outcome
where
    F: AsyncFn(&Client, &str, Output) -> Result<Value, Failure>,
{
    let client = connect::client(global).await?;
    let output = global.out();
    let ids = given(&args.ids)?;
    let mut tally = Tally::default();
    let mut document = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        if number > 0 {
            output.line("")?;
        }
        let result = match look(&client, id, output).await {
            Ok(value) => {
                document.push(value);
                Ok(0)
            }
            Err(failure) => Err(failure),
        };
        let lines = Output { format: no_document(output.format), ..output };
        tally.add(lines, global, ids.len() > 1, result)?;
    }
    match (output.format, document.as_slice()) {
        (Format::Json, [only]) if ids.len() == 1 => output.json(only)?,
        (Format::Json, list) => output.json(&list)?,
        (Format::Jsonl, list) => list.iter().try_for_each(|value| match value.as_array() {
            // A list of its own, as of `history`, is a line per entry.
            Some(entries) => entries.iter().try_for_each(|entry| output.json(entry)),
            None => output.json(value),
        })?,
        (Format::Text | Format::None, _) => {}
    }
    Ok(tally.exit_code())
}

/// Failures among several ids go to stderr only where stdout holds one document.
const fn no_document(format: Format) -> Format {
    match format {
        Format::Json | Format::None => Format::None,
        Format::Text => Format::Text,
        Format::Jsonl => Format::Jsonl,
    }
}

/// Shows all there is about instances.
pub(super) async fn show(global: &Global, args: &ShowArgs) -> Outcome {
    each(global, &args.ids, async |client, id, output| {
        let detail = client.instance(id).await?;
        let shown = match &detail.scope {
            Some(_) => {
                let lines = transaction::lines(&detail, args.all);
                lines.iter().map(|line| one_line(line)).collect::<Vec<_>>().join("\n")
            }
            None => describe(&detail, output.look, args.all),
        };
        output.line(shown)?;
        Ok(json!(detail))
    })
    .await
}

/// Shows what happened to instances.
pub(super) async fn history(global: &Global, args: &IdsArgs) -> Outcome {
    each(global, args, async |client, id, output| {
        let page = client.history(id).await?;
        let rows: Vec<_> = page.items.iter().map(Row::of).collect();
        let width = width(rows.iter().map(|row| row.state.as_str()));
        if let Some(gone) = not_kept(&page.items) {
            output.line(gone)?;
        }
        for (entry, row) in page.items.iter().zip(rows) {
            let (dim, told) = (output.look.dim(), row.render(output.look, width));
            output.line(format!("{:>4}  {dim}{}{dim:#}  {told}", entry.step, entry.at))?;
        }
        // Lines of several instances are told apart by it.
        let entries = page.items.iter().map(|entry| {
            let mut entry = json!(entry);
            entry["instance"] = json!(id);
            entry
        });
        Ok(entries.collect())
    })
    .await
}

/// Explains why instances are where they are.
pub(super) async fn why(global: &Global, args: &IdsArgs) -> Outcome {
    each(global, args, async |client, id, output| {
        let why = client.why(id).await?;
        output.line(explain(&why))?;
        Ok(json!(why))
    })
    .await
}

fn explain(why: &Why) -> String {
    let mut text = one_line(&why.summary).into_owned();
    for line in &why.lines {
        text.push_str(&format!("\n  {}", one_line(&plain(line))));
    }
    if !why.try_this.is_empty() {
        text.push_str(&format!("\ntry: {}", one_line(&why.try_this.join(", or "))));
    }
    text
}
