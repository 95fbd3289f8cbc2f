//! How a process ends, in steps, so that whoever came in time has an answer.
//!
//! | step | what happens |
//! |---|---|
//! | unready | `/readyz` answers 503 and connections are not kept, everything else goes on: load balancers look elsewhere |
//! | closing | nobody new is let in; what is under way goes on, so that a claim that waits is served |
//! | ending | the duties end, and whoever still waits for something is told how it stands |
//! | cut | nothing is waited for any more |
//!
//! SIGTERM takes the steps one by one, Ctrl-C the first three at once, a second signal the last.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// The steps; each is a token that is cancelled when it is reached.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    pub unready: CancellationToken,
    pub closing: CancellationToken,
    pub ending: CancellationToken,
    pub cut: CancellationToken,
}

/// How long the first two steps last at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GracePeriod {
    pub unready: Duration,
    pub drain: Duration,
}

impl Stop {
    /// Nobody need be waited for: all steps but the last.
    pub fn end(&self) {
        self.unready.cancel();
        self.closing.cancel();
        self.ending.cancel();
    }

    /// Ends after this grace period on SIGTERM, at once on Ctrl-C.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn on_signal(&self, grace: GracePeriod) -> io::Result<()> {
        let mut signals =
            Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
        let stop = self.clone();
        tokio::spawn(async move {
            let Some(is_terminate) = stop.ending.run_until_cancelled(signals.next()).await else { return };
            let grace = if is_terminate { grace } else { GracePeriod::default() };
            tracing::info!("stopping{}; a second signal ends it at once", grace.in_words());
            let is_cut = tokio::select! {
                () = stop.go_down(grace) => false,
                _ = signals.next() => true,
            };
            stop.end();
            if !is_cut {
                // The end itself takes a moment.
                signals.next().await;
            }
            stop.cut.cancel();
        });
        Ok(())
    }

    async fn go_down(&self, grace: GracePeriod) {
        self.unready.cancel();
        sleep(grace.unready).await;
        self.closing.cancel();
        let _ = tokio::time::timeout(grace.drain, self.ending.cancelled()).await;
    }
}

impl GracePeriod {
    fn in_words(self) -> String {
        match self.unready.as_secs() + self.drain.as_secs() {
            0 => String::new(),
            most => format!(
                ": not ready for {} s, then when nothing is under way, after {most} s at the latest",
                self.unready.as_secs()
            ),
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Whether the next one is SIGTERM.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => false,
            _ = self.terminate.recv() => true,
        }
    }
}
