//! Which instances: ids on the command line or on stdin, or all that a filter finds; and doing
//! something to each of them.

use std::io::{BufRead, IsTerminal};

use gearshift_client::Client;
use gearshift_client::protocol::query::Instances;
use gearshift_client::protocol::view::Unjudged;

use super::args::Global;
use super::failure::{Failure, Outcome, PARTLY};
use super::output::{Output, one_line, tell};
use super::words::{count, plain};

/// Ids taken from stdin or a filter at most: a bound on memory, not on work.
const IDS_MAX: usize = 1_000_000;
/// Instances asked for per page.
const PAGE: u32 = 1_000;

/// Says which partitions a list has nothing of, and gives the exit code.
pub(super) fn incomplete(global: &Global, missing: &[String]) -> u8 {
    if missing.is_empty() {
        return 0;
    }
    let mut missing = missing.to_vec();
    missing.dedup();
    for one in missing {
        let mut failure = Failure::from_missing(&one);
        failure.problem.detail.insert_str(0, "the list is not complete: ");
        tell(failure.render(global.stderr_look()).trim_end());
    }
    PARTLY
}

/// What is done to all of a list is not done where some of it could not be seen.
pub(super) fn complete(missing: &[String]) -> Result<(), Failure> {
    missing.first().map_or(Ok(()), |one| Err(Failure::from_missing(one)))
}

/// The ids given; `-` stands for the lines of stdin.
pub(super) fn given(ids: &[String]) -> Result<Vec<String>, Failure> {
    let mut list = Vec::with_capacity(ids.len());
    for id in ids {
        if id != "-" {
            list.push(id.clone());
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::usage(format!("stdin: {error}")))?;
            if list.len() >= IDS_MAX {
                return Err(Failure::usage(format!("more than the limit of {IDS_MAX} ids")));
            }
            let id = line.trim();
            if !id.is_empty() {
                list.push(id.to_owned());
            }
        }
    }
    Ok(list)
}

/// Counts in what a page could not judge.
pub(super) fn count_unjudged(all: &mut Option<Unjudged>, page: Option<Unjudged>) {
    match (all, page) {
        (_, None) => {}
        (Some(all), Some(page)) => all.add(page),
        (all @ None, page) => *all = page,
    }
}

/// Says on stderr how many instances a filter could not judge, and why.
pub(super) fn tell_unjudged(global: &Global, count: u64, all: &Unjudged) {
    let Unjudged { first, reason, .. } = all;
    let yellow = global.stderr_look().yellow();
    let reason = plain(reason);
    let (many, them) = match count {
        1 => ("1 instance is".to_owned(), "it is"),
        many => (format!("{many} instances are"), "the first is"),
    };
    let told = format!(
        "{many} left out, for which `--where` is neither true nor false: {them} {first}: {reason}; \
         `has(…) && …` says no where something is absent"
    );
    tell(&format!("{yellow}warning{yellow:#}: {}", one_line(&told)));
}

/// All instances that `filter` finds, but those whose life is over; and those of which it cannot
/// say whether they are meant, which are told on stderr.
pub(super) async fn alive(
    client: &Client,
    global: &Global,
    filter: &str,
) -> Result<(Vec<String>, Option<Unjudged>), Failure> {
    let mut ask =
        Instances { filter: Some(filter.to_owned()), limit: Some(PAGE), ..Instances::default() };
    let (mut list, mut unjudged) = (Vec::new(), None);
    loop {
        let page = client.instances(&ask).await?;
        complete(&page.missing)?;
        count_unjudged(&mut unjudged, page.unjudged);
        let alive = page.items.into_iter().filter(|item| !item.status.is_ended());
        list.extend(alive.map(|item| item.id));
        if list.len() > IDS_MAX {
            return Err(Failure::usage(format!("more than the limit of {IDS_MAX} instances")));
        }
        match page.next {
            Some(next) => ask.after = Some(next),
            None => break,
        }
    }
    let unjudged = unjudged.filter(|all| all.living > 0);
    if let Some(all) = &unjudged {
        tell_unjudged(global, all.living, all);
    }
    Ok((list, unjudged))
}

/// Asks before something is done to many, or to all; without a terminal `--yes` must say it
/// (row C12).
pub(super) fn confirm(global: &Global, question: &str) -> Result<(), Failure> {
    if global.yes {
        return Ok(());
    }
    if !global.may_ask() || !std::io::stderr().is_terminal() {
        return Err(Failure::usage(format!("{question} needs a yes"))
            .with_help("add `--yes` where nobody can be asked"));
    }
    match inquire::Confirm::new(&format!("{question}?")).with_default(false).prompt() {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Failure::usage("nothing was done")),
    }
}

/// What several attempts came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    went_well: usize,
    /// Orders that were taken, and whose instance is stuck, or stuck again, behind them.
    stuck: usize,
    failures: Vec<u8>,
}

impl Tally {
    /// Counts one result; what failed is told on stderr at once where there are several.
    pub(super) fn add(
        &mut self,
        output: Output,
        global: &Global,
        several: bool,
        result: Outcome,
    ) -> Result<(), Failure> {
        match result {
            Ok(0) => self.went_well += 1,
            Ok(code) => self.failures.push(code),
            Err(failure) if failure.unread || !several => return Err(failure),
            Err(failure) => {
                tell(failure.render(global.stderr_look()).trim_end());
                output.json(&failure.problem)?;
                self.failures.push(failure.exit);
            }
        }
        Ok(())
    }

    /// Counts an order that was taken and left its instance stuck: it failed with `code`.
    pub(super) fn add_stuck(&mut self, code: u8) {
        self.stuck += 1;
        self.failures.push(code);
    }

    /// The exit code: the one they share, or 8 where some went well and some did not.
    pub(super) fn exit_code(&self) -> u8 {
        match self.failures.as_slice() {
            [] => 0,
            [first, rest @ ..] if self.went_well == 0 && rest.iter().all(|code| code == first) => {
                *first
            }
            _ => PARTLY,
        }
    }

    /// `cancelled 40 instances, 1 could not be`.
    pub(super) fn summary(&self, done: &str) -> String {
        let instances = count(self.went_well + self.stuck, "instance");
        // Only who tries again was stuck before.
        let again = if done.ends_with("retried") { " again" } else { "" };
        let stuck = match (self.stuck, self.went_well) {
            (0, _) => String::new(),
            (1, 0) => format!(", which is stuck{again}"),
            (_, 0) => format!(", all of them stuck{again}"),
            (1, _) => format!(", 1 of them is stuck{again}"),
            (stuck, _) => format!(", {stuck} of them are stuck{again}"),
        };
        match self.failures.len() - self.stuck {
            0 => format!("{done} {instances}{stuck}"),
            bad => format!("{done} {instances}{stuck}, {bad} could not be"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_failed_is_8_all_alike_is_their_code() {
        let code = |went_well, failures: &[u8]| {
            Tally { went_well, stuck: 0, failures: failures.to_vec() }.exit_code()
        };
        assert_eq!(code(3, &[]), 0);
        assert_eq!(code(0, &[3, 3]), 3);
        assert_eq!(code(1, &[4]), 8);
        assert_eq!(code(0, &[3, 4]), 8);
        let tally = Tally { went_well: 2, stuck: 0, failures: vec![4] };
        assert_eq!(tally.summary("cancelled"), "cancelled 2 instances, 1 could not be");
        let mut tally = Tally { went_well: 2, ..Tally::default() };
        tally.add_stuck(1);
        assert_eq!(tally.summary("retried"), "retried 3 instances, 1 of them is stuck again");
        assert_eq!(tally.exit_code(), 8);
        let mut tally = Tally { failures: vec![4], ..Tally::default() };
        tally.add_stuck(1);
        tally.add_stuck(1);
        let told = "retried 2 instances, all of them stuck again, 1 could not be";
        assert_eq!(tally.summary("retried"), told);
    }
}
