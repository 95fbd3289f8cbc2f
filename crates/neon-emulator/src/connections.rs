//! Which connections are open, by endpoint, so that a compute that stops can cut them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub struct Connections {
    endpoints: Mutex<HashMap<String, Endpoint>>,
    all: CancellationToken,
}

#[derive(Debug)]
struct Endpoint {
    project_id: String,
    open: usize,
    /// Bytes sent to clients and not yet counted.
    sent: Arc<AtomicU64>,
    cut: CancellationToken,
}

/// One open connection; it counts until it is dropped.
#[derive(Debug)]
pub struct OpenConnection<'a> {
    connections: &'a Connections,
    endpoint_id: String,
    sent: Arc<AtomicU64>,
    cut: Mutex<CancellationToken>,
}

impl Connections {
    /// A connection that waits for its endpoint: it counts, but is not cut with others before it begins.
    pub fn open(&self, endpoint_id: &str, project_id: &str) -> OpenConnection<'_> {
        let mut endpoints = self.lock();
        let endpoint = endpoints.entry(endpoint_id.into()).or_insert_with(|| Endpoint {
            project_id: project_id.into(),
            open: 0,
            sent: Arc::default(),
            cut: self.all.child_token(),
        });
        endpoint.open += 1;
        OpenConnection {
            connections: self,
            endpoint_id: endpoint_id.into(),
            sent: endpoint.sent.clone(),
            cut: Mutex::new(self.all.child_token()),
        }
    }

    /// What cuts all that has begun on an endpoint by now. Connections that begin later are not concerned.
    pub fn begun_by_now(&self, endpoint_id: &str) -> CancellationToken {
        let mut endpoints = self.lock();
        let endpoint = endpoints.get_mut(endpoint_id);
        endpoint.map(|endpoint| std::mem::replace(&mut endpoint.cut, self.all.child_token())).unwrap_or_default()
    }

    /// Cuts everything, now and for ever.
    pub fn cut_all(&self) {
        self.all.cancel();
    }

    /// Resolves when everything is cut.
    pub async fn all_cut(&self) {
        self.all.cancelled().await;
    }

    pub fn count(&self) -> usize {
        self.lock().values().map(|endpoint| endpoint.open).sum()
    }

    pub fn count_of(&self, endpoint_id: &str) -> usize {
        self.lock().get(endpoint_id).map_or(0, |endpoint| endpoint.open)
    }

    /// Projects and their endpoints that are connected to.
    pub fn in_use(&self) -> Vec<(String, String)> {
        self.lock().iter().map(|(id, endpoint)| (endpoint.project_id.clone(), id.clone())).collect()
    }

    /// What was sent to clients of each project since it was last counted, in bytes.
    pub fn take_sent(&self) -> Vec<(String, i64)> {
        let endpoints = self.lock();
        let sent = endpoints.values().map(|endpoint| (endpoint.project_id.clone(), take(&endpoint.sent)));
        sent.filter(|(_, bytes)| *bytes > 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Endpoint>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnection<'_> {
    /// From now on the connection is cut with the others of its endpoint.
    pub fn begin(&self) {
        if let Some(endpoint) = self.connections.lock().get(&self.endpoint_id) {
            *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = endpoint.cut.clone();
        }
    }

    /// Resolves when the connection has to end. It is another one once the connection has begun.
    pub fn cut(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts the bytes sent to clients of the endpoint, by this and other connections.
    pub fn sent(&self) -> &AtomicU64 {
        &self.sent
    }

    /// The bytes that nobody has counted yet.
    pub fn take_sent(&self) -> i64 {
        take(&self.sent)
    }

    pub fn endpoint_id(&self) -> &str {
        &self.endpoint_id
    }
}

fn take(sent: &AtomicU64) -> i64 {
    i64::try_from(sent.swap(0, Ordering::Relaxed)).unwrap_or(i64::MAX)
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        let mut endpoints = self.connections.lock();
        if let Some(endpoint) = endpoints.get_mut(&self.endpoint_id) {
            endpoint.open -= 1;
            if endpoint.open == 0 {
                endpoints.remove(&self.endpoint_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_concerns_what_has_begun() {
        let connections = Connections::default();
        let before = connections.open("ep-a", "a");
        let waiting = connections.open("ep-a", "a");
        let other = connections.open("ep-b", "b");
        before.begin();
        other.begin();
        let cut = connections.begun_by_now("ep-a");
        waiting.begin();
        cut.cancel();
        assert!(before.cut().is_cancelled());
        assert!(!other.cut().is_cancelled() && !waiting.cut().is_cancelled());
        assert_eq!(connections.count_of("ep-a"), 2);
        drop((before, waiting));
        assert_eq!((connections.count_of("ep-a"), connections.count()), (0, 1));
    }

    #[test]
    fn the_end_of_all_concerns_who_waits_as_well() {
        let connections = Connections::default();
        let waiting = connections.open("ep-a", "a");
        connections.cut_all();
        assert!(waiting.cut().is_cancelled());
    }
}
