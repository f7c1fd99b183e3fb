//! `start`: what begins instances.

use clap::Args;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::Wait;
use gearshift_client::protocol::command::{Start, StartReply};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::args::Global;
use super::connect;
use super::data::DataArgs;
use super::drive::{millis, name_and_version, not_there};
use super::failure::{Failure, Outcome, TIMED_OUT};
use super::output::clean;
use super::verdicts::line_of;
use super::words::span;

const START_EXAMPLES: &str = "\
Examples:
  gearshift start order --key o-9 --data '{\"items\": {\"lamp\": 1}}'
  gearshift start order --key o-9 --data '{\"items\": {\"lamp\": 1}}' --wait-for placed -o json
  gearshift start order --key o-10 --id shop-7 --data '{}'   # may be repeated, also later
  gearshift send order.placed -d orderId=o-9 -d amount=120        # events move it on

Starting a key that runs again with the same input is harmless: the answer is `duplicate`, exit 0.
One that has ended begins anew, with all calls. What a script repeats when no answer came (exit 7,
GS5003) needs --id: the same --id begins nothing twice, also after the end, as long as the instance
is kept; with other input it is refused, exit 4.

With --transaction the answer comes once the transaction has the instance. Exit 1: it failed, is
stuck, or ended elsewhere than in --wait-for; 3: there is no such workflow or transaction; 4: it
runs with other input or outside of the transaction, or that is not open; 7: what was waited for did
not come in --timeout.";

/// `gearshift start`.
#[derive(Debug, Args)]
#[command(after_help = START_EXAMPLES)]
pub(super) struct StartArgs {
    /// The workflow's name, as `name` or `name@version`
    workflow: String,
    /// The correlation key; made up if absent
    #[arg(long)]
    key: Option<String>,
    /// Your name for this start: repeated, it begins nothing twice, also after the end
    #[arg(long, requires = "key")]
    id: Option<String>,
    #[command(flatten)]
    data: DataArgs,
    /// The open transaction whose member it becomes; it begins once that has it
    #[arg(long, value_name = "NAME")]
    transaction: Option<String>,
    /// Wait until the instance has ended
    #[arg(long, conflicts_with = "wait_for")]
    wait: bool,
    /// Wait until this state is active; `@end`: until the instance has ended
    #[arg(long, value_name = "STATE")]
    wait_for: Option<String>,
}

/// Begins the life of an instance.
pub(super) async fn start(global: &Global, args: StartArgs) -> Outcome {
    let (workflow, version) = name_and_version(&args.workflow)?;
    let wait = match (&args.wait_for, args.wait) {
        (Some(state), _) => Wait::from_header(Some(state)),
        (None, true) => Wait::End,
        (None, false) => Wait::None,
    };
    let transaction = args.transaction.clone();
    let order = Start {
        workflow,
        version,
        key: args.key,
        id: args.id,
        input: args.data.object()?,
        transaction: args.transaction,
        wait,
        timeout_ms: Some(millis(global)),
    };
    let began = Instant::now();
    let client = connect::client(global).await?;
    let reply = client.start(&order).await.map_err(|error| unanswered(error.into(), &order))?;
    let output = global.out();
    output.json(&flat(&reply))?;
    output.line(line_of(&reply.verdict, began))?;
    if !reply.reached && output.is_text() {
        let of = transaction.filter(|_| reply.verdict.status == Some(Status::Paused));
        let told = match of {
            Some(name) => format!(
                "transaction {name} did not say within {} whether it has it",
                span(millis(global))
            ),
            None => not_there(global, &client, &reply.verdict).await,
        };
        output.line(clean(&told))?;
    }
    Ok(reply.exit_code())
}

/// Where no answer came, whoever asked is told what a repeat would do.
fn unanswered(failure: Failure, order: &Start) -> Failure {
    if failure.exit != TIMED_OUT {
        return failure;
    }
    failure.with_help(match (&order.key, &order.id) {
        (_, Some(_)) => {
            "whether it began is unknown; the same line again, with the same `--id`, begins \
             nothing twice"
        }
        (Some(_), None) => {
            "whether it began is unknown; the same line again begins it anew where it has ended \
             meanwhile: look with `gearshift show`. With `--id NAME` it can be repeated"
        }
        (None, None) => {
            "whether it began is unknown; the same line again begins another instance: look with \
             `gearshift ls`. With `--key KEY --id NAME` it can be repeated"
        }
    })
}

/// The instance's own fields on top, so that `jq .status` is what one thinks.
fn flat(reply: &StartReply) -> Value {
    let mut value = json!(reply.verdict);
    if let Value::Object(fields) = &mut value {
        fields.insert("reached".to_owned(), json!(reply.reached));
        fields.insert("output".to_owned(), json!(reply.output));
    }
    value
}

#[cfg(test)]
mod tests {
    use gearshift_client::protocol::{InstanceVerdict, Verdict};

    use super::*;

    #[test]
    fn a_start_shows_the_instances_fields_on_top() {
        let verdict = InstanceVerdict::without_instance(Verdict::Started { to: Vec::new() });
        let reply = StartReply { verdict, reached: true, output: Some(json!(1)) };
        let value = flat(&reply);
        assert_eq!(value["verdict"], "started");
        assert_eq!((&value["reached"], &value["output"]), (&json!(true), &json!(1)));
    }

    #[test]
    fn where_no_answer_came_it_is_said_what_a_repeat_would_do() {
        let help = |order: &Start, exit| unanswered(Failure::new(exit, "late"), order).help;
        let order = Start { workflow: "order".to_owned(), ..Start::default() };
        assert_eq!(help(&order, 4), None);
        assert!(help(&order, TIMED_OUT).unwrap().contains("begins another instance"));
        let order = Start { key: Some("o-9".to_owned()), ..order };
        assert!(help(&order, TIMED_OUT).unwrap().contains("begins it anew where it has ended"));
        assert!(help(&order.id("shop-7"), TIMED_OUT).unwrap().contains("begins nothing twice"));
    }
}
