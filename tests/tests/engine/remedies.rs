//! What `why` offers: every order is taken as the instance stands, and none that helps is missing.

use gearshift_client::Client;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::{Clocks, Decide, Hold, Start};
use gearshift_client::protocol::view::Why;
use gearshift_tests::world::{Answer, Recorded, World};
use serde_json::json;

use crate::flows::each;

/// One way to stand still: what it is called, its definition, how it comes there, what is offered.
struct Case {
    name: &'static str,
    text: &'static str,
    comes: fn(&World, &str),
    offers: &'static [&'static str],
}

const STUCK: [&str; 3] = ["gearshift retry K", "gearshift skip K", "gearshift cancel K"];
const BROKEN_OFF: [&str; 3] = ["gearshift retry K", "gearshift skip K", "gearshift kill K"];

const CASES: [Case; 13] = [
    Case {
        name: "failed_call",
        text: "steps: { pay: { call: recorded.work, with: refused } }",
        comes: |world, id| until(world, id, Status::Stuck),
        offers: &STUCK,
    },
    Case {
        name: "failed_start",
        text: "states: { loud: { entry: { each: { in: 'lists.range(300)', as: n, \
               do: { publish: loud.said } } } } }",
        comes: |world, id| until(world, id, Status::Stuck),
        offers: &["gearshift retry K", "gearshift cancel K"],
    },
    Case {
        name: "rolled_back",
        text: UNDONE,
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().rollback(id, None, "")).unwrap();
            until(world, id, Status::Stuck);
        },
        offers: &["gearshift retry K", "gearshift cancel K"],
    },
    Case {
        name: "failed_undo",
        text: "steps: { book: { call: recorded.work, with: book, undo: { call: recorded.work, \
               with: refused } }, ask: { needs: [book], approval: { title: Go on } } }",
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().cancel(id, "")).unwrap();
            until(world, id, Status::Stuck);
        },
        offers: &BROKEN_OFF,
    },
    Case {
        name: "failed_finally_of_a_rollback",
        text: "finally: { call: recorded.work, with: refused }\nsteps: { book: { call: \
               recorded.work, with: book, undo: { call: recorded.work, with: back } }, \
               ask: { needs: [book], approval: { title: Go on } } }",
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().cancel(id, "")).unwrap();
            until(world, id, Status::Stuck);
        },
        offers: &BROKEN_OFF,
    },
    Case {
        name: "failed_finally",
        text: "finally: { call: recorded.work, with: refused }\n\
               steps: { book: { call: recorded.work, with: book } }",
        comes: |world, id| until(world, id, Status::Stuck),
        offers: &STUCK,
    },
    Case {
        name: "open_approval",
        text: UNDONE,
        comes: asks,
        offers: &["gearshift decide K approve", "gearshift decide K reject"],
    },
    Case {
        name: "paused_approval",
        text: UNDONE,
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().pause(id, Clocks::Freeze, "")).unwrap();
        },
        offers: &["gearshift resume K"],
    },
    Case {
        name: "stuck_beside_an_approval",
        text: "steps: { pay: { call: recorded.work, with: refused }, \
               ask: { approval: { title: Go on } } }",
        comes: |world, id| {
            asks(world, id);
            until(world, id, Status::Stuck);
        },
        offers: &STUCK,
    },
    Case {
        name: "next_attempt",
        text: "steps: { pay: { call: recorded.work, with: later, timeout: 5s, \
               retry: { attempts: 3, delay: 1h } } }",
        comes: |world, id| {
            world.until(id, "an attempt failed", |seen| {
                seen.calls.first()?.next_attempt.as_ref().map(drop)
            });
        },
        offers: &["gearshift timer fire K TIMER"],
    },
    Case {
        name: "waits_for_an_answer",
        text: "steps: { pay: { call: recorded.work, with: never, timeout: 1h } }",
        comes: |world, id| {
            world.until(id, "it asks", |seen| seen.calls.first().map(drop));
        },
        offers: &[],
    },
    Case {
        name: "ended",
        text: UNDONE,
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().kill(id, "")).unwrap();
        },
        offers: &[],
    },
    Case {
        name: "held_by_its_transaction",
        text: "steps: { book: { call: recorded.work, with: book, undo: { call: recorded.work, \
               with: refused } }, ask: { needs: [book], approval: { title: Go on } } }",
        comes: |world, id| {
            asks(world, id);
            world.run(world.client().roll_back_transaction(&transaction(id), "")).unwrap();
            until(world, id, Status::Stuck);
        },
        offers: &["gearshift retry K", "gearshift skip K", "gearshift transaction show T"],
    },
];

/// A step that can be taken back, and a person who is asked.
const UNDONE: &str = "steps: { book: { call: recorded.work, with: book, undo: { call: \
                      recorded.work, with: back } }, ask: { needs: [book], approval: { title: Go \
                      on } } }";

/// The transaction of the instance `case/key`: a case of it has one.
fn transaction(id: &str) -> String {
    id.replace('/', "-")
}

fn until(world: &World, id: &str, status: Status) {
    world.until(id, status.as_str(), |seen| (seen.summary.status == status).then_some(()));
}

/// Waits until somebody is asked.
fn asks(world: &World, id: &str) {
    world.until(id, "somebody is asked", |seen| seen.approvals.first().map(drop));
}

fn plugin() -> Recorded {
    Recorded::new(|seen| match seen.input.as_str() {
        Some("refused") => Answer::Permanent("no".to_owned()),
        Some("later") => Answer::Retryable("busy".to_owned(), None),
        Some("never") => Answer::Never,
        _ => Answer::Output(json!({})),
    })
}

/// One more instance that stands so.
fn begin(world: &World, case: &Case, key: &str) -> String {
    let id = format!("{}/{key}", case.name);
    let client = world.client();
    let member = case.name.contains("transaction").then(|| transaction(&id));
    if let Some(name) = &member {
        world.run(client.begin_transaction(name, None, "")).unwrap();
    }
    let (workflow, key) = (case.name.to_owned(), Some(key.to_owned()));
    let order = Start { workflow, key, transaction: member, ..Start::default() };
    world.run(client.start(&order)).unwrap();
    (case.comes)(world, &id);
    id
}

fn why(world: &World, id: &str) -> Why {
    world.run(world.client().why(id)).unwrap()
}

/// Does what a line of `why` says, as the command line would.
async fn obey(client: &Client, line: &str) -> Result<(), gearshift_client::Error> {
    let words: Vec<&str> = line.split(' ').collect();
    match *words.get(1..).unwrap_or_default() {
        ["retry", id] => client.retry(id, "").await.map(drop),
        ["skip", id] => client.skip(id, "").await.map(drop),
        ["cancel", id] => client.cancel(id, "").await.map(drop),
        ["kill", id] => client.kill(id, "").await.map(drop),
        ["resume", id] => client.resume(id, "").await.map(drop),
        ["resume", "--plugin", name] => {
            let hold = Hold { plugin: Some(name.to_owned()), ..Hold::default() };
            client.release(&hold).await.map(|reply| assert!(reply.changed, "{line}"))
        }
        ["why", id] => client.why(id).await.map(drop),
        ["decide", id, choice] => {
            let (instance, choice) = (id.to_owned(), choice.to_owned());
            client.decide(&Decide { instance, choice, ..Decide::default() }).await.map(drop)
        }
        ["timer", "fire", id, timer] => client.fire_timer(id, timer, "").await.map(drop),
        ["transaction", "show", name] => {
            client.instance(&format!("transaction/{name}")).await.map(drop)
        }
        ["transaction", "commit", name] => client.commit_transaction(name, "").await.map(drop),
        ["transaction", "rollback", name] => client.roll_back_transaction(name, "").await.map(drop),
        _ => panic!("nobody knows `{line}`"),
    }
}

/// What is offered, with the names that differ from instance to instance taken out.
fn offered(told: &Why, id: &str, key: &str) -> Vec<String> {
    let plain = |line: &String| {
        let line = line.replace(&format!(" {}", transaction(id)), " T");
        let line = line.replace(&format!(" {key}"), " K");
        match line.rsplit_once(' ') {
            Some((before, timer)) if timer.parse::<u32>().is_ok() => format!("{before} TIMER"),
            Some(_) | None => line,
        }
    };
    told.try_this.iter().map(plain).collect()
}

#[test]
fn why_offers_what_is_taken_and_leaves_out_nothing_that_helps() {
    each("workflow: empty\nstates: { none: { final: true } }", |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        for case in &CASES {
            // Their failures add up; a breaker that opens is none of this.
            let rules = "plugins: { recorded: { breaker: off } }";
            let text = format!("workflow: {}\nversion: 1\n{rules}\n{}\n", case.name, case.text);
            world.deploy(&text);
            let name = case.name;
            let mut next = 0;
            let mut fresh = |verb: &str| {
                next += 1;
                let key = format!("{name}-{verb}-{next}");
                (begin(world, case, &key), key)
            };
            let (id, key) = fresh("seen");
            let told = why(world, &id);
            assert_eq!(offered(&told, &id, &key), case.offers, "{name}: {told:?}");
            for at in 0..told.try_this.len() {
                let (id, _) = fresh("obeyed");
                let line = why(world, &id).try_this[at].clone();
                let taken = world.run(obey(&world.client(), &line));
                taken.unwrap_or_else(|error| panic!("{name}: `{line}`: {error}"));
            }
            let is_stuck = world.instance(&id).summary.status == Status::Stuck;
            for verb in ["retry", "skip", "resume", "cancel", "kill"] {
                let offers = |verb: &str| case.offers.contains(&&*format!("gearshift {verb} K"));
                // Nobody needs to end what goes on, nor at once what can be ended well.
                let ends = ["cancel", "kill"].contains(&verb);
                if offers(verb) || (ends && (!is_stuck || offers("cancel"))) {
                    continue;
                }
                let (id, _) = fresh("left-out");
                let taken = world.run(obey(&world.client(), &format!("gearshift {verb} {id}")));
                assert!(taken.is_err(), "{name}: `{verb}` would be taken, and is not offered");
            }
        }
    });
}

#[test]
fn why_of_a_transaction_offers_its_ends_and_then_the_member_that_it_waits_for() {
    let case = CASES.iter().find(|case| case.name == "held_by_its_transaction").unwrap();
    each(&format!("workflow: {}\nversion: 1\n{}\n", case.name, case.text), |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        for verb in ["commit", "rollback"] {
            world.run(client.begin_transaction(verb, None, "")).unwrap();
            let told = why(world, &format!("transaction/{verb}"));
            let ends =
                ["commit", "rollback"].map(|it| format!("gearshift transaction {it} {verb}"));
            assert_eq!(told.try_this, ends, "{told:?}");
            let line = format!("gearshift transaction {verb} {verb}");
            world.run(obey(&client, &line)).unwrap();
        }
        let id = begin(world, case, "a");
        let scope = format!("transaction/{}", transaction(&id));
        world.until(&scope, "it is in trouble", |seen| {
            let waits_for = seen.scope.as_ref()?.waits_for.as_ref()?;
            waits_for.starts_with("a person").then_some(())
        });
        let helps = ["why", "retry", "skip"].map(|verb| format!("gearshift {verb} {id}"));
        assert_eq!(why(world, &scope).try_this, helps);
    });
}

#[test]
fn why_names_an_instance_so_that_no_other_is_meant() {
    let text = "steps: { pay: { call: recorded.work, with: refused } }";
    each(&format!("workflow: one\n{text}\n"), |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        world.deploy(&format!("workflow: two\n{text}\n"));
        for (workflow, key) in [("one", "same"), ("two", "same"), ("one", "-k")] {
            let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
            let order = Start { workflow, key, ..Start::default() };
            world.run(world.client().start(&order)).unwrap();
        }
        for id in ["one/same", "two/same", "one/-k"] {
            until(world, id, Status::Stuck);
            let told = why(world, id);
            assert_eq!(told.try_this[0], format!("gearshift retry {id}"));
            world.run(obey(&world.client(), &told.try_this[0])).unwrap();
        }
    });
}

#[test]
fn why_offers_to_resume_a_plugin_that_is_paused() {
    each("workflow: w\nsteps: { pay: { call: recorded.work, with: pay } }\n", |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        let plugin = Some("recorded".to_owned());
        world.run(client.hold(&Hold { plugin, ..Hold::default() })).unwrap();
        let (workflow, key) = ("w".to_owned(), Some("a".to_owned()));
        let order = Start { workflow, key, ..Start::default() };
        world.run(client.start(&order)).unwrap();
        let line = "gearshift resume --plugin recorded";
        let told = why(world, "a");
        assert!(told.try_this.iter().any(|it| it == line), "{told:?}");
        world.run(obey(&client, line)).unwrap();
        until(world, "a", Status::Done);
    });
}
