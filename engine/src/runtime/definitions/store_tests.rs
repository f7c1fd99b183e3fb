//! Loading what buckets give late.

use gearshift_bus::Bus;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::partition::Position;

use super::{DefinitionStore, Froms};

#[tokio::test]
async fn a_deployment_whose_end_could_not_be_read_yet_is_found_later()
-> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::in_memory();
    let (deployer, other) =
        (DefinitionStore::open(&bus).await?, DefinitionStore::open(&bus).await?);
    let text = "workflow: flow\nversion: 1\ninitial: open\nstates: { open: {} }\n";
    let loaded = load(text, "flow.workflow.yaml", Format::Yaml);
    let definition = loaded.map_err(|problems| format!("{problems:#?}"))?.definition;
    deployer.record(&definition).await?;
    assert!(other.refresh().await?);
    assert_eq!(other.index().pending().len(), 1);
    // A head that a server gave before it could give what is there.
    let froms = Froms::new([Position { source: 1, sequence: 1 }]);
    deployer.listen(&definition, &froms).await?;
    other.loaded.lock().await.heads = deployer.loaded.lock().await.heads;
    assert!(other.refresh().await?, "it is incomplete for ever");
    assert_eq!(other.index().pending().len(), 0);
    assert!(!other.refresh().await?);
    Ok(())
}
