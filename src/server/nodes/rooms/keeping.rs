//! The rooms whose histories the engine keeps.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    cluster::{Bus, Retention, rooms::Keeping},
    server::core::Core,
};

/// The age at which the engine drops messages, if the application does not say one.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// The bytes that a message takes in a history besides its own, about.
const ENVELOPE: usize = 64;

/// The histories that this engine keeps.
pub(super) fn keeping(core: &Arc<Core>, bus: &dyn Bus) -> Keeping {
    if !core.hub.has_histories() {
        return Keeping::default();
    } else if !bus.keeps_histories() {
        tracing::info!("the cluster's engine keeps no histories: a room with a history has one on each node");
        return Keeping::default();
    }
    core.hub.share_histories();
    let core: Weak<Core> = Arc::downgrade(core);
    Keeping::new(move |room| {
        let history = core.upgrade()?.hub.history_of(room)?;
        let records = u32::try_from(history.messages).unwrap_or(u32::MAX).max(1);
        let bytes = history.bytes.saturating_add(history.messages.saturating_mul(ENVELOPE));
        Some(Retention::new(records, history.age.map_or(AGE, Duration::from_millis)).bytes(bytes))
    })
}
