//! The table of steps that `show` prints, as wide as a terminal of 80 columns.

use gearshift_client::protocol::view::{ProgressView, StepStatus, StepView, StepsView};

use super::items;
use super::output::{Look, one_line};
use super::words::span;

/// The widest that a line becomes, its indent included.
const WIDTH: usize = 80;
/// How wide the column of names is at most.
const NAME_MAX: usize = 28;
/// `completed`, the longest status.
const STATUS: usize = 9;
/// Where nobody can ask for the rest any more.
pub(super) const IN_JSON: Option<&str> = Some("`-o json` has all of them");
/// Steps that are listed one by one, whatever they are.
const LISTED: usize = 30;
/// Of more, those that failed or are under way.
const TELLING: usize = 20;
/// Of more, those that come next.
const NEXT: usize = 3;
/// `23h59m`.
const TOOK: usize = 7;

/// `steps     3 of 5 completed · 60 %`, and a line for each step. Of many only those that say
/// something: what failed, what is under way, what is next; of the rest how many there are, and
/// `more` says how to see them. Without it, all of them.
pub(super) fn table(view: &StepsView, look: Look, more: Option<&str>) -> Vec<String> {
    if view.steps.is_empty() {
        return Vec::new();
    }
    // Never more than there is: 600 of 601 is not all.
    let percent = (view.progress.unwrap_or_default() * 100.0).floor();
    let (completed, total) = (view.completed_steps, view.total_steps);
    let others = if percent < 100.0 || completed == total { String::new() } else { others(view) };
    let first = format!("steps     {completed} of {total} completed{others} · {percent:.0} %");
    let mut lines = vec![cut(&first, WIDTH)];
    let of_items = more;
    let more = more.filter(|_| view.steps.len() > LISTED);
    let shown: Vec<_> =
        if more.is_some() { telling(&view.steps) } else { view.steps.iter().collect() };
    let longest = shown.iter().map(|step| step.id.chars().count()).max().unwrap_or_default();
    let name = longest.min(NAME_MAX);
    for step in &shown {
        lines.push(line(step, look, name));
        lines.extend(items::lines(step, of_items));
    }
    if let Some(more) = more.filter(|_| shown.len() < view.steps.len()) {
        lines.push(format!("  … {}; {more}", rest(&view.steps, &shown)));
    }
    if let Some(rollback) = &view.rollback {
        let now = match (&rollback.step, rollback.awaited) {
            (Some(step), _) => format!(" · now {step}"),
            (None, 0) => String::new(),
            (None, awaited) => format!(" · waits for {awaited} under way"),
        };
        let left = rollback.left;
        lines.push(cut(
            &format!("undo      {left} left{now} · {}", one_line(&rollback.reason)),
            WIDTH,
        ));
    }
    lines
}

/// The sign of a step whose answer is kept.
const ANSWERED: char = '◆';

/// What an operator looks for first, in that order.
fn telling(steps: &[StepView]) -> Vec<&StepView> {
    let of = |status: StepStatus| steps.iter().filter(move |step| step.status == status);
    let wrong = of(StepStatus::Failed).chain(of(StepStatus::Retrying));
    let under_way = wrong.chain(of(StepStatus::Running)).take(TELLING);
    // What only waits for a failure comes last, if ever.
    let waits = |step: &&StepView| step.waits_for.iter().any(|it| it.starts_with("failure of "));
    under_way.chain(of(StepStatus::Pending).filter(|step| !waits(step)).take(NEXT)).collect()
}

/// `, 2 skipped, 1 failed`: what became of those that are not completed, where all is over.
fn others(view: &StepsView) -> String {
    let completed: Vec<_> =
        view.steps.iter().filter(|step| step.status == StepStatus::Completed).collect();
    format!(", {}", rest(&view.steps, &completed))
}

/// `12 running, 200 pending, 680 completed`.
fn rest(steps: &[StepView], shown: &[&StepView]) -> String {
    const ORDER: [StepStatus; 9] = [
        StepStatus::Failed,
        StepStatus::Retrying,
        StepStatus::Running,
        StepStatus::Pending,
        StepStatus::Cancelled,
        StepStatus::Undone,
        StepStatus::Skipped,
        StepStatus::Completed,
        StepStatus::Other,
    ];
    let counted = ORDER.iter().filter_map(|status| {
        let is_it = |step: &StepView| step.status == *status;
        let all = steps.iter().filter(|step| is_it(step)).count();
        let left = all - shown.iter().filter(|step| is_it(step)).count();
        (left > 0).then(|| format!("{left} {}", status.as_str()))
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// `  ✓ load_data   completed   12ms  2 retries`.
fn line(step: &StepView, look: Look, name: usize) -> String {
    let style = match step.status {
        StepStatus::Completed => look.green(),
        StepStatus::Failed | StepStatus::Cancelled => look.red(),
        StepStatus::Pending
        | StepStatus::Running
        | StepStatus::Retrying
        | StepStatus::Skipped
        | StepStatus::Undone
        | StepStatus::Other
        | _ => look.dim(),
    };
    let (id, status) = (cut(&step.id, name), step.status.as_str());
    // It runs no more, but what becomes of it is not decided.
    let status = if step.answered { "answered" } else { status };
    let took = step.duration_ms.map(span).unwrap_or_default();
    let room = WIDTH.saturating_sub(name + STATUS + TOOK + 10);
    let said = cut(&one_line(&said(step)), room);
    let glyph = if step.answered { ANSWERED } else { glyph(step.status) };
    let line =
        format!("  {style}{glyph}{style:#} {id:<name$}  {status:<STATUS$}  {took:>TOOK$}  {said}");
    line.trim_end().to_owned()
}

/// One sign for each status, to be seen without reading.
pub(super) const fn glyph(status: StepStatus) -> char {
    match status {
        StepStatus::Pending => '·',
        StepStatus::Running => '▶',
        StepStatus::Retrying => '↻',
        StepStatus::Completed => '✓',
        StepStatus::Failed => '✗',
        StepStatus::Skipped => '-',
        StepStatus::Cancelled => '⊘',
        StepStatus::Undone => '↶',
        StepStatus::Other | _ => '?',
    }
}

/// What else there is to say of a step, the most telling first.
fn said(step: &StepView) -> String {
    let mut parts = Vec::new();
    if let Some(items) = step.items {
        let failed = match items.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        parts.push(format!("{}/{} items{failed}", items.done, items.total));
    }
    if step.undone_items > 0 && step.status != StepStatus::Undone {
        parts.push(format!("{} undone", step.undone_items));
    }
    if let Some(said) = step.progress.as_ref().map(progress).filter(|said| !said.is_empty()) {
        parts.push(said.trim_start().to_owned());
    }
    if let Some(error) = &step.error {
        let code = if error.code.is_empty() { &error.kind } else { &error.code };
        parts.push(format!("{code}: {}", error.message));
    }
    match step.retry_count {
        0 => {}
        1 => parts.push("1 retry".to_owned()),
        more => parts.push(format!("{more} retries")),
    }
    if step.cached {
        parts.push("cached".to_owned());
    }
    if !step.waits_for.is_empty() {
        parts.push(format!("needs {}", step.waits_for.join(", ")));
    }
    parts.join(" · ")
}

/// `  40 %  page 4 of 10`; nothing where nothing was said.
pub(super) fn progress(progress: &ProgressView) -> String {
    let percent = progress.percent.map(|percent| format!("  {percent} %")).unwrap_or_default();
    let note = one_line(&progress.note);
    let note = if note.is_empty() { String::new() } else { format!("  {note}") };
    percent + &note
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use gearshift_client::protocol::view::{ItemsView, RollbackView, StepErrorView};

    use super::*;

    const MORE: Option<&str> = Some("`--all` shows them");

    fn step(id: &str, status: StepStatus) -> StepView {
        StepView { id: id.to_owned(), status, ..StepView::default() }
    }

    #[test]
    fn a_table_of_steps_fits_into_80_columns_and_shows_each_status() {
        let failed = StepErrorView {
            kind: "permanent".to_owned(),
            code: "bad_schema".to_owned(),
            message: "the column `value` is missing in a file with a very long name".to_owned(),
        };
        let view = StepsView {
            progress: Some(0.5),
            completed_steps: 1,
            total_steps: 4,
            steps: vec![
                StepView {
                    duration_ms: Some(12),
                    retry_count: 2,
                    cached: true,
                    ..step("load_data", StepStatus::Completed)
                },
                StepView {
                    items: Some(ItemsView { total: 9, done: 3, failed: 1 }),
                    ..step("each", StepStatus::Running)
                },
                StepView { error: Some(failed), ..step("check", StepStatus::Failed) },
                StepView {
                    waits_for: vec!["each".to_owned()],
                    ..step("a_step_with_a_name_that_is_too_long_for_it", StepStatus::Pending)
                },
            ],
            rollback: Some(RollbackView {
                reason: "check failed".to_owned(),
                step: Some("load_data".to_owned()),
                left: 1,
                awaited: 0,
            }),
            ..StepsView::default()
        };
        let lines = table(&view, Look { color: false }, MORE);
        assert_eq!(
            lines,
            [
                "steps     1 of 4 completed · 50 %",
                "  ✓ load_data                     completed     12ms  2 retries · cached",
                "  ▶ each                          running             3/9 items, 1 failed",
                "  ✗ check                         failed              bad_schema: the column `v…",
                "  · a_step_with_a_name_that_is_…  pending             needs each",
                "undo      1 left · now load_data · check failed",
            ]
        );
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(table(&StepsView::default(), Look { color: false }, MORE).is_empty());
    }

    #[test]
    fn what_is_answered_or_undone_in_part_is_told_so() {
        let items = Some(ItemsView { total: 3, done: 3, failed: 0 });
        let answered = StepView { answered: true, ..step("pay", StepStatus::Running) };
        let part = StepView { items, undone_items: 2, ..step("book", StepStatus::Completed) };
        let view =
            StepsView { total_steps: 2, steps: vec![answered, part], ..StepsView::default() };
        let lines = table(&view, Look { color: false }, MORE);
        assert_eq!(
            lines[1..],
            ["  ◆ pay   answered", "  ✓ book  completed           3/3 items · 2 undone",]
        );
    }

    #[test]
    fn of_many_steps_those_are_told_that_went_wrong_run_or_come_next() {
        let mut steps: Vec<_> =
            (0..900).map(|at| step(&format!("s{at}"), StepStatus::Completed)).collect();
        for (from, to, status) in [
            (500, 900, StepStatus::Pending),
            (480, 500, StepStatus::Running),
            (470, 475, StepStatus::Failed),
        ] {
            steps[from..to].iter_mut().for_each(|step| step.status = status);
        }
        steps[500].waits_for = vec!["failure of s1".to_owned()];
        let view = StepsView { total_steps: 900, steps, ..StepsView::default() };
        let lines = table(&view, Look { color: false }, MORE);
        assert_eq!(lines.len(), 1 + 20 + 3 + 1, "{lines:#?}");
        assert!(lines[1].contains("s470") && lines[5].contains("s474"), "{lines:#?}");
        assert!(lines[6].contains("s480") && lines[20].contains("s494"), "{lines:#?}");
        assert!(lines[21].contains("s501"), "{lines:#?}");
        assert_eq!(lines[24], "  … 5 running, 397 pending, 475 completed; `--all` shows them");
        assert_eq!(table(&view, Look { color: false }, None).len(), 901);
    }
}
