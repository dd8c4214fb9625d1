//! Layers: functions of the application around the handlers of events.

use std::{fmt, sync::Arc};

use super::{
    handler::{AnyEventHandler, Boxed},
    incoming::Incoming,
    reply::Answer,
};

pub(super) type AnyLayer<S> = Box<dyn Fn(Incoming, Next<S>) -> Boxed<Answer> + Send + Sync>;

/// The layers of a router, from the innermost to the outermost.
pub(super) type Layers<S> = Arc<[AnyLayer<S>]>;

/// The inside of a [layer](crate::Events::layer): the next layer, and at last the handler.
pub struct Next<S = ()> {
    layers: Layers<S>,
    /// How many of the layers are still to come.
    left: usize,
    handler: AnyEventHandler<S>,
    state: Arc<S>,
}

impl<S> Next<S> {
    pub(super) fn new(layers: &Layers<S>, handler: &AnyEventHandler<S>, state: &Arc<S>) -> Self {
        let (layers, handler, state) = (layers.clone(), handler.clone(), state.clone());
        Next { left: layers.len(), layers, handler, state }
    }

    /// The state of the router.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Handles the event and returns the answer, which is not sent yet. An event without a handler has the fault
    /// `unknown` as its answer. Waits for the handler. Cancel-safe if the handler is.
    pub async fn run(self, event: Incoming) -> Answer {
        self.step(event).await
    }

    pub(super) fn step(mut self, event: Incoming) -> Boxed<Answer> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                let layers = self.layers.clone();
                layers[left](event, self)
            }
            None => (self.handler)(event, self.state),
        }
    }
}

impl<S> fmt::Debug for Next<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("layers", &self.left).finish_non_exhaustive()
    }
}
