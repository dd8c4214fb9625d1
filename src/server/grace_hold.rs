//! The grace time of a session, while a request that names it comes in.

use std::sync::Arc;

use super::core::Core;
use crate::shared::SharedSession;

/// Keeps the grace time of a session from ending while a request that names it comes in. The request has not
/// shown the secret yet.
pub(super) struct GraceHold(Option<Arc<SharedSession>>);

impl GraceHold {
    /// `session` is the id that the request names, if it names one.
    pub(super) fn new(core: &Core, session: Option<&str>) -> Self {
        let member = session.and_then(|id| core.find(id).here());
        GraceHold(member.filter(|member| member.shared.expect_attach()).map(|member| member.shared.clone()))
    }

    /// Keeps it for a session that nobody attached to yet.
    pub(super) fn of(shared: &Arc<SharedSession>) -> Self {
        GraceHold(shared.expect_attach().then(|| shared.clone()))
    }
}

impl Drop for GraceHold {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.cancel_attach();
        }
    }
}
