//! The Python package's own tests, file by file.

use std::path::Path;

use crate::world::{gearshift, output, package, python};

/// Runs one file of the Python package's own tests; none may be skipped.
async fn tests_of_the_package_pass(module: &str) {
    let mut command = python(Path::new("-m"));
    command.args(["unittest", "-v", module]).current_dir(package().join("tests"));
    command.env("GEARSHIFT_TEST_BIN", gearshift());
    let done = output(&mut command).await;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next());
    assert!(ran.is_some_and(|count| count != "0"), "{said}");
    assert!(!said.contains("skipped"), "{said}");
}

#[tokio::test]
async fn the_python_package_reads_and_writes_the_protocol() {
    tests_of_the_package_pass("test_pure").await;
}

#[tokio::test]
async fn the_python_package_says_what_is_wrong() {
    tests_of_the_package_pass("test_mistakes").await;
}

#[tokio::test]
async fn the_python_package_says_which_argument_is_of_a_wrong_kind() {
    tests_of_the_package_pass("test_arguments").await;
}

#[tokio::test]
async fn the_python_package_judges_what_it_sends() {
    tests_of_the_package_pass("test_judged").await;
}

#[tokio::test]
async fn the_python_package_answers_calls() {
    tests_of_the_package_pass("test_plugin").await;
}

#[tokio::test]
async fn the_python_package_lets_calls_wait_for_their_turn() {
    tests_of_the_package_pass("test_waiting").await;
}

#[tokio::test]
async fn the_python_package_works_long() {
    tests_of_the_package_pass("test_long_work").await;
}

#[tokio::test]
async fn the_python_package_works_long_for_an_engine_that_is_killed() {
    tests_of_the_package_pass("test_long_engine").await;
}

#[tokio::test]
async fn the_python_package_runs_as_a_process() {
    tests_of_the_package_pass("test_process").await;
}

#[tokio::test]
async fn the_python_package_bears_that_the_server_goes_away() {
    tests_of_the_package_pass("test_away").await;
}

#[tokio::test]
async fn the_python_client_waits_through_restarts() {
    tests_of_the_package_pass("test_again").await;
}

#[tokio::test]
async fn the_python_client_drives_a_real_engine() {
    tests_of_the_package_pass("test_client").await;
}

#[tokio::test]
async fn orders_of_the_python_client_are_taken() {
    tests_of_the_package_pass("test_orders").await;
}

#[tokio::test]
async fn the_python_package_is_a_wheel() {
    tests_of_the_package_pass("test_wheel").await;
}

#[test]
fn every_file_of_the_python_package_s_tests_is_run_here() {
    let here = include_str!("package.rs");
    let files = std::fs::read_dir(package().join("tests")).unwrap();
    let mut count = 0;
    for name in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
        let Some(module) = name.strip_suffix(".py").filter(|it| it.starts_with("test_")) else {
            continue;
        };
        let runs = format!("tests_of_the_package_pass(\"{module}\")");
        assert!(here.contains(&runs), "nothing runs `{name}`");
        count += 1;
    }
    assert!(count > 0);
}
