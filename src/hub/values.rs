//! The values that the application keeps in a session: one of each type.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

/// A value behind a pointer, so that it is cloned and dropped without a lock.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

type Kept = Vec<(TypeId, Value)>;

/// The values of one session, by type. There are few, so that a vector finds them quickly. It is boxed because
/// most sessions have none.
#[derive(Debug, Default)]
pub(crate) struct Values {
    all: Option<Box<Kept>>,
    closed: bool,
}

impl Values {
    /// Keeps a value of type `T`. Returns the one that it replaces; if the values are closed, the new value
    /// is dropped, by way of `Err`.
    pub(crate) fn insert<T: Any>(&mut self, value: Value) -> Result<Option<Value>, Value> {
        if self.closed {
            return Err(value);
        }
        let replaced = self.remove::<T>();
        self.all.get_or_insert_default().push((TypeId::of::<T>(), value));
        Ok(replaced)
    }

    pub(crate) fn get<T: Any>(&self) -> Option<Value> {
        self.all.as_deref()?.iter().find(|(id, _)| *id == TypeId::of::<T>()).map(|(_, value)| value.clone())
    }

    pub(crate) fn remove<T: Any>(&mut self) -> Option<Value> {
        let all = self.all.as_deref_mut()?;
        let at = all.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        Some(all.swap_remove(at).1)
    }

    /// Takes no more values. Returns those that were kept, for the caller to drop.
    pub(super) fn close(&mut self) -> Option<Box<Kept>> {
        self.closed = true;
        self.all.take()
    }
}
