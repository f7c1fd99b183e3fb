//! What the README and `--help` tell people to type works when it is pasted.

use std::path::Path;
use std::process::Stdio;

use crate::support::{Dev, Done, Place};

/// The commands of a text, with lines that end in `\` joined; `start` begins each.
fn commands(text: &str, start: &str) -> Vec<String> {
    let joined: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
    let joined = joined.join("");
    let lines = joined.lines().filter_map(|line| line.trim_start().strip_prefix(start));
    lines.map(|line| format!("gearshift {line}")).collect()
}

/// The blocks of a page that show commands.
fn consoles(page: &str) -> Vec<&str> {
    let blocks = page.split("```console\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// A place with all examples, in `examples` as in the repository.
fn with_examples() -> Place {
    let place = Place::new();
    for name in ["document-approval", "order"] {
        let copied = place.copy_example(name);
        std::fs::create_dir_all(place.path("examples")).unwrap();
        std::fs::rename(copied, place.path("examples").join(name)).unwrap();
    }
    place
}

/// Runs a line as a shell does, with the binary under test as `gearshift`.
#[track_caller]
fn pasted(place: &Place, line: &str) -> Done {
    let binary = Path::new(env!("CARGO_BIN_EXE_gearshift")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    // The environment of a command in this place, for the shell.
    let mut command = place.shell(line);
    command.env("PATH", format!("{}:{path}", binary.display())).stdin(Stdio::null());
    Done::of(&command.output().unwrap())
}

#[test]
fn the_first_five_minutes_of_the_readme_are_as_told() {
    let readme = page("README.md");
    let block = consoles(&readme).into_iter().find(|block| block.contains("$ gearshift send"));
    let lines = commands(block.unwrap(), "$ gearshift ");
    let place = with_examples();
    let engine = || -> Dev { place.dev(&["examples", "--data", "kept"]) };
    let first = engine();
    let told: Vec<Done> = lines.iter().map(|line| pasted(&place, line).ends(0)).collect();
    let [sent, tasks, approved, history, why] = told.as_slice() else { panic!("{lines:?}") };
    assert!(
        sent.out.starts_with("doc-43  document_approval@1  started: under_review"),
        "{}",
        sent.out
    );
    assert!(tasks.out.contains("Review Budget"), "{}", tasks.out);
    assert!(approved.out.starts_with("doc-43  under_review → approved"), "{}", approved.out);
    assert!(history.out.contains("[numbers match]"), "{}", history.out);
    assert!(why.out.starts_with("doc-43 "), "{}", why.out);
    // Killed, and started again with the same data.
    drop(first);
    let _second = engine();
    let listed = pasted(&place, "gearshift ls").ends(0);
    assert!(listed.out.contains("doc-43  document_approval@1"), "{}", listed.out);
}

#[test]
fn a_document_that_is_not_fit_is_mended_as_its_readme_says() {
    let readme = page("examples/document-approval/README.md");
    let blocks = consoles(&readme);
    let place = with_examples();
    let alone = commands(blocks[1], "$ gearshift ");
    let run = pasted(&place, &alone[0]).ends(1);
    assert!(run.out.contains("is not allowed"), "{}", run.out);
    let _engine = place.dev(&["examples"]);
    let lines = commands(blocks[2], "$ gearshift ");
    assert!(lines[0].starts_with("gearshift dev examples"), "{lines:?}");
    let sent = pasted(&place, &lines[1]).ends(1);
    assert!(sent.out.contains("gearshift why doc-13"), "{}", sent.out);
    assert!(pasted(&place, &lines[2]).ends(0).out.contains("gearshift retry"));
    let document = place.path("examples/document-approval/documents/doc-13.md");
    let text = std::fs::read_to_string(&document).unwrap();
    let kept = text.lines().filter(|line| {
        let line = line.to_lowercase();
        !["lorem ipsum", "tbd", "top secret"].iter().any(|word| line.contains(word))
    });
    let filler = "Both sides agree on price and date, and the works council was told in time.\n";
    std::fs::write(&document, kept.chain([filler]).collect::<Vec<_>>().join("\n")).unwrap();
    pasted(&place, "gearshift retry doc-13").ends(0);
}

#[test]
fn the_transaction_of_its_page_is_taken_back_as_told() {
    let page = page("docs/TRANSACTIONS.md");
    let lines = commands(consoles(&page)[0], "$ gearshift ");
    let place = with_examples();
    let copied = place.copy_example("system-update");
    std::fs::rename(copied, place.path("examples/system-update")).unwrap();
    assert!(lines[0].starts_with("gearshift dev examples"), "{lines:?}");
    let _engine = place.dev(&["examples"]);
    let told: Vec<Done> = lines[1..].iter().map(|line| pasted(&place, line).ends(0)).collect();
    let [_, _, _, shown, back, after] = told.as_slice() else { panic!("{lines:?}") };
    assert!(shown.out.contains("o-9") && shown.out.contains("u-9"), "{}", shown.out);
    assert!(back.out.contains("rolled"), "{}", back.out);
    assert!(after.out.contains("↶ backup"), "{}", after.out);
}

#[test]
fn what_the_pages_do_before_a_run_works_when_pasted() {
    let readme = page("README.md");
    let block = consoles(&readme).into_iter().find(|block| block.contains("$ gearshift check"));
    let place = with_examples();
    let lines = commands(block.unwrap(), "$ gearshift ");
    assert!(lines.len() >= 4, "{lines:?}");
    for line in &lines {
        // A session ends with its input.
        pasted(&place, line).ends(0);
    }
    let plugins = page("docs/PLUGINS.md");
    let _engine = place.dev(&["examples"]);
    let lines: Vec<String> =
        consoles(&plugins).into_iter().flat_map(|block| commands(block, "$ gearshift ")).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(pasted(&place, line).ends(0).out.contains("PLUGIN"), "{line}");
    }
}

/// The examples that a command's `--help` shows.
fn examples(place: &Place, command: &[&str]) -> Vec<String> {
    let help = place.gearshift(&[command, &["--help"]].concat()).ends(0).out;
    commands(&help, "gearshift ")
}

#[test]
fn examples_of_help_work_when_pasted() {
    let ends_at = |line: &String| if line.contains("--no-input") { 7 } else { 0 };
    let all = [&[][..], &["start"], &["send"], &["tasks"], &["ls"], &["run"], &["def"]];
    let mut tried = 0;
    for command in all {
        let place = with_examples();
        let _engine = place.dev(&["examples"]);
        for line in examples(&place, command) {
            // An engine runs already.
            if line.starts_with("gearshift dev") || line.contains("jq") {
                continue;
            }
            let line = line.split("    ").next().unwrap_or(&line).to_owned();
            pasted(&place, &line).ends(ends_at(&line));
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried} examples");
}
