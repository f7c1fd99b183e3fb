//! What the builder makes is what a file says.

use super::{
    Action, Approval, Cache, Collect, Data, Each, Mode, OnFailure, Retry, Route, Transition, Undo,
    Workflow,
};
use crate::definition::model::GraphFailure;
use crate::definition::{Format, load, load_all};

/// The same definition as the file, also by way of its own text.
#[track_caller]
fn same(workflow: &Workflow, file: &str) {
    let expected = load(file, "file.yaml", Format::Yaml).unwrap().definition;
    let built = workflow.build().unwrap();
    assert_eq!(built.canonical, expected.canonical);
    assert_eq!(built.hash, expected.hash);
    let read = load(&workflow.to_yaml(), "own.yaml", Format::Yaml).unwrap().definition;
    assert_eq!(read.hash, expected.hash);
}

#[test]
fn the_sequential_workflow_of_the_seeds_is_its_file() {
    let columns = Data::list(["value1", "value2"]);
    let normalize = Data::map([("type", Data::from("normalize")), ("columns", columns)]);
    let encode = Data::map([("type", "encode"), ("column", "category")]);
    let workflow = Workflow::new("data_processing")
        .version(1)
        .mode(Mode::Sequential)
        .step("load_data", |step| {
            step.call("csv_loader.load_file")
                .timeout("30s")
                .arg("file_path", "input/data.csv")
                .arg("delimiter", ",")
                .arg("has_header", true)
        })
        .step("validate_data", |step| {
            step.call("data_validator.validate_schema")
                .arg("schema_file", "schemas/data_schema.json")
                .arg("strict_mode", true)
        })
        .step("clean_data", |step| {
            step.call("data_cleaner.clean_dataset")
                .arg("remove_duplicates", true)
                .arg("handle_missing", "interpolate")
        })
        .step("transform_data", |step| {
            step.call("data_transformer.apply_transformations")
                .arg("transformations", Data::list([normalize, encode]))
        })
        .step("save_results", |step| {
            step.call("csv_writer.save_file")
                .arg("output_path", "output/processed_data.csv")
                .arg("include_metadata", true)
        });
    let file = include_str!("../check/tests/steps.workflow.yaml");
    let all = load_all(file, "steps.yaml", Format::Yaml).unwrap();
    let first = all.first().map(|loaded| loaded.definition.hash);
    assert_eq!(workflow.build().map(|definition| definition.hash).ok(), first);
}

#[test]
fn stages_dependencies_and_branches_are_steps_needs_and_guards() {
    let workflow = Workflow::new("documents")
        .add_stage("detect", "format.detect")
        .add_stage("read_pdf", "pdf.read")
        .add_stage("read_text", "text.read")
        .step("join", |step| step.call("report.write").needs_any(["read_pdf", "read_text"]))
        .conditional_branch("detect", "steps.detect.kind == 'pdf'", "read_pdf", "read_text")
        .add_stage("store", "archive.store")
        .dependency("join", "store")
        .dependency("detect", "store")
        .undo("store", "archive.remove");
    same(
        &workflow,
        r#"
workflow: documents
steps:
  detect: { call: format.detect }
  read_pdf: { call: pdf.read, needs: [detect], when: steps.detect.kind == 'pdf' }
  read_text: { call: text.read, needs: [detect], when: "!(steps.detect.kind == 'pdf')" }
  join: { call: report.write, needs: { any: [read_pdf, read_text] } }
  store: { call: archive.store, needs: [join, detect], undo: archive.remove }
"#,
    );
}

#[test]
fn every_option_of_a_step_has_a_word() {
    let workflow = Workflow::new("w")
        .title("All words")
        .on_failure(GraphFailure::Rollback)
        .timeout("10m")
        .max_parallel(4)
        .var("n", 0)
        .event("go", |event| event.buffer("1m"))
        .step("a", |step| {
            step.title("First")
                .metadata("owner", "ops")
                .call("p.a")
                .with("${ input }")
                .retry(Retry::attempts(5).backoff("1s..1m").on(["timeout"]))
                .undo(Undo::call("p.b", |undo| undo.timeout("2m").arg("id", "${ output.id }")))
                .set("n", "output.n")
                .deadline("5m")
        })
        .step("b", |step| {
            let step = step.call("p.c").optional().on_failure(OnFailure::Skip);
            step.needs_n_of(1, ["a"]).cache("10m")
        })
        .step("c", |step| step.run("other").needs(["a"]).fallback("d"))
        .step("d", |step| step.publish("m.d").arg("n", 1.5))
        .step("e", |step| step.wait("go").when("vars.n > 1"))
        .step("f", |step| {
            let each = Each::of("input.files").named("file").max_parallel(8);
            let step = step.foreach(each.collect(Collect::Partial).statistical("size"));
            step.call("p.f").cache(Cache::by("${ file.id }", "1h"))
        })
        .finally(Action::publish("m.over"))
        .output([("n", "${ vars.n }")]);
    same(
        &workflow,
        r#"
workflow: w
title: All words
on_failure: rollback
timeout: 10m
max_parallel: 4
vars: { n: 0 }
events: { go: { buffer: 1m } }
steps:
  a:
    title: First
    metadata: { owner: ops }
    call: p.a
    with: "${ input }"
    retry: { attempts: 5, backoff: 1s..1m, on: [timeout] }
    undo: { call: p.b, timeout: 2m, with: { id: "${ output.id }" } }
    set: { n: output.n }
    deadline: 5m
  b: { call: p.c, optional: true, on_failure: skip, needs: { n_of: 1, of: [a] }, cache: 10m }
  c: { run: other, needs: [a], fallback: d }
  d: { publish: m.d, with: { n: 1.5 } }
  e: { wait: go, when: vars.n > 1 }
  f:
    foreach:
      in: input.files
      as: file
      max_parallel: 8
      collect: partial
      aggregate: { statistical: size }
    call: p.f
    cache: { ttl: 1h, key: "${ file.id }" }
finally: { publish: m.over }
output: { n: "${ vars.n }" }
"#,
    );
}

#[test]
fn states_are_written_too() {
    let workflow = Workflow::new("approval")
        .correlate("data.id")
        .event("submitted", |event| event.starts())
        .event("decided", |event| event)
        .var("reviewer", Data::null())
        .state("open", |state| {
            state
                .entry(Action::named("assign"))
                .entry(Action::publish("m.open").arg("to", "${ vars.reviewer }"))
                .on("decided", Transition::to("work").when("data.ok").name("approve"))
                .on("decided", "closed")
                .after("1d", Transition::to("open").action(Action::log("late")))
        })
        .state("work", |state| {
            state
                .mode(Mode::Pipeline)
                .step("first", |step| step.call("p.a"))
                .step("second", |step| step.call("p.b"))
                .done("regions")
                .failed(Transition::to("closed").action(Action::raise("given.up")))
        })
        .state("regions", |state| {
            let leaf = |id: &'static str| {
                move |state: super::State| state.state(id, |leaf| leaf.ends().key("output", 1))
            };
            state.region("left", leaf("left_end")).region("right", leaf("right_end")).done("closed")
        })
        .state("closed", |state| state.ends())
        .action("assign", Action::call("directory.pick").keep("reviewer", "output.id"));
    same(
        &workflow,
        r#"
workflow: approval
correlate: data.id
events: { submitted: { start: true }, decided: {} }
vars: { reviewer: null }
states:
  open:
    entry: [assign, { publish: m.open, with: { to: "${ vars.reviewer }" } }]
    on:
      decided: [{ to: work, when: data.ok, name: approve }, closed]
    after: { 1d: { to: open, do: { log: late } } }
  work:
    mode: pipeline
    steps: { first: { call: p.a }, second: { call: p.b } }
    done: regions
    failed: { to: closed, do: { raise: given.up } }
  regions:
    parallel:
      left: { states: { left_end: { final: true, output: 1 } } }
      right: { states: { right_end: { final: true, output: 1 } } }
    done: closed
  closed: { final: true }
actions:
  assign: { call: directory.pick, set: { reviewer: output.id } }
"#,
    );
}

#[test]
fn what_a_file_refuses_the_builder_refuses() {
    let workflow = Workflow::new("w")
        .add_stage("a", "p.a")
        .dependency("b", "a")
        .dependency("nowhere", "a")
        .dependency("a", "b");
    let problems = workflow.build().unwrap_err();
    let found: Vec<(String, &str)> =
        problems.iter().map(|problem| (problem.path.clone(), problem.name)).collect();
    assert_eq!(
        found,
        [("steps.a.needs[1]".to_owned(), "unknown_step"), ("steps.b".to_owned(), "step_kind"),]
    );
    assert!(problems[0].origin == "builder" && problems[0].line > 0);
}

#[test]
fn rules_are_said_by_their_names() {
    let route = Route::default()
        .rule("law", |rule| {
            rule.when("steps.look.contract").priority(10).to("legal").arg("redact", true)
        })
        .rule("bill", |rule| rule.when("steps.look.total > 0").to("money").reason("it has a total"))
        .otherwise("general")
        .otherwise_because("nothing is known of it");
    let workflow = Workflow::new("router")
        .step("look", |step| step.call("p.look"))
        .step("route", |step| step.needs(["look"]).route(route));
    same(
        &workflow,
        r#"
workflow: router
steps:
  look: { call: p.look }
  route:
    needs: [look]
    route:
      rules:
        law: { when: steps.look.contract, priority: 10, to: legal, with: { redact: true } }
        bill: { when: steps.look.total > 0, to: money, reason: it has a total }
      default: { to: general, reason: nothing is known of it }
"#,
    );
}

#[test]
fn schedules_are_said_by_their_names() {
    let workflow = Workflow::new("report")
        .schedule("workdays", |schedule| {
            schedule.cron("0 6 * * MON-FRI").zone("Europe/Berlin").overlap("queue")
        })
        .schedule("totals", |schedule| {
            schedule.every("15m").catch_up("none").key("totals").input("${ data.due }")
        })
        .step("collect", |step| step.call("ledger.collect"));
    same(
        &workflow,
        r#"
workflow: report
schedules:
  workdays: { cron: 0 6 * * MON-FRI, zone: Europe/Berlin, overlap: queue }
  totals: { every: 15m, catch_up: none, key: totals, input: "${ data.due }" }
steps:
  collect: { call: ledger.collect }
"#,
    );
}

#[test]
fn people_are_asked_and_points_are_saved() {
    let asked = Approval::default()
        .title("Release ${ key }")
        .assign("${ input.who }")
        .choices(["ship", "stop"])
        .roles(["quality"])
        .not_initiator()
        .need(2)
        .event("release.decided");
    let workflow = Workflow::new("release")
        .step("kept", |step| step.checkpoint("before"))
        .step("check", |step| step.needs(["kept"]).approval(asked).timeout("48h"))
        .step("again", |step| step.needs(["check"]).approval(Approval::default()));
    same(
        &workflow,
        r#"
workflow: release
steps:
  kept: { checkpoint: before }
  check:
    needs: [kept]
    approval:
      title: "Release ${ key }"
      assign: "${ input.who }"
      choices: [ship, stop]
      roles: [quality]
      not: initiator
      need: 2
      event: release.decided
    timeout: 48h
  again: { needs: [check], approval: true }
"#,
    );
    let asked = |state: super::State| {
        let state = state.approval(Approval::default().need(2));
        state.on("user.action", Transition::to("over").action(Action::checkpoint("decided")))
    };
    let workflow = Workflow::new("plan").state("open", asked).state("over", |state| state);
    same(
        &workflow,
        "
workflow: plan
states:
  open:
    approval: { need: 2 }
    on: { user.action: { to: over, do: { checkpoint: decided } } }
  over: {}
",
    );
}
