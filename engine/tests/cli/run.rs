//! `run`: the main job, with nothing installed.

use std::path::Path;

use serde_json::Value;

use crate::support::Place;

/// State and cause of every line, as `expected.txt` has them.
fn lines(run: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = run["timeline"].as_array().unwrap();
    rows.iter().map(|row| (text(&row["state"]), text(&row["cause"]))).collect()
}

fn expected(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let line = |line: &str| {
        let (state, cause) = line.split_once("  ").unwrap_or((line, ""));
        (state.to_owned(), cause.trim().to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn the_examples_end_as_expected() {
    let place = Place::new();
    let examples = [("document-approval", "archived"), ("order", "confirmed"), ("trip", "booked")];
    for (name, last) in examples {
        let folder = place.copy_example(name);
        let run = place.gearshift(&["run", name, "-o", "json"]).ends(0).json();
        assert_eq!(lines(&run), expected(&folder), "{run}");
        assert_eq!(run["status"], "done");
        assert_eq!(run["active"], serde_json::json!([last]));
    }
}

/// The files below a folder, by their paths in it.
fn files(folder: &Path, below: &str, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match entry.file_type().unwrap().is_dir() {
            true => files(folder, &path, all),
            false => all.push(path),
        }
    }
}

/// The example wrote what its folder `expected/` holds.
fn wrote_what_is_expected(folder: &Path) {
    let mut list = Vec::new();
    files(&folder.join("expected"), "", &mut list);
    assert!(!list.is_empty(), "{}", folder.display());
    for path in list {
        let read = |path: &Path| std::fs::read(path).unwrap();
        let (wanted, found) =
            (read(&folder.join("expected").join(&path)), read(&folder.join(&path)));
        assert!(found == wanted, "{path}: {}", String::from_utf8_lossy(&found));
    }
}

#[test]
fn the_examples_of_steps_end_as_expected_and_write_what_is_expected() {
    let place = Place::new();
    let examples = [
        ("data-aggregation", "done"),
        ("data-analysis", "done"),
        ("data-processing", "done"),
        ("document-processing", "done"),
        ("document-router", "done"),
        ("parallel-media", "done"),
        ("system-update", "rolled_back"),
    ];
    for (name, last) in examples {
        let folder = place.copy_example(name);
        let run = place.gearshift(&["run", name, "-o", "json"]).ends(0).json();
        let steps = run["steps"].as_array().unwrap().iter();
        let word = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
        let steps: Vec<_> = steps.map(|step| (word(step, "id"), word(step, "status"))).collect();
        assert_eq!(steps, expected(&folder), "{name}: {run}");
        assert_eq!((&run["status"], &run["progress"]), (&"done".into(), &1.0.into()), "{run}");
        assert_eq!(run["active"], serde_json::json!([last]), "{name}");
        wrote_what_is_expected(&folder);
    }
}

#[test]
fn other_data_takes_the_other_way() {
    let place = Place::new();
    let run = |name: &str, data: &str| {
        let run = place.gearshift(&["run", name, "-o", "json", "-d", data]).ends(0).json();
        let steps = run["steps"].as_array().unwrap().clone();
        move |id: &str| {
            let step = steps.iter().find(|step| step["id"] == id).unwrap();
            step["status"].as_str().unwrap().to_owned()
        }
    };
    for name in ["data-analysis", "document-processing", "document-router", "system-update"] {
        place.copy_example(name);
    }
    let large = run("data-analysis", "dataset=data/large.csv");
    assert_eq!([large("process_small"), large("process_large")], ["skipped", "completed"]);
    let report = run("document-processing", "document=documents/report.md");
    assert_eq!([report("image_processing"), report("output_generation")], ["completed"; 2]);
    let letter = run("document-router", "document=documents/letter.txt");
    assert_eq!([letter("legal"), letter("general")], ["skipped", "completed"]);
    let healthy = run("system-update", "package=updates/app_v2.1.1.json");
    assert_eq!([healthy("verify"), healthy("commit_tx")], ["completed"; 2]);
}

#[test]
fn the_table_of_steps_ends_a_run_and_is_as_wide_as_a_terminal() {
    let place = Place::new();
    place.copy_example("system-update");
    let done = place.gearshift(&["run", "system-update"]).ends(0);
    let table: Vec<&str> =
        done.out.lines().skip_while(|line| !line.starts_with("steps ")).collect();
    let head = "steps     0 of 6 completed, 1 failed, 1 cancelled, 4 undone · 100 %";
    assert_eq!(table[0], head, "{}", done.out);
    assert!(table[1].starts_with("  ↶ begin_tx    undone"), "{}", done.out);
    assert!(table[5].contains("✗ verify      failed"), "{}", done.out);
    assert!(table[5].contains("unhealthy: version 2.1.0 would not"), "{}", done.out);
    assert!(table.iter().all(|line| line.chars().count() <= 80), "{}", done.out);
}

#[test]
fn the_timeline_is_told_in_words() {
    let place = Place::new();
    place.copy_example("document-approval");
    let done = place.gearshift(&["run", "document-approval"]).ends(0);
    let told: Vec<&str> = done.out.lines().collect();
    assert!(told[0].starts_with("embedded bus · no server needed · "), "{}", done.out);
    assert!(told[1].trim_start().starts_with("00.000  started"), "{}", done.out);
    let review = told[2].split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    assert!(
        review.starts_with("under_review submit_for_review (document.submitted)"),
        "{}",
        done.out
    );
    assert!(review.contains("call validator.validate_document"), "{}", done.out);
    let last = told.last().unwrap();
    assert!(last.starts_with("done in ") && last.ends_with(" · archived"), "{}", done.out);
    // What stands beside plugins that run in the process is not passed over in silence.
    assert!(!done.err.contains("mocks.yaml"), "{}", done.err);
    place.write("document-approval/mocks.yaml", "validator.validate_document: { valid: false }\n");
    let beside = place.gearshift(&["run", "document-approval"]).ends(0);
    assert!(beside.err.contains("mocks.yaml is not used: the plugins of its"), "{}", beside.err);
}

#[test]
fn a_plugin_that_refuses_for_good_is_exit_1() {
    let place = Place::new();
    place.copy_example("document-approval");
    let line = ["run", "document-approval", "-o", "json", "-d", "documentId=doc-13"];
    let run = place.gearshift(&[&line[..], &["-d", "title=Merger plan"]].concat()).ends(1).json();
    assert_eq!(run["status"], "stuck", "{run}");
    assert!(run["stuck_reason"].is_string(), "{run}");
}

#[test]
fn nobody_decides_is_exit_7_at_once() {
    let place = Place::new();
    place.copy_example("document-approval");
    let line = ["run", "document-approval/document_approval.workflow.yaml", "--no-input"];
    let mock = ["--mock", r#"directory.pick_reviewer={"userId": "ann"}"#, "-o", "json"];
    let data = ["-d", "documentId=d", "-d", "submitter=eve", "-d", "title=T"];
    let run = place.gearshift(&[&line[..], &mock, &data].concat()).ends(7).json();
    assert_eq!((&run["timed_out"], &run["status"]), (&true.into(), &"running".into()), "{run}");
    assert_eq!(run["active"], serde_json::json!(["under_review"]));
    // The same for people: why it stops, and what to do where a mock says too little.
    let told = place.gearshift(&[&line[..], &mock[..2], &data].concat()).ends(7);
    assert!(
        told.out.contains("nothing more happens: it waits for a decision of ann"),
        "{}",
        told.out
    );
    let bare = place.gearshift(&[&line[..], &["--mock"], &data].concat()).ends(1);
    assert!(bare.err.contains("--mock 'directory.pick_reviewer={"), "{}", bare.err);
}

const ECHO: &str = "\
workflow: echo
version: 1
vars: { heard: null }
initial: asking
states:
  asking: { entry: { call: oracle.ask, set: { heard: output.answer } }, done: told }
  told: { final: true, output: { heard: '${ vars.heard }' } }
";

#[test]
fn where_nothing_answers_what_helps_is_said() {
    let place = Place::new();
    let text = "workflow: a\nsteps: { s: { call: p.work, retry: { attempts: 1 } } }\n";
    place.write("a.workflow.yaml", text);
    let run = place.gearshift(&["run", "a.workflow.yaml", "--no-input"]).ends(1);
    assert!(run.err.contains("nothing here answers `p.work`: `--mock` answers"), "{}", run.err);
    let mocked = place.gearshift(&["run", "a.workflow.yaml", "--no-input", "--mock"]).ends(0);
    assert!(!mocked.err.contains("hint"), "{}", mocked.err);
}

#[test]
fn mocks_answer_for_plugins_from_flags_and_files() {
    let place = Place::new();
    place.write("flows/echo.workflow.yaml", ECHO);
    let flag = r#"oracle.ask={"answer": 42}"#;
    let run = ["run", "flows", "-o", "json"];
    let with_flag = place.gearshift(&[&run[..], &["--mock", flag]].concat()).ends(0).json();
    assert_eq!(with_flag["output"], serde_json::json!({"heard": 42}), "{with_flag}");
    place.write("flows/mocks.yaml", "oracle.ask: { answer: 7 }\n");
    let with_file = place.gearshift(&run).ends(0).json();
    assert_eq!(with_file["output"], serde_json::json!({"heard": 7}), "{with_file}");
}

#[test]
fn a_workflow_that_no_event_starts_is_started() {
    let place = Place::new();
    place.write("flows/echo.workflow.yaml", ECHO);
    let line =
        ["run", "flows", "--mock", "oracle.ask={\"answer\":1}", "--key", "e-1", "-o", "json"];
    let run = place.gearshift(&line).ends(0).json();
    assert_eq!(run["instance"], "echo/e-1");
}

#[test]
fn what_cannot_run_is_said() {
    let place = Place::new();
    place.write("two/a.workflow.yaml", ECHO);
    place.write("two/b.workflow.yaml", ECHO);
    let done = place.gearshift(&["run", "two"]).ends(2);
    assert!(done.err.contains("a.workflow.yaml"), "{}", done.err);
    place.gearshift(&["run", "nowhere"]).ends(3);
    place.write("bad/a.workflow.yaml", "workflow: a\nversion: 1\nstatse: {}\n");
    let done = place.gearshift(&["run", "bad"]).ends(1);
    assert!(done.err.contains("did you mean `states`"), "{}", done.err);
}

#[test]
fn a_key_that_would_count_for_nothing_is_refused() {
    let place = Place::new();
    let flow = |correlate: &str| {
        format!(
            "workflow: w\n{correlate}events: {{ begun: {{ start: true }} }}\n\
             states: {{ a: {{ final: true }} }}\n"
        )
    };
    for (correlate, told) in [
        ("", "which has no `correlate:` to find the key with"),
        ("correlate: data.id\n", "and `correlate: data.id` is the key"),
    ] {
        place.write("w.workflow.yaml", &flow(correlate));
        for more in [&[][..], &["--event", "begun"][..]] {
            let args = [&["run", "w.workflow.yaml", "--no-input", "--key", "k"][..], more].concat();
            let done = place.gearshift(&args).ends(2);
            assert!(done.err.contains("`--key k` would count for nothing"), "{}", done.err);
            assert!(done.err.contains(told), "{}", done.err);
        }
    }
    place.write("w.workflow.yaml", "workflow: w\nstates: { a: { final: true } }\n");
    let run = ["run", "w.workflow.yaml", "--no-input", "--key", "k", "-o", "json"];
    let done = place.gearshift(&run).ends(0).json();
    assert_eq!(done["instance"], "w/k", "{done}");
}
