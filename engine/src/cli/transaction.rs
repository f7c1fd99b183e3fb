//! `transaction`: several instances whose work stays, or is taken back, as one.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};
use gearshift_client::protocol::query::Instances;
use gearshift_client::protocol::view::{InstanceDetail, InstanceSummary, MemberView};
use gearshift_client::protocol::{InstanceVerdict, Status, Verdict, Wait};

use super::args::Global;
use super::bulk::late;
use super::connect;
use super::failure::{ENDED_BADLY, Failure, Outcome};
use super::ids::incomplete;
use super::output::{Table, one_line};
use super::verdicts::in_words;
use super::words::{age, duration, plain, states};

const EXAMPLES: &str = "\
Examples:
  gearshift transaction begin release-7 --open-for 5m
  gearshift start order --key o-9 --transaction release-7
  gearshift start system_update --key u-9 --transaction release-7
  gearshift transaction show release-7
  gearshift transaction commit release-7
  gearshift transaction rollback release-7 --wait --reason 'wrong package'

After `commit` nothing of what its members did is taken back any more. `rollback` runs the `undo` of
what they did, newest first over all of them, and ends those that run. A transaction is rolled back
by itself when its time is over, and when a member fails or is cancelled. It isolates nothing:
others see what members did before the commit. Exit 1, with --wait: a member is stuck, and which is
said; 3: there is none; 4: it is not open any more; 7: --wait lasted longer than --timeout.";

/// Members that `show` lists of very many.
const LISTED: usize = 20;
/// Transactions that `ls` shows at most.
const LISTED_MAX: u32 = 1_000;

/// `gearshift transaction`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TransactionArgs {
    #[command(subcommand)]
    command: TransactionCommand,
}

/// What to do with transactions.
#[derive(Debug, Subcommand)]
enum TransactionCommand {
    /// Begin a transaction
    Begin {
        /// Its name
        name: String,
        /// How long it stays open before it is rolled back by itself; else an hour
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        open_for: Option<Duration>,
    },
    /// Let stay what its members did
    Commit {
        /// Its name
        name: String,
    },
    /// Take back what its members did, newest first
    Rollback {
        /// Its name
        name: String,
        /// Wait until all is taken back, or a member needs a person
        #[arg(long)]
        wait: bool,
    },
    /// Show its members, and what it would take back
    Show {
        /// Its name
        name: String,
        /// Every member, where there are many; `-o json` always has all
        #[arg(long)]
        all: bool,
    },
    /// List transactions
    Ls,
}

const TRANSACTIONS: Table<'static, InstanceSummary> = Table {
    headings: &["NAME", "STATE", "AGE"],
    cells: |one| vec![one.key.clone(), phase(&one.active), age(one.age_s)],
};

/// Begins, ends or looks at transactions.
pub(super) async fn transaction(global: &Global, args: &TransactionArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let reason = &global.reason;
    match &args.command {
        TransactionCommand::Begin { name, open_for } => {
            if open_for.is_none() && has_timeout(std::env::args_os()) {
                let told = "`--timeout` is how long this command waits for its answer, not how \
                            long the transaction stays open";
                let help = "say `--open-for 5m` for that; without it, it is an hour";
                return Err(Failure::usage(told).with_help(help));
            }
            told(global, &client.begin_transaction(name, *open_for, reason).await?)
        }
        TransactionCommand::Commit { name } => {
            told(global, &client.commit_transaction(name, reason).await?)
        }
        TransactionCommand::Rollback { name, wait } => {
            let verdict = client.roll_back_transaction(name, reason).await?;
            if !wait {
                return told(global, &verdict);
            }
            let state = Wait::State("rolled_back".to_owned());
            let waited = client.wait_for(&id(name), &state, global.timeout).await;
            let waited = waited.map_err(|error| {
                let help = format!("`gearshift transaction show {name}` says what it waits for");
                late(global, error, &format!("{name} is not rolled back"), help)
            })?;
            output.json(&waited.instance)?;
            if !waited.reached {
                for line in not_rolled_back(name, &waited.instance) {
                    output.line(one_line(&line))?;
                }
                return Ok(ENDED_BADLY);
            }
            output.line(format!("{name}  rolled back"))?;
            Ok(0)
        }
        TransactionCommand::Show { name, all } => {
            let detail = client.instance(&id(name)).await?;
            output.json(&detail)?;
            for line in lines(&detail, *all) {
                output.line(one_line(&line))?;
            }
            Ok(0)
        }
        TransactionCommand::Ls => {
            let workflow = Some("transaction".to_owned());
            let ask = Instances { workflow, limit: Some(LISTED_MAX), ..Instances::default() };
            let page = client.instances(&ask).await?;
            output.items(&page.items, &TRANSACTIONS)?;
            Ok(incomplete(global, &page.missing))
        }
    }
}

/// Why it is not rolled back, and will not be by itself.
fn not_rolled_back(name: &str, detail: &InstanceDetail) -> Vec<String> {
    let stuck = detail.scope.as_ref().and_then(|scope| scope.stuck.as_deref());
    let Some(stuck) = stuck else {
        return vec![format!(
            "{name}  is not rolled back: it is {}",
            phase(&detail.summary.active)
        )];
    };
    let waits_for = detail.scope.as_ref().and_then(|scope| scope.waits_for.as_deref());
    let reason = waits_for.unwrap_or_default();
    let told =
        format!("{name}  is not rolled back: {stuck} is stuck and waits for {}", plain(reason));
    vec![told, format!("try: gearshift why {stuck}")]
}

/// Stands `--timeout` behind `begin`? There it looks like an option of the transaction.
fn has_timeout(line: impl Iterator<Item = OsString>) -> bool {
    let mut behind = line.skip_while(|word| word != "begin");
    behind.any(|word| word == "--timeout" || word.to_string_lossy().starts_with("--timeout="))
}

fn id(name: &str) -> String {
    format!("transaction/{name}")
}

fn told(global: &Global, verdict: &InstanceVerdict) -> Result<u8, Failure> {
    let output = global.out();
    output.json(verdict)?;
    let now = if verdict.verdict == Verdict::Done {
        phase(&verdict.active)
    } else if let Verdict::Duplicate { .. } = verdict.verdict {
        format!("{} already", phase(&verdict.active))
    } else {
        in_words(verdict)
    };
    output.line(one_line(&format!("{}  {now}", verdict.key)))?;
    Ok(verdict.verdict.exit_code())
}

/// Where a transaction stands, as people say it.
fn phase(active: &[String]) -> String {
    match active.first().map(String::as_str) {
        Some("rolling_back") => "is being rolled back".to_owned(),
        Some("rolled_back") => "rolled back".to_owned(),
        Some(_) | None => states(active),
    }
}

/// One member, and what was left out of what it did; `why` it is rolled back was told before.
fn told_of(member: &MemberView, why: &str) -> Vec<String> {
    let stand = match member.stand.as_str() {
        "hold" => "is told to stop",
        "held" => "stands still",
        "rolled_back" => "rolled back",
        other => other,
    };
    let status = member.status.map_or("", |status| status.as_str());
    let words = member.end.as_deref().unwrap_or_default();
    let told = format!(" was rolled back: {why}");
    let short = words.replacen(&told, " was rolled back", 1);
    let end = match &*short {
        "" => status.to_owned(),
        short if short.starts_with(status) => plain(short),
        short => format!("{status}, {}", plain(short)),
    };
    let id = &member.id;
    let end = match &member.stuck_reason {
        Some(reason) if member.end.is_none() => format!("stuck: {}", plain(reason)),
        Some(_) | None => end,
    };
    let first = format!("{:<9} {id}  {stand}  {end}", "member").trim_end().to_owned();
    let left_out = member.left_out.iter().filter(|what| !words.contains(what.as_str()));
    let left_out = left_out.map(|what| format!("{:<9} {id}  {what}", "left out"));
    std::iter::once(first).chain(left_out).collect()
}

/// Of many members those first that something is the matter with; then the first that joined.
fn shown(members: &[MemberView], all: bool) -> Vec<&MemberView> {
    let mut shown: Vec<_> = members.iter().collect();
    if !all && members.len() > LISTED {
        shown.sort_by_key(|member| {
            let is = |status| member.status == Some(status);
            (!is(Status::Stuck), !is(Status::Compensating), member.stand != "hold")
        });
        shown.truncate(LISTED);
    }
    shown
}

/// A transaction as `show` has it.
pub(super) fn lines(detail: &InstanceDetail, all: bool) -> Vec<String> {
    let one = &detail.summary;
    let mut lines = vec![
        format!("{:<9} {}", "name", one.key),
        format!("{:<9} {}", "state", phase(&one.active)),
        format!("{:<9} {} ({} ago)", "begun", one.started_at, age(one.age_s)),
    ];
    for timer in &detail.timers {
        lines.push(format!("{:<9} {}", "until", timer.due));
    }
    let Some(scope) = &detail.scope else { return lines };
    if let Some(reason) = &scope.reason {
        lines.push(format!("{:<9} {reason}", "reason"));
    }
    if let Some(waits_for) = &scope.waits_for {
        lines.push(format!("{:<9} {waits_for}", "waits for"));
    }
    let members = shown(&scope.members, all);
    let why = scope.reason.as_deref().unwrap_or_default();
    lines.extend(members.iter().flat_map(|member| told_of(member, why)));
    let more = scope.members.len() - members.len();
    if more > 0 {
        lines.push(format!("{:<9} … and {more} more; `--all` shows them", "member"));
    }
    for call in &scope.newest {
        lines.push(format!("{:<9} {call}", "done"));
    }
    let more =
        usize::try_from(scope.calls).unwrap_or(usize::MAX).saturating_sub(scope.newest.len());
    if more > 0 {
        lines.push(format!("{:<9} … and {more} more", "done"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use gearshift_client::protocol::view::ScopeView;

    use super::*;

    #[test]
    fn tx_a_timeout_behind_begin_is_not_taken_for_that_of_the_command() {
        let has = |line: &str| has_timeout(line.split(' ').map(OsString::from));
        assert!(
            has("gearshift tx begin t --timeout 5s") && has("gearshift tx begin --timeout=5s t")
        );
        assert!(!has("gearshift --timeout 5s tx begin t --open-for 5m"));
    }

    #[test]
    fn tx_show_names_members_and_what_it_waits_for() {
        let member = MemberView {
            id: "order/a".into(),
            generation: 1,
            stand: "held".into(),
            status: Some(Status::Compensating),
            left_out: vec!["skipped undo of step `book`".into()],
            ..MemberView::default()
        };
        let killed = MemberView {
            id: "order/b".into(),
            generation: 1,
            stand: "rolled_back".into(),
            status: Some(Status::Cancelled),
            end: Some("killed by ann: late; skipped undo of step `pay`".into()),
            left_out: vec!["skipped undo of step `pay`".into()],
            ..MemberView::default()
        };
        let failed = MemberView {
            id: "order/c".into(),
            generation: 1,
            stand: "rolled_back".into(),
            status: Some(Status::Failed),
            end: Some("failed: transaction `t` was rolled back: by hand; step `a` was not".into()),
            ..MemberView::default()
        };
        let stuck = MemberView {
            id: "order/d".into(),
            stand: "held".into(),
            status: Some(Status::Stuck),
            stuck_reason: Some("step `pay`: failed: no".into()),
            ..MemberView::default()
        };
        let scope = ScopeView {
            members: vec![member, killed, failed, stuck],
            calls: 12,
            newest: vec!["charge of order/a".into()],
            waits_for: Some("charge of order/a to be taken back".into()),
            stuck: Some("order/d".into()),
            reason: Some("by hand".into()),
        };
        let detail: InstanceDetail = serde_json::from_value(serde_json::json!({
            "vars": {}, "input": {}, "scope": scope,
            "id": "transaction/t", "workflow": "transaction", "version": 1, "key": "t",
            "generation": 1, "status": "running", "active": ["rolling_back"],
            "started_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z",
            "age_s": 5,
        }))
        .unwrap();
        assert_eq!(
            lines(&detail, false)[3..],
            [
                "reason    by hand",
                "waits for charge of order/a to be taken back",
                "member    order/a  stands still  compensating",
                "left out  order/a  skipped undo of step `book`",
                "member    order/b  rolled back  cancelled, killed by ann: late; skipped undo of \
                 step `pay`",
                "member    order/c  rolled back  failed: transaction `t` was rolled back; step `a` \
                 was not",
                "member    order/d  stands still  stuck: step `pay`: failed: no",
                "done      charge of order/a",
                "done      … and 11 more",
            ]
        );
        assert_eq!(
            not_rolled_back("t", &detail)[0],
            "t  is not rolled back: order/d is stuck and waits for charge of order/a to be taken back"
        );
    }

    #[test]
    fn tx_of_many_members_those_come_first_that_something_is_the_matter_with() {
        let member = |at: usize| MemberView {
            id: format!("order/{at}"),
            status: Some(if at == 70 { Status::Stuck } else { Status::Done }),
            ..MemberView::default()
        };
        let members: Vec<_> = (0..100).map(member).collect();
        let ids = |all| shown(&members, all).into_iter().map(|it| &*it.id).collect::<Vec<_>>();
        assert_eq!(ids(false)[..3], ["order/70", "order/0", "order/1"]);
        assert_eq!((ids(false).len(), ids(true).len()), (LISTED, 100));
    }
}
