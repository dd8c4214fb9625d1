//! The loop of one session: it takes events and runs their handlers.

use std::{
    future::poll_fn,
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
};

use futures::{FutureExt, Stream};

use super::{
    beside::Beside,
    handler::Boxed,
    incoming::Incoming,
    table::{Handling, Table},
};
use crate::{
    server::{
        api::{handler::Outcome, session::Session},
        catch::catch,
    },
    session::reason,
};

/// Handles the events of a session until it is over.
///
/// The future is not that of an `async fn`, which would hold its arguments twice.
pub(super) fn run<S: Send + Sync + 'static>(table: Arc<Table<S>>, state: Arc<S>, session: Session) -> Boxed<Outcome> {
    Box::pin(async move {
        let mut waiting = session.waiting();
        let events = futures::stream::poll_fn(|cx| session.poll_event(cx, &mut waiting));
        run_with(&table, &state, &session, pin!(events)).await;
        Ok(())
    })
}

/// Handles these events of a session, and its end. A panic of a handler goes on behind the end.
pub(super) async fn run_with<S: Send + Sync + 'static>(
    table: &Table<S>,
    state: &Arc<S>,
    session: &Session,
    events: Pin<&mut (impl Stream<Item = Incoming> + Send)>,
) {
    let served = catch(pin!(serve(table, state, session, events))).await;
    if served.is_err() {
        session.end(reason::HANDLER_PANICKED);
    }
    table.end(session, state).await;
    if let Err(panic) = served {
        resume_unwind(panic);
    }
}

/// An idle session keeps this future, so it has room for one event that is being handled, and holds it once.
async fn serve<S: Send + Sync + 'static>(
    table: &Table<S>,
    state: &Arc<S>,
    session: &Session,
    mut events: Pin<&mut (impl Stream<Item = Incoming> + Send)>,
) {
    let mut handling: Option<Handling<'_, S>> = None;
    let mut beside = Beside::new();
    // The event that waits until fewer of its route run.
    let mut waiting: Option<Box<Incoming>> = None;
    poll_fn(|cx| {
        loop {
            beside.poll(cx);
            if let Some(handled) = &mut handling {
                ready!(handled.poll_unpin(cx));
                handling = None;
                continue;
            }
            let event = match waiting.take() {
                Some(event) => *event,
                None => match ready!(events.as_mut().poll_next(cx)) {
                    Some(event) => event,
                    None => return Poll::Ready(()),
                },
            };
            let route = table.route(event.name());
            match route.limit {
                None => {
                    let mut handled = table.handle(session, route, event, state);
                    // One that waits for nothing is not moved.
                    if handled.poll_unpin(cx).is_pending() {
                        handling = Some(handled);
                        return Poll::Pending;
                    }
                }
                Some(limit) if beside.count(route.number) >= limit => {
                    waiting = Some(Box::new(event));
                    return Poll::Pending;
                }
                Some(_) => {
                    let handled = table.handle(session, route, event, state);
                    beside.push(route.number, handled.map(|()| route.number));
                }
            }
        }
    })
    .await;
}
