//! `gearshift-checker FOLDER`: judges a recorded run; exit 1 where something must not have been.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use gearshift_tests::checker::{Run, check};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        return tell("usage: gearshift-checker FOLDER", 2);
    };
    let run = match Run::read(Path::new(&folder)) {
        Ok(run) => run,
        Err(error) => return tell(&format!("cannot read the run: {error}"), 2),
    };
    let report = check(&run);
    let text = format!("{report:#?}\nseed {}", run.settings.seed);
    tell(&text, u8::from(!report.findings.is_empty()))
}

fn tell(text: &str, code: u8) -> ExitCode {
    let written = writeln!(std::io::stdout(), "{text}");
    ExitCode::from(if written.is_err() { 2 } else { code })
}
