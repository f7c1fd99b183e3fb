//! The crash matrix of the W3C suite and of our own documents: each on the real engine, on files,
//! under a virtual clock; the engine is dropped at every frame, and nothing may come of it.
//!
//! `GEARSHIFT_SCXML_DIR` names a folder to take instead, `GEARSHIFT_LONG=1` takes every frame of
//! every document and both sides of it, `GEARSHIFT_TEST_SEED=N` repeats a choice, an argument
//! chooses documents by the beginning of their ids.
#![expect(clippy::print_stdout, reason = "a line of output is what this program is for")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;

use gearshift_tests::scxml::crash::{Matrix, Report};
use gearshift_tests::scxml::{Document, Found, folders};

/// Frames that a document may have to be crashed at each of them in the short version.
const FRAMES_MAX: u64 = 12;
/// Documents that run at once; each waits for the disk most of the time.
const THREADS: usize = 8;

fn main() -> ExitCode {
    let (folder, chosen) = folders::suite();
    if !chosen && !folder.is_dir() {
        println!("no folder {}: only documents of our own are crashed", folder.display());
    }
    match folders::all() {
        Ok(found) => run(&found),
        Err(error) => {
            println!("cannot read {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn matrix() -> Matrix {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let frames_max = if is_long { u64::MAX - 1 } else { FRAMES_MAX };
    Matrix { frames_max, all_effects: is_long, seed }
}

fn run(found: &Found) -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_wanted = |document: &&Document| {
        wanted.is_empty() || wanted.iter().any(|start| document.id.starts_with(start))
    };
    let documents: Vec<&Document> = found.documents.iter().filter(is_wanted).collect();
    let matrix = matrix();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        while let Some(document) = documents.get(next.fetch_add(1, Ordering::Relaxed)) {
            let judged = matrix.judge(document, &found.children);
            if let Err(reason) = &judged {
                println!("FAILED {}: {}", document.id, reason.replace('\n', " "));
            }
            mine.push(judged);
        }
        mine
    };
    let judged: Vec<Result<Report, String>> = scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let lists = threads.into_iter().map(|it| it.join());
        lists.flat_map(|it| it.unwrap_or_else(|_| vec![Err("panicked".to_owned())])).collect()
    });
    let passed: Vec<&Report> = judged.iter().flatten().collect();
    let (failed, seed) = (judged.len() - passed.len(), matrix.seed);
    let crashes: u64 = passed.iter().map(|it| it.crashes).sum();
    let frames: u64 = passed.iter().map(|it| it.frames).sum();
    let decisions: usize = passed.iter().map(|it| it.decisions).sum();
    println!(
        "{} passed, {failed} failed; {crashes} crashes in {frames} frames of {decisions} decisions, \
         seed {seed}",
        passed.len()
    );
    if failed == 0 && crashes > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
