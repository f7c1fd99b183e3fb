//! [`Handler`]: the functions an operation can be.

use std::any::TypeId;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gearshift_protocol::Encoding;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Failure, State};

/// A function that can be an operation; `M` only tells the forms apart.
///
/// - `async fn(I) -> Result<O, E>`
/// - `async fn(Context, I) -> Result<O, E>`
/// - `async fn(State<S>, Context, I) -> Result<O, E>`
///
/// [`Plugin::operation`](crate::Plugin::operation) takes those with `I: Deserialize + JsonSchema`,
/// `O: Serialize + JsonSchema`, an error that [`Failure`] can be made of (every error can), and a
/// future that is `Send`. It cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an operation",
    label = "not `async fn(I)`, `async fn(Context, I)` or `async fn(State<S>, Context, I)`",
    note = "the input needs `Deserialize` and `JsonSchema`, the output `Serialize` and \
            `JsonSchema`, and the result is `Result<O, E>` with an error as `E`"
)]
pub trait Handler<M>: Form<M> {
    /// What it takes.
    type Input;
    /// What it gives.
    type Output;
    /// How it fails.
    type Error;
    /// What it returns: bounds of it are not of this trait, so that the compiler names the one
    /// that is not met.
    type Answer: Future<Output = Result<Self::Output, Self::Error>>;

    #[doc(hidden)]
    fn call(&self, context: Context, input: Self::Input) -> Result<Self::Answer, Failure>;
}

/// The body of the answer.
pub(crate) type Answer = Result<Vec<u8>, Failure>;

type Call = dyn Fn(Context, Encoding, Bytes) -> BoxFuture<'static, Answer> + Send + Sync;

/// A handler without its types.
#[derive(Clone)]
pub(crate) struct Erased {
    pub(crate) call: Arc<Call>,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) needs: Option<(TypeId, &'static str)>,
}

mod sealed {
    use super::TypeId;

    #[expect(unnameable_types, reason = "sealed")]
    pub trait Form<M> {
        /// The state that it takes.
        const NEEDS: Option<fn() -> (TypeId, &'static str)>;
    }
}

use sealed::Form;

impl<F: Fn(I) -> R, R, I> Form<fn(I)> for F {
    const NEEDS: Option<fn() -> (TypeId, &'static str)> = None;
}

impl<F, R, I, O, E> Handler<fn(I)> for F
where
    F: Fn(I) -> R,
    R: Future<Output = Result<O, E>>,
{
    type Input = I;
    type Output = O;
    type Error = E;
    type Answer = R;

    fn call(&self, _: Context, input: I) -> Result<R, Failure> {
        Ok(self(input))
    }
}

impl<F: Fn(Context, I) -> R, R, I> Form<fn(Context, I)> for F {
    const NEEDS: Option<fn() -> (TypeId, &'static str)> = None;
}

impl<F, R, I, O, E> Handler<fn(Context, I)> for F
where
    F: Fn(Context, I) -> R,
    R: Future<Output = Result<O, E>>,
{
    type Input = I;
    type Output = O;
    type Error = E;
    type Answer = R;

    fn call(&self, context: Context, input: I) -> Result<R, Failure> {
        Ok(self(context, input))
    }
}

impl<F, R, S: 'static, I> Form<fn(State<S>, Context, I)> for F
where
    F: Fn(State<S>, Context, I) -> R,
{
    const NEEDS: Option<fn() -> (TypeId, &'static str)> =
        Some(|| (TypeId::of::<S>(), std::any::type_name::<S>()));
}

impl<F, R, S, I, O, E> Handler<fn(State<S>, Context, I)> for F
where
    F: Fn(State<S>, Context, I) -> R,
    R: Future<Output = Result<O, E>>,
    S: Clone + Send + Sync + 'static,
{
    type Input = I;
    type Output = O;
    type Error = E;
    type Answer = R;

    fn call(&self, context: Context, input: I) -> Result<R, Failure> {
        // `Plugin::check` found the state, so this is for tests that skip it.
        let state = context.shared.states.get::<S>().ok_or_else(missing_state::<S>)?;
        Ok(self(State(state), context, input))
    }
}

pub(crate) fn erase<M, H>(handler: H) -> Erased
where
    H: Handler<M> + Send + Sync + 'static,
    H::Input: DeserializeOwned + JsonSchema + Send + 'static,
    H::Output: Serialize + JsonSchema + 'static,
    H::Error: Into<Failure> + 'static,
    H::Answer: Send + 'static,
{
    let input = schema::<H::Input>(SchemaSettings::default());
    // What is written may be less than what could be read: engines compare answers with it.
    let output = schema::<H::Output>(SchemaSettings::default().for_serialize());
    let handler = Arc::new(handler);
    let call = move |context: Context, encoding: Encoding, body: Bytes| {
        let handler = Arc::clone(&handler);
        let answer = async move {
            let answer = handler.call(context, read(encoding, &body)?)?;
            write(encoding, answer.await)
        };
        Box::pin(answer) as BoxFuture<'static, Answer>
    };
    Erased { call: Arc::new(call), input, output, needs: H::NEEDS.map(|needs| needs()) }
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> String {
    settings.into_generator().into_root_schema_for::<T>().as_value().to_string()
}

fn missing_state<S>() -> Failure {
    Failure::permanent(format!("no state of type `{}`", std::any::type_name::<S>())).code(500)
}

fn read<I: DeserializeOwned>(encoding: Encoding, body: &[u8]) -> Result<I, Failure> {
    let input = encoding.decode(body);
    input.map_err(|error| Failure::permanent(format!("invalid_input: {error}")).code(400))
}

fn write<O: Serialize, E: Into<Failure>>(encoding: Encoding, result: Result<O, E>) -> Answer {
    let output = result.map_err(Into::into)?;
    let body = encoding.encode(&output);
    body.map_err(|error| Failure::permanent(format!("invalid_output: {error}")).code(500))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Sparse {
        n: u8,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        more: Vec<u8>,
    }

    async fn sparse(_: Value) -> Result<Sparse, Failure> {
        Ok(Sparse { n: 1, more: Vec::new() })
    }

    #[test]
    fn decision_60_an_output_is_described_as_it_is_written() {
        let output: Value = serde_json::from_str(&erase(sparse).output).unwrap();
        assert_eq!(output["required"], json!(["n"]));
        assert_eq!(output["properties"]["more"]["type"], "array");
    }
}
