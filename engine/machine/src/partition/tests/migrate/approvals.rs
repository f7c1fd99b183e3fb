//! Approvals and votes: what goes, what asks for something else, and what no longer counts.

use super::{Family, holds, moved, note};
use crate::machine::{Command, Principal, open_tasks};
use crate::partition::{Done, PartitionInput};

const ONE: &str = "
workflow: paper
version: 1
initial: review
states:
  review:
    approval: { choices: [approve, reject, ask], roles: [boss], need: 3 }
    on:
      user.action:
        - { when: data.action == 'approve', to: approved }
        - { to: rejected }
  approved: {}
  rejected: {}
";

fn decide(family: &mut Family, user: &str, choice: &str) -> Done {
    let by = Principal { user: user.into(), roles: vec!["boss".into(), "clerk".into()] };
    family.tell(PartitionInput::Command {
        key: super::at("paper/p"),
        command: Command::Decide { choice: choice.into(), data: None },
        by,
        reason: "".into(),
    })
}

/// One vote to approve, and one to ask.
fn voted() -> Family {
    let mut family = Family::new(&[ONE]);
    family.start("paper/p", "null");
    decide(&mut family, "eve", "approve");
    decide(&mut family, "bob", "ask");
    assert_eq!(votes(&family), ["eve approve", "bob ask"]);
    family
}

fn votes(family: &Family) -> Vec<String> {
    let votes = family.instance("paper/p").votes;
    votes.iter().map(|vote| format!("{} {}", vote.user, vote.choice)).collect()
}

fn after(change: impl Fn(String) -> String) -> (Family, String) {
    let mut family = voted();
    let newer = change(ONE.replace("version: 1", "version: 2"));
    let told = note(&moved(&mut family, "paper/p", &newer, &[]));
    (family, told)
}

#[test]
fn votes_go_on_counting_where_the_approval_is_the_same() {
    let (mut family, told) = after(|text| text);
    assert_eq!(told, "paper@1 → paper@2");
    decide(&mut family, "ann", "approve");
    decide(&mut family, "cyd", "approve");
    assert_eq!(family.stands("paper/p"), "approved");
}

#[test]
fn an_approval_that_goes_is_told_with_the_votes_that_go_with_it() {
    let (family, told) = after(|text| {
        text.replace(
            "    approval: { choices: [approve, reject, ask], roles: [boss], need: 3 }\n",
            "",
        )
    });
    holds(&told, &["the approval of `review` is withdrawn"]);
    holds(&told, &["2 votes in `review` are void: eve (approve), bob (ask)"]);
    assert_eq!(votes(&family), [""; 0]);
    let lines = family.world.partition.trace(&super::at("paper/p"));
    holds(lines.last().unwrap().note.as_deref().unwrap(), &["withdrawn", "bob (ask)"]);
}

#[test]
fn a_vote_for_a_choice_that_is_gone_is_void_and_may_be_cast_again() {
    let (mut family, told) = after(|text| text.replace("reject, ask]", "reject]"));
    holds(&told, &["the approval of `review`: choices approve | reject | ask → approve | reject"]);
    holds(&told, &["a vote in `review` is void: decide again: bob (ask)"]);
    assert_eq!(votes(&family), ["eve approve"]);
    decide(&mut family, "bob", "approve");
    assert_eq!(votes(&family), ["eve approve", "bob approve"]);
}

#[test]
fn votes_of_people_who_may_be_others_now_are_void() {
    let (family, told) = after(|text| text.replace("roles: [boss]", "roles: [clerk]"));
    holds(&told, &["roles boss → clerk", "2 votes in `review` are void: decide again"]);
    assert_eq!(votes(&family), [""; 0]);
    // The family's instances are started by ann, who has not voted; eve's vote stays.
    let (family, told) = after(|text| text.replace("need: 3", "need: 3, not: initiator"));
    holds(&told, &["the initiator admitted → barred"]);
    assert_eq!(votes(&family), ["eve approve", "bob ask"]);
    let mut family = Family::new(&[ONE]);
    family.start("paper/p", "null");
    decide(&mut family, "ann", "approve");
    let newer =
        ONE.replace("version: 1", "version: 2").replace("need: 3", "need: 3, not: initiator");
    let told = note(&moved(&mut family, "paper/p", &newer, &[]));
    holds(&told, &["a vote in `review` is void: decide again: ann (approve)"]);
    assert_eq!(votes(&family), [""; 0]);
}

#[test]
fn votes_that_would_decide_by_themselves_are_void() {
    let (mut family, told) = after(|text| text.replace(", need: 3", ""));
    holds(&told, &["need 3 → 1", "2 votes in `review` are void: decide again"]);
    assert_eq!(votes(&family), [""; 0]);
    assert_eq!(family.stands("paper/p"), "review", "nothing is run on the way");
    decide(&mut family, "eve", "approve");
    assert_eq!(family.stands("paper/p"), "approved");
}

#[test]
fn a_state_that_asks_for_a_decision_only_now_is_told() {
    let mut family = Family::new(&[&ONE.replace("    approval:", "    #")]);
    family.start("paper/p", "null");
    let newer = ONE.replace("version: 1", "version: 2");
    let told = note(&moved(&mut family, "paper/p", &newer, &[]));
    holds(&told, &["`review` asks for a decision now: approve | reject | ask"]);
    let instance = family.instance("paper/p");
    let definition = family.world.definitions.get("paper", 2).unwrap();
    assert_eq!(open_tasks(&instance, definition, instance.updated_at).len(), 1);
}
