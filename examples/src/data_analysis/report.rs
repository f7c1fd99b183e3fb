//! `chart_generator`, `dashboard_generator`, `report_generator`: what people look at.

use std::fmt::Write as _;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use super::analyze::Findings;
use crate::files::{self, Folder};
use crate::table::number;

/// How long the longest bar is.
const BAR: f64 = 240.0;

/// What to draw, and where to.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Draw {
    findings: Findings,
    output_file: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Drawn {
    file: String,
    kind: String,
}

/// One bar per column, as an SVG.
pub(super) async fn create_basic_charts(
    State(Folder(folder)): State<Folder>,
    _: Context,
    draw: Draw,
) -> Result<Drawn, Failure> {
    let path = files::below(&folder, &draw.output_file)?;
    files::write(&path, chart(&draw.findings)?.as_bytes()).await?;
    Ok(Drawn { file: draw.output_file, kind: "charts".to_owned() })
}

/// The chart, and a table of all numbers, as a page.
pub(super) async fn create_dashboard(
    State(Folder(folder)): State<Folder>,
    _: Context,
    draw: Draw,
) -> Result<Drawn, Failure> {
    let path = files::below(&folder, &draw.output_file)?;
    let mut page = String::from("<!doctype html>\n<title>Dashboard</title>\n");
    page.push_str(&chart(&draw.findings)?);
    page.push_str("<table>\n<tr><th>column<th>count<th>mean<th>min<th>max\n");
    for (name, one) in &draw.findings.summaries {
        let (mean, min, max) = (number(one.mean), number(one.min), number(one.max));
        writeln!(page, "<tr><td>{name}<td>{}<td>{mean}<td>{min}<td>{max}", one.count)?;
    }
    page.push_str("</table>\n");
    files::write(&path, page.as_bytes()).await?;
    Ok(Drawn { file: draw.output_file, kind: "dashboard".to_owned() })
}

fn chart(findings: &Findings) -> Result<String, Failure> {
    let height = 30 * findings.summaries.len();
    let mut svg =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"400\" height=\"{height}\">\n");
    let most = findings.summaries.values().map(|one| one.mean.abs()).fold(0.0, f64::max);
    for (at, (name, one)) in findings.summaries.iter().enumerate() {
        let width = number(if most > 0.0 { one.mean.abs() / most * BAR } else { 0.0 });
        let (y, mean) = (30 * at, number(one.mean));
        writeln!(svg, "<rect x=\"100\" y=\"{y}\" width=\"{width}\" height=\"20\"/>")?;
        writeln!(svg, "<text x=\"0\" y=\"{}\">{name} {mean}</text>", y + 15)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// What the report is about.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Write {
    /// A file with `{{name}}` in it for what is filled in.
    template: String,
    data_file: String,
    row_count: u64,
    findings: Findings,
    picture: String,
    output_file: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    file: String,
    columns: usize,
    sha256: String,
}

pub(super) async fn create_analysis_report(
    State(Folder(folder)): State<Folder>,
    _: Context,
    write: Write,
) -> Result<Report, Failure> {
    let template = files::read_text(&folder, &write.template).await?;
    let mut findings = String::new();
    for (name, one) in &write.findings.summaries {
        let (mean, min, max) = (number(one.mean), number(one.min), number(one.max));
        writeln!(findings, "- {name}: {} values, mean {mean}, {min} to {max}", one.count)?;
    }
    let text = template
        .replace("{{file}}", &write.data_file)
        .replace("{{rows}}", &write.row_count.to_string())
        .replace("{{algorithm}}", &write.findings.algorithm)
        .replace("{{parts}}", &write.findings.parts.to_string())
        .replace("{{picture}}", &write.picture)
        .replace("{{findings}}", findings.trim_end());
    files::write(&files::below(&folder, &write.output_file)?, text.as_bytes()).await?;
    let columns = write.findings.summaries.len();
    Ok(Report { file: write.output_file, columns, sha256: files::digest(text.as_bytes()) })
}
