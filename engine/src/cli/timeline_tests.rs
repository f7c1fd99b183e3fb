//! The lines that decisions become.

use gearshift_client::protocol::view::GuardView;

use super::*;

fn entry(input: &str, active: &[&str]) -> HistoryEntry {
    HistoryEntry {
        step: 1,
        at: "2026-11-21T08:00:04.112Z".to_owned(),
        input: input.to_owned(),
        by: None,
        note: None,
        guards: Vec::new(),
        transitions: Vec::new(),
        effects: Vec::new(),
        active: active.iter().map(ToString::to_string).collect(),
    }
}

fn taking(mut entry: HistoryEntry, name: &str, event: Option<&str>) -> HistoryEntry {
    entry.transitions.push(TransitionView {
        name: name.to_owned(),
        from: "a".to_owned(),
        to: vec!["b".to_owned()],
        event: event.map(str::to_owned),
    });
    entry
}

fn lines(entries: &[HistoryEntry]) -> String {
    let mut timeline = Timeline::started_by(Some("document.submitted"));
    let rows = entries.iter().flat_map(|entry| timeline.take(entry));
    let rows: Vec<_> = rows.collect();
    let width = width(rows.iter().map(|row| row.state.as_str()));
    let rows = rows.iter().map(|row| row.render(Look { color: false }, width));
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn who_reads_is_told_how_much_is_not_kept() {
    assert_eq!(not_kept(&[]), None);
    assert_eq!(not_kept(&[entry("start", &["a"])]), None);
    let late = HistoryEntry { step: 13, ..entry("go", &["a"]) };
    let told = "   …  12 decisions before these: no longer kept";
    assert_eq!(not_kept(&[late]).as_deref(), Some(told));
}

#[test]
fn calls_on_the_way_are_one_line_with_the_event_they_began_with() {
    let mut start = taking(entry("start", &["under_review~1"]), "submit_for_review", None);
    start.effects = vec!["call validator.validate_document".to_owned()];
    let mut valid = entry("reply validator.validate_document", &[]);
    valid.effects = vec!["call directory.pick_reviewer".to_owned()];
    let picked = taking(
        entry("reply directory.pick_reviewer", &["under_review"]),
        "submit_for_review",
        Some("done.state.under_review~1"),
    );
    let mut decided =
        taking(entry("command decide", &["approved"]), "approve", Some("user.action"));
    decided.by = Some("ann".to_owned());
    let stored = taking(
        entry("reply archive.store", &["archived"]),
        "=done.state.approved",
        Some("done.state.approved"),
    );
    assert_eq!(
        lines(&[start, valid, picked, decided, stored]),
        "a
under_review    submit_for_review (document.submitted)  call validator.validate_document  \
         call directory.pick_reviewer
approved        approve (user.action by ann)
archived        (done)"
    );
}

#[test]
fn a_start_that_stays_is_one_line() {
    let mut start = entry("start", &["placed"]);
    start.effects = vec!["publish a.b".to_owned()];
    assert_eq!(lines(&[start]), "placed          publish a.b");
}

#[test]
fn what_stays_shows_the_state_it_is_in() {
    let placed = taking(entry("order.placed", &["awaiting_payment"]), "place", None);
    let part = taking(entry("payment.received", &[]), "pay_in_part", None);
    let nothing = entry("reply x.y", &[]);
    assert_eq!(
        lines(&[placed, part, nothing]),
        "awaiting_payment  place (order.placed)\n\
         awaiting_payment  pay_in_part (payment.received)"
    );
}

#[test]
fn trouble_on_the_way_is_told_at_once() {
    let sent = taking(entry("go", &["b~1"]), "go", None);
    let mut failed = entry("reply x.y", &[]);
    failed.note = Some("stuck: no".to_owned());
    assert_eq!(lines(&[sent, failed]), "… b             go  [stuck: no]");
}

#[test]
fn what_is_told_once_is_not_told_with_every_attempt() {
    let mut sent = taking(entry("go", &["b~1"]), "go", None);
    sent.effects = vec!["call x.y".to_owned()];
    let mut failed = entry("reply x.y", &[]);
    failed.note = Some("attempt 1 retryable: no".to_owned());
    assert_eq!(
        lines(&[sent, failed.clone(), failed]),
        "… b             go  call x.y  [attempt 1 retryable: no]\n\
         … b             go  [attempt 1 retryable: no]"
    );
}

#[test]
fn columns_are_as_wide_as_their_names_up_to_a_limit() {
    let long = "a_state_with_a_name_beyond_the_limit";
    assert_eq!([width(["a"]), width(["awaiting_payment", "a"]), width([long])], [14, 16, 24]);
}

#[test]
fn commands_and_replies_are_told_before_what_they_led_to() {
    let told = |entry: &HistoryEntry| Row::of(entry).cause;
    let mut skipped = taking(entry("command skip", &["b"]), "submit", Some("document.submitted"));
    skipped.by = Some("ann".to_owned());
    assert_eq!(told(&skipped), "skip by ann → submit (document.submitted)");
    let reply = taking(entry("reply x.y", &["b"]), "=done.state.a", Some("done.state.a"));
    assert_eq!(told(&reply), "reply x.y → (done)");
    let mut refused = entry("command retry", &[]);
    refused.by = Some("ann".to_owned());
    refused.note = Some("refused: it is not stuck".to_owned());
    let row = Row::of(&refused);
    assert_eq!(row.render(Look { color: false }, 0), "  retry by ann  [refused: it is not stuck]");
}

#[test]
fn a_false_guard_is_told_where_nothing_happened() {
    let mut refused = entry("user.action", &[]);
    refused.guards.push(GuardView { transition: "approve".to_owned(), error: None });
    let row = Row::of(&refused);
    assert_eq!(
        row.render(Look { color: false }, 14),
        "                user.action  [approve: guard is false]"
    );
}

#[test]
fn the_same_call_for_many_items_is_told_once() {
    let mut fan = entry("reply a.list", &["steps"]);
    fan.effects = ["call a.b", "call a.b", "call a.b", "call c.d"].map(str::to_owned).to_vec();
    let told = Row::of(&fan).render(Look { color: false }, 5);
    assert_eq!(told, "steps  reply a.list  call a.b ×3  call c.d");
}

#[test]
fn elapsed_is_seconds_with_milliseconds() {
    assert_eq!((elapsed(4_112), elapsed(-5)), ("04.112".to_owned(), "00.000".to_owned()));
}

#[test]
fn an_event_that_a_step_took_and_that_led_on_is_told() {
    let told = |entry: &HistoryEntry| Row::of(entry).cause;
    let mut paid = taking(entry("paid", &["end"]), "=done.state.steps", Some("done.state.steps"));
    paid.by = Some("ann".to_owned());
    assert_eq!(told(&paid), "paid by ann → (done)");
    let start = taking(entry("start", &["end"]), "=done.state.steps", Some("done.state.steps"));
    assert_eq!(told(&start), "(done)");
}
