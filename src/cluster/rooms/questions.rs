//! The questions for the histories of rooms.

use std::sync::Arc;

use super::{
    recording::{Asking, Question},
    state::{ClusterRooms, Subscription},
    types::HistoryAsk,
};

/// The most questions to the engine at a time.
const QUESTIONS: usize = 4;

impl<M> ClusterRooms<M> {
    /// The followed rooms ask for all that has come meanwhile.
    pub(super) fn ask_histories(&mut self, now: u64) {
        for name in self.names(|room| room.recording.is_some() && room.subscription == Subscription::On) {
            self.ask_history(now, &name);
        }
    }

    /// The history of a room is asked for, from where this node is.
    pub(super) fn ask_history(&mut self, now: u64, name: &Arc<str>) {
        let Some(recording) = self.recording(name) else { return };
        let question = recording.question.get_or_insert_with(|| Question::new(now));
        // One that has failed waits for its time as before: a room must not be patient for longer since it wants more.
        if question.asked.is_some() {
            question.again = true;
        } else if !std::mem::replace(&mut question.queued, true) {
            self.asked.ready.push_back(name.clone());
        }
    }

    /// The questions that have failed on the last connection are asked on this one as if for the first time.
    pub(super) fn questions_renewed(&mut self, now: u64) {
        for recording in self.rooms.values_mut().filter_map(|room| room.recording.as_mut()) {
            if let Some(question) = &mut recording.question {
                (question.since, question.failures, question.due) = (now, 0, now);
            }
            recording.given_up = false;
        }
    }

    /// Whether there is a question to ask the engine, perhaps.
    pub(crate) fn has_questions(&self) -> bool {
        !self.asked.ready.is_empty() && self.asked.under_way.len() < QUESTIONS
    }

    /// The next question to ask the engine, if there is one now.
    pub(crate) fn poll_history(&mut self, now: u64) -> Option<HistoryAsk> {
        while self.asked.under_way.len() < QUESTIONS
            && let Some(name) = self.asked.ready.pop_front()
        {
            let number = self.asked.last + 1;
            if let Some(question) = self.recording(&name).and_then(|recording| recording.question.as_mut()) {
                question.queued = false;
            }
            let is_live = self.rooms.get(&name).is_some_and(|room| room.wanted && room.is_live(&self.line));
            let Some(room) = self.rooms.get_mut(&name).filter(|_| is_live) else { continue };
            let Some(recording) = &mut room.recording else { continue };
            let Some(question) = recording.question.as_mut().filter(|question| question.asked.is_none()) else {
                continue;
            };
            if now < question.due {
                continue;
            }
            let (appended, held) = (recording.appended, recording.held.len());
            question.asked = Some(Asking { number, appended, held });
            self.asked.last = number;
            self.asked.under_way.insert(number, name);
            let (topic, keep, after) = (room.topic.clone(), recording.keep, recording.place);
            return Some(HistoryAsk { room: room.name.clone(), topic, keep, after, number });
        }
        None
    }

    /// Asks again where the engine has failed. Returns when to look again.
    pub(super) fn look_at_history(&mut self, now: u64, name: &Arc<str>) -> Option<u64> {
        let question = self.recording(name)?.question.as_mut().filter(|question| question.asked.is_none())?;
        if now < question.due {
            return Some(question.due);
        }
        if !std::mem::replace(&mut question.queued, true) {
            self.asked.ready.push_back(name.clone());
        }
        None
    }
}
