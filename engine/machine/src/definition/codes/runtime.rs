//! `GS3xxx` to `GS6xxx`: reported by the engine at run time.

super::codes! { RUNTIME;
    PAYLOAD_SHAPE 3001 "payload_shape" "the payload is not an object"
        "The body of an event is a JSON (or MessagePack) object. An array, a text or bytes that \
         cannot be read have no members that a workflow could look at. Wrap the value: \
         `{\"value\": …}`."
    NUMBER_RANGE 3002 "number_range" "a number does not fit"
        "An integer needs more than 64 bits, or a number is not finite. It would lose digits \
         silently, so it is refused. Send it as text."
    EVENT_NAME_INVALID 3003 "event_name_invalid" "the event's name is not allowed"
        "An event name has 1 to 16 tokens of `[A-Za-z0-9_-]`, joined by dots; `done`, `error`, \
         `after`, `workflow` and `gearshift` as first tokens belong to the engine. Correct the \
         name."
    EVENT_ID 3004 "event_id" "the event's id is not allowed"
        "The id by which repeats are recognized is empty, longer than allowed or holds control \
         characters. Use a UUID, or leave it out."
    EVENT_TOO_LARGE 3005 "event_too_large" "the event is too large"
        "The body exceeds the limit that the message names. Put large content into a store and \
         send a reference to it."
    UNADDRESSED 3006 "unaddressed" "the event finds no key"
        "`correlate` gave no key for this event: the member is absent, or is neither text nor a \
         number. No instance can be chosen. Correct the payload or the expression, or name the \
         instance in `Gearshift-Instance`."
    HEADERS 3007 "headers" "the headers are not allowed"
        "A header that must be there is missing, occurs twice, is longer than 4 KiB or holds line \
         breaks. Correct the sender; the message was kept as a dead letter."
    TIME_RANGE 3008 "time_range" "the time is out of range"
        "A time in the event cannot be represented, or lies outside the accepted years. Send RFC \
         3339 in UTC."
    UNHANDLED 3009 "unhandled" "no transition takes the event"
        "The instance exists, but none of its active states has a transition for this event whose \
         guard is true. The definition says `unhandled: dead_letter`, so it was kept. See the \
         instance's history for the guards, correct the cause and send it again."
    BUFFER_EXPIRED 3010 "buffer_expired" "no instance came in time"
        "The event waited for an instance with its key as long as `buffer:` allows, and none was \
         started. Start the instance and send the event again, or raise the time."
    UNKNOWN_EVENT 3011 "unknown_event" "no definition listens to the event"
        "No deployed definition declares this event. Check its name, or deploy the definition that \
         uses it."
    MESSAGE_LOST 3012 "message_lost" "messages are missing on the bus"
        "A message was damaged on the bus, or it grew too old there before an engine had read it. \
         Nothing is known of it but its place, which the message names. Ask the publishers for \
         what they sent at that time; reading goes on behind it."
    BAD_REQUEST 4000 "bad_request" "the request is not one"
        "A field is missing or has the wrong type, an id or a cursor cannot be read, or a filter \
         does not compile. The message says which and what was expected."
    UNKNOWN_WORKFLOW 4001 "unknown_workflow" "there is no such workflow"
        "No definition with this name, or with this version, is deployed. List them with \
         `gearshift def ls`, or deploy it."
    UNKNOWN_INSTANCE 4002 "unknown_instance" "there is no such instance"
        "No instance has this id. It may never have been started, or have ended more than the \
         retention time ago. List instances with `gearshift ls`."
    NOT_ACCEPTED 4004 "not_accepted" "the instance does not accept the event now"
        "None of the active states has a transition for this event whose guard is true. The answer \
         lists what would be accepted. Wait for the state that takes it, or correct the payload."
    ALREADY_DECIDED 4009 "already_decided" "the task is already decided"
        "Somebody decided this approval before you. The answer says who, what and when. Nothing \
         was changed."
    VERSION_EXISTS 4010 "version_exists" "the version exists with other content"
        "A definition with this name and version is deployed, and its content differs. A version \
         never changes, because instances run on it. Raise `version:` and deploy again."
    EXISTS_WITH_OTHER_INPUT 4011 "exists_with_other_input" "the instance exists with other input"
        "An instance with this key was started before, with another input. Starting it again with \
         the same input would have been harmless. Use another key, or look at the instance."
    ID_REUSE 4012 "id_reuse" "the event's id was used for another event"
        "The same source used the same id before, with another body. The first one stands. Give \
         each event its own id."
    ENDED 4013 "ended" "the instance has ended"
        "The instance is done, failed or cancelled and takes no events. Only an explicit start \
         begins a new life of the key."
    NOT_STUCK 4014 "not_stuck" "the instance is not stuck"
        "`retry` and `skip` are for instances that cannot go on by themselves. This one can. See \
         what it waits for with `gearshift why`."
    NOT_MIGRATED 4016 "not_migrated" "the instance cannot go on under that version"
        "An active state has no counterpart in the new version, or the counterparts cannot be \
         active together; a call or child workflow is under way, and the counterpart of its state \
         does not ask the same operation or run the same workflow; variables exceed the new limit; a \
         timer that is new has a computed delay; or the instance is stuck or has ended. Nothing was \
         changed. Say which state takes the place of another one (`--map old=new`), wait until the \
         call has its reply, or retry, skip or cancel first. Of several instances `--skip-refused` \
         migrates the others. What guards, actions and values mean there is not checked: \
         `gearshift diff` tells what has changed."
    IN_USE 4017 "in_use" "there are instances of the version"
        "A version is taken away only when no instance of it is there: neither one that lives, \
         nor one of those that have ended and are kept to be read, for 7 days. Let the living ones \
         end, migrate them to another version (`gearshift migrate`), or cancel them, and wait until \
         those that ended are forgotten; `gearshift ls --where` with `workflow == 'order' && \
         version == 5` lists them all."
    INVALID_STATE 4018 "invalid_state" "the order does not fit the state of the instance"
        "The instance, or the schedule, is paused, stuck, being taken back or has ended, or there \
         is nothing that the order could do: nothing to resume, to take back or to fire. The \
         message says which. Nothing was changed. `gearshift why` tells what an instance waits for."
    NOT_FORKED 4019 "not_forked" "the instance cannot be forked so"
        "An instance with the key runs, or the parallel regions around the step are not known any \
         more; the message says which. Nothing was begun. Give another key, or fork from a \
         checkpoint."
    FORK_IN_TRANSACTION 4039 "fork_in_transaction" "the fork would begin in a transaction"
        "The step or checkpoint lies behind the `begin` or `join` of a transaction, and before its \
         end. A fork belongs to no transaction: its calls could not be taken back with those of \
         the members, and its own `commit` or `rollback` would be refused, or mean the transaction \
         of the other one. Nothing was begun. Fork from before the `begin`, or from behind the \
         `commit`."
    NOT_SET 4020 "not_set" "the variables cannot be set so"
        "Only declared variables and members of maps in them can be set, and all of them together \
         have a limit. Nothing was changed. The message says which and what is declared."
    AMBIGUOUS 4015 "ambiguous" "several instances fit"
        "The name fits more than one instance, and none is picked by chance. Give the full id, \
         `workflow/key`."
    INVALID_DEFINITION 4022 "invalid" "the definition has errors"
        "Nothing was deployed. All findings come with the answer, with file, line and column; \
         `gearshift check` shows them too."
    SUBJECT_HELD 4023 "subject_held" "a subject cannot be listened to"
        "Another stream holds a part of the subjects that the definition names, and no two streams \
         may hold one subject; or the subject is not one that can be captured. Nothing was \
         deployed. Name subjects that no stream holds, or that one stream holds as a whole."
    TRANSACTION_CLOSED 4021 "transaction_closed" "the transaction is not open any more"
        "It was committed or rolled back, or is being rolled back. What was committed stays, and \
         what was taken back is not done again. Nothing was changed. Begin another transaction, or \
         look at this one: `gearshift transaction show NAME`."
    TRANSACTION_EXISTS 4024 "transaction_exists" "the transaction is open with other options"
        "A transaction with this name is open, and its timeout is another one. Beginning it again \
         with the same timeout would have been harmless. Use another name."
    TRANSACTION_DECIDES 4025 "transaction_decides" "a transaction decides about the instance"
        "The instance is a member of a transaction that is open, so what it did is taken back with \
         it or not at all; or the transaction is committed, and nothing of that is taken back any \
         more. Nothing was changed. Commit the transaction or roll it back."
    UNKNOWN_TRANSACTION 4026 "unknown_transaction" "there is no such transaction"
        "No transaction with this name was begun, or it ended more than the retention time ago. \
         List them with `gearshift transaction ls`."
    DENIED 4030 "denied" "not allowed"
        "Your roles do not permit this, or the approval excludes you. Ask somebody who may, or for \
         the role."
    UNAUTHENTICATED 4031 "unauthenticated" "a valid token is needed"
        "The door does not know who asks. `gearshift dev` prints its token at the start; give it \
         by `--token`, `GEARSHIFT_TOKEN` or `GEARSHIFT_TOKEN_FILE`."
    UNKNOWN_SCHEDULE 4032 "unknown_schedule" "there is no such schedule"
        "The newest version of the workflow has no schedule of this name. `gearshift schedule ls` \
         lists them all as `workflow/schedule`."
    NOT_STARTED 4033 "not_started" "the schedule starts nothing now"
        "`overlap` of the schedule leaves this start out, or its key or input cannot be computed; \
         the message says which. Wait until the earlier start has ended, end it, or start the \
         workflow by hand with `gearshift start`."
    NOT_A_MEMBER 4037 "not_a_member" "the instance runs outside of the transaction"
        "It was to be started in a transaction, but an instance with this key runs already and \
         belongs to another transaction or to none; the message says which. Nothing was changed. \
         Use another key, or start it again when it has ended."
    TRANSACTION_FULL 4038 "transaction_full" "the transaction has no room"
        "It has as many members as a transaction may have, which the message names. Nothing was \
         started. Use several transactions."
    NOTHING_THERE 4040 "not_found" "there is no such thing"
        "What the request names does not exist: a dead letter, a step, a command, a query. The \
         message says what was looked for."
    FORK_NOT_BEGUN 4041 "fork_not_begun" "the step is no point to fork from yet"
        "The step did not begin yet, or was cut off when something was taken back and waits to \
         begin again; the message says which. So there is nothing before it that a fork could \
         keep. Nothing was begun. Fork from a step that ran or was taken back, or from a \
         checkpoint."
    CONFLICT_NOW 4090 "conflict" "it does not fit what is the case"
        "The request is well formed but cannot be done now. The message says what is the case; \
         nothing was changed."
    REQUEST_TOO_LARGE 4130 "request_too_large" "the request exceeds a limit"
        "The body is larger than the door takes. Nothing of it was used. The message names the \
         limit."
    INTERNAL 5000 "internal" "an error of the engine"
        "This is a bug of ours. The log has the details; nothing that was acknowledged is lost. \
         Please report it with the message."
    BUSY 5001 "busy" "the engine is at its limit"
        "A queue is full and the request was not taken, so it is safe to send it again. Wait as \
         long as the answer says. If it lasts, look at the saturation metrics."
    UNAVAILABLE 5002 "unavailable" "the engine cannot be reached"
        "No engine answered, or the owner of the instance is changing. The request was not taken. \
         Try again; check the address and the health of the engines."
    TIMEOUT 5003 "timeout" "no answer in time"
        "The answer did not come in time, so the outcome is unknown. Send the same event with the \
         same id again: a repeat is recognized. A start too, where it has an id \
         (`start --key K --id I`); without one, a key that has ended meanwhile begins anew."
    OUTCOME_UNKNOWN 5004 "outcome_unknown" "nobody knows whether the call had effect"
        "The operation says that it is not idempotent (`gearshift.idempotent: false`). It was sent \
         once and no reply came: it may have happened or not, and sending it again could do it \
         twice. Look at the other side. `gearshift retry` sends it again, `gearshift skip` goes on \
         as if it had happened, `gearshift cancel` ends the instance."
    RESULT_UNADDRESSED 5020 "result_unaddressed" "a result names no call"
        "What a plugin published under `gearshift.result.` does not say whose it is: the subject \
         ends with no call id, or a header is missing that the request had, `Gearshift-Instance` \
         or `Gearshift-Attempt`. It was kept as a dead letter. Correct the plugin: it gives these \
         headers back as they came."
    LOG_BEHIND_MARK 6001 "log_behind_mark" "the journal is shorter than it was"
        "The journal on the bus ends before the mark that the engine keeps elsewhere. Messages \
         that were acknowledged are gone, so the partition refuses to serve. Restore the stream \
         from a replica or a backup; do not delete the mark."
    INBOX_CHANGED 6003 "inbox_changed" "a stream of events is not the one it was"
        "The stream that events are read from was deleted and made again, or ends before what was \
         read of it. Its numbers say nothing any more, so nothing is read from it; doors go on. \
         Restore the stream, or accept it as it is with `--accept-new-inbox`: its events are then \
         read as those of a new source."
    JOURNAL_CORRUPT 6002 "journal_corrupt" "the journal is damaged"
        "A frame does not fit the one before it, fails its checksum, or is gone. Going on could \
         invent history, so the partition stops for good; the others are served. Bring the stream \
         of its journal back from a replica or a copy and start the engines anew; or delete it and \
         give up all that the partition holds: `gearshift serve --accept-journal-loss PARTITION`."
}
