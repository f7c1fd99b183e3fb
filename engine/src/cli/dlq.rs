//! `dlq ls|show|replay|drop`: events nobody could use.

use clap::{Args, Subcommand};
use gearshift_client::protocol::command::{DeadLetterOrder, DeadLetterReply};
use gearshift_client::protocol::query::DeadLetters;
use gearshift_client::protocol::view::DeadLetter;
use gearshift_client::protocol::{InstanceVerdict, Verdict};

use super::args::Global;
use super::connect;
use super::failure::{Failure, NOT_FOUND, Outcome, PARTLY};
use super::ids::{complete, confirm, given, incomplete};
use super::output::{Table, clean};
use super::verdicts::in_words;
use super::words::within;

const EXAMPLES: &str = "\
Examples:
  gearshift dlq ls
  gearshift dlq show 2-17
  gearshift dlq replay 2-17                       offer it again, after the cause is gone
  gearshift dlq replay --workflow order --yes     all of one workflow
  gearshift dlq drop --all --yes                  forget all of them

No event is dropped in silence: what no instance could use is kept here with the reason.";

/// `gearshift dlq`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DlqArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List dead letters
    #[command(after_help = EXAMPLES)]
    Ls {
        /// Only those of this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// At most so many
        #[arg(long, default_value = "100", value_parser = within(1, 10_000))]
        limit: u32,
    },
    /// Show dead letters with their payload
    #[command(after_help = EXAMPLES)]
    Show {
        /// Their ids; `-` reads them from stdin
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Offer dead letters again
    #[command(after_help = EXAMPLES)]
    Replay(Which),
    /// Forget dead letters
    #[command(after_help = EXAMPLES)]
    Drop(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// Their ids; `-` reads them from stdin
    #[arg(required_unless_present_any = ["all", "workflow", "cause"])]
    #[arg(conflicts_with_all = ["all", "workflow", "cause"])]
    ids: Vec<String>,
    /// All there are
    #[arg(long, conflicts_with_all = ["workflow", "cause"])]
    all: bool,
    /// Those of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Those whose reason has this text
    #[arg(long)]
    cause: Option<String>,
}

/// Looks at and repairs dead letters.
pub(super) async fn dlq(global: &Global, args: DlqArgs) -> Outcome {
    match args.what {
        What::Ls { workflow, limit } => {
            let ask = DeadLetters { workflow, limit: Some(limit), after: None };
            let page = connect::client(global).await?.dead_letters(&ask).await?;
            global.out().items(&page.items, &LETTERS)?;
            Ok(incomplete(global, &page.missing))
        }
        What::Show { ids } => show(global, &ids).await,
        What::Replay(which) => settle(global, which, false).await,
        What::Drop(which) => settle(global, which, true).await,
    }
}

/// The verb that forgets.
const DROP: &str = "drop";

const LETTERS: Table<'static, DeadLetter> = Table {
    headings: &["ID", "EVENT", "INSTANCE", "AT", "REASON"],
    cells: |letter| {
        vec![
            letter.id.clone(),
            letter.event.clone(),
            letter.instance.clone().unwrap_or_else(|| "-".to_owned()),
            letter.at.clone(),
            letter.reason.clone(),
        ]
    },
};

async fn show(global: &Global, ids: &[String]) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    for id in given(ids)? {
        let letter = client.dead_letter(&id).await?;
        output.json(&letter)?;
        let instance = letter.instance.as_deref().unwrap_or("-");
        let text = format!(
            "id        {}\nevent     {}\ninstance  {instance}\nat        {}\nreason    {}\n\
             data      {}",
            letter.id, letter.event, letter.at, letter.reason, letter.data
        );
        output.line(clean(&text))?;
    }
    Ok(0)
}

/// Offers dead letters again, or forgets them.
async fn settle(global: &Global, which: Which, forget: bool) -> Outcome {
    let client = connect::client(global).await?;
    let verb = if forget { DROP } else { "replay" };
    let mut ids = given(&which.ids)?;
    if which.ids.is_empty() {
        let whose = match (&which.workflow, &which.cause) {
            (None, None) => "all dead letters".to_owned(),
            (Some(workflow), None) => format!("all dead letters of `{workflow}`"),
            (workflow, Some(cause)) => {
                let workflow = workflow.as_deref().unwrap_or("every workflow");
                format!("dead letters of {workflow} with `{cause}`")
            }
        };
        confirm(global, &format!("{verb} {whose}"))?;
    }
    if which.all {
        ids = all(&client).await?;
        if ids.is_empty() {
            return print(global, &DeadLetterReply::default(), verb);
        }
    }
    let order = DeadLetterOrder {
        ids,
        workflow: which.workflow,
        cause: which.cause,
        reason: global.reason.clone(),
    };
    let reply =
        if forget { client.dlq_drop(&order).await? } else { client.dlq_replay(&order).await? };
    print(global, &reply, verb)
}

async fn all(client: &gearshift_client::Client) -> Result<Vec<String>, Failure> {
    let mut ask = DeadLetters { limit: Some(1_000), ..DeadLetters::default() };
    let mut ids = Vec::new();
    loop {
        let page = client.dead_letters(&ask).await?;
        complete(&page.missing)?;
        ids.extend(page.items.into_iter().map(|letter| letter.id));
        match page.next {
            Some(next) => ask.after = Some(next),
            None => return Ok(ids),
        }
    }
}

/// `o-9  order@1  placed → paid`; what is forgotten is `dropped`.
fn told(verdict: &InstanceVerdict, verb: &str) -> String {
    if verb == DROP && verdict.verdict == Verdict::Done {
        return "dropped".to_owned();
    }
    let whose = match (verdict.version, verdict.instance.is_empty()) {
        (_, true) => String::new(),
        (0, false) => format!("{}  {}  ", verdict.key, verdict.workflow),
        (version, false) => format!("{}  {}@{version}  ", verdict.key, verdict.workflow),
    };
    format!("{whose}{}", in_words(verdict))
}

fn print(global: &Global, reply: &DeadLetterReply, verb: &str) -> Outcome {
    let output = global.out();
    output.json(reply)?;
    let mut codes = Vec::new();
    for result in &reply.results {
        codes.push(result.verdict.verdict.exit_code());
        output.line(format!("{}  {}", result.id, clean(&told(&result.verdict, verb))))?;
    }
    if reply.results.is_empty() {
        output.line(format!("nothing to {verb}"))?;
    }
    let bad = codes.iter().copied().find(|code| *code != 0);
    Ok(match bad {
        None => 0,
        Some(_) if codes.contains(&0) => PARTLY,
        // The letter is there, or we would have been told: its instance is not.
        Some(code) if code == NOT_FOUND => NOT_FOUND,
        Some(code) => code,
    })
}
