//! Handlers that run beside the rest of a session, in the same task.

use std::task::{Context, Poll};

use futures::{StreamExt, stream::FuturesUnordered};

/// Futures that run while something else is awaited. Each ends with the number of its route.
pub(super) struct Beside<F>(Option<Box<Running<F>>>);

/// It is made when a session needs it first. Most never do.
struct Running<F> {
    futures: FuturesUnordered<F>,
    /// How many of them there are of each route.
    counts: Vec<(usize, usize)>,
}

impl<F: Future<Output = usize>> Beside<F> {
    pub(super) fn new() -> Self {
        Beside(None)
    }

    pub(super) fn push(&mut self, route: usize, future: F) {
        let running =
            self.0.get_or_insert_with(|| Box::new(Running { futures: FuturesUnordered::new(), counts: Vec::new() }));
        running.futures.push(future);
        match running.counts.iter_mut().find(|(number, _)| *number == route) {
            Some((_, count)) => *count += 1,
            None => running.counts.push((route, 1)),
        }
    }

    /// How many of this route run.
    pub(super) fn count(&self, route: usize) -> usize {
        let counts = self.0.iter().flat_map(|running| &running.counts);
        counts.filter(|(number, _)| *number == route).map(|(_, count)| *count).sum()
    }

    /// Lets them run.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(running) = &mut self.0 else { return };
        while let Poll::Ready(Some(route)) = running.futures.poll_next_unpin(cx) {
            if let Some((_, count)) = running.counts.iter_mut().find(|(number, _)| *number == route) {
                *count -= 1;
            }
        }
    }
}
