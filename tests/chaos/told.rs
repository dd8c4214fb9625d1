//! The log of nodes and clients, on the standard error: errors, or all with `ANYWIRE_CHAOS_LOG`.

use std::{
    fmt::{Debug, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

struct Told {
    name: String,
    level: Level,
    on_split: Box<dyn Fn() + Send + Sync>,
}

/// The words of a node whose rooms go on alone.
const SPLIT: &str = "rooms go on on each node";

/// Whether everything is to be told.
fn all() -> bool {
    std::env::var_os("ANYWIRE_CHAOS_LOG").is_some()
}

/// Tells what somebody else did, if everything is to be told.
pub(crate) fn tell_of(who: &str, what: &str) {
    if all() {
        eprintln!("{:.3} {who} {what}", now());
    }
}

/// The seconds of the clock that all processes share.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() % 1_000.0
}

/// Tells all that is logged from now on. `on_split` is called when the rooms of this node go on alone.
pub(crate) fn tell(name: &str, on_split: impl Fn() + Send + Sync + 'static) {
    let level = if all() { Level::DEBUG } else { Level::ERROR };
    tracing::subscriber::set_global_default(Told { name: name.to_owned(), level, on_split: Box::new(on_split) })
        .unwrap();
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("anywire")
            && *metadata.level() <= self.level.max(Level::WARN)
            && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{:.3} {} {}", now(), self.name, event.metadata().level()));
        event.record(&mut line);
        if line.0.contains(SPLIT) {
            (self.on_split)();
        }
        if *event.metadata().level() <= self.level {
            eprintln!("{}", line.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
