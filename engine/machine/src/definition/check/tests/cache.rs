//! `cache:` of calls: each mistake at its place.

use super::check_problems;
use crate::definition::model::SeqStep;
use crate::definition::{Format, load};

#[test]
fn decision_34_bad_caches_are_told_where_they_stand() {
    check_problems(
        "\
workflow: w
steps:
  a: { call: p.o, cache: 1 }
  b: { call: p.o, cache: 500ms }
  c: { call: p.o, cache: { ttl: 31d } }
  d: { call: p.o, cache: { key: \"${ input.id }\" } }
  e: { call: p.o, cache: { ttl: 1m, key: } }
  f: { call: p.o, cache: { ttl: 1m, kex: 1 } }
  g: { call: p.o, cache: 1m, undo: p.u }
  h: { publish: a.b, cache: 1m }
  i: { wait: x, cache: 1m }
  j: { call: p.o, cache: [1m] }
  k: { call: p.o, cache: { ttl: 1m, key: \"${ inptu.id }\" } }
  l: { call: transaction.commit, with: { name: t }, cache: 1m }
  m: { begin: t, cache: 1m }
events: [x]
",
        "\
3:26 GS0117 duration_range: duration `1` has no unit after `1`; write `1s` for seconds\n\
4:26 GS0173 cache: a result is kept for 1s to 30d, not for 500ms\n\
5:33 GS0173 cache: a result is kept for 1s to 30d, not for 31d\n\
6:26 GS0101 missing_field: `cache` has no `ttl`: how long\n\
7:40 GS0173 cache: the key is nothing: all calls would be the same one\n\
8:37 GS0100 unknown_field: `cache` has no key `kex` | did you mean `key`?\n\
9:19 GS0173 cache: `p.o` is to be taken back by `undo`, so it has to happen: its result cannot \
come from the cache\n\
10:22 GS0100 unknown_field: `publish` has no key `cache`\n\
11:17 GS0100 unknown_field: `wait` has no key `cache`\n\
12:26 GS0102 type: expected a duration such as `30s`, found a list\n\
13:46 GS0302 unknown_name: no name `inptu` | did you mean `input`?\n\
14:53 GS0173 cache: `transaction.commit` is never answered from the cache\n\
15:18 GS0100 unknown_field: `begin` has no key `cache`\n\
",
    );
}

#[test]
fn decision_34_an_undo_has_no_cache_of_its_own() {
    check_problems(
        "workflow: w\nsteps:\n  a: { call: p.o, undo: { call: p.u, cache: 1m } }\n",
        "3:38 GS0100 unknown_field: `undo` has no key `cache` | known keys are `call`, `with`, \
         `timeout`, `retry`\n",
    );
}

#[test]
fn decision_34_both_forms_are_read() {
    let text = "\
workflow: w
vars: { id: 1 }
steps:
  a: { call: p.o, cache: 10m }
  b: { call: p.o, cache: { ttl: 1h, key: { id: \"${ vars.id }\", v: 2 } } }
";
    let definition = load(text, "w.yaml", Format::Yaml).unwrap().definition;
    let rules = definition.sequences.iter().map(|sequence| {
        let SeqStep::Call { spec, .. } = &sequence.steps[0] else { panic!("{sequence:?}") };
        let rules = spec.cache.as_ref().unwrap();
        (rules.ttl_ms, rules.key.is_some())
    });
    assert_eq!(rules.collect::<Vec<_>>(), [(600_000, false), (3_600_000, true)]);
}
