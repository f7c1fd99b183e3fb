//! [`KeyWatch`]: what happens to the keys of a bucket.

use crate::Change;

/// A watch on a bucket.
#[derive(Debug)]
pub(crate) struct KeyWatch {}

impl KeyWatch {
    pub(crate) async fn next(&mut self) -> Option<Change> {
        todo!()
    }
}
