//! The command: definitions on a stage, and one line after the other.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gearshift_machine::definition::model::{Definition, Early};
use gearshift_machine::machine::{Command, Event, InstanceKey, Principal, Timestamp};
use gearshift_machine::partition::{Done, PartitionInput};
use serde_json::{Value, json};

use super::folding::wrapped;
use super::line::{HELP, Line, meant, read};
use super::{loading, shown};
use crate::api;
use crate::cli::args::Global;
use crate::cli::connect;
use crate::cli::failure::{ENDED_BADLY, Failure, Outcome};
use crate::cli::mocks::{self, Mock};
use crate::cli::output::{Format, Output};
use crate::cli::stage::{Answer, Stage, value_of};
use crate::cli::timeline::width;
use crate::cli::verdicts::in_words;
use crate::runtime::{Clock, Incoming};

const EXAMPLES: &str = "\
Examples:
  gearshift play order.workflow.yaml
  > order.placed orderId=o-1 amount=120
  > payment.received amount=20
  > advance 15m

  printf 'document.submitted documentId=d title=T submitter=eve\\nvars\\n' |
    gearshift play examples/document-approval --mock   calls are answered by {}

Events go to the instance in hand; `instances` lists all, children too, and `use` takes another.
Calls wait for `reply` or `fail`, unless --mock answers; time stands still but for `advance`. Every
guard that was asked is shown with what it said. `help` lists what can be typed. Exit 1: a line from
a pipe was refused.";

/// `gearshift play`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct PlayArgs {
    /// Definition files, or folders with them
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Answer calls: PLUGIN.OPERATION with this output, all others with {}. May be repeated
    #[arg(long, value_name = "PLUGIN.OPERATION=JSON", num_args = 0..=1)]
    #[arg(default_missing_value = mocks::EVERYTHING, value_parser = mocks::parse)]
    mock: Vec<Mock>,
}

/// A definition being played.
pub(super) struct Play {
    output: Output,
    pub(super) stage: Stage,
    user: String,
    /// The instance in hand.
    pub(super) current: Option<InstanceKey>,
    /// How many lives were begun without a key.
    started: u32,
    /// How wide the column of states is.
    width: usize,
    /// What happened at each line, for `-o json`.
    told: Vec<Value>,
}

/// Plays until the end of the input.
pub(in crate::cli) fn play(global: &Global, args: &PlayArgs) -> Outcome {
    let output = global.out();
    let definitions = loading::load(global, &args.paths)?;
    let prepared = loading::prepared(&args.mock, &definitions)?;
    let width = {
        let states = definitions.iter().flat_map(|definition| &definition.states);
        width(states.map(|state| &*state.id))
    };
    let now = Timestamp(Clock::System.now().0 / 1_000 * 1_000);
    let stage = Stage::new(definitions, prepared, now).map_err(Failure::usage)?;
    let user = connect::user(global);
    let (told, current) = (Vec::new(), None);
    let mut play = Play { output, stage, user, current, started: 0, width, told };
    play.greet()?;
    let refused = play.lines()?;
    if output.format == Format::Json {
        output.json(&play.told)?;
    }
    Ok(if refused { ENDED_BADLY } else { 0 })
}

impl Play {
    fn greet(&self) -> Result<(), Failure> {
        for definition in self.stage.definitions().iter() {
            let starts = definition.events.iter().filter(|event| event.early == Early::Start);
            let starts: Vec<_> = starts.map(|event| event.name.to_string()).collect();
            let Definition { name, version, .. } = &**definition;
            let begins = match starts.is_empty() {
                true if self.workflows().len() > 1 => format!("start {name}"),
                true => "start".to_owned(),
                false => starts.join(" | "),
            };
            let line = format!("{name}@{version} · begins with {begins} · help");
            self.output.line(wrapped(&line))?;
        }
        Ok(())
    }

    /// Takes line after line; was one from a pipe refused?
    fn lines(&mut self) -> Result<bool, Failure> {
        let stdin = std::io::stdin();
        let asks = stdin.is_terminal();
        let mut refused = false;
        loop {
            if asks && self.output.is_text() {
                let mut out = std::io::stdout().lock();
                out.write_all(b"> ")?;
                out.flush()?;
            }
            let mut text = String::new();
            let read_bytes = stdin.lock().read_line(&mut text);
            let read_bytes =
                read_bytes.map_err(|error| Failure::new(ENDED_BADLY, format!("stdin: {error}")))?;
            if read_bytes == 0 {
                return Ok(refused);
            }
            let line = read(&text);
            if line == Ok(Line::Quit) {
                return Ok(refused);
            }
            if !asks && line != Ok(Line::Empty) {
                self.output.line(format!("> {}", text.trim()))?;
            }
            if let Err(reason) = line.and_then(|line| self.take(line)) {
                refused |= !asks;
                self.refuse(text.trim(), &reason)?;
            } else {
                self.tell(text.trim())?;
            }
        }
    }

    /// Does what a line says.
    fn take(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Empty | Line::Quit => Ok(()),
            Line::Event { name, data, sure } => {
                if !sure && !self.knows(&name) {
                    let meant = meant(&name, self.events().iter().map(String::as_str));
                    return Err(format!(
                        "no definition here knows an event `{name}`; `send {name}` sends it{meant}"
                    ));
                }
                self.event(&name, &data)
            }
            Line::Start { words, data } => self.start(&words, &data),
            Line::Decide { choice, by, data } => {
                let data = value_of(&data)?;
                let choice = choice.as_str().into();
                self.order(Command::Decide { choice, data: Some(data) }, by)
            }
            Line::Reply { operation, data } => {
                let answer = Answer { output: Some(data), ..Answer::default() };
                self.reply(&operation, &answer)
            }
            Line::Fail { operation, kind, message } => {
                let answer = Answer { fail: Some(kind), message, ..Answer::default() };
                self.reply(&operation, &answer)
            }
            Line::Advance(milliseconds) => self.stage.advance(milliseconds),
            Line::Order(command) => self.order(command, None),
            Line::Show => self.current.is_some().then_some(()).ok_or_else(nothing_yet),
            Line::Vars => self.vars(),
            Line::Instances => self.instances(),
            Line::Use(name) => {
                self.current = Some(self.named(&name)?);
                Ok(())
            }
            Line::New => {
                self.current = None;
                Ok(())
            }
            Line::Help => self.output.line(HELP).map_err(|failure| failure.problem.to_string()),
        }
    }

    /// Answers the oldest open call of the instance in hand; where it has none, of any other.
    fn reply(&mut self, operation: &str, answer: &Answer) -> Result<(), String> {
        self.stage.reply(operation, answer.outcome()?, self.current.as_ref()).map(drop)
    }

    /// One line, or several where it is too long for one.
    pub(super) fn say(&self, text: &str) -> Result<(), String> {
        self.output.line(wrapped(text)).map_err(|failure| failure.problem.to_string())
    }

    fn event(&mut self, name: &str, data: &Value) -> Result<(), String> {
        let event = Event { name: name.into(), data: Some(value_of(data)?), ..Event::default() };
        let addressed = self.current.as_ref().map(ToString::to_string);
        let answers = self.stage.event(&Incoming { event, addressed })?;
        if self.current.is_none() {
            let lives = answers.iter().find(|(_, done)| done.status.is_some());
            self.current = lives.map(|(key, _)| key.clone());
        }
        let mut refused = answers.iter().filter(|(_, done)| !self.stage.passed_on(done));
        match refused.find_map(|(key, done)| refusal(key, done)) {
            Some(reason) => Err(reason),
            None if answers.is_empty() => Err("no instance has this key".to_owned()),
            None => Ok(()),
        }
    }

    fn start(&mut self, words: &[String], data: &Value) -> Result<(), String> {
        let (workflow, key) = self.meant_by_start(words)?;
        self.started += 1;
        let key = key.unwrap_or_else(|| format!("k{}", self.started));
        let key = InstanceKey::new(&workflow, &key)?;
        let by = self.principal(None);
        let input = value_of(data)?;
        let start = PartitionInput::Start {
            key: key.clone(),
            version: None,
            input,
            by,
            id: None,
            trace_context: None,
        };
        let done = self.stage.tell(start)?;
        if let Some(reason) = refusal(&key, &done) {
            return Err(reason);
        }
        self.current = Some(key);
        Ok(())
    }

    fn order(&mut self, command: Command, by: Option<String>) -> Result<(), String> {
        let key = self.current.clone().ok_or_else(nothing_yet)?;
        let by = self.principal(by);
        let input =
            PartitionInput::Command { key: key.clone(), command, by, reason: Arc::from("") };
        let done = self.stage.tell(input)?;
        refusal(&key, &done).map_or(Ok(()), Err)
    }

    fn principal(&self, by: Option<String>) -> Principal {
        let user = by.unwrap_or_else(|| self.user.clone());
        Principal { user: user.into(), roles: vec!["*".into()] }
    }

    fn vars(&self) -> Result<(), String> {
        let key = self.current.as_ref().ok_or_else(nothing_yet)?;
        let Some((instance, definition)) = self.instance(key) else {
            return Err(format!("`{key}` is forgotten"));
        };
        for (var, value) in definition.vars.iter().zip(&instance.vars) {
            self.say(&format!("  {}: {}", var.name, api::json(value)))?;
        }
        Ok(())
    }

    pub(super) fn instance(
        &self,
        key: &InstanceKey,
    ) -> Option<(gearshift_machine::machine::Instance, Arc<Definition>)> {
        let instance = self.stage.instance(key)?;
        let definition = self.stage.definitions().pinned(key.workflow(), instance.pin)?;
        let definition = Arc::clone(definition);
        Some((instance, definition))
    }

    /// What happened, and where the instance is now.
    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let happened = self.stage.take_happened();
        let (mut decisions, mut lines) = (Vec::new(), Vec::new());
        let mut several = None;
        for one in &happened {
            let (Some(trace), Some(definition)) = (&one.done.trace, &one.done.definition) else {
                continue;
            };
            // With children there is more than one instance: say whose lines follow.
            let mut shown = shown::decision(trace, definition, self.output.look, self.width);
            if one.done.key.as_ref() != self.current.as_ref() || several.is_some() {
                if several != one.done.key
                    && let Some(key) = &one.done.key
                {
                    shown.insert_str(0, &format!("  {key}\n"));
                }
                several.clone_from(&one.done.key);
            }
            lines.push(shown);
            decisions.push(shown::decision_data(trace, definition));
        }
        let dim = self.output.look.dim();
        for line in
            shown::again(&lines, |line, times| format!("{line}\n      {dim}×{times}{dim:#}"))
        {
            self.output.line(wrapped(&line))?;
        }
        let here = self.current.as_ref().and_then(|key| self.instance(key));
        let detail = here
            .as_ref()
            .map(|(instance, definition)| api::detail(instance, definition, self.stage.now()));
        if let (Some(detail), Some((instance, definition))) = (&detail, &here) {
            let now = self.stage.now();
            let standing = shown::standing(detail, instance, definition, now);
            let alone = self.stage.instances(2).len() < 2;
            let whose = if alone { String::new() } else { format!("{}: ", instance.key) };
            self.output.line(wrapped(&format!("  {dim}{whose}{standing}{dim:#}")))?;
        }
        self.data(json!({ "line": line, "decisions": decisions, "instance": detail }))
    }

    fn refuse(&mut self, line: &str, reason: &str) -> Result<(), Failure> {
        let red = self.output.look.red();
        let reason_shown = crate::cli::output::clean(reason);
        self.output.line(wrapped(&format!("  {red}{reason_shown}{red:#}")))?;
        // What led to the refusal is shown with the next line at the latest; here it is told.
        for one in self.stage.take_happened() {
            if let (Some(trace), Some(definition)) = (&one.done.trace, &one.done.definition) {
                let shown = shown::decision(trace, definition, self.output.look, self.width);
                self.output.line(wrapped(&shown))?;
            }
        }
        self.data(json!({ "line": line, "refused": reason }))
    }

    fn data(&mut self, data: Value) -> Result<(), Failure> {
        match self.output.format {
            Format::Json => self.told.push(data),
            Format::Jsonl => self.output.json(&data)?,
            Format::Text | Format::None => {}
        }
        Ok(())
    }
}

pub(super) fn nothing_yet() -> String {
    "there is no instance yet; send an event that starts one".to_owned()
}

/// Why an input was refused, in words.
fn refusal(key: &InstanceKey, done: &Done) -> Option<String> {
    let verdict = api::verdict(key, done);
    (verdict.verdict.exit_code() != 0).then(|| in_words(&verdict))
}
