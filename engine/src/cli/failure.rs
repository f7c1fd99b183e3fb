//! [`Failure`]: why a command did not do what it was asked to, and its exit code (05 §4).

use std::error::Error as _;

use gearshift_bus::ErrorKind as BusError;
use gearshift_client::protocol::{Problem, ProblemKind};
use gearshift_client::{Error as ClientError, ErrorKind};
use gearshift_machine::definition::Problem as Finding;
use gearshift_machine::definition::codes::explain;

use super::output::{Look, clean};

/// What a command ends with: an exit code, or why there is none.
pub(super) type Outcome = Result<u8, Failure>;

/// The thing asked for ended badly.
pub(super) const ENDED_BADLY: u8 = 1;
/// The command line is not one.
pub(super) const USAGE: u8 = 2;
/// What was asked for is not there.
pub(super) const NOT_FOUND: u8 = 3;
/// It does not fit what is the case.
pub(super) const CONFLICT: u8 = 4;
/// Not allowed.
pub(super) const DENIED: u8 = 5;
/// Nobody answers there.
pub(super) const UNREACHABLE: u8 = 6;
/// The time to wait is over.
pub(super) const TIMED_OUT: u8 = 7;
/// Some of several things went wrong.
pub(super) const PARTLY: u8 = 8;
/// Our bug.
pub(super) const BUG: u8 = 70;
/// Ended by Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) exit: u8,
    /// The engine's refusal, or one in the same form.
    pub(super) problem: Box<Problem>,
    /// What to do about it.
    pub(super) help: Option<String>,
    /// Nobody reads stdout any more: end quietly, with 0 (row C13).
    pub(super) unread: bool,
}

impl Failure {
    /// A failure of our own; `detail` is a lower-case fragment.
    pub(super) fn new(exit: u8, detail: impl Into<String>) -> Self {
        let kind = match exit {
            USAGE => ProblemKind::BadRequest,
            NOT_FOUND => ProblemKind::NotFound,
            CONFLICT => ProblemKind::Conflict,
            DENIED => ProblemKind::Denied,
            TIMED_OUT => ProblemKind::Timeout,
            UNREACHABLE => ProblemKind::Unavailable,
            _ => ProblemKind::Internal,
        };
        let problem = Box::new(Problem::new(kind, detail));
        Self { exit, problem, help: None, unread: false }
    }

    /// A failure outside of the engine, for which there is no code.
    pub(super) fn outside(exit: u8, name: &str, detail: impl Into<String>) -> Self {
        let mut failure = Self::new(exit, detail);
        failure.problem.type_uri = format!("urn:gearshift:problem:{name}");
        name.clone_into(&mut failure.problem.name);
        failure.problem.title = name.replace('_', " ");
        failure.problem.code.clear();
        failure
    }

    /// A command line that is not one.
    pub(super) fn usage(detail: impl Into<String>) -> Self {
        Self::new(USAGE, detail)
    }

    /// A definition with errors, which were shown before.
    pub(super) fn invalid(detail: impl Into<String>, problems: &[Finding]) -> Self {
        let findings = problems.iter().filter_map(|problem| serde_json::to_value(problem).ok());
        let problem = Problem::new(ProblemKind::Invalid, detail);
        let problem = Box::new(problem.with_diagnostics(findings.collect()));
        Self { exit: ENDED_BADLY, problem, help: None, unread: false }
    }

    /// A file that could not be read or written.
    pub(super) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Os;

        let kind = error.kind();
        let exit = if matches!(kind, Os::NotFound | Os::NotADirectory) {
            NOT_FOUND
        } else if matches!(kind, Os::PermissionDenied | Os::ReadOnlyFilesystem) {
            DENIED
        } else {
            ENDED_BADLY
        };
        Self::new(exit, format!("{what} `{}`: {error}", path.display()))
    }

    /// What an engine says of a partition that refuses to serve.
    pub(super) fn from_missing(told: &str) -> Self {
        let problem = Problem::new(ProblemKind::Unavailable, told);
        let code = told.split_once(" refuses: ").and_then(|(_, why)| why.split(' ').next());
        let problem = match code.and_then(explain) {
            Some(it) => problem.with_code(&it.code.to_string(), it.name),
            None => problem,
        };
        let help = help_for(&problem);
        Self { exit: UNREACHABLE, help, problem: Box::new(problem), unread: false }
    }

    /// The same failure with advice.
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `[GS4009]`; nothing where `gearshift explain` does not tell of this very problem.
    pub(super) fn code(&self) -> String {
        let known = explain(&self.problem.code).filter(|it| it.name == self.problem.name);
        known.map_or_else(String::new, |it| format!("[{}]", it.code))
    }

    /// The lines for stderr: `error[GS4009]: …` and advice.
    pub(super) fn render(&self, look: Look) -> String {
        let red = look.red();
        let detail = clean(&self.problem.to_string()).into_owned();
        if self.exit == INTERRUPTED {
            return format!("{detail}\n");
        }
        let code = self.code();
        let mut text = format!("{red}error{code}{red:#}: {detail}\n");
        if let Some(help) = &self.help {
            text.push_str(&format!("help: {help}\n"));
        }
        text
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = error.exit_code();
        let detail = detail(&error);
        match error.kind() {
            ErrorKind::Problem(problem) => {
                let help = help_for(problem);
                Self { exit, problem: problem.clone(), help, unread: false }
            }
            ErrorKind::Unreachable { .. } => Self::new(exit, detail).with_help(
                "start an engine with `gearshift dev` or `gearshift serve`, or name one with \
                 `--server URL`",
            ),
            ErrorKind::Timeout { .. } => Self::new(exit, detail)
                .with_help("whether a command was done is unknown; `--timeout 2m` waits longer"),
            ErrorKind::Protocol { .. } | _ => Self::new(exit, detail),
        }
    }
}

/// What happened, and where.
fn detail(error: &ClientError) -> String {
    let Some(source) = error.source() else { return error.to_string() };
    match source.downcast_ref::<gearshift_bus::Error>().map(gearshift_bus::Error::kind) {
        Some(BusError::NoResponders { subject }) => format!("no engine answers on `{subject}`"),
        Some(BusError::Disconnected) => "the connection to the NATS servers is lost".to_owned(),
        Some(_) | None => format!("{error}: {}", innermost(source)),
    }
}

/// The end of a chain of sources says what happened; what is above it says where.
fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a dyn std::error::Error {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last
}

fn help_for(problem: &Problem) -> Option<String> {
    let kind = problem.kind();
    let text = if kind == ProblemKind::Unauthenticated {
        "give the token that `gearshift dev` printed: --token, GEARSHIFT_TOKEN or --token-file"
    } else if problem.detail.contains("log_behind_mark") {
        "bring the journal back from a copy, or give up what is missing: `gearshift serve \
         --accept-journal-loss PARTITION`"
    } else if problem.detail.contains("journal_corrupt") {
        "nothing was done, and trying again is of no use: bring the stream of the journal back \
         from a copy and start the engines anew, or give up all that the partition holds: delete \
         the stream, then `gearshift serve --accept-journal-loss PARTITION`; `gearshift health` \
         shows what is served"
    } else if problem.detail.contains(" refuses: ") {
        "nothing was done, and trying again is of no use before it is repaired: `gearshift health` \
         and `gearshift bus doctor` say what is wrong"
    } else if kind == ProblemKind::Unavailable {
        "nothing was done; try again"
    } else if kind == ProblemKind::Timeout && problem.detail.starts_with("it is decided") {
        "look with `gearshift show`; repeated without an id it may be done twice"
    } else if kind == ProblemKind::Denied && problem.detail.contains("does not let this login") {
        "`gearshift bus doctor` says what this login may do, `gearshift bus config` what each role \
         may"
    } else if problem.name == "unknown_instance" {
        "`gearshift ls` lists instances"
    } else if problem.name == "unknown_transaction" {
        "`gearshift transaction ls` lists transactions, `gearshift transaction begin NAME` begins one"
    } else if problem.name == "unknown_schedule" {
        "`gearshift schedule ls` lists schedules"
    } else if problem.name == "unknown_workflow" {
        "`gearshift def ls` lists workflows, `gearshift deploy FILE` adds one"
    } else {
        return None;
    };
    Some(text.to_owned())
}

impl From<crate::runtime::Error> for Failure {
    fn from(error: crate::runtime::Error) -> Self {
        Self::from(*Box::<Problem>::from(error))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let (exit, help) = (problem.exit_code(), help_for(&problem));
        Self { exit, help, problem: Box::new(problem), unread: false }
    }
}

/// Only writing to stdout is turned into a failure this way; files say which one they are.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let unread = error.kind() == std::io::ErrorKind::BrokenPipe;
        let exit = if unread { 0 } else { ENDED_BADLY };
        Self { unread, ..Self::new(exit, format!("stdout: {error}")) }
    }
}
