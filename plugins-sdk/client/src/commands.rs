//! What a client can have done: events, and operators' commands.

use std::time::Duration;

use gearshift_protocol::command::{
    DeadLetterOrder, DeadLetterReply, Decide, Deploy, DeployReply, Migrate, MigrateReply, Order,
    Start, StartReply, Undeploy, Verb,
};
use gearshift_protocol::{
    EventHeaders, EventReply, Header, InstanceVerdict, Wait, ce_encode, headers as names, subjects,
};
use serde_json::Value;

use crate::{Client, Error};

impl Client {
    /// An order to one instance.
    pub(crate) fn order(&self, instance: &str, reason: &str) -> Order {
        let (instance, reason) = (instance.to_owned(), reason.to_owned());
        Order { instance, reason, dry_run: self.rehearses() }
    }

    /// Makes the definitions of a text available.
    ///
    /// # Errors
    ///
    /// A problem of kind `invalid`, with diagnostics, if the text has errors; and those of every
    /// request: unreachable, timed out, refused.
    pub async fn deploy(&self, deploy: &Deploy) -> Result<DeployReply, Error> {
        self.command(Verb::Deploy, deploy, None).await
    }

    /// Takes a version of a workflow away.
    ///
    /// # Errors
    ///
    /// `conflict` while instances live on it; and those of every request.
    pub async fn undeploy(&self, name: &str, version: u32) -> Result<(), Error> {
        let order = Undeploy { name: name.to_owned(), version };
        let _: Undeploy = self.command(Verb::Undeploy, &order, None).await?;
        Ok(())
    }

    /// Begins the life of an instance; in a transaction, the answer comes once that has it.
    ///
    /// One that waits looks how things stand every 15 to 20 seconds, and where no answer came in
    /// time: an answer that was sent while the connection was lost reaches nobody. So it is sent
    /// with a key and an id of its own where it has none, and its verdict may be `duplicate`.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such workflow or transaction, `conflict` if the transaction is
    /// not open or has no room, or the instance runs already outside of it; and those of every
    /// request.
    pub async fn start(&self, start: &Start) -> Result<StartReply, Error> {
        if start.wait == Wait::None && start.transaction.is_none() {
            return self.command(Verb::Start, start, None).await;
        }
        self.only_for_real("commands `start`")?;
        self.start_waiting(start).await
    }

    /// Asks the engine about an event: the answer comes after the commit.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn send(&self, event_type: &str, data: &Value) -> Result<EventReply, Error> {
        self.send_with(event_type, data, &EventHeaders::default()).await
    }

    /// [`Client::send`] with an id, an instance, or something to wait for; what is waited for is
    /// looked at as for [`Client::start`].
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn send_with(
        &self,
        event_type: &str,
        data: &Value,
        headers: &EventHeaders,
    ) -> Result<EventReply, Error> {
        self.only_for_real("events")?;
        if headers.wait_for != Wait::None {
            return self.send_waiting(event_type, data, headers).await;
        }
        let waits = headers.timeout_ms.map(Duration::from_millis);
        self.ask(subjects::event(event_type), self.signed(headers), data, waits).await
    }

    /// Publishes an event one way: it is stored when this returns, and applied later.
    ///
    /// Over NATS it goes to the subject that is its type, as any other client would publish it, and
    /// needs no engine at that moment. Where no stream captures that subject the engine is asked,
    /// which knows the subject of a type.
    ///
    /// # Errors
    ///
    /// `not_found` if no definition listens to it; and those of every request.
    pub async fn publish(
        &self,
        event_type: &str,
        data: &Value,
        headers: &EventHeaders,
    ) -> Result<(), Error> {
        self.only_for_real("events")?;
        if self.store(event_type, self.signed(headers), data).await? {
            return Ok(());
        }
        let subject = subjects::publish(event_type);
        let _: Value = self.ask(subject, self.signed(headers), data, None).await?;
        Ok(())
    }

    /// The headers of an event, and in whose name it is sent.
    pub(crate) fn signed(&self, headers: &EventHeaders) -> Vec<Header> {
        let mut list = headers.to_headers();
        list.push((names::USER, ce_encode(self.user())));
        list
    }

    /// Decides an open approval.
    ///
    /// # Errors
    ///
    /// `conflict` if it is decided already; and those of every request.
    pub async fn decide(&self, decide: &Decide) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Decide, decide, None).await
    }

    /// Decides an open approval by the choice `approve`.
    ///
    /// # Errors
    ///
    /// Those of [`Client::decide`].
    pub async fn approve(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.choose(instance, "approve", reason).await
    }

    /// Decides an open approval by the choice `reject`.
    ///
    /// # Errors
    ///
    /// Those of [`Client::decide`].
    pub async fn reject(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.choose(instance, "reject", reason).await
    }

    async fn choose(
        &self,
        instance: &str,
        choice: &str,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let instance = instance.to_owned();
        let (choice, reason) = (choice.to_owned(), reason.to_owned());
        self.decide(&Decide { instance, choice, data: None, reason }).await
    }

    /// Ends an instance softly: exit actions run.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn cancel(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Cancel, &self.order(instance, reason), None).await
    }

    /// Ends an instance at once: nothing runs.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn kill(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Kill, &self.order(instance, reason), None).await
    }

    /// Re-runs what made an instance stuck, and only that.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn retry(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Retry, &self.order(instance, reason), None).await
    }

    /// Leaves behind what made an instance stuck.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn skip(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Skip, &self.order(instance, reason), None).await
    }

    /// Lets an instance go on under another version, or tells what that would mean.
    ///
    /// # Errors
    ///
    /// `conflict` if a state or call under way has no counterpart; and those of every request.
    pub async fn migrate(&self, migrate: &Migrate) -> Result<MigrateReply, Error> {
        self.command(Verb::Migrate, migrate, None).await
    }

    /// Offers the events of dead letters again.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn dlq_replay(&self, order: &DeadLetterOrder) -> Result<DeadLetterReply, Error> {
        self.command(Verb::DlqReplay, order, None).await
    }

    /// Forgets dead letters.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn dlq_drop(&self, order: &DeadLetterOrder) -> Result<DeadLetterReply, Error> {
        self.command(Verb::DlqDrop, order, None).await
    }
}
