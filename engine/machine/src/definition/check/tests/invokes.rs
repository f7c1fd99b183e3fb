//! `invoke:`, `run:` and `to:`: what is refused.

use super::problems::check_problems;

#[test]
fn rule_35_what_is_invoked_is_a_call_or_a_child() {
    check_problems(
        "workflow: w
vars: { v: null }
states:
  a:
    invoke:
      - { id: one }
      - { id: two, call: p.o, workflow: other }
      - { id: three, workflow: other, timeout: 5s, retry: { attempts: 2 } }
      - { id: four, call: p.o, forward: true }
      - { id: five, workflow: 'a b' }
      - { id: six, workflow: other@0, id_to: nothing }
    done: b
  b: { run: { with: 1 }, done: c }
  c: { final: true, run: other }
",
        "\
6:9 GS0101 missing_field: `invoke` has neither `call` nor `workflow`\n\
7:9 GS0113 action_kind: `invoke` has `call` and also `workflow` | write a list of two\n\
8:39 GS0100 unknown_field: a child workflow has no key `timeout`\n\
8:52 GS0100 unknown_field: a child workflow has no key `retry`\n\
9:32 GS0100 unknown_field: a call has no key `forward`\n\
10:31 GS0103 name: workflow `a b` has the character ` `; names are `[A-Za-z0-9_-]+`\n\
11:30 GS0102 type: expected `workflow` or `workflow@version`, versions from 1, found \
`other@0`\n\
11:46 GS0107 unknown_variable: no variable `nothing` | declare it: `vars: { nothing: null }`\n\
13:13 GS0101 missing_field: `run` has no `workflow`\n\
14:21 GS0111 final_state: a final state cannot have `run`\n\
        ",
    );
}

#[test]
fn rule_26_events_go_to_children_that_somebody_invokes() {
    check_problems(
        "workflow: w
states:
  a:
    invoke: [{ id: clerk, workflow: clerk }, { id: till, call: p.o }]
    entry:
      - send: { event: e, to: invoke.clerk }
      - send: { event: e, to: invoke.cleric }
      - send: { event: e, to: invoke.till }
      - send: { event: e, to: { instance: nowhere } }
      - send: { event: e, to: { instance: 'w/${ key }' } }
      - send: { event: e, to: '${ event.origin }' }
      - send: { event: e, to: { instance: w/k, key: k } }
    done: c
  c: { final: true }
",
        "\
7:31 GS0129 recipient: no state invokes a child workflow as `cleric` | did you mean `clerk`?\n\
8:31 GS0129 recipient: no state invokes a child workflow as `till`\n\
9:43 GS0129 recipient: expected `workflow/key`, found `nowhere`\n\
12:48 GS0100 unknown_field: `to` has no key `key` | known keys are `instance`\n\
        ",
    );
}

#[test]
fn rule_35_every_state_that_lasts_may_invoke() {
    check_problems(
        "workflow: w
states:
  p:
    invoke: { id: a, workflow: one }
    parallel:
      q: { run: two, states: { r: { on: { e: s } }, s: { final: true } } }
      t: { invoke: { id: b, call: p.o }, states: { u: { on: { e: v } }, v: { final: true } } }
    failed: z
    done: z
  z: { final: true }
",
        "",
    );
}
