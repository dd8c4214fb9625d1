//! The lines that the library logs on this thread.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// The lines that were logged on this thread since it was made, until it is dropped.
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Log {
    /// Begins to keep what is logged on this thread.
    pub fn here() -> Log {
        let lines = Arc::default();
        let guard = tracing::subscriber::set_default(Keeper(Arc::clone(&lines)));
        Log { lines, _guard: guard }
    }

    /// Calls `probe` until a line with this text is there. A place in the code that another thread reaches for the
    /// first time just when a log begins may stay silent, until it is asked anew.
    pub async fn receives(self, text: &str, mut probe: impl AsyncFnMut()) -> Log {
        while !self.all().iter().any(|line| line.contains(text)) {
            tracing::callsite::rebuild_interest_cache();
            probe().await;
        }
        self
    }

    /// All lines, and the spans as lines that begin with `SPAN`.
    pub fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The lines of this level, each with its fields.
    pub fn lines(&self, level: &str) -> Vec<String> {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(level)).cloned().collect()
    }
}

struct Keeper(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("anywire")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("SPAN {}", span.metadata().name()));
        span.record(&mut line);
        self.0.lock().unwrap().push(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
