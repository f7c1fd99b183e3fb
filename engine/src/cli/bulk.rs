//! The same order to one instance, to several, or to all that a filter finds.

use clap::Args;
use gearshift_client::protocol::view::{InstanceDetail, MembershipView};
use gearshift_client::protocol::{InstanceVerdict, ProblemKind, Status, Verdict, Wait};
use gearshift_client::{Client, Error, ErrorKind};
use serde_json::{Value, json};

use super::args::Global;
use super::connect;
use super::failure::{
    CONFLICT, DENIED, ENDED_BADLY, Failure, NOT_FOUND, Outcome, TIMED_OUT, USAGE,
};
use super::ids::{Tally, alive, confirm, given};
use super::output::{Output, one_line};
use super::verdicts::in_words;
use super::words::{count, plain, span, states};

/// What is told of one instance one by one.
const NAMED: usize = 5;

/// Lines of what one order would take back, or do again.
const FORESEEN: usize = 20;

/// Which instances.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Chosen {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present = "filter")]
    pub(super) ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    pub(super) filter: Option<String>,
    /// Only tell of each what would become of it: taken, or refused and why. Exits as the order
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What is done to each, in the words of the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    /// `would cancel 3 instances`.
    pub(super) verb: &'static str,
    /// `cancelled 3 instances`.
    pub(super) done: &'static str,
    /// The command waits until what was done is taken back.
    pub(super) waits: bool,
}

impl Deed {
    /// One that is done when it is answered.
    pub(super) const fn new(verb: &'static str, done: &'static str) -> Self {
        Self { verb, done, waits: false }
    }
}

/// Gives an order to each instance chosen.
pub(super) async fn to_each(
    global: &Global,
    chosen: &Chosen,
    deed: Deed,
    order: impl AsyncFn(&Client, &str) -> Result<InstanceVerdict, Error>,
) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let (ids, unjudged) = match &chosen.filter {
        Some(filter) => alive(&client, global, filter).await?,
        None => (given(&chosen.ids)?, None),
    };
    let several = ids.len() > 1 || chosen.filter.is_some();
    let unjudged = unjudged.map(|all| json!({ "unjudged": all }));
    if chosen.dry_run {
        let chosen = (&*ids, several, unjudged);
        return rehearse(global, &client.rehearsing(), chosen, deed, order).await;
    }
    let many = count(ids.len(), "instance");
    if chosen.filter.is_some() && !ids.is_empty() {
        confirm(global, &format!("{} {many}", deed.verb))?;
    }
    if let Some(left) = &unjudged {
        output.json(left)?;
    }
    let mut tally = Tally::default();
    let mut under_way = 0;
    for id in &ids {
        let result = match order(&client, id).await {
            Ok(verdict) if deed.waits => waited(global, &client, &verdict).await,
            Ok(verdict) => {
                output.json(&verdict)?;
                let rest = rest(global, &client, (&verdict, deed)).await;
                let told = words(&verdict, deed) + &left_out(&verdict);
                output.line(one_line(&format!("{}  {told}{rest}", verdict.key)))?;
                under_way += usize::from(verdict.status == Some(Status::Compensating));
                if several && let Verdict::Stuck { .. } = verdict.verdict {
                    // It was taken: what came of that is another matter.
                    tally.add_stuck(verdict.verdict.exit_code());
                    continue;
                }
                Ok(verdict.verdict.exit_code())
            }
            Err(error) => Err(ending(&client, id, Failure::from(error)).await),
        };
        tally.add(output, global, several, result)?;
    }
    if several {
        let summary = tally.summary(deed.done);
        output.line(match under_way {
            0 => summary,
            some => format!("{summary}; {some} of them still take back what was done"),
        })?;
    }
    Ok(tally.exit_code())
}

/// Tells of each instance whether it would take the order, or why not, and ends as the order would.
async fn rehearse(
    global: &Global,
    client: &Client,
    (ids, several, unjudged): (&[String], bool, Option<Value>),
    deed: Deed,
    order: impl AsyncFn(&Client, &str) -> Result<InstanceVerdict, Error>,
) -> Outcome {
    let output = global.out();
    let mut tally = Tally::default();
    let mut document: Vec<_> = unjudged.map(dry).into_iter().collect();
    for id in ids {
        let result = match order(client, id).await.map_err(Failure::from) {
            Ok(verdict) => {
                let mut told = words(&verdict, deed) + &left_out(&verdict);
                let mut answer = dry(json!(verdict));
                let seen = would_end(client, (&verdict, deed)).await;
                let children = seen.iter().flat_map(|seen| &seen.children);
                let children: Vec<_> = children.map(|child| child.instance.clone()).collect();
                if !children.is_empty() {
                    told.push_str(&format!("; with it would end {}", named(&children)));
                    answer["ends_children"] = json!(children);
                }
                if let Some(name) = seen.and_then(would_roll_back) {
                    let all = "would be rolled back: what all its members did is taken back";
                    told.push_str(&format!("; its transaction {name} {all}"));
                    answer["rolls_back"] = name.into();
                }
                output.line(one_line(&format!("{}  would be {told}", verdict.key)))?;
                foreseen(output, &verdict)?;
                document.push(answer);
                if several && let Verdict::Stuck { .. } = verdict.verdict {
                    tally.add_stuck(verdict.verdict.exit_code());
                    continue;
                }
                Ok(verdict.verdict.exit_code())
            }
            Err(failure) if several => {
                let problem = &failure.problem;
                let named = problem.instance.as_ref().unwrap_or(id);
                let mut told = json!({ "instance": named, "problem": problem });
                if is_refusal(&failure) {
                    told["refused"] = json!(problem.detail);
                    output.line(one_line(&refused(&failure)))?;
                }
                document.push(dry(told));
                if is_refusal(&failure) { Ok(failure.exit) } else { Err(failure) }
            }
            Err(failure) => Err(ending(client, id, failure).await),
        };
        tally.add(output.without_documents(), global, several, result)?;
    }
    output.list(&document)?;
    if several {
        output.line(tally.summary(&format!("would {}", deed.verb)))?;
    }
    Ok(tally.exit_code())
}

/// What an order would take back and do again, in lines below it.
pub(super) fn foreseen(output: Output, verdict: &InstanceVerdict) -> Result<(), Failure> {
    let back = verdict.takes_back.iter().map(|what| ("takes back", what));
    let again = verdict.does_again.iter().map(|what| ("does again", what));
    let (back, again) = (back.take(FORESEEN), again.take(FORESEEN));
    for (what, words) in back.chain(again) {
        output.line(one_line(&format!("  {what}  {}", plain(words))))?;
    }
    for (what, all) in [("takes back", &verdict.takes_back), ("does again", &verdict.does_again)] {
        if let Some(more) = all.len().checked_sub(FORESEEN).filter(|more| *more > 0) {
            output.line(format!("  {what}  … and {more} more: `-o json` has them"))?;
        }
    }
    Ok(())
}

/// The answer to an order that was not carried out.
fn dry(mut answer: Value) -> Value {
    answer["dry_run"] = Value::Bool(true);
    answer
}

/// Is it the answer to the order, and not that there is none?
fn is_refusal(failure: &Failure) -> bool {
    [USAGE, NOT_FOUND, CONFLICT, DENIED].contains(&failure.exit)
}

/// `refused  order/o-3: the instance is not stuck [GS4014]`, as the order is refused.
fn refused(failure: &Failure) -> String {
    format!("refused  {} {}", failure.problem.detail, failure.code()).trim_end().to_owned()
}

/// What came of an order; what is killed has the status `cancelled`.
fn words(verdict: &InstanceVerdict, deed: Deed) -> String {
    match verdict.status {
        Some(Status::Cancelled) if deed.verb == "kill" => {
            format!("killed in {}", states(&verdict.active))
        }
        // A member of a transaction, which has to know what becomes of that.
        Some(Status::Compensating) if deed.verb == "kill" => {
            format!("killed in {}, but for calls under way", states(&verdict.active))
        }
        Some(Status::Stuck) if deed.verb == "kill" => {
            let place = states(&verdict.active);
            format!("killed in {place}, but for an undo that failed: retry or skip it")
        }
        Some(_) | None => in_words(verdict),
    }
}

/// Is it ended, or about to be, by this order?
fn ends(verdict: &InstanceVerdict, deed: Deed) -> bool {
    verdict.status.is_some_and(Status::is_ended) || ["kill", "cancel"].contains(&deed.verb)
}

/// The transaction of an instance that is not over yet, and where the instance stands in it.
async fn transaction(client: &Client, verdict: &InstanceVerdict) -> Option<MembershipView> {
    let detail = client.instance(&verdict.instance).await.ok()?;
    let member = detail.summary.transaction?;
    (!["committed", "rolled_back"].contains(&&*member.standing)).then_some(member)
}

/// The instance, where the order would end it.
async fn would_end(
    client: &Client,
    (verdict, deed): (&InstanceVerdict, Deed),
) -> Option<InstanceDetail> {
    if !["kill", "cancel"].contains(&deed.verb) {
        return None;
    }
    client.instance(&verdict.instance).await.ok()
}

/// The transaction that the order would roll back.
fn would_roll_back(seen: InstanceDetail) -> Option<String> {
    let member = seen.summary.transaction?;
    ["open", "joining"].contains(&&*member.standing).then_some(member.name)
}

/// What the order left out of what cleans up, and what may be done although it was cut off.
fn left_out(verdict: &InstanceVerdict) -> String {
    match verdict.left_out.as_slice() {
        [] => String::new(),
        list => format!("; left out: {}", plain(&named(list))),
    }
}

/// All of a few; of many the first, and how many more.
fn named(list: &[String]) -> String {
    let shown = list.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match list.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

/// What is still to come of an instance that ends: its transaction takes back what it did.
async fn rest(
    global: &Global,
    client: &Client,
    (verdict, deed): (&InstanceVerdict, Deed),
) -> String {
    if !ends(verdict, deed) || !global.out().is_text() {
        return String::new();
    }
    match transaction(client, verdict).await {
        Some(member) => format!("; transaction {} takes back what it did", member.name),
        None => String::new(),
    }
}

/// Waits until what was done is taken back, or until an undo of it needs a person.
async fn waited(global: &Global, client: &Client, verdict: &InstanceVerdict) -> Outcome {
    let key = &verdict.key;
    let waited = client.wait_for(&verdict.instance, &Wait::End, global.timeout).await;
    let now = waited.map_err(|error| {
        let told = format!("{key} still takes back what was done");
        late(global, error, &told, format!("`gearshift why {key}` says what it waits for"))
    })?;
    let InstanceDetail { summary, steps, .. } = &now.instance;
    global.out().json(&now.instance)?;
    let is_back = steps.rollback.is_none();
    let told = match &summary.stuck_reason {
        Some(reason) if is_back => reason.clone(),
        Some(reason) => format!("stuck: {}", plain(reason)),
        None => summary.status.as_str().to_owned(),
    };
    let place = states(&summary.active);
    global.out().line(one_line(&format!("{key}  {told}, in {place}")))?;
    Ok(if is_back { 0 } else { ENDED_BADLY })
}

/// Why a wait ended: it lasted too long, which is `told`, or could not be gone on with.
pub(super) fn late(global: &Global, error: Error, told: &str, help: String) -> Failure {
    if !matches!(error.kind(), ErrorKind::Timeout { .. }) {
        return Failure::from(error);
    }
    let limit = span(u64::try_from(global.timeout.as_millis()).unwrap_or(u64::MAX));
    Failure::new(TIMED_OUT, format!("{told}, after {limit}")).with_help(help)
}

/// Where a life is over, how it ended.
async fn ending(client: &Client, id: &str, failure: Failure) -> Failure {
    if failure.problem.kind() != ProblemKind::Conflict {
        return failure;
    }
    let Ok(detail) = client.instance(id).await else { return failure };
    let one = detail.summary;
    if !one.status.is_ended() {
        return failure;
    }
    let (status, states) = (one.status.as_str(), states(&one.active));
    let place = if states.is_empty() { String::new() } else { format!(" in `{states}`") };
    failure.with_help(format!(
        "it is {status}{place} since {}; `gearshift history {}` tells how it came to that",
        one.updated_at, one.key
    ))
}
