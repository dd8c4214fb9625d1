//! The loop of one session: it takes events and runs their handlers.

use std::{panic::resume_unwind, pin::pin, sync::Arc};

use futures::{Stream, StreamExt};

use super::{beside::Beside, incoming::Incoming, table::Table};
use crate::{
    server::{
        api::{handler::Outcome, session::Session},
        catch::catch,
    },
    session::reason,
};

/// Handles the events of a session until it is over.
pub(super) async fn run<S: Send + Sync + 'static>(table: Arc<Table<S>>, state: Arc<S>, session: Session) -> Outcome {
    let events = futures::stream::unfold((), async |()| session.recv_event().await.map(|event| (event, ())));
    run_with(&table, &state, &session, events).await;
    Ok(())
}

/// Handles these events of a session, and its end. A panic of a handler goes on behind the end.
pub(super) async fn run_with<S: Send + Sync + 'static>(
    table: &Table<S>,
    state: &Arc<S>,
    session: &Session,
    events: impl Stream<Item = Incoming>,
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

async fn serve<S: Send + Sync + 'static>(
    table: &Table<S>,
    state: &Arc<S>,
    session: &Session,
    events: impl Stream<Item = Incoming>,
) {
    let mut events = pin!(events);
    let mut beside = Beside::new();
    while let Some(event) = beside.during(events.next()).await {
        let route = table.route(event.name());
        match route.limit {
            // A future that is passed on by value is kept twice.
            None => beside.during(pin!(table.handle(session, route, event, state))).await,
            Some(limit) => {
                beside.room(route.number, limit).await;
                beside.push(route.number, async move {
                    table.handle(session, route, event, state).await;
                    route.number
                });
            }
        }
    }
}
