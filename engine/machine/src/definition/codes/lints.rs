//! `GS02xx`: allowed, but probably not meant.

super::codes! { LINTS;
    RESTARTS_REGIONS 200 "restarts_regions" "the transition restarts all sibling regions"
        "A transition that leaves a region of a parallel state leaves all of the parallel state, \
         and enters it again where a target lies inside: regions that are not named start anew. \
         So does one from the parallel state itself, also with `internal: true`. Where only \
         actions are meant, leave `to` out; where the region itself should restart, let the \
         transition start from a state inside it."
    UNREACHABLE_TRANSITION 201 "unreachable_transition" "the transition can never be taken"
        "Transitions are tried from top to bottom. One above it takes the same events and has no \
         guard, so this one is never reached. Move it up, or give the other a guard."
    DEAD_END 202 "dead_end" "nothing leads out of the state"
        "The state is not final, waits for no event, timer, call or approval, and neither does any \
         state around it, nor any that its `always` lead to. An instance that enters it stays \
         there, or goes round in circles, for ever: a guard is no way out where nothing comes in \
         that could change what it sees. Add a transition, or make it `final: true`."
    USELESS_DEFER 203 "useless_defer" "the deferred event is never handled"
        "The event is kept for later, but no state that can be reached has a transition for it. It \
         would fill the list until it expires. Remove it from `defer`, or handle it somewhere."
    RACING_SET 204 "racing_set" "two regions set one variable on the same event"
        "Both regions are active at once and take the event in the same step, in document order, \
         so the later one wins; on the way out it is the earlier one. Actions of transitions \
         count, and `entry` and `exit` of the states on the way. That is easily changed by moving \
         a state. Use two variables, or set it in one place."
    PREFIX_MATCH 205 "prefix_match" "the trigger also matches longer names"
        "A trigger matches every event whose name begins with its tokens: `order` also takes \
         `order.cancelled`, which the definition knows too. Write `=order` for this name only, or \
         `order.*` to say that all are meant."
    UNREACHABLE_STATE 206 "unreachable_state" "no transition leads to the state"
        "The state is not initial and nothing that can be reached goes to it. Often a transition \
         has the wrong target. Correct it, or remove the state."
    RUNS_TWICE 207 "runs_twice" "an action runs twice on the way into a state"
        "The transition runs the action, and so does `entry` of the state it goes to. Once is \
         usually meant: a call would be made twice. Remove one of them."
    UNUSED_ACTION 208 "unused_action" "the action is never used"
        "No state and no transition uses this named action. Often a name is misspelt elsewhere, or \
         an inline mapping took its place. Use it, or remove it."
    UNDECLARED_EVENT 209 "undeclared_event" "the event is not declared"
        "A transition waits for this event, but `events:` does not list it and nothing in the \
         definition raises it. Only declared events are captured from the bus, so it would arrive \
         only through the engine's own door. Add it to `events:`. Where the name begins with \
         `done` or `error`, it is one that the engine never makes here: no state, call, child or \
         step is called like that."
    SECRET 210 "secret" "this looks like a credential"
        "The text looks like a password, token or key. Definitions are stored, shown and exported \
         as they are, so everybody who sees the workflow sees it. Give the secret to the plugin's \
         own configuration and remove it here; then replace it, for it was written down."
    UNDECIDED 211 "undecided" "nobody takes the approval's decision"
        "The approval waits for a person, and the decision becomes an event, but neither the state \
         nor one around it has a transition for that event. So whatever is decided is refused. Add \
         the transition under `on:`, or correct `event` of the approval."
    MISSING_WORKFLOW 212 "missing_workflow" "nobody knows the child's workflow"
        "`run` and `invoke` start a workflow by its name, and none of that name and version is \
         among the files looked at, nor, at deployment, among what is deployed. It is looked up \
         when the state is entered; where there is none by then, the state gets \
         `error.communication.invoke.<id>`. Deploy the child too, or correct its name."
    REGION_SHUT_OUT 213 "region_shut_out" "another region takes the event instead"
        "A transition that leaves its region leaves all of the parallel state, so nothing else \
         can move in the same step. Of two regions that take the event the one written first is \
         asked first, and the transition of the other is dropped with its actions. Let the \
         parallel state itself take the event, or put the region that should win first."
    IDLE_RULE 225 "idle_rule" "a rule that never decides"
        "Rules of a `route` are asked by their priority, then as they are written, and the first \
         that matches decides. One that is asked before has no `when`, so neither this rule nor \
         the default is ever reached. Give the other a guard or a lower priority, or remove this."
    ROLES_SHOWN 228 "roles_shown" "roles of an approval do not restrict who decides"
        "The engine knows no roles of persons yet. `roles` are shown to people, and an event that \
         brings a decision is refused, because nobody says who sends it; but whoever may give \
         commands decides, whatever the roles: on NATS that is who may publish to \
         `gearshift.command.<user>`, else who has the token. Give the right to decide there."
    TRANSACTION_NAME 229 "transaction_name" "the call does not say the transaction's name"
        "Without `with` the call is given what caused it: the item of a `foreach`, or the data of \
         the event, which then must be the name or have a `name`. Else it fails each time. Say \
         `with: { name: … }`; a step says `begin: NAME`, `commit: NAME` or `rollback: NAME`."
    TRANSACTION_EACH 230 "transaction_each" "a transaction is begun for each item"
        "An instance belongs to one open transaction at most. Of items with different names the \
         second fails, and with one name for all of them nothing happens but for the first. Begin \
         it in a step before, or let a child workflow of each item begin its own."
    IDLE_PLUGIN_RULES 231 "idle_plugin_rules" "rules of a plugin that nothing calls"
        "`plugins:` says how calls of a plugin are made, under the name that stands in front of \
         the `.` in `call:`, be it the plugin's or an interface's. No call of the definition has \
         this one, so the limits and choices here hold for nothing. Correct the name, or remove it."
    RACING_STEP 233 "racing_step" "a step reads what it does not wait for"
        "The step reads `steps.x` of a step that nothing puts before it: no `needs`, none of those \
         it needs, and no `mode` that gives an order. Both run at the same time, so `x` may be \
         over or not, and where it is not the step fails. Write `needs: [x]`, or ask \
         `has(steps.x)` in the same expression or in `when` where it is good to know but not \
         needed."
}
