//! Names: what one message is called by several versions is one event for each instance.
//!
//! Versions of a workflow may give the events of a subject different names. An instance gets them
//! under the name that its own version gives; where there is none yet, the newest version speaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearshift_bus::Subject;
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::{Partition, Position};

use super::parcel::Parcel;
use super::stands::{Stands, look};
use crate::runtime::definitions::Index;
use crate::runtime::shared::Shared;

/// Leaves each instance of the partitions that are served here in one of the parcels of a message:
/// to a partition, a second one would be a repeat.
pub(super) async fn one_name_each(
    shared: &Shared,
    stands: &Stands,
    index: &Index,
    (subject, position): (&Subject, Position),
    parcels: &mut Vec<Parcel>,
) {
    for key in in_several(parcels) {
        let partition = shared.partition_of(&key);
        // Whoever tells the others does the same.
        if stands.wanting(partition, position.sequence).is_none() {
            continue;
        }
        let wanted = key.clone();
        let pinned = move |partition: &Partition| {
            partition.instance(&wanted).map(|instance| instance.pin.version)
        };
        let pinned = look(shared, partition, pinned).await.flatten();
        let name = name_for(index, subject, position, key.workflow(), pinned);
        leave_in_one(parcels, &key, name.as_deref());
    }
    parcels.retain(|parcel| match parcel {
        Parcel::Deliver(targets, _) => !targets.list.is_empty(),
        Parcel::Reject(..) | Parcel::Result(_) => true,
    });
}

/// The instances that more than one parcel is for.
fn in_several(parcels: &[Parcel]) -> Vec<InstanceKey> {
    let mut counts = BTreeMap::<&InstanceKey, usize>::new();
    for parcel in parcels {
        let Parcel::Deliver(targets, _) = parcel else { continue };
        for (key, _) in &targets.list {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key.clone()).collect()
}

/// What the version `pinned` of a workflow calls the events of a subject; what the newest one does
/// that listens there, where that one does not name them.
fn name_for(
    index: &Index,
    subject: &Subject,
    position: Position,
    workflow: &str,
    pinned: Option<u32>,
) -> Option<Arc<str>> {
    let position = Some(position);
    let listeners = || {
        index.by_subject(subject).filter(|listener| {
            *listener.definition.name == *workflow && listener.listens_at(position)
        })
    };
    let own = listeners().find(|listener| pinned == Some(listener.definition.version));
    let newest = || listeners().find(|listener| listener.is_latest_at(position));
    let declaration = own.or_else(newest)?.declaration()?;
    Some(Arc::clone(&declaration.name))
}

/// Takes `key` out of all parcels but the one with the event `name`, or the first.
fn leave_in_one(parcels: &mut [Parcel], key: &InstanceKey, name: Option<&str>) {
    let has_it = |parcel: &Parcel, name: Option<&str>| match parcel {
        Parcel::Deliver(targets, event) => {
            name.is_none_or(|name| *event.name == *name)
                && targets.list.iter().any(|(known, _)| known == key)
        }
        Parcel::Reject(..) | Parcel::Result(_) => false,
    };
    let named = parcels.iter().position(|parcel| has_it(parcel, name));
    let kept = named.or_else(|| parcels.iter().position(|parcel| has_it(parcel, None)));
    for (place, parcel) in parcels.iter_mut().enumerate() {
        if let Parcel::Deliver(targets, _) = parcel
            && Some(place) != kept
        {
            targets.list.retain(|(known, _)| known != key);
        }
    }
}
