//! Random charts and families do the same after a round trip through SCXML.

use gearshift_machine::convert::from_scxml;
use gearshift_machine::definition::export::{SourceText, scxml};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load};

use crate::chart::{chart, family};
use crate::world::{Round, World, script};
use crate::{play_through, with_seeds};

/// The chart as SCXML, and that as a definition again.
fn there_and_back(chart: &Definition) -> Definition {
    let source = SourceText { text: &chart.canonical, origin: "chart", format: Format::Json };
    let there = scxml(chart, source).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let back = from_scxml(&there.text, "chart.scxml");
    let back = back.unwrap_or_else(|problems| panic!("{problems:#?}\n{}", there.text));
    let loaded = load(&back.yaml, "chart.yaml", Format::Yaml);
    loaded.unwrap_or_else(|problems| panic!("{problems:#?}\n{}", back.yaml)).definition
}

fn the_same(charts: &[Definition], script: &[Round]) {
    let back: Vec<Definition> = charts.iter().map(there_and_back).collect();
    let told = |charts: &[Definition]| {
        let world = play_through(World::new(charts), script);
        let instances = world.instances().into_iter();
        // What is written differs, and so do the hashes.
        let plain = instances.map(|(mut instance, trace)| {
            instance.pin.hash = 0;
            (instance, trace)
        });
        plain.collect::<Vec<_>>()
    };
    assert_eq!(told(charts), told(&back));
}

#[test]
fn random_charts_do_the_same_after_a_round_trip_through_scxml() {
    with_seeds(|seed| the_same(&[chart(seed)], &script(seed)));
}

#[test]
fn random_families_do_the_same_after_a_round_trip_through_scxml() {
    // They say so much to each other that a part of the script is enough.
    with_seeds(|seed| the_same(&family(seed), script(seed).get(..10).unwrap_or_default()));
}
