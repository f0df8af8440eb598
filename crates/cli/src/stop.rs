//! The end of a command that would go on for ever.

use std::{
    io,
    process::exit,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// The exit status of a process that the second SIGINT ends.
const INTERRUPTED: i32 = 130;

/// Tells when to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Stops at the first SIGINT or SIGTERM, and calls `also`. The second ends the process.
    pub(crate) fn on_signal(also: impl Fn() + Send + 'static) -> io::Result<Self> {
        let stop = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let told = stop.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                if told.is_set() {
                    exit(INTERRUPTED);
                }
                told.set();
                also();
            }
        });
        Ok(stop)
    }

    pub(crate) fn set(&self) {
        let (stopped, changed) = &*self.0;
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits for `pause`, or until it is time to stop: then it says so.
    pub(crate) fn wait(&self, pause: Duration) -> bool {
        let (stopped, changed) = &*self.0;
        let guard = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, pause, |stopped| !*stopped);
        let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}
