//! L8: steps that read one another without an order.

use crate::definition::check::tests::check_problems;

#[test]
fn a_step_that_reads_what_it_does_not_wait_for_is_told() {
    check_problems(
        r#"workflow: w
vars: { n: 0 }
steps:
  a: { call: p.a }
  b: { call: p.b, with: { of: "${ steps.a.id }" } }
  c: { needs: [b], when: "steps.a.n > 1", call: p.c, set: { n: steps.d.n } }
  d:
    needs: [c]
    call: p.d
    fallback: { call: p.e, with: { of: "${ steps.b.n } ${ steps.f.n }" } }
  f:
    foreach: { in: steps.a.list, as: it }
    call: p.f
    undo: { call: p.g, with: { x: "${ steps.b.x }" } }
"#,
        "\
5:35 GS0233 racing_step: `b` reads `steps.a` and does not wait for `a`: they race | write \
`needs: [a]`, or ask `has(steps.a)` first\n\
6:27 GS0233 racing_step: `c` reads `steps.a` and does not wait for `a`: they race | add `a` to \
`needs` of `c`, or ask `has(steps.a)` first\n\
6:64 GS0233 racing_step: `d` begins behind `c`: `steps.d` is never there yet | ask \
`has(steps.d)`, or let `c` come behind `d`\n\
10:59 GS0233 racing_step: `d_fallback` reads `steps.f` and does not wait for `f`: they race | add \
`f` to `needs` of `d`, or ask `has(steps.f)` first\n\
12:20 GS0233 racing_step: `f` reads `steps.a` and does not wait for `a`: they race | write \
`needs: [a]`, or ask `has(steps.a)` first\n\
        ",
    );
}

#[test]
fn an_order_of_any_kind_and_a_question_are_no_race() {
    check_problems(
        r#"workflow: w
vars: { n: 0 }
initial: one
states:
  one:
    mode: sequential
    steps:
      a: { call: p.a }
      b: { set: { n: "1" } }
      c: { call: p.c, with: { of: "${ steps.a.id }" } }
    output: "${ steps.c }"
    done: two
  two:
    steps:
      d: { call: p.d, with: { of: "${ steps.a.id }" }, fallback: { call: p.e } }
      g: { needs: { any: [d] }, call: p.g }
      h: { needs: [g], call: p.h, with: { of: "${ steps.d.x } ${ steps.d_fallback.y }" } }
      i: { call: p.i, with: { of: "${ has(steps.d) ? steps.d.x : 0 }" } }
      j: { when: has(steps.d), call: p.j, with: { of: "${ steps.d.x }" } }
    done: e
  e: { final: true }
"#,
        "",
    );
}
