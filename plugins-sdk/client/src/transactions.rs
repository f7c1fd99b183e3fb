//! Transactions: a named scope over several instances, committed or taken back as one.

use std::time::Duration;

use gearshift_protocol::InstanceVerdict;
use gearshift_protocol::command::{BeginTransaction, EndTransaction, Verb};

use crate::{Client, Error};

impl Client {
    /// Begins a transaction, which is the instance `transaction/NAME`. It is rolled back by itself
    /// where nobody ends it within `timeout`; an hour, where that is absent. Begun again with the
    /// same timeout while it is open, it stays as it is: the verdict is `duplicate`.
    ///
    /// Instances become members by being started in it
    /// ([`Start::transaction`](gearshift_protocol::command::Start::transaction)).
    ///
    /// # Errors
    ///
    /// `conflict` if it is open with another timeout or being rolled back; and those of every
    /// request.
    pub async fn begin_transaction(
        &self,
        name: &str,
        timeout: Option<Duration>,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let timeout_ms =
            timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let (name, reason) = (name.to_owned(), reason.to_owned());
        let order = BeginTransaction { name, timeout_ms, reason };
        self.command(Verb::TransactionBegin, &order, None).await
    }

    /// Lets stay what the members of a transaction did: nothing of it is taken back any more.
    ///
    /// # Errors
    ///
    /// `not_found` if it was not begun, `conflict` if it is not open; and those of every request.
    pub async fn commit_transaction(
        &self,
        name: &str,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let order = EndTransaction { name: name.to_owned(), reason: reason.to_owned() };
        self.command(Verb::TransactionCommit, &order, None).await
    }

    /// Takes back what the members of a transaction did, newest first over all of them. The answer
    /// comes when that has begun; [`Client::wait_for`] the state `rolled_back` of
    /// `transaction/NAME` waits for its end.
    ///
    /// # Errors
    ///
    /// `not_found` if it was not begun, `conflict` if it is committed or rolled back; and those of
    /// every request.
    pub async fn roll_back_transaction(
        &self,
        name: &str,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let order = EndTransaction { name: name.to_owned(), reason: reason.to_owned() };
        self.command(Verb::TransactionRollback, &order, None).await
    }
}
