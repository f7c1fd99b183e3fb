//! `pause`, `resume`, `rollback`, `set`: control of instances that run.

use clap::{Args, ValueEnum};
use gearshift_client::protocol::command::{Clocks, Hold, HoldReply};
use serde_json::{Map, Value};

use super::args::Global;
use super::bulk::{Chosen, Deed, to_each};
use super::connect;
use super::data::member;
use super::drive::name_and_version;
use super::failure::{CONFLICT, Failure, Outcome};
use super::ids::confirm;

const PAUSE_EXAMPLES: &str = "\
Examples:
  gearshift pause order-77 --reason 'the bank is down'
  gearshift pause order-77 --timers keep
  gearshift pause --definition order@5 --reason INC-512 --yes
  gearshift pause --plugin payments --reason 'the bank is down'
  gearshift resume --plugin payments
  gearshift resume --where \"status == 'paused' && workflow == 'order'\" --yes

While an instance is paused its events wait, in order, and so do the replies of calls under way;
no timer fires and nothing is retried. `--timers freeze`: each is due later by as long as the pause
was; `keep`: what became due meanwhile fires at the resume. `--definition` pauses the instances
that run, and those started later begin paused until it is resumed. `--plugin`: its calls are not
sent until it is resumed, and no attempt is counted; what was sent before goes on. What is stuck or
being taken back is not paused (exit 4). Exit 8: some of several failed.";

const ROLLBACK_EXAMPLES: &str = "\
Examples:
  gearshift rollback update-9 --reason 'wrong package'
  gearshift rollback update-9 --from install --wait
  gearshift rollback --where \"workflow == 'system_update' && status == 'stuck'\" --dry-run

The `undo` of what was done runs, newest first: of all, or down to the step of --from, it included.
Afterwards the instance waits: `retry` does the steps again that were taken back, but no calls of
states; `cancel` takes back the rest and ends it. Exit 1, with --wait: an undo failed, and `why`
says which; 4: there is nothing to be taken back; 7: --wait lasted longer than --timeout.";

const SET_EXAMPLES: &str = "\
Examples:
  gearshift set order-77 amount=120 --reason 'typing error'
  gearshift set order-77 address.city=Ulm approved=true
  gearshift set --where \"workflow == 'order' && vars.rate == 0\" rate=1.5 --reason INC-512 --yes

Only declared variables and their members can be set; all of them are, or none. The history shows
who, why, and the values before and after. A value is JSON if it parses, else text.";

/// `gearshift pause`.
#[derive(Debug, Args)]
#[command(after_help = PAUSE_EXAMPLES)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    held: HeldArgs,
    /// What becomes of timers
    #[arg(long, value_enum, default_value_t)]
    timers: Timers,
}

/// `gearshift resume`.
#[derive(Debug, Args)]
#[command(after_help = PAUSE_EXAMPLES)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    held: HeldArgs,
}

/// Which instances, or whose.
#[derive(Clone, Debug, Args)]
struct HeldArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present_any = ["filter", "definition", "plugin"])]
    ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    filter: Option<String>,
    /// All instances of a definition, or of one version of it
    #[arg(long, value_name = "NAME[@VERSION]", conflicts_with_all = ["ids", "filter"])]
    definition: Option<String>,
    /// The calls of this plugin, in all instances
    #[arg(long, value_name = "NAME", conflicts_with_all = ["ids", "filter", "definition"])]
    #[arg(conflicts_with = "dry_run")]
    plugin: Option<String>,
    /// Only tell of each what would become of it: taken, or refused and why. Exits as the order
    #[arg(long)]
    dry_run: bool,
}

impl HeldArgs {
    /// The instances; of a definition, those in `status`.
    fn chosen(&self, status: &str) -> Result<Chosen, Failure> {
        let filter = match &self.definition {
            None => self.filter.clone(),
            Some(definition) => Some(of_definition(definition, status)?),
        };
        Ok(Chosen { ids: self.ids.clone(), filter, dry_run: self.dry_run })
    }

    /// Where a definition is meant: first what is started of it, so that nothing slips through
    /// while its instances are looked for. Whoever said yes to that is not asked again.
    async fn definition(&self, global: &Global, pauses: bool) -> Result<Global, Failure> {
        let Some(text) = self.definition.as_ref().filter(|_| !self.dry_run) else {
            return Ok(global.clone());
        };
        let (name, version) = name_and_version(text)?;
        let verb = if pauses { "pause" } else { "resume" };
        confirm(global, &format!("{verb} definition {text} and its instances"))?;
        let client = connect::client(global).await?;
        let (workflow, reason) = (Some(name), global.reason.clone());
        let hold = Hold { workflow, version, reason, ..Hold::default() };
        let reply = if pauses { client.hold(&hold).await } else { client.release(&hold).await }?;
        let now = if pauses { "begin paused" } else { "begin at once" };
        let still = if reply.changed { "" } else { " as before" };
        global.out().line(format!("{text}  new instances {now}{still}"))?;
        Ok(Global { yes: true, ..global.clone() })
    }
}

/// The filter for instances of a definition.
fn of_definition(text: &str, status: &str) -> Result<String, Failure> {
    let (name, version) = name_and_version(text)?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if !name.chars().all(allowed) {
        return Err(Failure::usage(format!("`{name}` is no name of a definition")));
    }
    let of_version = version.map_or_else(String::new, |it| format!(" && version == {it}"));
    Ok(format!("workflow == '{name}' && status == '{status}'{of_version}"))
}

/// What becomes of timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Timers {
    /// They stand still
    #[default]
    Freeze,
    /// They go on, and fire at the resume
    Keep,
}

/// `gearshift rollback`.
#[derive(Debug, Args)]
#[command(after_help = ROLLBACK_EXAMPLES)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Take back this step and all that was done since; everything where absent
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Wait until it is taken back, or an undo of it needs a person
    #[arg(long)]
    wait: bool,
}

/// `gearshift set`.
#[derive(Debug, Args)]
#[command(after_help = SET_EXAMPLES)]
pub(super) struct SetArgs {
    /// Full id, key, or unique end of one, or `-`; then the values. With --where, values only
    #[arg(required = true, value_name = "ID PATH=VALUE")]
    words: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", value_name = "CEL")]
    filter: Option<String>,
    /// Only tell of each what would become of it: taken, or refused and why. Exits as the order
    #[arg(long)]
    dry_run: bool,
}

impl SetArgs {
    /// Whom, and what.
    fn read(&self) -> Result<(Chosen, Map<String, Value>), Failure> {
        let (ids, values) = match (&self.filter, self.words.as_slice()) {
            (None, [id, values @ ..]) => (vec![id.clone()], values),
            (_, values) => (Vec::new(), values),
        };
        if values.is_empty() {
            let told = "there is nothing to set: write `PATH=VALUE` behind the id";
            return Err(Failure::usage(told));
        }
        let pairs: Result<Map<_, _>, _> = values.iter().map(|text| member(text)).collect();
        let values = pairs.map_err(Failure::usage)?;
        Ok((Chosen { ids, filter: self.filter.clone(), dry_run: self.dry_run }, values))
    }
}

/// Holds instances.
pub(super) async fn pause(global: &Global, args: &PauseArgs) -> Outcome {
    let timers = match args.timers {
        Timers::Freeze => Clocks::Freeze,
        Timers::Keep => Clocks::Keep,
    };
    if let Some(name) = &args.held.plugin {
        return plugin(global, name, true).await;
    }
    let global = &args.held.definition(global, true).await?;
    let deed = Deed::new("pause", "paused");
    let chosen = args.held.chosen("running")?;
    to_each(global, &chosen, deed, async |client, id| {
        client.pause(id, timers, &global.reason).await
    })
    .await
}

/// Lets paused instances go on.
pub(super) async fn resume(global: &Global, args: &ResumeArgs) -> Outcome {
    if let Some(name) = &args.held.plugin {
        return plugin(global, name, false).await;
    }
    let global = &args.held.definition(global, false).await?;
    let deed = Deed::new("resume", "resumed");
    let chosen = args.held.chosen("paused")?;
    to_each(global, &chosen, deed, async |client, id| client.resume(id, &global.reason).await).await
}

/// Pauses or resumes a plugin; one that nobody runs may be misspelled.
async fn plugin(global: &Global, name: &str, pauses: bool) -> Outcome {
    let client = connect::client(global).await?;
    let (plugin, reason) = (Some(name.to_owned()), global.reason.clone());
    let hold = Hold { plugin, reason, ..Hold::default() };
    let reply = if pauses { client.hold(&hold).await } else { client.release(&hold).await }?;
    let output = global.out();
    output.json(&reply)?;
    let now = match (pauses, reply.changed) {
        (true, true) => "paused",
        (true, false) => "was paused already",
        (false, true) => "resumed",
        (false, false) => "was not paused",
    };
    output.line(format!("{name}  {now}, {}", runs(&reply)))?;
    Ok(if reply.changed { 0 } else { CONFLICT })
}

/// `2 running`, or what answers where none does.
fn runs(reply: &HoldReply) -> String {
    match (reply.running.unwrap_or_default(), reply.mocked) {
        (0, false) => "none of it is running".to_owned(),
        (0, true) => "mocked here".to_owned(),
        (running, false) => format!("{running} running"),
        (running, true) => format!("{running} running, mocked here"),
    }
}

/// Takes back what instances have done.
pub(super) async fn rollback(global: &Global, args: &RollbackArgs) -> Outcome {
    let deed = Deed { waits: args.wait, ..Deed::new("roll back", "rolled back") };
    to_each(global, &args.chosen, deed, async |client, id| {
        client.rollback(id, args.from.as_deref(), &global.reason).await
    })
    .await
}

/// Writes to variables of instances.
pub(super) async fn set(global: &Global, args: &SetArgs) -> Outcome {
    let (chosen, values) = args.read()?;
    let deed = Deed::new("set variables of", "set variables of");
    to_each(global, &chosen, deed, async |client, id| {
        client.set_vars(id, values.clone(), &global.reason).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_args(words: &[&str], filter: Option<&str>) -> SetArgs {
        let words = words.iter().map(ToString::to_string).collect();
        SetArgs { words, filter: filter.map(str::to_owned), dry_run: false }
    }

    #[test]
    fn the_first_word_of_set_is_the_instance_unless_a_filter_says_which() {
        let (chosen, values) = set_args(&["k=1", "a.b=2", "t=x y"], None).read().unwrap();
        assert_eq!((chosen.ids, chosen.filter), (vec!["k=1".to_owned()], None));
        assert_eq!(Value::Object(values), serde_json::json!({"a.b": 2, "t": "x y"}));
        let (chosen, values) = set_args(&["k=1"], Some("true")).read().unwrap();
        assert_eq!((chosen.ids.len(), chosen.filter.as_deref()), (0, Some("true")));
        assert_eq!(Value::Object(values), serde_json::json!({"k": 1}));
        for words in [&["k"][..], &["k", "novalue"]] {
            assert_eq!(set_args(words, None).read().unwrap_err().exit, 2, "{words:?}");
        }
    }

    #[test]
    fn a_definition_means_its_instances_in_that_status() {
        assert_eq!(
            of_definition("order@5", "running").unwrap(),
            "workflow == 'order' && status == 'running' && version == 5"
        );
        assert_eq!(
            of_definition("order", "paused").unwrap(),
            "workflow == 'order' && status == 'paused'"
        );
        assert_eq!(of_definition("o'x", "paused").unwrap_err().exit, 2);
    }
}
