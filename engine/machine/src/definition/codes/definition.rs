//! `GS01xx`: the definition makes no sense.

super::codes! { DEFINITION;
    UNKNOWN_FIELD 100 "unknown_field" "unknown key"
        "This key means nothing here. Unknown keys are refused, because a misspelt one would be \
         ignored silently. Correct the spelling, or look up which keys belong here with \
         `gearshift schema`. Inside `{ }` a comma ends a value: an expression with a comma must \
         be quoted."
    MISSING_FIELD 101 "missing_field" "a required key is missing"
        "Something that must be said is not said. The message names the key. Add it."
    TYPE 102 "type" "the value has the wrong type"
        "Another kind of value is due here. Text is never turned into a number, nor a number, \
         `no` or `~` into text, because guesses of that sort have broken many files. Write the \
         value the message asks for; quote it where text is meant."
    NAME 103 "name" "the name is not allowed"
        "Names become parts of bus subjects, of event names and of expressions. So a state, \
         variable or action is `[A-Za-z_][A-Za-z0-9_]*`, at most 128 bytes, and no two states may \
         differ in case only. Choose another name; use `_` where you wrote `-` or `.`."
    UNKNOWN_STATE 104 "unknown_state" "transition goes to a state that does not exist"
        "The target of this transition is not the id of any state of the definition. An instance \
         that took it would have nowhere to go, so the definition is refused. Correct the \
         spelling, or add the state."
    DUPLICATE_STATE 105 "duplicate_state" "the id is taken already"
        "State ids are unique in the whole definition, also across nested states and regions: \
         transitions, `active('id')` and `done.state.id` name states by their id alone. The \
         workflow's name is the id of the state around all others. Rename one of them."
    UNKNOWN_ACTION 106 "unknown_action" "the action does not exist"
        "A name where an action is due refers to `actions:`. There is no action with this name. \
         Correct the spelling, add the action, or write it inline as a mapping, for example \
         `{ call: plugin.operation }`."
    UNKNOWN_VARIABLE 107 "unknown_variable" "`set` of a variable that is not declared"
        "Only variables that `vars:` declares can be set; everything else would be a misspelling \
         that nobody notices. `event`, `data`, `key`, `instance`, `now` and `workflow` belong to \
         the system. Declare the variable under `vars:` with its first value."
    INITIAL 108 "initial" "`initial` is not allowed like this"
        "`initial` names the state, or one state per region, that is entered by default. It must \
         be a descendant of the state it stands in, and its transition has no event and no guard. \
         Name a state below this one, or leave it out: the first child is the default."
    ILLEGAL_TARGETS 109 "illegal_targets" "these targets cannot be active together"
        "A transition with several targets enters all of them. So each two must lie in different \
         regions of one parallel state. Name one target, or one state of each region. A list \
         without any is refused too: a transition that goes nowhere leaves `to` out."
    HISTORY 110 "history" "the history state is incomplete"
        "A history state stands for what was active when its parent was left. It says `history: \
         shallow` or `history: deep`, and needs a `default:` for the first time, which lies inside \
         its parent. It has no other keys."
    FINAL_STATE 111 "final_state" "a final state cannot have this"
        "A final state ends its parent. It has `entry`, `exit` and `output`, but no children, no \
         transitions, no timers and no calls, because nothing happens in it any more. Move this to \
         the state before, or make the state an ordinary one."
    PARALLEL 112 "parallel" "the parallel state is incomplete"
        "A parallel state has regions, which are all active at once: `parallel: { legal: {…}, \
         money: {…} }`. It needs at least one, each is a state of its own, and it has neither \
         `states` nor `initial`."
    ACTION_KIND 113 "action_kind" "the action is not one of the known kinds"
        "An inline action has exactly one of `call`, `publish`, `set`, `raise`, `log`, `timer`, \
         `send`, `cancel`, `if` and `each`; `set` beside `call` belongs to the call. Write two \
         actions as a list of two mappings."
    EVENT_NAME 114 "event_name" "the event name is not allowed"
        "An event name has 1 to 16 tokens of `[A-Za-z0-9_-]`, joined by dots, and at most 255 \
         bytes. A trigger may end in `.*`, or be `*`; `=name` matches that name only. A wildcard \
         elsewhere is refused, because a bus would read it differently."
    RESERVED_EVENT 115 "reserved_event" "the event name is reserved"
        "Names that begin with `done`, `error`, `after`, `workflow` or `gearshift` are made by the \
         engine. From outside they would be forged. Choose another first token."
    SUBJECT 116 "subject" "the subject is not allowed"
        "A subject is where an event is captured on the bus. Its tokens are as those of event \
         names; a whole token may be `{name}`, which stands for one token. `*`, `>` and reserved \
         first tokens are refused, because they would capture what belongs to others. No two \
         events of a definition share a subject: a message there is one of them only."
    DURATION_RANGE 117 "duration_range" "the duration is not allowed"
        "A duration is written `500ms`, `30s`, `1h 30m`, `2d` or `PT5M`, and lies between 1 ms and \
         100 years. A number without a unit is refused: nobody can tell seconds from \
         milliseconds. `d` is exactly 24 hours."
    CALL_PLACE 118 "call_place" "a call is not allowed here"
        "A call takes time and belongs to a state, which waits for its reply. In a loop, in \
         `initial` and in a history's `default` there is no state that could wait. Let the plugin \
         take the whole list, or make the call in `entry` of a state."
    UNBOUNDED_LOOP 119 "unbounded_loop" "transitions without event or guard form a loop"
        "These transitions are taken at once and always, and lead back to where they began. An \
         instance that got there would never stop. Give one of them a guard, an event or a \
         timer."
    LIMIT 121 "limit" "the limit is not allowed"
        "A definition may lower the engine's limits, never raise them: they protect the other \
         instances. Write a whole number between 1 and the default."
    APPROVAL 122 "approval" "the approval is not complete"
        "`approval:` makes a task for people: `title`, `assign`, `choices`, `event`, `roles`, \
         `need` and `not: [initiator]`. It belongs to an atomic state, and its event is an \
         ordinary one from outside."
    ACTION_CYCLE 124 "action_cycle" "an action refers to itself"
        "Named actions can use other named actions in `if` and `each`. This one comes back to \
         itself and would never end. Break the circle."
    RETRY 125 "retry" "the retry policy is not allowed"
        "`retry: { attempts: 3, backoff: 2s..1m }`: attempts count the first one and lie between \
         1 and 1,000; `backoff: 5s` waits always the same, `2s..1m` doubles from 2 s up to 1 min, \
         and the first must not exceed the second."
    CONTRADICTION 127 "contradiction" "two keys contradict each other"
        "Of these keys only one can be true: an event that finds no instance starts one, waits, or \
         becomes a dead letter. Keep the one that is meant."
    OPERATION 126 "operation" "the operation is not allowed"
        "A call names `plugin.operation`, or `plugin@^1.2.operation` for a version. Plugin and \
         operation are `[A-Za-z0-9_-]+`. Both become tokens of the subject that the request is \
         sent to."
    USELESS_FAILED 128 "useless_failed" "`failed` has nothing to wait for"
        "`failed` of a transition is for the calls in its `do`, made on the way to its target. \
         Where there is no call it would never be used; where there is no target the state itself \
         waits for the calls, and its own `failed` takes their failure. Move it there, or remove \
         it."
    RECIPIENT 129 "recipient" "nobody has this address"
        "`to` of a `send` is `parent`, `invoke.<id>` with the id of a child workflow that some \
         state here invokes, or `{ instance: workflow/key }`. `${ … }` may compute any of them."
    STEPS 130 "steps" "steps cannot stand here"
        "`steps:` belongs to a state without children, or is the whole definition: beside `states:` \
         there would be two answers to what happens first. `mode`, `on_failure`, `timeout`, \
         `max_parallel`, `finally` and `output` say something about steps. Give a state the steps, \
         or remove what does not belong to them."
    STEP_KIND 131 "step_kind" "the step does nothing, or two things"
        "A step does exactly one thing: `call`, `run`, `publish`, `wait`, `approval`, `route`, \
         `checkpoint`, or `begin`, `commit` or `rollback` of a transaction; `set` alone is one \
         too, and beside the others says what to keep. Write two steps, the second with `needs` of \
         the first."
    UNKNOWN_STEP 132 "unknown_step" "the step does not exist"
        "`needs` and `fallback` name steps of the same `steps:`. There is no step with this name \
         among them. Correct the spelling, or add the step."
    DUPLICATE_STEP 133 "duplicate_step" "the step exists already"
        "Step ids are unique in the whole definition, because `steps.<id>` names the result of one \
         of them everywhere. Rename one of the two."
    NEEDS_CYCLE 134 "needs_cycle" "steps wait for each other"
        "Each of these steps waits for the next, and the last for the first: none of them could \
         ever start. Remove one of the needs; to do something again and again, use states."
    NEEDS 135 "needs" "these needs make no sense"
        "`needs` is the name of a step, a list of names, of which all must be over, `{ any: [a, b] \
         }` for one success, or `{ n_of: 2, of: [a, b, c] }`. A need that nothing can meet, or \
         that contradicts the order of `mode: sequential`, would hold the instance for ever. \
         Correct the names or the number."
    FALLBACK 136 "fallback" "the fallback is not possible"
        "`fallback` names a step that runs only when this one has failed. So it is of one step \
         only, has no `needs` and no fallback of its own, and no step needs it: they need the step \
         it stands in for, whose result is then the fallback's."
    UNDO 137 "undo" "there is nothing to take back"
        "`undo` is the call that takes back a call which succeeded: `undo: plugin.operation` or \
         `undo: { call: …, with: …, timeout: …, retry: … }`. Only a `call` can have one. Move it \
         to the step that calls, or give the child workflow steps with `undo` of their own."
    FOREACH 138 "foreach" "the list cannot be walked"
        "`foreach: { in: data.files, as: file }` runs the step once for each item of a list, \
         which an expression gives; at most 256 items at once. What stands here can never be a \
         list, or asks for more. Write an expression for a list."
    SHALLOW_DEFAULT 139 "shallow_default" "the default of a shallow history state lies too deep"
        "`history: shallow` keeps which children of its parent were active, and enters each of \
         them by its own default. Its `default:` stands for such children, so it names them and \
         nothing further down. Name the child around the state, or write `history: deep`."
    DERIVED 155 "derived" "the number is not one of this kind of version"
        "Numbers from 2,147,483,648 on are those of derived versions, which `gearshift steps add` \
         makes for running instances; they say what they come from in `derived_from`. Give a \
         version of your own a lower number; leave a derived one as `gearshift def show` prints it."
    TRANSACTION 170 "transaction" "the transaction cannot be asked so"
        "`transaction.begin`, `transaction.join`, `transaction.commit` and `transaction.rollback` \
         are answered by the transaction that `with: { name: … }` names, and by no plugin; the \
         steps `begin`, `commit` and `rollback` are short for three of them. The name is a text; \
         `begin` may say `timeout`, `rollback` a `reason`. There is no isolation to ask for: \
         others see what members did before the commit. `undo: transaction.rollback` takes back \
         `transaction.begin` and nothing else. Correct the call, or give a plugin of your own \
         another name."
    RESERVED_WORKFLOW 171 "reserved_workflow" "the workflow's name belongs to the engine"
        "`transaction/NAME` is the instance that keeps a transaction. Its definition is part of \
         the program: nobody can deploy another one, or run it as a child. Give the workflow \
         another name; to begin a transaction, write a step with `begin: NAME`."
    CACHE 173 "cache" "the result cannot be kept so"
        "`cache: 10m`, or `cache: { ttl: 10m, key: \"${ input.id }\" }`, lets the result of a call \
         answer the same call again: for a second to 30 days, under the whole input of the call or \
         under the key. What is to be taken back by `undo`, and what is asked of a transaction, \
         has to happen each time. Remove one of the two, or correct what the message names."
}
