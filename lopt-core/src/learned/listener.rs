//! Events of the guard on their way to the user.

use super::warnings::print_first;
use crate::guard::GuardEvent;
use std::fmt;
use std::sync::{Arc, Once};

/// Who is told of events.
#[derive(Clone)]
pub(super) struct Listener(Option<Arc<Callback>>);

type Callback = dyn Fn(&GuardEvent) + Send + Sync;

impl Listener {
    /// Nobody but `tracing`, or of the first event standard error.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn new(listener: impl Fn(&GuardEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) fn tell(&self, events: Vec<GuardEvent>) {
        static FIRST: Once = Once::new();
        for event in events {
            tracing::warn!(target: "lopt::guard", "{event}");
            match &self.0 {
                Some(listener) => listener(&event),
                None => print_first(&FIRST, &format!("{event} (`on_event` tells of all events)")),
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "no listener" })
    }
}
