//! The rooms of a node receive, publish, and ask for topics, for as long as the server lives.

use std::{
    future::poll_fn,
    sync::{Arc, Weak},
    task::Poll,
};

use tokio::{
    task::{JoinSet, yield_now},
    time::sleep_until,
};

use super::NodeRooms;
use crate::{
    cluster::{BusEvent, BusInbox, EngineError, Publication, Record},
    server::core::Core,
    shared::gather_wakes,
    sync::lock,
};

impl NodeRooms {
    /// Publishes and receives, for as long as the server lives. Each part has a task of its own, since what wakes one of them
    /// is often nothing to the others.
    pub(in crate::server::nodes) fn start(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        let [a, b, c, d, e, f, g] = std::array::from_fn(|_| self.clone());
        tasks.spawn(async move { a.receive().await });
        tasks.spawn(async move { b.publish().await });
        tasks.spawn(async move { c.ask_for_topics().await });
        tasks.spawn(async move { d.keep_time().await });
        tasks.spawn(async move { e.follow().await });
        tasks.spawn(async move { f.recall().await });
        tasks.spawn(async move { g.look_after_requests().await });
    }

    async fn receive(self: &Arc<Self>) {
        let rooms: Weak<NodeRooms> = Arc::downgrade(self);
        let inbox = BusInbox::new(move |event| {
            if let Some(rooms) = rooms.upgrade()
                && let Some(core) = rooms.core.upgrade()
            {
                rooms.take(&core, event);
            }
        });
        loop {
            let mut bus = self.bus.0.run(inbox.clone());
            // All that one look at the connection brings wakes each link once.
            let bus = poll_fn(|cx| gather_wakes(|| bus.as_mut().poll(cx)));
            tokio::select! {
                () = bus => return,
                // The connection is there, and brings nothing.
                () = self.deaf.notified() => {}
            }
        }
    }

    fn take(&self, core: &Core, event: BusEvent) {
        let is_whole = event == BusEvent::Whole;
        let is_sure = self.change(core, |machine, now| {
            let before = (machine.marker(), machine.is_in_doubt());
            match event {
                BusEvent::Received(topic, body) => machine.received(now, &topic, &body),
                BusEvent::Recorded(record) => machine.recorded(now, record),
                BusEvent::Cut => machine.cut(now),
                BusEvent::Whole => machine.whole(now),
            }
            before != (machine.marker(), machine.is_in_doubt())
        });
        if is_whole || is_sure {
            self.heard.notify_waiters();
        }
    }

    async fn publish(&self) {
        loop {
            let batch = {
                let mut state = lock(&self.state);
                let batch = state.machine.poll_publish(self.clock.now());
                batch.map(|batch| (batch, state.machine.records()))
            };
            let Some((batch, records)) = batch else {
                self.publish.notified().await;
                continue;
            };
            let published = self.give(batch, records).await;
            let Some(core) = self.core.upgrade() else { return };
            self.change(&core, |machine, now| machine.publish_done(now, published.is_ok()));
            self.log_outcome(&published);
        }
    }

    /// Gives the engine what it is to carry, and what it is to keep as well. These are of different rooms.
    async fn give(&self, batch: Vec<Publication>, records: Vec<Record>) -> Result<(), EngineError> {
        match (batch.is_empty(), records.is_empty()) {
            (_, true) => self.bus.0.publish(batch).await,
            (true, _) => self.bus.0.append(records).await,
            _ => {
                let (published, appended) = tokio::join!(self.bus.0.publish(batch), self.bus.0.append(records));
                published.and(appended)
            }
        }
    }

    /// Logs that the engine takes nothing, or that it does again.
    fn log_outcome(&self, published: &Result<(), EngineError>) {
        let before = std::mem::replace(&mut lock(&self.state).failing, published.is_err());
        match published {
            Err(error) if !before => tracing::warn!(%error, "the cluster's engine takes no messages"),
            Ok(()) if before => tracing::info!("the cluster's engine takes messages again"),
            _ => {}
        }
    }

    async fn ask_for_topics(&self) {
        loop {
            let (topics, asks) = {
                let mut state = lock(&self.state);
                (state.machine.poll_interest(self.clock.now()), state.machine.has_questions())
            };
            if asks {
                self.recall.notify_one();
            }
            let Some((add, drop_these)) = topics else {
                self.ask.notified().await;
                continue;
            };
            let asked = self.bus.0.interest(add, drop_these).await;
            let Some(core) = self.core.upgrade() else { return };
            self.change(&core, |machine, now| machine.interest_done(now, asked.is_ok()));
            self.heard.notify_waiters();
            if let Err(error) = asked {
                tracing::debug!(%error, "the cluster's engine was asked for topics in vain");
            }
        }
    }

    async fn keep_time(&self) {
        loop {
            let (next, waits) = {
                let mut state = lock(&self.state);
                let next = state.machine.next_timeout().unwrap_or(u64::MAX);
                state.timeout = next;
                (next, !state.due.is_empty() && !state.delivering)
            };
            if !waits {
                tokio::select! {
                    () = self.until(next) => {}
                    () = self.sooner.notified() => {}
                }
            }
            let Some(core) = self.core.upgrade() else { return };
            self.change(&core, |machine, now| {
                if machine.next_timeout().is_some_and(|next| next <= now) {
                    machine.handle_timeout(now);
                }
            });
            drop(core);
            // There may be something to publish now, before which there is nothing more to do here.
            yield_now().await;
        }
    }

    async fn until(&self, time: u64) {
        match time {
            u64::MAX => std::future::pending().await,
            time => sleep_until(self.clock.instant(time)).await,
        }
    }

    /// Follows the changes of who lives, and of what rooms have members here.
    async fn follow(&self) {
        let mut living = self.membership.watch();
        loop {
            let noted = poll_fn(|cx| match self.core.upgrade() {
                Some(core) => core.hub.poll_interest(cx),
                None => Poll::Pending,
            });
            tokio::select! {
                () = noted => {}
                changed = living.changed() => if changed.is_err() { return },
            }
            let Some(core) = self.core.upgrade() else { return };
            self.change(&core, |_, _| ());
            // A node that has gone answers nothing more, and nobody waits for that any longer.
            self.heard.notify_waiters();
        }
    }
}
