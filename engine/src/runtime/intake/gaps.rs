//! Gaps: what a source should hold and cannot give is told, and reading goes on behind it.

use bytes::Bytes;
use gearshift_bus::{ErrorKind, Swapped};
use gearshift_machine::machine::Event;
use gearshift_machine::partition::{PartitionInput, Position};
use gearshift_machine::value::{Map, Value};

use super::reader::{BUSY_RETRY, Reader, is_busy};
use super::stands::{Stand, lost};
use crate::runtime::asks::Round;
use crate::runtime::error::Error;

impl Reader {
    /// Goes on behind what cannot be read for good.
    pub(super) async fn pass_over(&mut self, error: gearshift_bus::Error) -> Result<(), Error> {
        if let ErrorKind::Trimmed { first } = error.kind() {
            return self.pass_gap(*first).await;
        }
        if let ErrorKind::Corrupt { sequence: Some(sequence) } = error.kind() {
            return self.lose(self.next.max(*sequence), sequence + 1, "is damaged").await;
        }
        Err(error.into())
    }

    /// The stream begins at `first`, behind what is to be read next.
    async fn pass_gap(&mut self, first: u64) -> Result<(), Error> {
        if self.source.stream.is_none() {
            // We trim only what all partitions have passed, so this grew too old.
            return self.lose(self.next, first, "grew too old, or was removed").await;
        }
        tracing::warn!(
            stream = self.source.name(),
            from = self.next,
            to = first - 1,
            "somebody else's stream dropped messages before they were read"
        );
        self.stands.told(first);
        self.next = first;
        Ok(())
    }

    /// Messages from `from` on to before `next` cannot be read: one dead letter says so, in the
    /// first partition that has not passed them, and reading goes on behind them.
    async fn lose(&mut self, from: u64, next: u64, what: &str) -> Result<(), Error> {
        self.settle_all().await;
        let last = next.saturating_sub(1);
        let affected = self.stands.before(last);
        if affected.is_empty() {
            self.next = self.next.max(next);
            return Ok(());
        }
        if self.stands.lowest().is_some_and(|lowest| lowest < from.min(self.next)) {
            // Something before it was not taken.
            self.go_back();
            return Ok(());
        }
        let stream = self.source.name();
        let message = match from == last {
            true => format!("message {last} of `{stream}` {what}"),
            false => format!("what messages {from} to {last} of `{stream}` held {what}"),
        };
        tracing::error!(code = "GS3012", message, "messages are lost");
        if let Some((partition, stand)) = self.teller(&affected, last).await?
            && !self.keep_letter(partition, stand, (from, last), &message).await?
        {
            self.rest(BUSY_RETRY).await;
            // It is told again, and whoever refused it has to know.
            self.go_back();
            return Ok(());
        }
        for (partition, _) in affected {
            self.pass(partition, last).await;
        }
        self.stands.told(next);
        self.next = self.next.max(next);
        Ok(())
    }

    /// Which of these partitions keeps the dead letter: every engine meets the gap, and one letter
    /// is enough. `None` where that is somebody else's. Who took it upon itself and crashed meets
    /// the gap again.
    async fn teller(
        &self,
        affected: &[(u16, Stand)],
        last: u64,
    ) -> Result<Option<(u16, Stand)>, Error> {
        let Some((first, stand)) = affected.first().copied() else { return Ok(None) };
        if !self.shared.definitions.is_shared() {
            return Ok(Some((first, stand)));
        }
        let bucket = self.shared.bus.bucket("cursors").await?;
        let key = format!("lost{}-{last}", self.source.number);
        let name = |partition: u16| Bytes::from(partition.to_string());
        if let Swapped::Stored(_) = bucket.compare_and_set(&key, 0, name(first)).await? {
            return Ok(Some((first, stand)));
        }
        let known = bucket.get(&key).await?.map(|known| known.value);
        let is_its = |(partition, _): &&(u16, Stand)| known.as_ref() == Some(&name(*partition));
        Ok(affected.iter().find(is_its).copied())
    }

    /// Keeps the dead letter of messages `from` to `last`; false where the partition did not take
    /// it.
    async fn keep_letter(
        &self,
        partition: u16,
        stand: Stand,
        (from, last): (u64, u64),
        message: &str,
    ) -> Result<bool, Error> {
        let place = |sequence| Value::from(i64::try_from(sequence).unwrap_or(i64::MAX));
        let data = [
            ("stream".to_owned(), Value::from(self.source.name())),
            ("first".to_owned(), place(from)),
            ("last".to_owned(), place(last)),
        ];
        let event = Event {
            name: "gearshift.lost".into(),
            data: Some(data.into_iter().collect::<Map>().into()),
            ..Event::default()
        };
        let reason = format!("GS3012 message_lost: {message}").into();
        let source = Some(Position { source: self.source.number, sequence: last });
        let input = PartitionInput::Reject { event, reason, key: None, source };
        let round = Round { session: stand.session, number: self.round };
        let told = self.shared.ask_in_round(partition, round, input).await?;
        let taken = tokio::select! {
            biased;
            done = told => done.is_ok_and(|done| !is_busy(&done.outcome)),
            () = lost(&self.shared, partition) => false,
        };
        Ok(taken)
    }
}
