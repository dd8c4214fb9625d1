//! The notes that wait for a directory, and those that it has.

use futures::future::BoxFuture;

use super::*;
use crate::{cluster::Claim, config::Config};

/// A directory that takes no notes, as those that an application writes by default.
struct NoNotes;

impl Directory for NoNotes {
    fn beat(&self, _: &[u8], _: &[u8], _: Duration) -> BoxFuture<'_, Result<Vec<Bytes>, EngineError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn leave(&self, _: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn claim(&self, _: &[u8], _: &[u8], _: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        Box::pin(async { Ok(Claim::Mine) })
    }

    fn swap(&self, _: &[u8], _: &[u8], _: &[u8], _: Duration) -> BoxFuture<'_, Result<Claim, EngineError>> {
        Box::pin(async { Ok(Claim::Mine) })
    }

    fn look(&self, _: &[u8]) -> BoxFuture<'_, Result<Option<Bytes>, EngineError>> {
        Box::pin(async { Ok(None) })
    }

    fn release(&self, _: &[u8], _: &[u8]) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn what_waits_for_a_directory_that_takes_nothing_has_a_bound() {
    let (core, directory) = (Arc::new(Core::new(Config::default())), Arc::new(NoNotes));
    let membership = Arc::new(Membership::new("a".to_owned(), directory.clone()));
    let counts = Counts::new(&core, directory, membership);
    let mut notes = Notes::default();
    notes.noted.insert("noted before".into(), 3);
    for second in 0..100 {
        // Rooms come and go.
        notes.due.extend((0..100).map(|room| format!("{second} {room}").into()));
        notes.due.insert("noted before".into());
        assert!(counts.step(&mut notes, true).await.is_some_and(|outcome| outcome.is_err()));
        assert!(notes.due.len() <= TIDY_AT + 100, "{}", notes.due.len());
    }
    assert!(notes.due.contains("noted before"), "the directory is to learn that it is empty");
}

#[test]
fn a_room_that_is_empty_when_all_is_noted_again_is_noted_too() {
    let mut notes = Notes::default();
    notes.done(vec![("a".into(), 2), ("b".into(), 1)], true);
    notes.all_again();
    let again = notes.next(|room| usize::from(room == "a") * 2);
    assert_eq!(again, [("a".into(), 2), ("b".into(), 0)]);
    notes.done(again, true);
    assert_eq!((notes.noted.len(), notes.due.len()), (1, 0));
}
