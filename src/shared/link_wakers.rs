//! The links of a session, each with the waker of its task.

use std::task::Waker;

use super::LinkId;

/// The links that are attached, each with the waker of its task while that waits. Almost always there is at most one,
/// which stands here: a message to a room looks at it in each session, and finds it beside what it has looked at.
#[derive(Debug, Default)]
pub(super) struct LinkWakers {
    first: Option<LinkWaker>,
    others: Vec<LinkWaker>,
}

#[derive(Debug)]
struct LinkWaker {
    link: LinkId,
    waker: Option<Waker>,
}

impl LinkWakers {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// A link has attached.
    pub(super) fn add(&mut self, link: LinkId) {
        let new = LinkWaker { link, waker: None };
        match self.first {
            None => self.first = Some(new),
            Some(_) => {
                // A session over HTTP has two: a vector that doubles would make room for four.
                self.others.reserve_exact(1);
                self.others.push(new);
            }
        }
    }

    /// A link is gone.
    pub(super) fn remove(&mut self, link: LinkId) {
        if self.first.as_ref().is_some_and(|first| first.link == link) {
            self.first = self.others.pop();
        } else {
            self.others.retain(|other| other.link != link);
        }
    }

    /// Keeps the waker of a link, if that is attached.
    pub(super) fn keep(&mut self, link: LinkId, waker: &Waker) {
        let Some(found) = self.all().find(|each| each.link == link) else { return };
        match &found.waker {
            Some(old) if old.will_wake(waker) => {}
            _ => found.waker = Some(waker.clone()),
        }
    }

    /// Takes the wakers of all links that wait.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Waker> {
        self.all().filter_map(|each| each.waker.take())
    }

    fn all(&mut self) -> impl Iterator<Item = &mut LinkWaker> {
        self.first.iter_mut().chain(&mut self.others)
    }
}
