//! Further steps: put into a definition, checked with it, told at their own place (decision 0026).

use crate::definition::model::Definition;
use crate::definition::{DERIVED_MIN, Extended, Format, Further, Problem, extend, load};

const BASE: &str = "
workflow: import
version: 3
steps:
  fetch: { call: p.fetch }
  clean: { needs: [fetch], call: p.clean }
  save: { needs: [clean], call: p.save }
";

fn definition(text: &str) -> Definition {
    load(text, "test.yaml", Format::Yaml).unwrap().definition
}

fn with(base: &str, graph: u16, text: &str) -> Result<Extended, Vec<Problem>> {
    let further = Further { text, origin: "more.yaml", format: Format::Yaml };
    extend(&definition(base), graph, further, 0)
}

/// `more.yaml:3:5: error[GS0132]: …`, one per line, and where in the file.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let Err(problems) = with(BASE, 0, text) else { panic!("not refused: {text}") };
    let told: Vec<_> = problems.iter().map(|it| format!("{it} ({})", it.path)).collect();
    assert_eq!(told, expected);
}

#[test]
fn further_steps_make_a_derived_version_and_leave_the_others_alone() {
    let text = "steps:\n  report: { needs: [clean], call: p.report }\n  mail: { needs: [report], \
                call: p.mail }\n";
    let made = with(BASE, 0, text).unwrap();
    assert_eq!(made.added, ["report".into(), "mail".into()]);
    let to = &made.definition;
    assert!(to.version >= DERIVED_MIN && to.is_derived());
    assert_eq!((to.derived_from, &*to.name), (Some(3), "import"));
    let ids: Vec<_> = to.graphs[0].steps.iter().map(|step| &*step.id).collect();
    assert_eq!(ids, ["fetch", "clean", "save", "report", "mail"]);
    let from = definition(BASE);
    let shown = |state: &crate::definition::model::State| (state.id.clone(), state.kind);
    assert!(from.states.iter().map(shown).eq(to.states.iter().map(shown)));
    // The same steps give the same version, which several instances share; what is stored of it
    // is read back as it is.
    assert_eq!(with(BASE, 0, text).unwrap().definition.pin(), to.pin());
    assert_eq!(crate::definition::from_canonical(&to.canonical).unwrap().pin(), to.pin());
    // Of another turn it has another number, and steps can be added again.
    let further = Further { text, origin: "more.yaml", format: Format::Yaml };
    let other = extend(&from, 0, further, 1).unwrap().definition;
    assert_ne!(other.version, to.version);
    let further =
        Further { text: "{\"steps\": [{\"id\": \"z\", \"publish\": \"a.b\"}]}", ..further };
    let again = extend(to, 0, Further { format: Format::Json, ..further }, 0).unwrap();
    assert_eq!(again.definition.derived_from, Some(3), "as its author called it");
    assert_eq!(again.definition.graphs[0].steps.len(), 6);
}

#[test]
fn steps_join_those_of_their_state_in_the_form_they_are_written_in() {
    let base = "
workflow: t
initial: a
states:
  a: { initial: b, states: { b: { steps: [ { id: one, call: p.one } ], done: c }, c: {} } }
  d: { parallel: { e: { steps: { two: { call: p.two } } }, f: {} } }
";
    for (graph, expected) in [(0, ["one", "more"]), (1, ["two", "more"])] {
        for text in ["steps: { more: { call: p.more } }", "steps: [ { id: more, call: p.more } ]"] {
            let made = with(base, graph, text).unwrap();
            let steps = &made.definition.graphs[usize::from(graph)].steps;
            assert!(steps.iter().map(|step| &*step.id).eq(expected), "{text}");
        }
    }
}

#[test]
fn what_is_wrong_with_further_steps_is_told_at_its_place_in_their_file() {
    refused(
        "steps:\n  clean: { call: p.again }\n",
        &["more.yaml:2:3: error[GS0133]: step `clean` exists already ()"],
    );
    refused(
        "steps:\n  report: { needs: [cleen], call: p.report }\n",
        &["more.yaml:2:21: error[GS0132]: no step `cleen` (steps.report.needs[0])"],
    );
    refused(
        "steps:\n  a: { needs: [b], call: p.a }\n  b: { needs: [a], call: p.b }\n",
        &["more.yaml:2:15: error[GS0134]: `a` → `b` → `a`: each waits for the next \
           (steps.a.needs)"],
    );
    refused(
        "steps:\n  a: { call: p.a, fallback: save }\n",
        &["more.yaml:2:29: error[GS0136]: `save` is there already and runs when its own needs \
           are over ()"],
    );
    refused(
        "steps:\n  a: { call: p.a }\nmode: sequential\n",
        &["more.yaml:3:1: error[GS0100]: unknown key `mode`: only `steps` stands here (mode)"],
    );
    // All at once, in the order of the file.
    refused(
        "steps:\n  clean: { call: p.again }\n  a: { call: p.a, fallback: save }\n  \
         b: { needs: [cleen], call: p.b }\nmode: sequential\n",
        &[
            "more.yaml:2:3: error[GS0133]: step `clean` exists already ()",
            "more.yaml:3:29: error[GS0136]: `save` is there already and runs when its own needs \
             are over ()",
            "more.yaml:4:16: error[GS0132]: no step `cleen` (steps.b.needs[0])",
            "more.yaml:5:1: error[GS0100]: unknown key `mode`: only `steps` stands here (mode)",
        ],
    );
    refused("steps: {}\n", &["more.yaml:1:8: error[GS0130]: there are no steps (steps)"]);
    refused("{}\n", &["more.yaml:1:1: error[GS0101]: `steps` is missing ()"]);
    let text = "steps:\n  a: { call: p.a, with: { n: \"${ steps.nobody.n }\" } }\n";
    let told = with(BASE, 0, text).unwrap_err();
    assert!(told[0].line == 2 && told[0].message.contains("nobody"), "{told:?}");
    assert_eq!(told[0].path, "steps.a.with.n");
    assert!(with(BASE, 7, "steps: { a: { call: p.a } }").is_err());
}

#[test]
fn numbers_of_derived_versions_are_not_for_authors() {
    let told = |text: &str| {
        let problems = load(text, "t", Format::Yaml).unwrap_err();
        problems.iter().map(|it| format!("{} {}", it.code, it.message)).collect::<Vec<_>>()
    };
    let text = "workflow: t\nversion: 2147483648\nsteps: { a: { call: p.a } }\n";
    assert_eq!(told(text), ["GS0155 version 2147483648 exceeds the limit of 2147483647"]);
    let text = "workflow: t\nversion: 2\nderived_from: 1\nsteps: { a: { call: p.a } }\n";
    let expected = "GS0155 version 2 is an author's; derived ones begin with 2147483648";
    assert_eq!(told(text), [expected]);
}
