//! The pages of `docs/` against the program: every definition on them loads without a finding,
//! every key of the format is in the table, every test and code they name exists.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gearshift_machine::definition::{Format, Problem, codes, load_all, schema};

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn page(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fenced block of a page.
struct Block {
    /// What stands behind the fence: `yaml`, `yaml states`, `json`, ….
    info: String,
    /// The line of its fence, from 1.
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                open = Some(Block { info: info.to_owned(), line: at + 1, text: String::new() });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                writeln!(block.text, "{line}").unwrap();
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

/// What the parts on the pages stand in: the order workflow of `docs/FORMAT.md`.
const HEAD: &str = "
workflow: order
correlate: data.orderId
events: [order.placed, order.paid, order.withdrawn, user.action]
vars: { amount: 0, paid: 0, reason: '', items: [], customer: {} }
";

/// A block as a whole definition; none where it is something else, such as a shell command.
fn whole(block: &Block) -> Option<(String, Format)> {
    match &*block.info {
        "yaml" => Some((block.text.clone(), Format::Yaml)),
        "json" => Some((block.text.clone(), Format::Json)),
        "yaml states" => Some((around_states(&block.text), Format::Yaml)),
        "yaml actions" => Some((around_actions(&block.text), Format::Yaml)),
        other => {
            assert!(!other.contains("yaml"), "line {}: no test knows ```{other}```", block.line);
            None
        }
    }
}

/// The part's states, with the two that they lead to; an event leads into each of them.
fn around_states(part: &str) -> String {
    let own = part.lines().filter_map(|line| line.strip_prefix("  "));
    let own = own.filter(|line| !line.starts_with([' ', '#'])).filter_map(|line| {
        let (id, _) = line.split_once(':')?;
        Some(id)
    });
    let into: Vec<String> =
        own.chain(["paid", "cancelled"]).map(|id| format!("part.{id}: {id}")).collect();
    let events: Vec<&str> = into.iter().filter_map(|pair| Some(pair.split_once(':')?.0)).collect();
    let head = HEAD.replace("user.action]", &format!("user.action, {}]", events.join(", ")));
    let into = into.join(", ");
    format!(
        "{head}on: {{ {into} }}\n{part}  paid: {{ final: true }}\n  cancelled: {{ final: true }}\n"
    )
}

/// The part's actions as `entry:`.
fn around_actions(part: &str) -> String {
    let mut text = format!(
        "{HEAD}actions: {{ tell_customer: {{ publish: customer.told }} }}\n\
         states:\n  cancelled: {{ final: true }}\n  placed:\n    on: {{ order.paid: cancelled }}\n    \
         entry:\n"
    )
    .replace("states:\n", "initial: placed\nstates:\n");
    for line in part.lines() {
        writeln!(text, "      {line}").unwrap();
    }
    text
}

fn load_blocks(name: &str) -> usize {
    let page = page(name);
    let mut loaded = 0;
    let mut findings = String::new();
    for block in blocks(&page) {
        let Some((text, format)) = whole(&block) else { continue };
        let origin = format!("{name}, the block in line {}", block.line);
        let problems: Vec<Problem> = match load_all(&text, &origin, format) {
            Ok(all) => {
                loaded += all.len();
                all.into_iter().flat_map(|one| one.warnings).collect()
            }
            Err(problems) => problems,
        };
        // Of roles, the page itself says that they are not checked yet.
        for problem in problems.iter().filter(|it| it.code != codes::ROLES_SHOWN) {
            writeln!(findings, "{}", problem.render(&text, false)).unwrap();
        }
    }
    assert!(findings.is_empty(), "\n{findings}");
    loaded
}

#[test]
fn every_definition_of_the_format_page_loads_without_a_finding() {
    assert!(load_blocks("docs/FORMAT.md") >= 10, "blocks of the page are not found any more");
}

#[test]
fn every_definition_of_the_page_on_transactions_loads_without_a_finding() {
    assert!(load_blocks("docs/TRANSACTIONS.md") >= 1, "blocks of the page are not found any more");
}

#[test]
fn every_definition_of_the_readme_loads_without_a_finding() {
    assert!(load_blocks("README.md") >= 1, "blocks of the page are not found any more");
}

#[test]
fn the_key_table_is_that_of_the_checker() {
    let page = page("docs/FORMAT.md");
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().skip_while(|line| !line.starts_with("| Where | Key |")).skip(2) {
        let Some(line) = line.strip_prefix("| ") else { break };
        let mut cells = line.split(" | ");
        let (place, key) = (cells.next().unwrap(), cells.next().unwrap().trim_matches('`'));
        let new = written.entry(place.to_owned()).or_default().insert(key.to_owned());
        assert!(new, "`{key}` of {place} stands twice");
    }
    let schema = schema();
    let keys = |of: &serde_json::Value| -> BTreeSet<String> {
        let fields = of.get("properties").and_then(serde_json::Value::as_object);
        fields.into_iter().flat_map(serde_json::Map::keys).cloned().collect()
    };
    let mut known = BTreeMap::from([("definition".to_owned(), keys(&schema))]);
    for (name, of) in schema.get("$defs").and_then(serde_json::Value::as_object).unwrap() {
        let keys = keys(of);
        if !keys.is_empty() {
            known.insert(name.clone(), keys);
        }
    }
    assert_eq!(written, known, "left: docs/FORMAT.md, right: the checker");
}

/// The names of all tests of the workspace.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut marked = false;
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = function.and_then(|rest| rest.split(['(', '<']).next())
                    && std::mem::take(&mut marked)
                {
                    names.insert(name.to_owned());
                }
            }
        }
    }
}

fn all_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["bus", "engine", "examples", "plugins-sdk", "tests"] {
        tests_below(&root().join(folder), &mut names);
    }
    names
}

/// The entries of SEMANTICS.md: the rule, and the tests behind `Held by`.
fn rules() -> BTreeMap<u32, Vec<String>> {
    let page = page("docs/SEMANTICS.md");
    let mut rules: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut current = None;
    let mut holding = false;
    for line in page.lines() {
        if line.starts_with('#') {
            current = None;
        }
        let number = line.strip_prefix("**").and_then(|rest| rest.split_once(". "));
        if let Some(Ok(number)) = number.map(|(number, _)| number.parse::<u32>()) {
            assert!(rules.insert(number, Vec::new()).is_none(), "rule {number} stands twice");
            (current, holding) = (Some(number), false);
        }
        holding |= line.starts_with("Held by ");
        if let Some(tests) = current.filter(|_| holding).and_then(|rule| rules.get_mut(&rule)) {
            tests.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    rules
}

#[test]
fn every_rule_stands_on_the_page_and_is_held_by_tests_that_exist() {
    let (tests, rules) = (all_tests(), rules());
    assert!(rules.keys().copied().eq(1..=46), "{:?}", rules.keys());
    for (rule, held_by) in rules {
        assert!(!held_by.is_empty(), "rule {rule} names no test");
        for name in held_by {
            assert!(tests.contains(&name), "rule {rule}: there is no test `{name}`");
        }
    }
}

/// The tests in the last column of tables whose head says `Held by`.
fn held_in_tables() -> BTreeSet<String> {
    let page = page("docs/SEMANTICS.md");
    let (mut names, mut holding) = (BTreeSet::new(), false);
    for line in page.lines() {
        holding = line.starts_with('|') && (holding || line.ends_with("| Held by |"));
        let last = line.trim_end_matches('|').rsplit('|').next().filter(|_| holding);
        names.extend(last.into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)));
    }
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_test_that_a_table_names_exists() {
    let (tests, named) = (all_tests(), held_in_tables());
    assert!(named.len() > 20, "the tables were not found: {named:?}");
    for name in named {
        assert!(tests.contains(&name), "there is no test `{name}`");
    }
}

#[test]
fn every_code_that_the_pages_name_exists() {
    for name in ["README.md", "docs/FORMAT.md", "docs/SEMANTICS.md", "docs/TRANSACTIONS.md"] {
        let page = page(name);
        for (at, _) in page.match_indices("GS") {
            let code: String = page.chars().skip(page[..at].chars().count()).take(6).collect();
            if code.chars().skip(2).all(|c| c.is_ascii_digit()) {
                assert!(codes::explain(&code).is_some(), "{name} names {code}");
            }
        }
    }
}
