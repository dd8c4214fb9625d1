//! Tasks that end with who has started them.

use std::sync::{Arc, Mutex, Weak};

use tokio::task::JoinSet;

use crate::sync::lock;

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(in crate::server::nodes) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Starts a task.
    pub(in crate::server::nodes) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        start(&self.0, task);
    }

    /// Starts tasks for hyper.
    pub(in crate::server::nodes) fn executor(&self) -> Executor {
        Executor(Arc::downgrade(&self.0))
    }
}

/// Starts tasks for as long as their owner is there. The tasks hold it themselves, so it does not hold the owner.
#[derive(Clone, Debug)]
pub(in crate::server::nodes) struct Executor(Weak<Mutex<JoinSet<()>>>);

impl Executor {
    /// Starts a task, unless their owner is gone.
    pub(in crate::server::nodes) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = self.0.upgrade() {
            start(&tasks, task);
        }
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.start(async {
            future.await;
        });
    }
}

fn start(tasks: &Mutex<JoinSet<()>>, task: impl Future<Output = ()> + Send + 'static) {
    let mut tasks = lock(tasks);
    // A set keeps the results of tasks until somebody asks for them.
    while tasks.try_join_next().is_some() {}
    tasks.spawn(task);
}
