//! STOMP: its clients come on a bare WebSocket, by SockJS, or on a session of our own client, all below one path.

use axum::Router;

use super::{native, sockjs};
use crate::{config::SockJs, server::gateway::Gateway};

/// The sub-protocols of a WebSocket that carries STOMP, the best one first.
const PROTOCOLS: &[&str] = &["v12.stomp", "v11.stomp", "v10.stomp"];

/// The routes at this path and below it. `gateway` opens the sessions whose clients send heart-beats, and `native`
/// those of our own client, which has others.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    gateway: Gateway<S>,
    native: Gateway<S>,
    path: &str,
    settings: SockJs,
) -> Router<S> {
    let folder = path.trim_end_matches('/');
    // The base64 of a frame is no frame.
    let settings = settings.binary_as_base64(false);
    sockjs::routes_with(gateway, path, settings, PROTOCOLS).nest(&format!("{folder}/anywire"), native::routes(native))
}
