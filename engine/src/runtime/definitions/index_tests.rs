//! Which version listens to which part of which source.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearshift_machine::definition::{DERIVED_MIN, Format, load};
use gearshift_machine::partition::Position;

use super::{Froms, Index};

/// The last version that an author can write.
const LAST: u32 = DERIVED_MIN - 1;

const FLOW: &str = "\
workflow: flow
version: VERSION
correlate: data.key
events:
  flow.opened: { start: true }
initial: open
states:
  open: {}
";

const fn position(source: u16, sequence: u64) -> Position {
    Position { source, sequence }
}

fn index(listens: &[(u32, &[Position])], sources: &[Position]) -> Index {
    let mut deployed = BTreeMap::new();
    for (version, froms) in listens {
        let derived = if *version < DERIVED_MIN { "" } else { "\nderived_from: 1" };
        let text = FLOW.replace("VERSION", &format!("{version}{derived}"));
        let loaded = load(&text, "flow.workflow.yaml", Format::Yaml);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let definition = Arc::new(loaded.definition);
        let froms = Froms::new(froms.iter().copied());
        deployed.insert((Arc::clone(&definition.name), *version), (definition, froms));
    }
    Index::of(&deployed, Vec::new(), sources).unwrap_or_else(|error| panic!("{error}"))
}

/// The versions that listen at a place, the newest one marked.
fn at(index: &Index, position: Option<Position>) -> Vec<(u32, bool)> {
    let listeners = index.listeners("flow.opened").iter();
    let heard = listeners.filter(|one| one.listens_at(position));
    heard.map(|one| (one.definition.version, one.is_latest_at(position))).collect()
}

#[test]
fn a_version_listens_from_its_place_in_each_source() {
    let sources = [position(1, 0), position(2, 0)];
    let first = [position(1, 10), position(2, 1_000)];
    let second = [position(1, 20), position(2, 900)];
    let index = index(&[(1, &first), (2, &second)], &sources);
    assert_eq!(at(&index, Some(position(1, 9))), []);
    assert_eq!(at(&index, Some(position(1, 10))), [(1, true)]);
    assert_eq!(at(&index, Some(position(1, 20))), [(2, true), (1, false)]);
    assert_eq!(at(&index, Some(position(2, 899))), []);
    assert_eq!(at(&index, Some(position(2, 950))), [(2, true)]);
    assert_eq!(at(&index, Some(position(2, 1_000))), [(2, true), (1, false)]);
    assert_eq!(at(&index, None), [(2, true), (1, false)]);
}

#[test]
fn a_source_that_came_later_is_heard_from_where_it_joined() {
    let index = index(&[(1, &[position(1, 10)])], &[position(1, 0), position(2, 50)]);
    assert_eq!(at(&index, Some(position(2, 49))), []);
    assert_eq!(at(&index, Some(position(2, 50))), [(1, true)]);
}

#[test]
fn the_highest_version_number_is_the_newest_version() {
    let listens: &[(u32, &[Position])] =
        &[(LAST - 1, &[position(1, 1)]), (LAST, &[position(1, 10)])];
    let index = index(listens, &[position(1, 0)]);
    assert_eq!(at(&index, Some(position(1, 9))), [(LAST - 1, true)]);
    assert_eq!(at(&index, Some(position(1, 10))), [(LAST, true), (LAST - 1, false)]);
    assert_eq!(at(&index, None), [(LAST, true), (LAST - 1, false)]);
}

#[test]
fn a_derived_version_listens_and_is_never_the_newest() {
    let listens: &[(u32, &[Position])] =
        &[(1, &[position(1, 1)]), (DERIVED_MIN + 7, &[position(1, 10)])];
    let index = index(listens, &[position(1, 0)]);
    let both = [(1, true), (DERIVED_MIN + 7, false)];
    assert_eq!(at(&index, Some(position(1, 9))), [(1, true)]);
    assert_eq!(at(&index, Some(position(1, 10))), both);
    assert_eq!(at(&index, None), both);
}
