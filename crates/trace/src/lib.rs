//! The thread through logs, events and calls to Neon: one id for each request and for each run of a duty.
//!
//! Whatever runs within [`follow`] logs under the id (the field `request_id` of its span), writes it into its events and sends it to Neon
//! with every call. A spawned task starts without a thread; whoever spawns it hands theirs on with [`carry_on`]. What is finished later,
//! by a duty, goes on under the id of the request that asked for it, which stands in the event of that request.

use std::{error::Error, future::Future, sync::Arc};

use tracing::{Instrument, Span, error_span};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The id under which this task works; none outside of requests and runs.
pub fn current() -> Option<Arc<str>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// An id that nobody has.
pub fn fresh() -> Arc<str> {
    Uuid::now_v7().to_string().into()
}

/// The id of this task, or one that nobody has.
pub fn current_or_fresh() -> String {
    current().unwrap_or_else(fresh).to_string()
}

/// Logs the whole chain of causes and answers with the reference under which it stands in the log: for what nobody outside shall read.
pub fn logged(error: &(dyn Error + 'static)) -> String {
    let reference = Uuid::now_v7().simple().to_string()[20..].to_owned();
    tracing::error!(reference, error, "request failed");
    reference
}

/// Works under this id. The span says what is done, and should name the id as `request_id`.
pub fn follow<F: Future>(id: Arc<str>, span: Span, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, work.instrument(span))
}

/// Goes on under the id of whoever asked for this work, or else under that of the caller: for what is spawned, and for rows of a duty.
pub fn carry_on<F: Future>(requested_by: Option<&str>, work: F) -> impl Future<Output = F::Output> + use<F> {
    let (id, span) = match (requested_by, current()) {
        (None, Some(id)) => (id, Span::current()),
        (requested_by, _) => {
            let id = requested_by.map_or_else(fresh, Arc::from);
            let span = error_span!("request", request_id = %id);
            (id, span)
        }
    };
    follow(id, span, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_spawned_task_has_the_thread_that_it_was_handed() {
        let ids = follow("run-1".into(), Span::none(), async {
            let lost = tokio::spawn(async { current() }).await.expect("joined");
            let kept = tokio::spawn(carry_on(None, async { current() })).await.expect("joined");
            let asked = tokio::spawn(carry_on(Some("ticket-4711"), async { current() })).await.expect("joined");
            (lost, kept, asked, current())
        })
        .await;
        assert_eq!(ids, (None, Some("run-1".into()), Some("ticket-4711".into()), Some("run-1".into())));
    }

    #[tokio::test]
    async fn work_without_any_thread_gets_one_of_its_own() {
        let id = carry_on(None, async { current() }).await.expect("an id");
        assert!(Uuid::parse_str(&id).is_ok());
        assert_eq!(current(), None);
    }
}
