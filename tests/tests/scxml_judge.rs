//! The judge of the W3C suite is judged: documents of our own, for constructs of every kind, that
//! must pass; and documents that must not.

use std::path::Path;

use gearshift_tests::scxml::{Document, Verdict, find, folders, judge, yaml};

/// A document of the suite's kind around `inside`.
fn document(stem: &str, attributes: &str, inside: &str) -> Document {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<scxml version=\"1.0\" conf:datamodel=\"\" {attributes} \
         xmlns=\"http://www.w3.org/2005/07/scxml\" \
         xmlns:conf=\"http://www.w3.org/2005/scxml-conformance\">{inside}</scxml>"
    );
    Document::new(Path::new(&format!("{stem}.txml")), text)
}

/// The judgement of a document whose states `s0` … are `inside`.
fn judged(inside: &str) -> Verdict {
    let inside = format!("{inside}<conf:pass/><conf:fail/>");
    judge(&document("own", "initial=\"s0\" name=\"machineName\"", &inside), &[])
}

#[track_caller]
fn passes(inside: &str) {
    assert_eq!(judged(inside), Verdict::Passed);
}

/// The states of a document whose first one does `content`, and passes on `event` only.
fn passes_on(data: &str, content: &str, event: &str) {
    passes(&format!(
        "<datamodel>{data}</datamodel><state id=\"s0\"><onentry>{content}</onentry>\
         <transition event=\"{event}\" conf:targetpass=\"\"/>\
         <transition event=\"*\" conf:targetfail=\"\"/></state>"
    ));
}

/// The document passes where the condition holds after `content`.
fn passes_where(data: &str, content: &str, condition: &str) {
    passes(&format!(
        "<datamodel>{data}</datamodel><state id=\"s0\"><onentry>{content}</onentry>\
         <transition conf:{condition} conf:targetpass=\"\"/>\
         <transition conf:targetfail=\"\"/></state>"
    ));
}

#[test]
fn a_document_that_ends_elsewhere_waits_or_says_the_unknown_fails() {
    let reason = |inside: &str| match judged(inside) {
        Verdict::Passed => panic!("it passed"),
        Verdict::Failed(reason) => reason,
    };
    assert_eq!(reason("<state id='s0'><transition conf:targetfail=''/></state>"), "ended in fail");
    assert_eq!(
        reason("<state id='s0'><transition event='e' conf:targetpass=''/></state>"),
        "no progress in s0"
    );
    let unknown = "<state id='s0'><transition conf:surprise='' conf:targetpass=''/></state>";
    assert_eq!(reason(unknown), "unknown construct `conf:surprise`");
    assert!(reason("<state id='s0'>").starts_with("it is not XML"));
    let endless = "<state id='s0'><transition conf:true='' target='s1'/></state>\
                   <state id='s1'><transition conf:true='' target='s0'/></state>";
    assert!(reason(endless).contains("GS0119"), "{}", reason(endless));
    let script = "<script/><state id='s0'><transition conf:targetpass=''/></state>";
    assert!(reason(script).contains("GS0012"), "{}", reason(script));
}

#[test]
fn a_document_without_a_verdict_of_its_own_passes_where_it_ends() {
    let ends = document("own", "initial=\"end\"", "<final id=\"end\"/>");
    assert_eq!(judge(&ends, &[]), Verdict::Passed);
    let fails = document("own", "initial=\"fail\"", "<conf:fail/>");
    assert!(matches!(judge(&fails, &[]), Verdict::Failed(_)));
    let typed = ends.text.replace("?>", "?><!DOCTYPE scxml SYSTEM \"scxml.dtd\">");
    assert_eq!(judge(&Document { text: typed, ..ends }, &[]), Verdict::Passed);
    let waits = document("own", "", "<state id=\"s0\"/>");
    assert!(matches!(judge(&waits, &[]), Verdict::Failed(_)));
}

#[test]
fn loops() {
    let list = "<data conf:id=\"1\" conf:expr=\"0\"/><data conf:id=\"2\"/>\
                <data conf:id=\"3\"><conf:array123/></data>";
    let sum = "<foreach conf:item=\"2\" conf:index=\"4\" conf:arrayVar=\"3\">\
               <conf:sumVars id1=\"1\" id2=\"2\"/></foreach>";
    passes_where(list, sum, "idVal=\"1=6\"");
    passes_where(list, sum, "idVal=\"4=2\"");
    passes_where(list, sum, "isBound=\"4\"");
    let bad = "<data conf:id=\"1\" conf:expr=\"0\"/><data conf:id=\"3\" conf:illegalArray=\"\"/>\
               <data conf:id=\"5\"><conf:array123/></data>";
    let no_list = "<foreach conf:item=\"2\" conf:arrayVar=\"3\"><conf:incrementID id=\"1\"/>\
                   </foreach><raise event=\"on\"/>";
    passes_on(bad, no_list, "error.execution");
    passes_where(bad, no_list, "idVal=\"1=0\"");
    let no_name = "<foreach conf:illegalItem=\"\" conf:arrayVar=\"5\"><conf:incrementID id=\"1\"/>\
                   </foreach>";
    passes_on(bad, no_name, "error.execution");
    passes_where(bad, no_name, "idVal=\"1=0\"");
    let more = "<conf:extendArray id=\"5\"/><foreach conf:item=\"2\" conf:arrayVar=\"5\">\
                <conf:incrementID id=\"1\"/></foreach>";
    passes_where(bad, more, "idVal=\"1=4\"");
}

#[test]
fn names_of_the_system() {
    let set = "<assign conf:systemVarLocation=\"_name\" conf:quoteExpr=\"otherName\"/>";
    passes_on("", set, "error.execution");
    passes_where("", set, "nameVarVal=\"machineName\"");
    let copy = "<data conf:id=\"1\" conf:systemVarExpr=\"_ioprocessors\"/><data conf:id=\"2\"/>";
    let again = "<assign conf:location=\"2\" conf:systemVarExpr=\"_ioprocessors\"/>";
    passes_where(copy, again, "isBound=\"1\"");
    passes_where(copy, again, "VarEqVarStruct=\"1 2\"");
    passes_where("<data conf:id=\"1\"/>", "", "unboundVar=\"1\"");
    passes_where("<data conf:id=\"1\" conf:scxmlEventIOLocation=\"\"/>", "", "isBound=\"1\"");
    passes_where("", "", "systemVarIsBound=\"_sessionid\"");
    passes_where("", "", "inState=\"s0\"");
    let compared = "<data conf:id=\"1\" conf:expr=\"1\"/><data conf:id=\"2\" conf:expr=\"2\"/>";
    passes_where(compared, "", "compareIDVal=\"1&lt;2\"");
    passes_where(compared, "", "compareIDVal=\"2&gt;=1\"");
}

#[test]
fn processors_and_addresses() {
    let kind = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";
    let chosen = format!("<data conf:id=\"1\" conf:quoteExpr=\"{kind}\"/>");
    passes_on(&chosen, "<send event=\"e\" conf:typeExpr=\"1\"/>", "e");
    passes_on("", &format!("<send event=\"e\" type=\"{kind}\"/>"), "e");
    passes_on("", "<send event=\"e\" conf:invalidSendType=\"\"/>", "error.execution");
    passes_on("", "<send event=\"e\" conf:illegalTarget=\"\"/>", "error.execution");
    passes_on("", "<send event=\"e\" conf:unreachableTarget=\"\"/>", "error.communication");
    let own = "<data conf:id=\"1\" conf:scxmlEventIOLocation=\"\"/>";
    passes_on(own, "<send event=\"e\" conf:targetVar=\"1\"/>", "e");
    let first = "<send event=\"later\"/><send event=\"e\" conf:targetVar=\"1\"/>";
    passes_on("<data conf:id=\"1\" conf:quoteExpr=\"#_internal\"/>", first, "e");
    passes_on("", "<send event=\"later\"/><send event=\"e\" target=\"#_internal\"/>", "e");
    let session = "<data conf:id=\"1\" conf:quoteExpr=\"#_scxml_\"/>\
                   <data conf:id=\"2\" conf:systemVarExpr=\"_sessionid\"/>";
    let there = "<conf:concatVars id1=\"1\" id2=\"2\"/><send event=\"e\" conf:targetExpr=\"1\"/>";
    passes_on(session, there, "e");
    let nobody = "<data conf:id=\"1\" conf:quoteExpr=\"#_scxml_\"/>\
                  <data conf:id=\"2\" conf:invalidSessionID=\"\"/>";
    passes_on(nobody, there, "error.communication");
    passes(&format!(
        "<state id=\"s0\"><onentry><send event=\"e\"/></onentry>\
         <transition event=\"e\" conf:originTypeEq=\"{kind}\" conf:targetpass=\"\"/>\
         <transition event=\"*\" conf:targetfail=\"\"/></state>"
    ));
}

#[test]
fn what_is_sent_and_when() {
    let two = "<data conf:id=\"1\" conf:expr=\"2\"/>";
    let with = "<send event=\"e\" conf:delay=\".5\" conf:namelist=\"1\">\
                <param name=\"aParam\" conf:varExpr=\"1\"/></send>\
                <assign conf:location=\"1\" conf:expr=\"3\"/>";
    for condition in ["eventvarVal=\"1=2\"", "eventDataHasField=\"aParam\""] {
        passes(&format!(
            "<datamodel>{two}</datamodel><state id=\"s0\"><onentry>{with}</onentry>\
             <transition event=\"e\" conf:{condition} conf:targetpass=\"\"/>\
             <transition event=\"*\" conf:targetfail=\"\"/></state>"
        ));
    }
    let none = "<data conf:id=\"1\" conf:quoteExpr=\"0s\"/>";
    let first =
        "<send event=\"e\" conf:delayFromVar=\"1\"/><send event=\"later\" conf:delay=\"1\"/>";
    passes_on(none, first, "e");
    let failing = "<send event=\"e\" conf:invalidNamelist=\"\"/><send event=\"later\"/>";
    passes_on("", failing, "error.execution");
    let cancelled = "<send event=\"no\" id=\"x\" delay=\"1s\"/><cancel sendid=\"x\"/>\
                     <send event=\"e\" delay=\"2s\"/>";
    passes_on("", cancelled, "e");
    let content = "<send event=\"e\"><content conf:illegalExpr=\"\"/></send>";
    passes_on("", content, "error.execution");
}

#[test]
fn children_with_values_and_events_both_ways() {
    let child = |with: &str, condition: &str| {
        format!(
            "<datamodel><data conf:id=\"1\" conf:expr=\"1\"/><data conf:id=\"2\"/></datamodel>\
             <state id=\"s0\"><onentry><send event=\"timeout\" delay=\"2s\"/></onentry>\
             <invoke type=\"http://www.w3.org/TR/scxml/\" conf:idlocation=\"2\" {with}<content>\
             <scxml initial=\"sub0\" conf:datamodel=\"\"><datamodel>\
             <data conf:id=\"1\" conf:expr=\"0\"/></datamodel><state id=\"sub0\">\
             <transition conf:{condition} target=\"subEnd\">\
             <send target=\"#_parent\" event=\"success\"/></transition>\
             <transition target=\"subEnd\"><send target=\"#_parent\" event=\"failure\"/>\
             </transition></state><final id=\"subEnd\"/></scxml></content></invoke>\
             <transition event=\"success\" conf:isBound=\"2\" conf:targetpass=\"\"/>\
             <transition event=\"*\" conf:targetfail=\"\"/></state>"
        )
    };
    passes(&child("conf:namelist=\"1\">", "namelistIdVal=\"1=1\""));
    passes(&child("><param conf:name=\"1\" conf:varExpr=\"1\"/>", "idVal=\"1=1\""));
    // What the child does not declare is not given to it.
    passes(&child("><param conf:name=\"3\" conf:varExpr=\"1\"/>", "unboundVar=\"3\""));
    passes(&child(">", "idVal=\"1=0\""));
}

#[test]
fn a_child_document_is_found_by_its_name() {
    let inside = "<datamodel><data conf:id=\"1\" conf:quoteExpr=\"file:ownsub1.scxml\"/>\
                  </datamodel><state id=\"s0\"><invoke conf:srcExpr=\"1\"/>\
                  <transition event=\"done.invoke\" conf:targetpass=\"\"/>\
                  <transition event=\"*\" conf:targetfail=\"\"/></state><conf:pass/><conf:fail/>";
    let parent = document("own", "initial=\"s0\"", inside);
    let child = document("ownsub1", "name=\"other\"", "<final id=\"end\"/>");
    assert!(child.is_child() && !parent.is_child());
    assert_eq!(judge(&parent, std::slice::from_ref(&child)), Verdict::Passed);
    let direct = parent.text.replace("conf:srcExpr=\"1\"", "src=\"file:ownsub1.scxml\"");
    let direct = Document { text: direct, ..parent.clone() };
    assert_eq!(judge(&direct, &[child]), Verdict::Passed);
    assert!(matches!(judge(&parent, &[]), Verdict::Failed(_)));
}

#[test]
fn a_document_may_be_a_value() {
    let inside = "<datamodel><data conf:id=\"1\" conf:expr=\"1\"/></datamodel><state id=\"s0\">\
                  <onentry><assign conf:location=\"1\"><scxml><final/></scxml></assign></onentry>\
                  <invoke><content conf:varChildExpr=\"1\"/></invoke>\
                  <transition event=\"done.invoke\" conf:targetpass=\"\"/>\
                  <transition event=\"*\" conf:targetfail=\"\"/></state>";
    passes(inside);
    let never = inside.replace("<scxml><final/></scxml>", "7");
    assert!(matches!(judged(&never), Verdict::Failed(_)));
}

#[test]
fn the_null_data_model_knows_its_states() {
    let inside = "<state id=\"s0\"><transition cond=\"In('s0')\" target=\"pass\"/></state>\
                  <conf:pass/>";
    let text = document("own", "", inside).text;
    let text = text.replace("conf:datamodel=\"\"", "datamodel=\"null\"");
    let document = Document::new(Path::new("own.txml"), text);
    assert_eq!(judge(&document, &[]), Verdict::Passed);
    let ids: Vec<&str> = vec![document.id.as_str(), document.stem.as_str()];
    assert_eq!(ids.first().unwrap(), &"own");
}

/// The constructs of the suite's published stylesheet, by the element that they stand at.
const VOCABULARY: [(&str, &str); 6] = [
    (
        "transition event='e'",
        "idVal='1=1' varIdVal='1=2' namelistIdVal='1=1' VarEqVar='1 2' VarEqVarStruct='1 2' \
         idQuoteVal='1=x' compareIDVal='1&lt;=2' idSomeVal='1' eventNameVal='e' eventvarVal='1=1' \
         idSystemVarVal='1=_event' eventdataVal='1' eventdataSomeVal='' emptyEventData='' \
         nameVarVal='m' varPrefix='1 2' inState='s0' nonBoolean='' isBound='1' unboundVar='1' \
         systemVarIsBound='_name' noValue='1' true='' false='' eventFieldsAreBound='' \
         eventDataHasField='x' eventFieldHasNoValue='sendid' originTypeEq='x' eventIsExternal=''",
    ),
    (
        "assign conf:location='1'",
        "expr='Var1 + 1' quoteExpr='x' varExpr='1' varChildExpr='1' systemVarExpr='_ioprocessors' \
         varNonexistentStruct='1' illegalExpr='' invalidSessionID='' invalidSendTypeExpr='' \
         eventName='' eventType='' eventSendid='' eventField='origintype' eventDataFieldValue='x' \
         eventDataParamValue='x' eventDataNamelistValue='1' scxmlEventIOLocation='' \
         arrayExpr123='' illegalArray=''",
    ),
    (
        "assign conf:expr='1'",
        "location='1' location='9' invalidLocation='' systemVarLocation='_name'",
    ),
    (
        "send event='e'",
        "illegalTarget='' unreachableTarget='' invalidSendType='' targetExpr='1' targetVar='1' \
         typeExpr='1' delayFromVar='1' delay='.5' idlocation='1' namelist='1' \
         multipleNamelist='1 2' invalidNamelist=''",
    ),
    ("foreach conf:item='1'", "arrayVar='1' arrayTextVar='1'"),
    ("cancel", "sendIDExpr='1'"),
];

#[test]
fn every_construct_of_the_published_stylesheet_is_known() {
    let around = |inside: &str| {
        let inside = format!(
            "<datamodel><data conf:id='1' conf:expr='1'/><data conf:id='2'/></datamodel>\
             <state id='s0'>{inside}</state><conf:pass/><conf:fail/>"
        );
        yaml(&document("own", "initial=\"s0\"", &inside), &[])
    };
    let known = |inside: &str| {
        let converted = around(inside);
        assert!(converted.is_ok(), "{inside}: {converted:?}");
    };
    for (element, constructs) in VOCABULARY {
        let inside = element.starts_with("transition");
        for construct in constructs.split("' ") {
            let (key, value) = construct.split_once("='").unwrap();
            let tag = format!("<{element} conf:{key}='{}'/>", value.trim_end_matches('\''));
            known(&if inside { tag } else { format!("<onentry>{tag}</onentry>") });
        }
    }
    for element in [
        "<send conf:eventExpr='1'/>",
        "<foreach conf:illegalItem='' conf:index='2' conf:arrayVar='1'/>",
        "<assign conf:location='1'><conf:array123/></assign>",
        "<assign conf:location='1'><conf:someInlineVal/></assign>",
        "<conf:incrementID id='1'/><conf:concatVars id1='1' id2='2'/>",
        "<conf:sumVars id1='1' id2='2'/><conf:extendArray id='1'/>",
        "<conf:sendToSender name='e'/>",
        "<send event='e'><conf:contentFoo/></send><send event='e'><conf:illegalContent/></send>",
    ] {
        known(&format!("<onentry>{element}</onentry>"));
    }
    known("<invoke conf:srcExpr='1' conf:typeExpr='1' conf:namelist='1' conf:idlocation='2'/>");
    let reason = |inside: &str| around(inside).unwrap_err();
    let send = reason("<onentry><send event='e' conf:basicHTTPAccessURITarget=''/></onentry>");
    assert!(send.ends_with("it is of the processor for HTTP, which is not offered"), "{send}");
    assert!(reason("<onentry><conf:script/></onentry>").contains("`script` has no equivalent"));
}

#[test]
fn what_a_document_writes_out_is_read_as_its_stylesheet_leaves_it() {
    let data = "<data id=\"Var1\" expr=\"1\"/><data conf:id=\"2\"/>";
    let copy = "<send event=\"e\" id=\"x\"/>";
    passes(&format!(
        "<datamodel>{data}</datamodel><state id=\"s0\"><onentry>{copy}</onentry>\
         <transition event=\"e\" cond=\"_event.name == 'e' &amp;&amp; In('s0')\" target=\"s1\">\
         <assign location=\"Var2\" expr=\"_event.sendid\"/>\
         <assign location=\"Var1\" expr=\"Var1 + 1\"/></transition></state>\
         <state id=\"s1\"><transition cond=\"Var1 === 2 &amp;&amp; Var2 == 'x'\" \
         conf:targetpass=\"\"/></state>"
    ));
    // What is wrong is an error when it is used, and not when the document is read.
    let wrong = "<assign conf:location=\"2\" expr=\"return\"/><raise event=\"behind\"/>";
    passes_on(data, wrong, "error.execution");
    let unknown = "<assign conf:location=\"2\" conf:expr=\"Var9\"/><raise event=\"behind\"/>";
    passes_on(data, unknown, "error.execution");
}

#[test]
fn documents_of_our_own_pass() {
    let found = find(&folders::own()).unwrap();
    let judged = found.documents.iter().map(|it| (&it.id, judge(it, &found.children)));
    let failed: Vec<_> = judged.filter(|(_, verdict)| *verdict != Verdict::Passed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(found.documents.len(), 50);
}
