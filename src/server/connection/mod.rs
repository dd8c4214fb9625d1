//! One connection of `serve`, from its first byte until it ends or is upgraded.

mod places;
mod state;
#[cfg(test)]
mod tests;
mod upgrade;
mod writes;

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{HeaderValue, Request, StatusCode, header},
    response::Response,
};
use futures::{FutureExt, future::Either};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tower_service::Service;

pub(crate) use self::{
    places::{Full, Most, Place, Places},
    state::Run,
    upgrade::{Upgrade, UpgradedStream},
    writes::Stream,
};
use self::{
    state::{Begun, Phase, State, Steps},
    upgrade::Task,
    writes::TimedStream,
};
use crate::{
    server::{counters::WRITE_TIMEOUTS, routes::native::Shortcut},
    transport::LinkWatch,
};

/// How long a connection may wait for a request. Usual proxies close after 60 seconds, and a request must not
/// meet a connection that is being closed.
const IDLE: Duration = Duration::from_secs(75);

/// The time within which a request's head must come, from its first byte on.
const HEAD: Duration = Duration::from_secs(30);

/// How long an answer whose link is over is kept for a peer that takes nothing. A slow line takes some of it
/// within this time.
const STUCK: Duration = Duration::from_secs(10);

/// A connection that has just come when the server stops has this time to begin its request: its client sends it in the
/// belief that it is served.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// A request's head may have this many bytes. A longer one is refused with status 431.
const HEAD_LIMIT: usize = 32 * 1024;

/// A connection reads and gathers about this much at a time.
const BUFFER: usize = 64 * 1024;

/// An order of the server to all of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Serve,
    /// There are too many: close, unless a request is under way.
    CloseIdle,
    /// Close after the request that is under way.
    Stop,
}

/// The application, and the requests that do not take the way through its router.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) shortcuts: Arc<[Shortcut]>,
}

impl App {
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        match self.shortcuts.iter().find(|shortcut| shortcut.takes(&request)) {
            Some(shortcut) => Either::Left(shortcut.answer(request).map(Ok)),
            None => Either::Right(self.router.clone().call(request)),
        }
    }
}

/// Serves one connection, and the WebSocket that it may become. Each of its steps has a box of its own, so that a WebSocket
/// keeps nothing of the requests before it.
pub(crate) fn serve<I: Stream>(
    io: I,
    peer: SocketAddr,
    app: App,
    place: Place,
    orders: watch::Receiver<Order>,
) -> Steps {
    Steps::Requests(Box::pin(requests(io, peer, app, place, orders)))
}

/// Serves the requests of one connection. Returns what goes on with it if it became a WebSocket of ours.
async fn requests<I: Stream>(
    io: I,
    peer: SocketAddr,
    app: App,
    place: Place,
    mut orders: watch::Receiver<Order>,
) -> Option<Begun> {
    let state = Arc::new(State::new(place));
    let io = TokioIo::new(TimedStream::new(io, state.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let (request, state) = (received(request, peer, &state), state.clone());
        app.answer(request).map(|answered| answered.map(|answer| with_state(answer, state)))
    });
    let connection = http1::Builder::new()
        // The deadlines are ours: hyper's would be one time for an idle connection and a slow head.
        .header_read_timeout(None)
        .max_header_size(HEAD_LIMIT)
        .max_buf_size(BUFFER)
        // Answers are small, so that one buffer is cheaper than two slices.
        .writev(false)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep(IDLE));
    let (mut deadline, mut stopping) = (Deadline::new(), false);
    loop {
        let driven = poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            let phase = state.phase(cx);
            deadline.poll(cx, timer.as_mut(), phase).map(Err)
        });
        let order = tokio::select! {
            biased;
            driven = driven => match driven {
                Ok(Ok(())) => return state.take_next(),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "connection failed");
                    return None;
                }
                // It ends when the rest of the last answer is written, at once if there is none.
                Err(Phase::Idle(_)) => Order::CloseIdle,
                Err(phase) => return timed_out(peer, phase),
            },
            // The server is gone if this fails.
            changed = orders.changed(), if !stopping => changed.map_or(Order::Stop, |()| *orders.borrow()),
        };
        stopping |= order == Order::Stop;
        if order == Order::Stop && state.is_new() {
            state.set_late();
            deadline.expect_first_request();
        } else if stopping || order == Order::CloseIdle && state.is_idle() {
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// A request whose head has come, as the application gets it.
fn received(request: Request<Incoming>, peer: SocketAddr, state: &Arc<State>) -> Request<Body> {
    state.begin_request();
    let mut request = request.map(Body::new);
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(peer));
    if extensions.get::<OnUpgrade>().is_some() {
        extensions.insert(Task::of(state));
    }
    request
}

fn timed_out(peer: SocketAddr, phase: Phase) -> Option<Begun> {
    if matches!(phase, Phase::Stuck(_)) {
        WRITE_TIMEOUTS.add(1);
    }
    tracing::debug!(%peer, ?phase, "connection timed out");
    None
}

/// When a connection has waited for too long.
struct Deadline {
    phase: Phase,
    passed: bool,
    idle: Duration,
}

impl Deadline {
    fn new() -> Self {
        Deadline { phase: Phase::Idle(0), passed: false, idle: IDLE }
    }

    /// There is little time left for a request to begin, from now on.
    fn expect_first_request(&mut self) {
        // The phase is taken for a new one.
        (self.phase, self.idle) = (Phase::Request, FIRST_REQUEST);
    }

    /// Is ready once for each phase that lasts too long, with that phase.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, phase: Phase) -> Poll<Phase> {
        let time = match phase {
            Phase::Idle(_) => self.idle,
            Phase::Head(_) => HEAD,
            Phase::Stuck(_) => STUCK,
            // The timer need not be disturbed for each request.
            Phase::Request => {
                self.phase = phase;
                return Poll::Pending;
            }
        };
        if self.phase != phase {
            (self.phase, self.passed) = (phase, false);
            timer.as_mut().reset(sleep(time).deadline());
        }
        if self.passed {
            return Poll::Pending;
        }
        ready!(timer.poll(cx));
        self.passed = true;
        Poll::Ready(phase)
    }
}

/// The body of an answer, which tells the connection when it has ended.
struct AnswerBody {
    body: Body,
    carries: bool,
    state: Arc<State>,
}

fn with_state(mut answer: Response, state: Arc<State>) -> Response<AnswerBody> {
    let link = answer.extensions_mut().remove::<LinkWatch>();
    let carries = link.is_some();
    if let Some(link) = link {
        state.carry(link);
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A layer of the application may have refused what the route has accepted.
        drop(state.take_next());
        // A WebSocket's answer has another word there.
        if state.is_late() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    answer.map(|body| AnswerBody { body, carries, state })
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if self.carries {
            self.state.drop_link();
        }
        self.state.end_request();
    }
}
