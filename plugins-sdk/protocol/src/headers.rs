//! Every header of the wire (names are compared without regard to case).

/// The call's id: the same for all attempts, the plugin's idempotency key.
pub const CALL_ID: &str = "Gearshift-Call-Id";
/// Which attempt of the call this is, counted from 1.
pub const ATTEMPT: &str = "Gearshift-Attempt";
/// The latest time an answer counts, RFC 3339.
pub const DEADLINE: &str = "Gearshift-Deadline";
/// The calling definition, `name@version`.
pub const WORKFLOW: &str = "Gearshift-Workflow";
/// The instance, `workflow/key`: the caller of an operation, or the addressee of an event.
pub const INSTANCE: &str = "Gearshift-Instance";
/// The step that makes the call or is taken back by it, `finally`, or the state that makes it.
pub const STEP: &str = "Gearshift-Step";
/// What the call is for where it is not the work of a state or step itself: `undo` or `finally`.
pub const PURPOSE: &str = "Gearshift-Purpose";
/// `retryable` or `permanent`, beside the service error.
pub const ERROR_KIND: &str = "Gearshift-Error-Kind";
/// The plugin's wish when to be asked again, such as `30s`.
pub const RETRY_AFTER: &str = "Gearshift-Retry-After";
/// `true`: the result follows later on [`RESULT_TO`].
pub const PENDING: &str = "Gearshift-Pending";
/// Beside [`PENDING`]: how often a sign of life comes at least, such as `10s`.
pub const HEARTBEAT: &str = "Gearshift-Heartbeat";
/// How busy the plugin is, `<calls in flight>/<capacity>`; see [`crate::Load`].
pub const LOAD: &str = "Gearshift-Load";
/// The subject a later result goes to.
pub const RESULT_TO: &str = "Gearshift-Result-To";
/// Answer only once the instance has reached this: a state, `@quiescent` or `@end`.
pub const WAIT_FOR: &str = "Gearshift-Wait-For";
/// How long the asker waits, in milliseconds.
pub const TIMEOUT_MS: &str = "Gearshift-Timeout-Ms";

/// In whose name an event is sent, in the form of [`crate::ce_encode`]. It is believed only where
/// the door knows its clients: over HTTP with the token, and on the bus of the same process.
pub const USER: &str = "Gearshift-User";

/// The publisher's name for the message; repeats of it are recognized.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The HTTP-like code of a service error; its presence makes a reply a failure.
pub const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";
/// A service error in words.
pub const SERVICE_ERROR: &str = "Nats-Service-Error";

/// The body's media type.
pub const CONTENT_TYPE: &str = "Content-Type";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C trace context of vendors.
pub const TRACESTATE: &str = "tracestate";

/// `CloudEvents`: the version of the envelope, `1.0`; its presence means binary mode.
pub const CE_SPECVERSION: &str = "ce-specversion";
/// `CloudEvents`: the event's id, unique per source.
pub const CE_ID: &str = "ce-id";
/// `CloudEvents`: who published it.
pub const CE_SOURCE: &str = "ce-source";
/// `CloudEvents`: the event's type.
pub const CE_TYPE: &str = "ce-type";
/// `CloudEvents`: what the event is about, within its source.
pub const CE_SUBJECT: &str = "ce-subject";
/// `CloudEvents`: when it happened, RFC 3339.
pub const CE_TIME: &str = "ce-time";

/// Media type of JSON bodies, the default.
pub const JSON: &str = "application/json";
/// Media type of MessagePack bodies; maps have string keys.
pub const MESSAGE_PACK: &str = "application/msgpack";
/// Media type of [`crate::Problem`] bodies (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Start of the media types of structured `CloudEvents`.
pub const CLOUD_EVENTS: &str = "application/cloudevents";
