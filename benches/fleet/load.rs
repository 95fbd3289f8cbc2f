//! Load: clients that send one request after another, as fast as they are answered or at a pace. At a pace, a request counts from the moment
//! at which it was due, so that a slow answer is not hidden by the requests that it held up.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Caller {
    client: Client,
    url: String,
    token: String,
}

/// One request: when it was due, how long it took from then, and its answer; status 0 for none.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub due: Instant,
    pub took: Duration,
    pub status: u16,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub samples: Vec<Sample>,
    pub elapsed: Duration,
}

impl Caller {
    pub fn new(url: String, token: String) -> Result<Self> {
        Ok(Self { client: Client::builder().timeout(TIMEOUT).tcp_nodelay(true).build()?, url, token })
    }

    pub async fn get(&self, path: &str) -> Result<String> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    /// The status of the answer once it is read to its end.
    async fn send(&self, method: Method, path: &str, body: &Value) -> u16 {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                answer.bytes().await.map_or(0, |_| status.as_u16())
            }
            Err(_) => 0,
        }
    }

    pub async fn claim(&self, pool: &str, owner: &str) -> u16 {
        let body = json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example") }, "pool": pool });
        self.send(Method::POST, "/api/v1/claims", &body).await
    }

    /// What somebody of the support does: one database, at Neon, at once.
    pub async fn act(&self, id: &str, action: &str) -> u16 {
        self.send(Method::POST, &format!("/api/v1/databases/{id}/{action}"), &json!({ "reason": "bench" })).await
    }

    /// So many claims by so many clients, each sending the next when the last is answered.
    pub async fn claims(&self, pool: &'static str, prefix: &'static str, clients: u32, total: u32) -> Outcome {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let caller = self.clone();
            tasks.spawn(async move {
                let mut samples = Vec::new();
                for number in (client..total).step_by(clients as usize) {
                    let due = Instant::now();
                    let status = caller.claim(pool, &format!("{prefix}-{number}")).await;
                    samples.push(Sample { due, took: due.elapsed(), status });
                }
                samples
            });
        }
        let samples = tasks.join_all().await.into_iter().flatten().collect();
        Outcome { samples, elapsed: began.elapsed() }
    }

    /// Claims at this pace, evenly spread over the clients, until told to stop, or until there were so many.
    pub async fn paced_claims(
        &self,
        pool: &'static str,
        prefix: &'static str,
        (clients, per_second): (u32, f64),
        at_most: u32,
        stop: Arc<AtomicBool>,
    ) -> Outcome {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (caller, stop) = (self.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut samples = Vec::new();
                for number in (client..at_most).step_by(clients as usize) {
                    let due = began + Duration::from_secs_f64(f64::from(number) / per_second);
                    sleep_until(due).await;
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let status = caller.claim(pool, &format!("{prefix}-{number}")).await;
                    samples.push(Sample { due, took: due.elapsed(), status });
                }
                samples
            });
        }
        let samples = tasks.join_all().await.into_iter().flatten().collect();
        Outcome { samples, elapsed: began.elapsed() }
    }
}

impl Outcome {
    /// Answers with this status.
    pub fn only(&self, status: StatusCode) -> Self {
        self.filtered(|sample| sample.status == status.as_u16())
    }

    pub fn filtered(&self, keep: impl Fn(&Sample) -> bool) -> Self {
        Self { samples: self.samples.iter().filter(|sample| keep(sample)).copied().collect(), elapsed: self.elapsed }
    }

    pub fn per_second(&self) -> f64 {
        self.samples.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the answers did not exceed.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let mut took: Vec<Duration> = self.samples.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let rank = (share * took.len() as f64).ceil() as usize;
        took.get(rank.max(1) - 1).copied()
    }

    /// `201 × 20000, 503 × 2`
    pub fn statuses(&self) -> String {
        let mut counts = BTreeMap::new();
        for sample in &self.samples {
            *counts.entry(sample.status).or_insert(0) += 1;
        }
        counts.iter().map(|(status, count)| format!("{status} × {count}")).collect::<Vec<_>>().join(", ")
    }
}
