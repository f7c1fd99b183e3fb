//! Decision 0060: an answer is compared with what its plugin publishes, however it comes.

use gearshift_bus::{
    Bus, EndpointInfo, Message, Offer, Registration, Request, ServiceInfo, Subject, SubjectPattern,
};
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::Partition;
use gearshift_protocol::headers;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{World, event, eventually_async, on_each_bus};

/// Its plugin answers what it is told to.
const TELLER: &str = r#"
workflow: teller
version: 1
correlate: data.key
events: { teller.begun: { start: true } }
vars: { n: 0, told: "" }
initial: asking
states:
  asking:
    entry:
      call: p.work
      with: { reply: "${ input.reply }", way: "${ input.way }" }
      timeout: 1h
      retry: { attempts: 3, backoff: 1s }
      set: { n: output.n }
    done: told
    failed:
      do: { set: { told: "event.data.kind + ' ' + event.data.code + ' ' + event.data.message" } }
      to: refused
  told: {}
  refused: {}
"#;

const INTEGER: &str = r#"{"properties":{"n":{"type":"integer"}},"required":["n"]}"#;
const TEXT: &str = r#"{"properties":{"n":{"type":"string"}},"required":["n"]}"#;
const EXACT: &str = r#"{"properties":{"n":{}},"additionalProperties":false}"#;

/// An instance of the plugin `p` that publishes this schema.
struct Plugin {
    serving: JoinSet<()>,
    offered: Registration,
}

impl Plugin {
    /// Nothing reaches it any more.
    async fn end(mut self) {
        self.serving.shutdown().await;
        drop(self.offered);
    }
}

async fn serve(bus: &Bus, (id, version): (&str, &str), gives: Option<&str>) -> Plugin {
    let gives = gives.map(|schema| ("gearshift.output".to_owned(), schema.to_owned()));
    let info = ServiceInfo {
        name: "p".to_owned(),
        id: id.to_owned(),
        version: version.to_owned(),
        metadata: [("gearshift.plugin".to_owned(), "1".to_owned())].into(),
        endpoints: vec![EndpointInfo {
            name: "work".to_owned(),
            subject: "gearshift.plugin.p.v1.work".to_owned(),
            metadata: gives.into_iter().collect(),
        }],
    };
    let (offered, servers) = bus.requests().offer_as(info, Offer::new("q")).await.unwrap();
    let mut serving = JoinSet::new();
    for mut server in servers {
        let bus = bus.clone();
        serving.spawn(async move {
            while let Some(request) = server.next().await {
                answer(&bus, request).await;
            }
        });
    }
    Plugin { serving, offered }
}

/// Answers directly, later, or before it promises to.
async fn answer(bus: &Bus, request: Request) {
    let message = &request.message;
    let header = |name| message.headers.get(name).unwrap_or_default().to_owned();
    let input: Value = serde_json::from_slice(&message.payload).unwrap();
    let body = input["reply"].as_str().unwrap().to_owned();
    let reply = Message::new(message.subject.clone(), body.clone());
    let promise = Message::new(message.subject.clone(), "");
    let promise = promise.with_header(headers::PENDING, "true").unwrap();
    let id = format!("{}.{}", header(headers::CALL_ID), header(headers::ATTEMPT));
    let said = [headers::CALL_ID, headers::ATTEMPT, headers::INSTANCE];
    let said = said.map(|name| (name, header(name)));
    let said = said.into_iter().chain([(headers::MESSAGE_ID, id)]);
    let result = || {
        let to = Subject::parse(&header(headers::RESULT_TO)).unwrap();
        let result = Message::new(to, body);
        said.fold(result, |result, (name, value)| result.with_header(name, &value).unwrap())
    };
    match input["way"].as_str().unwrap() {
        "later" => {
            let result = result();
            request.respond(promise).await.unwrap();
            bus.publish(result).await.unwrap();
        }
        "first" => {
            bus.publish(result()).await.unwrap();
            request.respond(promise).await.unwrap();
        }
        "told" => {
            let go = SubjectPattern::parse("test.go").unwrap();
            let mut told = bus.subscribe(&go).await.unwrap();
            let result = result();
            request.respond(promise).await.unwrap();
            told.next().await.unwrap();
            bus.publish(result).await.unwrap();
        }
        _ => request.respond(reply).await.unwrap(),
    }
}

fn begin(mut world: World) -> World {
    world.start();
    world.deploy(TELLER);
    world
}

/// What becomes of an instance whose plugin answers so: its variables.
fn told(world: &World, name: &str, way: &str, reply: &str) -> String {
    ask(world, name, way, reply);
    vars(world, name)
}

fn ask(world: &World, name: &str, way: &str, reply: &str) {
    let body = json!({ "key": name, "way": way, "reply": reply });
    world.ask(event("teller.begun", &body)).unwrap();
}

/// Its variables once its call has ended.
fn vars(world: &World, name: &str) -> String {
    let key = InstanceKey::new("teller", name).unwrap();
    let seen = async || {
        let wanted = key.clone();
        let look = move |partition: &Partition| partition.instance(&wanted);
        let found = world.handle().look(&key, look).await.ok()??;
        found.sequences.is_empty().then_some(found)
    };
    let ended = world.run(eventually_async("the call has ended", seen));
    ended.vars.iter().map(|value| value.to_json()).collect::<Vec<_>>().join(" ")
}

const REFUSED: &str = "0 \"invalid_reply reply_schema the answer is not what `p.v1.work` publishes \
                       in `gearshift.output`: ";

#[test]
fn p5_an_answer_that_is_not_what_is_published_is_refused_however_it_comes() {
    on_each_bus(|world| {
        let world = begin(world);
        let _plugin = world.run(serve(&world.bus(), ("a", "1.2.0"), Some(INTEGER)));
        for way in ["now", "later", "first"] {
            let told = |name: &str, reply| told(&world, &format!("{way}-{name}"), way, reply);
            assert_eq!(told("fits", r#"{"n":1}"#), "1 \"\"", "{way}");
            assert_eq!(told("more", r#"{"n":2,"of":"x"}"#), "2 \"\"", "nobody forbids more");
            let wrong = "`n` is of type string, where integer is due\"";
            assert_eq!(told("wrong", r#"{"n":"secret"}"#), format!("{REFUSED}{wrong}"), "{way}");
            let missing = "`n` is missing\"";
            assert_eq!(told("missing", "{}"), format!("{REFUSED}{missing}"), "{way}");
        }
    });
}

#[test]
fn decision_68_a_result_that_was_promised_before_a_restart_is_compared_as_well() {
    for (gives, reply, wanted) in [
        (Some(INTEGER), r#"{"n":1}"#, "1 \"\"".to_owned()),
        (
            Some(INTEGER),
            r#"{"n":"x"}"#,
            format!("{REFUSED}`n` is of type string, where integer is due\""),
        ),
        (None, r#"{"n":"x"}"#, "\"x\" \"\"".to_owned()),
    ] {
        let mut world = begin(World::memory());
        let bus = world.bus();
        // It outlives the engine.
        let plugins = tokio::runtime::Runtime::new().unwrap();
        let _plugin = plugins.block_on(serve(&bus, ("a", "1.2.0"), gives));
        ask(&world, "a", "told", reply);
        let key = InstanceKey::new("teller", "a").unwrap();
        let promised = async || {
            let wanted = key.clone();
            let look = move |partition: &Partition| partition.instance(&wanted);
            let found = world.handle().look(&key, look).await.ok()??;
            let call = found.sequences.first()?.call.as_ref()?;
            call.heartbeat_ms.map(drop)
        };
        world.run(eventually_async("it is promised", promised));
        world.restart();
        let go = Message::new(Subject::parse("test.go").unwrap(), "");
        world.run(bus.publish(go)).unwrap();
        assert_eq!(vars(&world, "a"), wanted, "{gives:?}");
    }
}

#[test]
fn p5_members_are_too_many_where_the_schema_says_so() {
    let world = begin(World::memory());
    let _plugin = world.run(serve(&world.bus(), ("a", "1.2.0"), Some(EXACT)));
    let wrong = "it has members that the schema does not name\"";
    assert_eq!(told(&world, "a", "now", r#"{"n":1,"x":2}"#), format!("{REFUSED}{wrong}"));
}

#[test]
fn decision_60_where_instances_disagree_or_say_nothing_nothing_is_compared() {
    for other in [Some(TEXT), None] {
        let world = begin(World::memory());
        let _one = world.run(serve(&world.bus(), ("a", "1.2.0"), Some(INTEGER)));
        let _two = world.run(serve(&world.bus(), ("b", "1.3.0"), other));
        assert_eq!(told(&world, "a", "now", r#"{"n":true}"#), "true \"\"");
    }
}

#[test]
fn decision_60_nothing_is_refused_by_what_was_published_before() {
    let world = begin(World::memory());
    let one = world.run(serve(&world.bus(), ("a", "1.2.0"), Some(INTEGER)));
    assert_eq!(told(&world, "a", "now", r#"{"n":1}"#), "1 \"\"");
    world.run(one.end());
    let _next = world.run(serve(&world.bus(), ("b", "1.3.0"), Some(TEXT)));
    assert_eq!(told(&world, "b", "now", r#"{"n":"new"}"#), "\"new\" \"\"");
    assert_eq!(
        told(&world, "c", "now", r#"{"n":1}"#),
        format!("{REFUSED}`n` is of type integer, where string is due\"")
    );
}

#[test]
fn decision_60_the_first_answers_of_a_plugin_that_has_just_begun_are_compared() {
    on_each_bus(|world| {
        let world = begin(world);
        // Asked while nobody can discover it; it can be once it answers.
        let bus = world.bus();
        let pattern = SubjectPattern::parse("gearshift.plugin.p.v1.work").unwrap();
        let mut server = world.run(bus.requests().serve(&pattern, "q")).unwrap();
        world.spawn(async move {
            let request = server.next().await.unwrap();
            drop(server);
            let _plugin = serve(&bus, ("a", "1.2.0"), Some(INTEGER)).await;
            answer(&bus, request).await;
            std::future::pending().await
        });
        let wrong = "`n` is of type string, where integer is due\"";
        assert_eq!(told(&world, "a", "now", r#"{"n":"x"}"#), format!("{REFUSED}{wrong}"));
        assert_eq!(told(&world, "b", "now", r#"{"n":"x"}"#), format!("{REFUSED}{wrong}"));
    });
}

#[test]
fn decision_60_who_cannot_be_discovered_is_compared_with_nothing() {
    let world = begin(World::memory());
    let bus = world.bus();
    let pattern = SubjectPattern::parse("gearshift.plugin.p.v1.work").unwrap();
    let mut server = world.run(bus.requests().serve(&pattern, "q")).unwrap();
    world.spawn(async move {
        while let Some(request) = server.next().await {
            answer(&bus, request).await;
        }
    });
    for (name, way) in [("a", "now"), ("b", "later"), ("c", "now")] {
        assert_eq!(told(&world, name, way, r#"{"n":"x"}"#), "\"x\" \"\"");
    }
}
