//! Events of the guard on their way to the user.

use crate::guard::GuardEvent;
use std::fmt;
use std::sync::Arc;

/// Who is told of events.
#[derive(Clone)]
pub(super) struct Listener(Option<Arc<Callback>>);

type Callback = dyn Fn(&GuardEvent) + Send + Sync;

impl Listener {
    /// Nobody but `tracing`.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(listener: impl Fn(&GuardEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) fn tell(&self, events: Vec<GuardEvent>) {
        for event in events {
            tracing::warn!(target: "lopt::guard", "{event}");
            if let Some(listener) = &self.0 {
                listener(&event);
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "no listener" })
    }
}
