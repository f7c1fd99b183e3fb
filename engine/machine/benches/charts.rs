//! What one decision costs in big charts: four regions, all of them or one of them moving.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{
    Event, Input, Instance, InstanceKey, Principal, Timestamp, decide,
};
use gearshift_machine::value::Value;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const REGIONS: usize = 4;

/// A chart of `count` states in four regions: each a ring of states with a guard, an action, a
/// timer and a way out of all of it.
fn chart(count: usize) -> Definition {
    // The parallel state, its regions and the final state count too.
    let ring = (count - REGIONS - 2) / REGIONS;
    let mut text = String::from("workflow: chart\nvars: { moves: 0 }\nstates:\n  all:\n");
    text.push_str("    on: { stopped: over }\n    parallel:\n");
    for region in 0..REGIONS {
        text.push_str(&format!("      region{region}:\n        states:\n"));
        for place in 0..ring {
            let next = (place + 1) % ring;
            text.push_str(&format!(
                "          r{region}_{place}:\n            after: {{ 1h: over }}\n            on:\n\
                 \x20             moved.{region}: {{ when: data.amount < 10000, \
                 do: [ {{ set: {{ moves: vars.moves + 1 }} }} ], to: r{region}_{next} }}\n\
                 \x20             all_moved: {{ when: data.amount < 10000, \
                 to: r{region}_{next} }}\n"
            ));
        }
    }
    text.push_str("  over: { final: true }\n");
    match load(&text, "chart.workflow.yaml", Format::Yaml) {
        Ok(loaded) => loaded.definition,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn event(name: &str) -> Input {
    let data = Value::from_json(br#"{"amount":100}"#).ok();
    Input::Event(Event { name: name.into(), data, time: Some(NOW), ..Event::default() })
}

fn started(definition: &Definition, key: &InstanceKey) -> Option<Instance> {
    let start = Input::Start {
        input: Value::empty_map(),
        event: None,
        by: Principal::default(),
        id: None,
        trace_context: None,
    };
    decide(None, key, definition, &start, NOW).instance
}

fn bench(criterion: &mut Criterion) {
    let Ok(key) = InstanceKey::new("chart", "k1") else { return };
    let mut group = criterion.benchmark_group("decide/chart");
    for count in [200, 2_000] {
        let definition = chart(count);
        let instance = started(&definition, &key);
        for (name, input) in [
            ("one_region_moves", event("moved.2")),
            ("four_regions_move", event("all_moved")),
            ("nobody_takes_it", event("unknown")),
            ("everything_is_left", event("stopped")),
        ] {
            let id = BenchmarkId::new(name, count);
            group.bench_function(id, |bencher| {
                bencher
                    .iter(|| decide(black_box(instance.as_ref()), &key, &definition, &input, NOW));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
