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
        "3:67 GS0170 transaction: a transaction has no option `isolation_level`: others see what \
         members did before the commit\n\
         4:14 GS0170 transaction: the transaction's `name` is not said\n\
         4:76 GS0170 transaction: only `transaction.begin` can be taken back\n",
    );
}

#[test]
fn tx_steps_begin_commit_and_roll_back_by_name() {
    check_problems(
        "workflow: w
steps:
  a: { begin: { name: t, timeout: 5m } }
  b: { commit: \"${ key }\", needs: [a], optional: true }
  c: { rollback: t, needs: [b], when: false }
",
        "",
    );
    check_problems(
        "workflow: w
steps:
  a: { begin: }
  b: { commit: { timeout: 5m }, needs: [a], undo: x.y }
  c: { rollback: { name: t, level: 1 }, call: x.y }
",
        "\
3:13 GS0170 transaction: `begin` does not say the transaction's name\n\
4:16 GS0170 transaction: the transaction's `name` is not said\n\
4:45 GS0137 undo: `commit` cannot be taken back by a call\n\
5:41 GS0131 step_kind: the step has `rollback` and also `call` | write two steps, the second with \
`needs` of the first\n",
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
}
