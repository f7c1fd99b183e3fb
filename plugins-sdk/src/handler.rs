//! [`Handler`]: the functions an operation can be.

use std::any::TypeId;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gearshift_protocol::Encoding;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Failure, State};

/// A function that can be an operation; `M` only tells the forms apart.
///
/// With `I: Deserialize + JsonSchema`, `O: Serialize + JsonSchema` and an error that
/// [`Failure`] can be made of (every error can):
///
/// - `async fn(I) -> Result<O, E>`
/// - `async fn(Context, I) -> Result<O, E>`
/// - `async fn(State<S>, Context, I) -> Result<O, E>`
///
/// It cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an operation",
    label = "not `async fn(I)`, `async fn(Context, I)` or `async fn(State<S>, Context, I)`",
    note = "the input needs `Deserialize` and `JsonSchema`, the output `Serialize` and \
            `JsonSchema`, and the result is `Result<O, E>` with an error as `E`"
)]
pub trait Handler<M>: Erase<M> {}

impl<F: Erase<M>, M> Handler<M> for F {}

/// The body of the answer.
pub(crate) type Answer = Result<Vec<u8>, Failure>;

type Call = dyn Fn(Context, Encoding, Bytes) -> BoxFuture<'static, Answer> + Send + Sync;

pub(crate) mod sealed {
    use super::{Arc, Call, TypeId};

    /// A handler without its types.
    #[derive(Clone)]
    #[expect(unnameable_types, reason = "sealed")]
    pub struct Erased {
        pub(crate) call: Arc<Call>,
        pub(crate) input: String,
        pub(crate) output: String,
        pub(crate) needs: Option<(TypeId, &'static str)>,
    }

    #[expect(unnameable_types, reason = "sealed")]
    pub trait Erase<M> {
        fn erase(self) -> Erased;
    }
}

use sealed::{Erase, Erased};

impl<F, R, I, O, E> Erase<fn(I)> for F
where
    F: Fn(I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, E>> + Send + 'static,
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    E: Into<Failure> + 'static,
{
    fn erase(self) -> Erased {
        let handler = Arc::new(self);
        let call =
            move |_: Context, encoding: Encoding, body: Bytes| -> BoxFuture<'static, Answer> {
                let handler = Arc::clone(&handler);
                Box::pin(async move { write(encoding, handler(read(encoding, &body)?).await) })
            };
        erased::<I, O>(Arc::new(call), None)
    }
}

impl<F, R, I, O, E> Erase<fn(Context, I)> for F
where
    F: Fn(Context, I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, E>> + Send + 'static,
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    E: Into<Failure> + 'static,
{
    fn erase(self) -> Erased {
        let handler = Arc::new(self);
        let call = move |context: Context,
                         encoding: Encoding,
                         body: Bytes|
              -> BoxFuture<'static, Answer> {
            let handler = Arc::clone(&handler);
            Box::pin(async move { write(encoding, handler(context, read(encoding, &body)?).await) })
        };
        erased::<I, O>(Arc::new(call), None)
    }
}

impl<F, R, S, I, O, E> Erase<fn(State<S>, Context, I)> for F
where
    F: Fn(State<S>, Context, I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, E>> + Send + 'static,
    S: Clone + Send + Sync + 'static,
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    E: Into<Failure> + 'static,
{
    fn erase(self) -> Erased {
        let handler = Arc::new(self);
        let call = move |context: Context,
                         encoding: Encoding,
                         body: Bytes|
              -> BoxFuture<'static, Answer> {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                // `Plugin::check` found the state, so this is for tests that skip it.
                let state = context.shared.states.get::<S>().ok_or_else(missing_state::<S>)?;
                write(encoding, handler(State(state), context, read(encoding, &body)?).await)
            })
        };
        let needs = (TypeId::of::<S>(), std::any::type_name::<S>());
        erased::<I, O>(Arc::new(call), Some(needs))
    }
}

fn erased<I: JsonSchema, O: JsonSchema>(
    call: Arc<Call>,
    needs: Option<(TypeId, &'static str)>,
) -> Erased {
    Erased { call, input: schema::<I>(), output: schema::<O>(), needs }
}

fn schema<T: JsonSchema>() -> String {
    SchemaGenerator::default().into_root_schema_for::<T>().as_value().to_string()
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
