//! What a client can look at. Every read may lag behind the last commit by a moment.

use gearshift_protocol::query::{
    ById, DeadLetters, Definition, Definitions, Graph, Instances, Nothing, Tasks, What,
};
use gearshift_protocol::view::{
    DeadLetter, DefinitionDetail, DefinitionSummary, GraphText, Health, HistoryEntry,
    InstanceDetail, InstanceSummary, Page, ScheduleView, Task, Why,
};

use crate::{Client, Error};

fn by_id(id: &str) -> ById {
    ById { id: id.to_owned(), min_step: None }
}

impl Client {
    /// Lists instances, newest change first.
    ///
    /// # Errors
    ///
    /// `bad_request` if the filter is not an expression; and those of every request:
    /// unreachable, timed out, refused.
    pub async fn instances(&self, list: &Instances) -> Result<Page<InstanceSummary>, Error> {
        self.query(What::Instances, list).await
    }

    /// All there is to show of one instance.
    ///
    /// # Errors
    ///
    /// `not_found`, `conflict` if a suffix fits several; and those of every request.
    pub async fn instance(&self, id: &str) -> Result<InstanceDetail, Error> {
        self.query(What::Instance, &by_id(id)).await
    }

    /// [`Client::instance`] once it has recorded this step.
    ///
    /// # Errors
    ///
    /// `timeout` if it has not in time; and those of [`Client::instance`].
    pub async fn instance_at(&self, id: &str, min_step: u64) -> Result<InstanceDetail, Error> {
        let ask = ById { id: id.to_owned(), min_step: Some(min_step) };
        self.query(What::Instance, &ask).await
    }

    /// What happened to one instance, oldest first.
    ///
    /// # Errors
    ///
    /// Those of [`Client::instance`].
    pub async fn history(&self, id: &str) -> Result<Page<HistoryEntry>, Error> {
        self.query(What::History, &by_id(id)).await
    }

    /// Why an instance is where it is.
    ///
    /// # Errors
    ///
    /// Those of [`Client::instance`].
    pub async fn why(&self, id: &str) -> Result<Why, Error> {
        self.query(What::Why, &by_id(id)).await
    }

    /// Lists open approvals, the earliest due first.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn tasks(&self, list: &Tasks) -> Result<Page<Task>, Error> {
        self.query(What::Tasks, list).await
    }

    /// Lists definitions, by name and version.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn definitions(&self, list: &Definitions) -> Result<Page<DefinitionSummary>, Error> {
        self.query(What::Definitions, list).await
    }

    /// Lists the schedules of the newest versions, by workflow.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn schedules(&self, list: &Definitions) -> Result<Page<ScheduleView>, Error> {
        self.query(What::Schedules, list).await
    }

    /// One definition with its text; without a version, the newest.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn definition(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<DefinitionDetail, Error> {
        let ask = Definition { name: name.to_owned(), version };
        self.query(What::Definition, &ask).await
    }

    /// Lists dead letters, newest first.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn dead_letters(&self, list: &DeadLetters) -> Result<Page<DeadLetter>, Error> {
        self.query(What::DeadLetters, list).await
    }

    /// One dead letter.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn dead_letter(&self, id: &str) -> Result<DeadLetter, Error> {
        self.query(What::DeadLetter, &by_id(id)).await
    }

    /// Whether an engine answers at all; it looks at nothing for this.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn ping(&self) -> Result<(), Error> {
        // No workflow has an empty name.
        let none = Definitions { name: Some(String::new()) };
        self.definitions(&none).await.map(drop)
    }

    /// How the engine is.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn health(&self) -> Result<Health, Error> {
        self.query(What::Health, &Nothing {}).await
    }

    /// A definition as a drawing.
    ///
    /// # Errors
    ///
    /// `not_found`, and those of every request.
    pub async fn graph(&self, graph: &Graph) -> Result<String, Error> {
        let drawn: GraphText = self.query(What::Graph, graph).await?;
        Ok(drawn.text)
    }
}
