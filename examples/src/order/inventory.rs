//! `inventory`: sets goods aside for an order.
//!
//! `stock.json` says what there is; each file of `reservations/` what an order holds of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::files;

/// The files, one call at a time, so that no two orders get the last piece.
#[derive(Clone)]
struct Inventory(Arc<Mutex<Files>>);

struct Files {
    stock: PathBuf,
    reservations: PathBuf,
}

pub(super) fn plugin(stock: &Path, reservations: &Path) -> Plugin {
    let files = Files { stock: stock.to_owned(), reservations: reservations.to_owned() };
    Plugin::new("inventory", "1.0.0")
        .operation("reserve", reserve)
        .operation("release", release)
        .state(Inventory(Arc::new(Mutex::new(files))))
}

/// Pieces by article.
type Pieces = BTreeMap<String, u32>;

/// What to set aside.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    /// Pieces by article; without any, there is nothing to set aside.
    items: Option<Pieces>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Named {
    order_id: String,
}

#[derive(Serialize, JsonSchema)]
struct Reserved {
    pieces: u32,
}

#[derive(Serialize, JsonSchema)]
struct Released {
    released: bool,
}

async fn reserve(
    State(Inventory(all)): State<Inventory>,
    _: Context,
    order: Order,
) -> Result<Reserved, Failure> {
    let all = all.lock().await;
    let path = files::inside(&all.reservations, &order.order_id, "json")?;
    // One reservation per order, so an attempt that is repeated finds what it did before.
    let held = match files::read_json::<Pieces>(&path).await? {
        Some(held) => held,
        None => {
            let items = order.items.unwrap_or_default();
            all.check(&items).await?;
            files::write_json(&path, &items).await?;
            items
        }
    };
    Ok(Reserved { pieces: held.values().fold(0, |sum, pieces| sum.saturating_add(*pieces)) })
}

async fn release(
    State(Inventory(all)): State<Inventory>,
    _: Context,
    order: Named,
) -> Result<Released, Failure> {
    let all = all.lock().await;
    let path = files::inside(&all.reservations, &order.order_id, "json")?;
    Ok(Released { released: files::remove(&path).await? })
}

impl Files {
    /// Is so much left of everything?
    async fn check(&self, wanted: &Pieces) -> Result<(), Failure> {
        let mut left: Pieces = files::read_json(&self.stock)
            .await?
            .ok_or_else(|| Failure::retryable(format!("there is no `{}`", self.stock.display())))?;
        for held in self.reservations().await? {
            for (article, pieces) in held {
                if let Some(left) = left.get_mut(&article) {
                    *left = left.saturating_sub(pieces);
                }
            }
        }
        for (article, pieces) in wanted {
            let left = left.get(article).copied().unwrap_or(0);
            if *pieces > left {
                let message = format!("{pieces} of `{article}` are wanted, {left} are left");
                return Err(Failure::permanent(message).code("out_of_stock"));
            }
        }
        Ok(())
    }

    async fn reservations(&self) -> Result<Vec<Pieces>, Failure> {
        let mut listing = match tokio::fs::read_dir(&self.reservations).await {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut all = Vec::new();
        while let Some(found) = listing.next_entry().await? {
            let path = found.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                all.extend(files::read_json::<Pieces>(&path).await?);
            }
        }
        Ok(all)
    }
}
