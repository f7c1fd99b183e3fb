//! The defects of the seeds' own examples, each as what it must not become here.
//!
//! `docs/TESTING.md` has the whole list; those that rules or other rows hold already are there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use gearshift_client::protocol::Verdict;
use gearshift_machine::convert::from_long_form;
use gearshift_machine::definition::{Format, load_all};
use gearshift_tests::world::{Answer, Backend, Recorded, World};
use serde_json::json;

/// The approval of seed 004 as it stands there: two transitions that are only allowed, no action
/// that is described, one that is named twice, and a timeout that nothing arms.
const APPROVAL: &str = r#"{
  "name": "document_approval",
  "initialState": "started",
  "states": {
    "started": {
      "allowedTransitions": ["submit_for_review"], "entryActions": ["notify_submitter"]
    },
    "under_review": {
      "allowedTransitions": ["approve", "reject", "request_changes"],
      "entryActions": ["assign_reviewer", "set_review_timer"],
      "timeout": 86400
    },
    "approved": { "entryActions": ["notify_approval", "archive_document"] }
  },
  "transitions": [
    {
      "name": "submit_for_review", "fromState": "started", "toState": "under_review",
      "triggerEvent": "document.submitted", "actions": ["validate_document", "assign_reviewer"]
    },
    {
      "name": "approve", "fromState": "under_review", "toState": "approved",
      "triggerEvent": "user.action", "condition": "data.action == 'approve'",
      "actions": ["finalize_approval"]
    }
  ],
  "actions": {}
}"#;

/// The definition that it becomes, and what its author is told.
fn converted() -> (String, Vec<String>) {
    let (converted, told) = from_long_form(APPROVAL, "seed.json", Format::Json).unwrap();
    (converted.yaml, told.into_iter().map(|problem| problem.message).collect())
}

fn each(text: &str, test: impl Fn(&mut World)) {
    for backend in Backend::ALL {
        let mut world = World::new(backend);
        world.deploy(text);
        test(&mut world);
    }
}

fn problems(text: &str) -> String {
    let problems = load_all(text, "w", Format::Yaml).unwrap_err();
    problems.iter().map(|it| format!("{} {}\n", it.code, it.message)).collect()
}

#[test]
fn seed_004_the_entry_of_the_first_state_runs_at_the_start() {
    const TEXT: &str = "
workflow: approval
version: 1
correlate: data.key
events: { approval.began: { start: true }, paper.sent: {} }
vars: { told: 0 }
initial: started
states:
  started: { entry: { set: { told: vars.told + 1 } }, on: { paper.sent: sent } }
  sent: { final: true }
";
    each(TEXT, |world| {
        // No transition takes the event that starts it, as in the seed.
        let began = world.send("approval.began", None, &json!({ "key": "a" }));
        assert!(matches!(began.verdict, Verdict::Started { .. }), "{began:?}");
        let seen = world.instance("approval/a");
        assert_eq!((&seen.vars["told"], seen.summary.active), (&json!(1), vec!["started".into()]));
    });
}

#[test]
fn seed_004_what_is_allowed_named_or_called_and_not_there_is_told() {
    let (_, told) = converted();
    let has = |text: &str| told.iter().any(|line| line.contains(text));
    for transition in ["reject", "request_changes"] {
        let text = format!("allows `{transition}`, but no transition from it has that name");
        assert!(has(&text), "{transition}: {told:#?}");
    }
    for action in ["notify_submitter", "assign_reviewer", "set_review_timer", "finalize_approval"] {
        assert!(has(&format!("action `{action}` is described nowhere")), "{action}: {told:#?}");
    }
    // Where it is written in our own words, it is refused.
    let text = "workflow: w\nstates: { a: { entry: nowhere, on: { x: b } } }\n";
    let refused = problems(text);
    assert!(refused.contains("no action `nowhere`"), "{refused}");
    assert!(refused.contains("no state `b`"), "{refused}");
}

#[test]
fn seed_004_an_action_in_the_transition_and_in_the_entry_is_told() {
    let (yaml, _) = converted();
    let loaded = load_all(&yaml, "w", Format::Yaml).unwrap();
    let warnings: Vec<_> = loaded.iter().flat_map(|one| &one.warnings).collect();
    let twice = "`assign_reviewer` runs twice on the way into `under_review`";
    assert!(warnings.iter().any(|one| one.message.contains(twice)), "{warnings:#?}");
}

#[test]
fn seed_004_the_timeout_of_a_state_is_armed_and_ends_with_it() {
    let (yaml, _) = converted();
    let text =
        yaml.replace("document_approval\n", "document_approval\nversion: 1\ncorrelate: data.key\n");
    let text = text.replace(
        "events: [document.submitted, user.action]",
        "events: { document.submitted: { start: true }, user.action: {}, timer.expired: {} }",
    );
    let late = "      timer.expired: approved\n      user.action:\n";
    let text = text.replace("      user.action:\n", late);
    each(&text, |world| {
        world.send("document.submitted", None, &json!({ "key": "a" }));
        let seen = world.wait_for("document_approval/a", "under_review");
        assert_eq!(seen.timers.len(), 1, "{seen:#?}");
        assert_eq!(seen.timers[0].due, "2026-01-02T00:00:00.000Z");
        world.restart();
        world.advance(Duration::from_secs(86_400));
        let late = world.wait_for("document_approval/a", "approved");
        assert_eq!(late.timers, []);
    });
}

#[test]
fn seed_000_conditions_and_dependencies_have_keys_of_their_own() {
    let refused = problems(
        "workflow: w
steps:
  a: { call: p.o }
  b: { call: p.o, dependencies: [a], parameters: { condition: 'true' } }
  c: { call: p.o, needs: { or: [a, b] } }
",
    );
    for key in ["`dependencies`", "`parameters`", "`or`"] {
        assert!(refused.contains(&format!("no key {key}")), "{key}: {refused}");
    }
}

/// The branch of seed 001: one of two steps runs, and one step needs both.
const BRANCH: &str = "
workflow: branch
version: 1
correlate: data.key
steps:
  detect: { call: recorded.work, with: detect }
  images: { needs: detect, when: input.images, call: recorded.work, with: images }
  text: { needs: detect, when: '!input.images', call: recorded.work, with: text }
  join: { needs: [images, text], call: recorded.work, with: join }
  either: { needs: { any: [images, text] }, call: recorded.work, with: either }
";

#[test]
fn seed_001_a_join_behind_a_branch_does_not_wait_for_what_was_skipped() {
    each(BRANCH, |world| {
        let plugin = Recorded::new(|seen| Answer::Output(seen.input.clone()));
        let _running = world.run(plugin.serve(&world.bus()));
        for (key, images, skipped) in [("i", true, "text"), ("t", false, "images")] {
            let order = gearshift_client::protocol::command::Start {
                workflow: "branch".to_owned(),
                key: Some(key.to_owned()),
                input: json!({ "images": images }),
                ..Default::default()
            };
            world.run(world.client().start(&order)).unwrap();
            let done = world.wait_for(&format!("branch/{key}"), "done");
            let status = |step: &gearshift_client::protocol::view::StepView| {
                format!("{} {:?}", step.id, step.status)
            };
            let expected = ["detect", "images", "text", "join", "either"].map(|step| {
                format!("{step} {}", if step == skipped { "Skipped" } else { "Completed" })
            });
            assert_eq!(done.steps.steps.iter().map(status).collect::<Vec<_>>(), expected);
        }
    });
}
