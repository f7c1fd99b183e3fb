//! Limits by key: what one engine has under way at a plugin is counted for each key by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_engine::Clock;
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_plugins_sdk::{Context, Failure, Plugin, State};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{World, event, eventually, eventually_async, on_each_bus};

const JOBS: &str = r#"
workflow: job
correlate: data.key
events: { job.wanted: { start: true } }
plugins:
  shop: { concurrency: 2, per: "${ input.customer }" }
states:
  working:
    entry: { call: shop.sell, with: { customer: "${ input.customer }" }, timeout: 60s,
             retry: { attempts: 1 } }
    done: ended
    failed: lost
  ended: { final: true }
  lost: { final: true }
"#;

/// What is under way by customer, the most there was at once, and the attempts seen.
#[derive(Clone, Default)]
struct Till {
    now: Arc<Mutex<BTreeMap<String, usize>>>,
    most: Arc<Mutex<BTreeMap<String, usize>>>,
    attempts: Arc<Mutex<Vec<u32>>>,
    gates: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
}

impl Till {
    /// Calls of this customer end as far as this has permits.
    fn gate(&self, customer: &str) -> Arc<Semaphore> {
        let made = || Arc::new(Semaphore::new(0));
        Arc::clone(self.gates.lock().unwrap().entry(customer.to_owned()).or_insert_with(made))
    }

    fn under_way(&self, customer: &str) -> usize {
        self.now.lock().unwrap().get(customer).copied().unwrap_or(0)
    }

    fn most(&self, customer: &str) -> usize {
        self.most.lock().unwrap().get(customer).copied().unwrap_or(0)
    }
}

async fn sell(State(till): State<Till>, ctx: Context, input: Value) -> Result<Value, Failure> {
    let customer = input["customer"].as_str().unwrap_or_default().to_owned();
    till.attempts.lock().unwrap().push(ctx.attempt);
    let now = {
        let mut all = till.now.lock().unwrap();
        let now = all.entry(customer.clone()).or_default();
        *now += 1;
        *now
    };
    let most = till.most(&customer).max(now);
    till.most.lock().unwrap().insert(customer.clone(), most);
    till.gate(&customer).acquire().await?.forget();
    *till.now.lock().unwrap().entry(customer).or_default() -= 1;
    Ok(Value::Null)
}

async fn want(world: &World, name: &str, customer: Option<&str>) {
    let body = json!({ "key": name, "customer": customer });
    world.handle().event(event("job.wanted", &body)).await.unwrap();
}

async fn ends(world: &World, name: &str) {
    let key = InstanceKey::new("job", name).unwrap();
    let seen = async || {
        let instance = world.handle().instance(&key).await.ok()??;
        (instance.status == Status::Done).then_some(())
    };
    eventually_async(&format!("{name} ends"), seen).await;
}

/// What holds back calls of these instances, in words.
async fn held(world: &World, name: &str, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    for number in 0..count {
        let key = InstanceKey::new("job", &format!("{name}{number}")).unwrap();
        let known = world.handle().progress(&key).await.unwrap();
        told.extend(known.into_iter().filter_map(|one| one.held));
    }
    told
}

#[test]
fn limits_of_a_key_hold_for_it_and_no_other_key_waits() {
    on_each_bus(|world| {
        let mut world = world.with(|config| config.clock = Clock::System);
        world.start();
        world.deploy(JOBS);
        let till = Till::default();
        let plugin = Plugin::new("shop", "1.0.0").concurrency(64).state(till.clone());
        let plugin = plugin.operation("sell", sell);
        let bus = world.bus();
        world.run(async {
            let running = plugin.serve(&bus).await.unwrap();
            for number in 0..8 {
                want(&world, &format!("ann{number}"), Some("ann")).await;
            }
            let two = || (till.under_way("ann") == 2).then_some(());
            eventually("two calls of ann are under way", two).await;
            // Of those that wait it is told for which limit, whose that is, and who is ahead.
            let told = async || {
                let told = held(&world, "ann", 8).await;
                (told.len() == 6).then_some(told)
            };
            let told = eventually_async("six of ann's wait", told).await;
            let limit = "the limit of 2 calls of `shop` for `ann` at once is reached, and";
            assert!(told.iter().all(|one| one.starts_with(limit)), "{told:#?}");
            let says = |what: &str| told.iter().filter(|one| one.ends_with(what)).count();
            assert_eq!((says("it is the next"), says("5 calls that wait are ahead")), (1, 1));
            // Six of ann's wait, and nobody else's for them.
            till.gate("bob").add_permits(100);
            for number in 0..8 {
                want(&world, &format!("bob{number}"), Some("bob")).await;
                ends(&world, &format!("bob{number}")).await;
            }
            // Those without a key are counted together.
            for number in 0..4 {
                want(&world, &format!("nobody{number}"), None).await;
            }
            let two = || (till.under_way("") == 2).then_some(());
            eventually("two calls of nobody are under way", two).await;
            assert_eq!((till.under_way("ann"), till.most("ann")), (2, 2));
            till.gate("").add_permits(100);
            till.gate("ann").add_permits(100);
            for (customer, count) in [("ann", 8), ("nobody", 4)] {
                for number in 0..count {
                    ends(&world, &format!("{customer}{number}")).await;
                }
            }
            assert_eq!((till.most("ann"), till.most("")), (2, 2));
            let attempts = till.attempts.lock().unwrap().clone();
            assert_eq!(attempts, [1; 20], "whoever waited made no attempt");
            tokio::time::timeout(Duration::from_secs(10), running.drain()).await.unwrap();
        });
    });
}
