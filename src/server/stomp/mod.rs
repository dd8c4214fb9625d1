//! Sessions whose clients speak STOMP. The session's own task reads their frames and does what these ask for; the
//! application's handler runs beside it, in the channel `/`.

mod broker;
mod destination;
mod driver;
mod publish;
mod subscribe;

use std::sync::Arc;

pub(crate) use broker::Broker;

use super::{
    api::handler::{AnyHandler, Boxed, Outcome},
    api::session::Session,
    namespaces::with_driver,
};
use driver::Driver;

/// A handler of sessions whose clients speak STOMP. `beats`: the client and the server send heart-beats.
pub(super) fn sessions<S: Clone + Send + Sync + 'static>(
    root: AnyHandler<S>,
    broker: Arc<Broker>,
    beats: bool,
) -> AnyHandler<S> {
    with_driver(root, move |session: Session| -> Boxed<Outcome> {
        let driver = Driver::new(session, broker.clone(), beats);
        Box::pin(driver.run())
    })
}
