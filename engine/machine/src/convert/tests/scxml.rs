//! What becomes of a document: the text, and that it loads.

use crate::convert::{Converted, from_scxml};
use crate::definition::{Format, load_all};

/// Converts a document around `inside`.
pub(super) fn converted(attributes: &str, inside: &str) -> Converted {
    let text = format!(
        "<scxml xmlns=\"http://www.w3.org/2005/07/scxml\" version=\"1.0\" name=\"claim\" \
         {attributes}>{inside}</scxml>"
    );
    let converted = from_scxml(&text, "claim.scxml").unwrap();
    assert_eq!(
        load_all(&converted.yaml, "claim.yaml", Format::Yaml).unwrap().len(),
        converted.workflows.len()
    );
    converted
}

#[track_caller]
fn becomes(attributes: &str, inside: &str, expected: &str) {
    let converted = converted(attributes, inside);
    let expected: String =
        expected.lines().map(|line| format!("{}\n", line.trim_end())).skip(1).collect();
    let expected = expected.trim_end_matches([' ', '\n']).to_owned() + "\n";
    assert_eq!(converted.yaml, expected, "\n{}", converted.yaml);
}

#[test]
fn states_transitions_and_actions() {
    becomes(
        "initial=\"work\"",
        "<datamodel><data id=\"tries\" expr=\"0\"/><data id=\"list\">[1, 2]</data>
         <data id=\"note\">by  hand ${x}</data><data id=\"late\"/></datamodel>
         <state id=\"work\">
           <onentry><log label=\"in\" expr=\"tries\"/><raise event=\"a.b\"/></onentry>
           <onexit><assign location=\"tries\" expr=\"tries + 1\"/></onexit>
           <onexit><cancel sendid=\"t\"/></onexit>
           <transition event=\"a.* b\" target=\"end\"
             cond=\"_event.data.n === 1 &amp;&amp; In('work')\"/>
           <transition cond=\"tries !== 3 || tries == undefined\"/>
           <transition event=\"*\" type=\"internal\"><send event=\"c\" delay=\"2s\" id=\"t\">
             <param name=\"n\" expr=\"tries\"/></send></transition>
         </state>
         <final id=\"end\"><donedata><content expr=\"_sessionid\"/></donedata></final>",
        "
workflow: claim
on_error: ignore
vars:
  tries: \"${ input.?tries.orValue(0) }\"
  list: \"${ input.?list.orValue([1,2]) }\"
  note: \"${ input.?note.orValue(\\\"by hand ${x}\\\") }\"
  late: \"${ input.?late.orValue(null) }\"
initial: work
states:
  work:
    entry:
      - { log: { label: in, value: \"${ vars.tries }\" } }
      - { raise: a.b }
    exit:
      - - { set: { tries: \"vars.tries + 1\" } }
      - [{ cancel: t }]
    always: [{ when: \"vars.tries != 3 || vars.tries == null\" }]
    \"on\":
      - { event: [a, b], when: \"event.data.n == 1 && active('work')\", to: end }
      - event: \"*\"
        do:
          - send: { event: c, with: { \"n\": \"${ vars.tries }\" }, after: \"2s\", id: t }
        internal: true
  end: { final: true, output: \"${ instance }\" }
",
    );
}

#[test]
fn regions_history_initial_and_names_that_must_change() {
    becomes(
        "datamodel=\"cel\"",
        "<parallel id=\"p-1\">
           <state id=\"claim\"><initial><transition target=\"b.2\"><log label=\"x\"/></transition>
             </initial><state id=\"B_2\"/><state id=\"b.2\"/></state>
           <state><history id=\"h\" type=\"deep\"><transition target=\"e\"/></history>
             <state id=\"e\">
             <transition event=\"done.state.claim\" target=\"h b.2\"/></state></state>
         </parallel>",
        "
workflow: claim
on_error: ignore
states:
  p_1:
    parallel:
      claim_2:
        initial:
          to: b_2_2
          do:
            - { log: { label: x } }
        states: { B_2: {}, b_2_2: {} }
      state:
        states:
          h: { history: deep, default: e }
          e:
            \"on\":
              - { event: done.state.claim_2, to: [h, b_2_2] }
",
    );
}

#[test]
fn states_of_every_kind_invoke() {
    becomes(
        "",
        "<parallel id=\"p\"><invoke id=\"a\" src=\"one.scxml\"/>
           <state id=\"q\"><invoke id=\"b\" src=\"two.scxml\"/><state id=\"r\"/></state>
         </parallel>",
        "
workflow: claim
on_error: ignore
states:
  p:
    invoke:
      - { id: a, workflow: one, with: {} }
    parallel:
      q:
        invoke:
          - { id: b, workflow: two, with: {} }
        states: { r: {} }
",
    );
}

#[test]
fn branches_and_loops() {
    becomes(
        "datamodel=\"cel\"",
        "<datamodel><data id=\"l\"/><data id=\"item\"/></datamodel>
         <state id=\"s\"><onentry>
           <if cond=\"vars.l == 1\"><raise event=\"a\"/><elseif cond=\"true\"/><else/>
             <raise event=\"c\"/></if>
           <foreach array=\"vars.l\" item=\"item\" index=\"i\"><raise event=\"d\"/></foreach>
         </onentry></state>",
        "
workflow: claim
on_error: ignore
vars:
  l: \"${ input.?l.orValue(null) }\"
  item: \"${ input.?item.orValue(null) }\"
  i: null
states:
  s:
    entry:
      - if:
          - when: \"vars.l == 1\"
            do: [{ raise: a }]
          - { when: \"true\", do: [] }
          - do: [{ raise: c }]
      - each:
          in: vars.l
          as: item_
          index: index
          do:
            - { set: { item: item_, i: index } }
            - { raise: d }
",
    );
}

#[test]
fn children_are_definitions_of_their_own() {
    let converted = converted(
        "",
        "<datamodel><data id=\"v\" expr=\"1\"/></datamodel>
         <state id=\"s\"><invoke id=\"kid\" autoforward=\"true\" namelist=\"v\">
           <content><scxml name=\"claim\"><final id=\"f\"/></scxml></content>
           <finalize><assign location=\"v\" expr=\"_event.data.x + 1\"/></finalize></invoke>
           <invoke src=\"file:other-one.scxml\"/>
           <transition event=\"e\"><send event=\"f\" target=\"#_kid\"/>
             <send event=\"g\" target=\"#_parent\"/><send event=\"h\" targetexpr=\"_event.origin\"/>
           </transition></state>",
    );
    assert_eq!(converted.workflows, ["claim", "claim_kid"]);
    let mut lines = converted.yaml.lines();
    let mut has = |line: &str| assert!(lines.any(|it| it.trim() == line), "{}", converted.yaml);
    has("- id: kid");
    has("workflow: claim_kid");
    has("with: { v: \"${ vars.v }\" }");
    has("set: { v: \"output.x + 1\" }");
    has("forward: true");
    has("- { workflow: other-one, with: {} }");
    has("- { send: { event: f, to: invoke.kid } }");
    has("- { send: { event: g, to: parent } }");
    has("- { send: { event: h, to: \"${ event.origin }\" } }");
    has("---");
    has("workflow: claim_kid");
}

#[test]
fn a_document_without_a_name_is_called_after_its_file() {
    let text = "<scxml><state/></scxml>";
    assert_eq!(from_scxml(text, "dir/two words.scxml").unwrap().workflows, ["two_words"]);
    assert_eq!(from_scxml(text, "").unwrap().workflows, ["_"]);
}

#[test]
fn words_of_yaml_stay_text() {
    let yaml = converted("", "<state id=\"yes\"><onentry><log label=\"null\"/></onentry></state>");
    assert!(yaml.yaml.contains("\"yes\":"), "{}", yaml.yaml);
    assert!(yaml.yaml.contains("label: \"null\""), "{}", yaml.yaml);
}
