//! One way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "cluster")]
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks a mutex, also after a panic under its lock. Such a panic is a bug of ours in one session or room,
/// and the others must go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock together with others, as [`lock`] does.
#[cfg(feature = "cluster")]
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock alone, as [`lock`] does.
#[cfg(feature = "cluster")]
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_under_the_lock_leaves_it_usable() {
        let mutex = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let mut value = lock(&mutex);
                *value = 2;
                panic!("on purpose");
            });
            holder.join().is_err()
        });
        assert!(panicked && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
    }
}
