//! A11, A12: one decision per approval.

use gearshift_client::protocol::query::Tasks;
use gearshift_client::protocol::{ProblemKind, Verdict};
use gearshift_tests::world::World;
use serde_json::json;

use crate::flows::{APPROVAL, choice, each, problem};

fn submitted(world: &World) {
    world.send("paper.submitted", None, &json!({ "key": "a" }));
    world.wait_for("approval/a", "review");
}

#[test]
fn a11_of_two_approvals_one_counts_and_the_other_is_told() {
    each(APPROVAL, |world| {
        submitted(world);
        let (ann, bob) = (world.client().as_user("ann"), world.client().as_user("bob"));
        let order = choice("approval/a", "approve");
        let both = world.run(async { tokio::join!(ann.decide(&order), bob.decide(&order)) });
        let (winner, loser) = match &both {
            (Ok(verdict), Err(error)) => (("ann", verdict), error),
            (Err(error), Ok(verdict)) => (("bob", verdict), error),
            other => panic!("not exactly one counted: {other:?}"),
        };
        assert!(matches!(winner.1.verdict, Verdict::Transitioned { .. }), "{winner:?}");
        assert_eq!(problem(loser).kind(), ProblemKind::Conflict, "{loser}");
        assert_eq!(world.instance("approval/a").vars["by"], json!(winner.0));
    });
}

#[test]
fn a11_a_refused_decision_names_the_winner() {
    each(APPROVAL, |world| {
        submitted(world);
        let order = choice("approval/a", "approve");
        world.run(world.client().as_user("ann").decide(&order)).unwrap();
        world.restart();
        let refused = world.run(world.client().as_user("bob").decide(&order)).unwrap_err();
        assert_eq!(problem(&refused).kind(), ProblemKind::Conflict);
        assert!(problem(&refused).detail.contains("ann"), "winner not named: {refused}");
    });
}

#[test]
fn a12_a_decision_on_what_was_sent_back_is_refused() {
    each(APPROVAL, |world| {
        submitted(world);
        let client = world.client();
        let send_back = choice("approval/a", "request_changes");
        world.run(client.decide(&send_back)).unwrap();
        let stale = world.run(client.decide(&choice("approval/a", "approve"))).unwrap_err();
        assert_eq!(problem(&stale).kind(), ProblemKind::Conflict, "{stale}");
        assert_eq!(world.instance("approval/a").summary.active, ["draft"]);
        let open = world.run(client.tasks(&Tasks::default())).unwrap().items;
        assert_eq!(open, []);
        // Handed in again it is a new approval.
        submitted(world);
        world.run(client.decide(&choice("approval/a", "approve"))).unwrap();
        assert_eq!(world.instance("approval/a").summary.active, ["approved"]);
    });
}

#[test]
fn a12_a_choice_that_is_none_is_refused_with_those_there_are() {
    each(APPROVAL, |world| {
        submitted(world);
        let refused = world.run(world.client().decide(&choice("approval/a", "aprove")));
        let refused = refused.unwrap_err();
        let detail = &problem(&refused).detail;
        assert!(detail.contains("approve, reject, request_changes"), "{detail}");
    });
}
