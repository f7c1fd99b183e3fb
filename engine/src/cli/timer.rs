//! `timer`: look at armed timers, let one fire, or be due at another time.

use clap::{Args, Subcommand};
use gearshift_client::protocol::command::TimerOrder;
use gearshift_client::protocol::view::TimerView;
use gearshift_client::protocol::{InstanceVerdict, Status};
use gearshift_machine::definition::duration;

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::output::Table;
use super::verdicts::in_words;
use super::words::span;

const EXAMPLES: &str = "\
Examples:
  gearshift timer ls order-77
  gearshift timer fire order-77 reminder
  gearshift timer move order-77 12 +10m
  gearshift timer move order-77 reminder 2026-12-01T08:00:00Z --reason 'holiday'

A timer is named by its id, its name, or a part of the name that no other has. `+10m` is later, and
`-10m` earlier, than it is due now. A call's deadline and its next attempt are timers too. While an
instance is paused its timers are left alone (exit 4).";

/// `gearshift timer`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TimerArgs {
    #[command(subcommand)]
    command: TimerCommand,
}

/// What to do with timers.
#[derive(Debug, Subcommand)]
enum TimerCommand {
    /// List the armed timers of an instance
    Ls {
        /// Full id, key, or unique end of one
        id: String,
    },
    /// Let a timer fire now
    Fire {
        /// Full id, key, or unique end of one
        id: String,
        /// The timer's id or name
        timer: String,
    },
    /// Let a timer be due at another time
    Move {
        /// Full id, key, or unique end of one
        id: String,
        /// The timer's id or name
        timer: String,
        /// `+10m`, `-10m`, or a moment such as 2026-12-01T08:00:00Z
        #[arg(value_parser = to, allow_hyphen_values = true)]
        to: To,
    },
}

/// When it shall be due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum To {
    By(i64),
    At(String),
}

fn to(text: &str) -> Result<To, String> {
    let by = |span: &str| {
        let milliseconds = duration::parse(span)?;
        i64::try_from(milliseconds).map_err(|_| format!("`{span}` is too long"))
    };
    if let Some(span) = text.strip_prefix('+') {
        return by(span).map(To::By);
    }
    if let Some(span) = text.strip_prefix('-') {
        return by(span).map(|milliseconds| To::By(-milliseconds));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => Ok(To::At(moment.to_string())),
        Err(_) => Err(format!("`{text}` is neither `+10m`, `-10m` nor an RFC 3339 time")),
    }
}

const TIMERS: Table<'static, TimerView> = Table {
    headings: &["TIMER", "NAME", "DUE"],
    cells: |one| {
        let due = match one.left_ms {
            Some(left) => format!("{} after the resume", span(left)),
            None => one.due.clone(),
        };
        vec![one.id.to_string(), one.name.clone(), due]
    },
};

/// Looks at timers, or orders one.
pub(super) async fn timer(global: &Global, args: &TimerArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    match &args.command {
        TimerCommand::Ls { id } => {
            let detail = client.instance(id).await?;
            output.items(&detail.timers, &TIMERS)?;
            if detail.paused.is_some() {
                output.line("the instance is paused: no timer fires until it is resumed")?;
            } else if detail.summary.status == Status::Stuck {
                output.line("the instance is stuck: no timer fires until it goes on")?;
            }
            Ok(0)
        }
        TimerCommand::Fire { id, timer } => {
            told(global, &client.fire_timer(id, timer, &global.reason).await?)
        }
        TimerCommand::Move { id, timer, to } => {
            let (at, by_ms) = match to {
                To::By(milliseconds) => (None, Some(*milliseconds)),
                To::At(moment) => (Some(moment.clone()), None),
            };
            let (instance, timer) = (id.clone(), timer.clone());
            let reason = global.reason.clone();
            let order = TimerOrder { instance, timer, to: at, by_ms, reason };
            told(global, &client.move_timer(&order).await?)
        }
    }
}

fn told(global: &Global, verdict: &InstanceVerdict) -> Result<u8, Failure> {
    let output = global.out();
    output.json(verdict)?;
    output.line(format!("{}  {}", verdict.key, in_words(verdict)))?;
    Ok(verdict.verdict.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_a_time_is_later_earlier_or_a_moment() {
        assert_eq!(to("+10m"), Ok(To::By(600_000)));
        assert_eq!(to("-1s"), Ok(To::By(-1_000)));
        let moment = "2026-12-01T08:00:00Z";
        assert_eq!(to(moment), Ok(To::At(moment.to_owned())));
        for wrong in ["10m", "+", "+5", "tomorrow", ""] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
    }
}
