//! What is asked of transactions, as far as the text decides it.

use crate::definition::check::tests::check_problems;

#[test]
fn tx_a_transaction_answers_four_operations() {
    check_problems(
        "workflow: w
steps:
  a: { call: transaction.begin, with: { name: t, timeout: 5m }, undo: transaction.rollback }
  b: { call: transaction.join, with: { name: t }, needs: [a] }
  c: { call: transaction.commit, with: \"${ {'name': 't'} }\", needs: [b] }
  d: { call: transaction.pause, with: { name: t }, needs: [c] }
",
        "6:14 GS0170 transaction: a transaction has no operation `transaction.pause`\n",
    );
}

#[test]
fn tx_isolation_cannot_be_asked_for_and_a_name_is_needed() {
    check_problems(
        "workflow: w
steps:
  a: { call: transaction.begin, with: { name: t, isolation_level: ReadCommitted } }
  b: { call: transaction.commit, with: { reason: done }, needs: [a], undo: x.y }
",
        "3:50 GS0170 transaction: `transaction.begin` has no option `isolation_level`: others see \
         what members did before the commit\n\
         4:14 GS0170 transaction: the transaction's `name` is not said\n\
         4:42 GS0170 transaction: `transaction.commit` has no option `reason`\n\
         4:76 GS0170 transaction: only `transaction.begin` can be taken back\n",
    );
}

#[test]
fn tx_steps_begin_commit_and_roll_back_by_name() {
    check_problems(
        "workflow: w
steps:
  a: { begin: { name: t, timeout: 5m }, timeout: 2s, retry: { attempts: 5 } }
  b: { commit: \"${ key }\", needs: [a], optional: true, on_failure: retry }
  c: { rollback: { name: t, reason: late }, needs: [b], when: false, timeout: 1h }
",
        "",
    );
    check_problems(
        "workflow: w
steps:
  a: { begin: }
  b: { commit: { timeout: 5m }, needs: [a], undo: x.y }
  c: { rollback: { name: t, level: 1 }, call: x.y }
  d: { rollback: { name: t, level: 1 }, with: 1, set: { x: 1 } }
",
        "\
3:13 GS0170 transaction: `begin` does not say the transaction's name\n\
4:16 GS0170 transaction: the transaction's `name` is not said\n\
4:18 GS0170 transaction: `commit` has no option `timeout`\n\
4:45 GS0137 undo: `commit` cannot be taken back by a call\n\
5:41 GS0131 step_kind: the step has `rollback` and also `call` | write two steps, the second with \
`needs` of the first\n\
6:29 GS0170 transaction: `rollback` has no option `level`\n\
6:41 GS0100 unknown_field: `rollback` has no key `with`\n\
6:50 GS0100 unknown_field: `rollback` has no key `set`\n",
    );
}

#[test]
fn tx_a_name_is_a_text_that_is_not_empty() {
    check_problems(
        "workflow: w
steps:
  a: { begin: \"\" }
  b: { begin: [x] }
  c: { commit: 5 }
  d: { rollback: { name: true } }
  e: { call: transaction.join, with: [t] }
  f: { begin: \"a\\nb\" }
",
        "\
3:15 GS0170 transaction: the transaction's name is empty\n\
4:15 GS0102 type: expected a transaction's name, or `{ name, timeout }`, found a list\n\
5:16 GS0102 type: expected a transaction's name, found `5`\n\
6:26 GS0102 type: expected a transaction's name, found `true`\n\
7:38 GS0102 type: expected a transaction's name, or `{ name }`, found a list\n\
8:15 GS0170 transaction: the transaction's name `a\\nb` has a control character\n",
    );
}

#[test]
fn tx_the_time_that_it_may_stay_open_is_a_duration_with_a_unit() {
    check_problems(
        "workflow: w
steps:
  a: { begin: { name: t, timeout: 5 } }
  b: { begin: { name: t, timeout: 0s } }
  c: { call: transaction.begin, with: { name: t, timeout: 31d } }
  d: { begin: { name: t, timeout: \"${ input.time }\" } }
  e: { begin: { name: t, timeout: ~ } }
  f: { begin: t, timeout: 5 }
",
        "\
3:35 GS0117 duration_range: duration `5` has no unit after `5`; write `5s` for seconds\n\
4:35 GS0117 duration_range: duration `0s` is out of range: durations are from `1ms` to 100 years\n\
5:59 GS0117 duration_range: timeout of 31d exceeds the limit of 30d\n\
7:35 GS0102 type: expected a duration such as `30s`, found `~`\n\
8:27 GS0117 duration_range: duration `5` has no unit after `5`; write `5s` for seconds\n",
    );
}

#[test]
fn tx_a_transaction_takes_back_its_own_beginning_only() {
    check_problems(
        "workflow: w
steps:
  a: { call: p.a, undo: transaction.rollback }
  b: { call: transaction.begin, with: t, undo: transaction.commit }
  c: { call: p.c, undo: { call: transaction.rollback, with: { name: t } } }
  d: { call: p.d, undo: transaction.undo }
  e: { call: transaction.begin, with: t, undo: p.close }
",
        "\
3:25 GS0170 transaction: `transaction.rollback` does not take back `p.a`\n\
4:48 GS0170 transaction: `transaction.commit` does not take back `transaction.begin`\n\
5:25 GS0170 transaction: `transaction.rollback` does not take back `p.c`\n\
6:25 GS0170 transaction: a transaction has no operation `transaction.undo`\n",
    );
}

#[test]
fn tx_the_workflow_of_transactions_is_the_engines() {
    check_problems(
        "workflow: transaction
states: { a: { final: true } }
",
        "1:11 GS0171 reserved_workflow: workflow `transaction` is the engine's own\n",
    );
    check_problems(
        "workflow: w
steps:
  a: { run: transaction }
  b: { run: { workflow: transaction@1 } }
",
        "\
3:13 GS0171 reserved_workflow: no child of workflow `transaction`: it is the engine's own | \
`begin: NAME` of a step begins a transaction\n\
4:25 GS0171 reserved_workflow: no child of workflow `transaction`: it is the engine's own | \
`begin: NAME` of a step begins a transaction\n",
    );
}

#[test]
fn tx_a_call_that_does_not_say_the_name_and_a_begin_for_each_item_are_warned_of() {
    check_problems(
        "workflow: w
steps:
  a: { call: transaction.begin }
  b: { commit: t, needs: [a] }
  c: { begin: t, foreach: { in: input.all }, needs: [b] }
",
        "\
3:14 GS0229 transaction_name: `transaction.begin` takes the name from what caused it\n\
5:18 GS0230 transaction_each: an instance belongs to one open transaction at most\n",
    );
}
