//! One copy of each function's and file's name: thousands of places share them.

use std::{collections::HashSet, sync::Arc};

#[derive(Debug, Default)]
pub(in crate::symbols) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The table starts anew beyond so many names; names in use live on.
    const MAX: usize = 1 << 16;

    pub(in crate::symbols) fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}
