//! The ledger: all SQL, one file per subject. It records facts and intents, each with its event in the same transaction,
//! and is the only truth about who owns what. It never calls Neon and never sees an unsealed credential.

mod apply;
mod attempts;
mod breaker;
mod budget;
mod claim_record;
mod claims;
mod connections;
mod creation;
mod credentials;
mod databases;
mod decisions;
mod demand;
mod denials;
mod doctor;
mod duties;
mod endpoints;
mod error;
mod events;
mod findings;
mod fitness;
mod fleet;
mod givable;
mod health;
mod identity;
mod installation;
mod invariants;
mod keys;
mod leases;
mod listing;
mod looks;
mod lookup;
mod neon_status;
mod observations;
mod operators;
mod origin;
mod owners;
mod plans;
mod policies;
mod pool_events;
mod pooler;
mod pools;
mod proofs;
mod provision;
mod quota_events;
mod quotas;
mod rate_limit;
mod refill;
mod refusal;
mod release;
mod relief;
mod repair;
mod samples;
mod schema;
mod seed;
mod sessions;
mod sizes;
mod snapshot;
mod state;
mod status;
mod sweeps;
mod templates;
mod tokens;
mod unreadable;
mod usage;
mod usage_days;
mod waiting;

use std::sync::{Arc, atomic::AtomicBool};

use claims::Watermarks;
use connections::{QUICK, SETTINGS, options, pool_of};
use proofs::HeldProof;
use sqlx::PgPool;

pub use apply::{DueChange, DueReset, Parts};
pub use attempts::{SignInAttempt, Turn};
pub use breaker::Refusal;
pub use budget::{Backlogs, CallPause, CallRecord, HourOfCalls};
pub use claim_record::{Claim, ClaimKind, ClaimStatus, Claimant, ClaimedDatabase, ConnectionOmitted};
pub use claims::{NewClaim, NewOwner};
pub use creation::DueCreation;
pub use credentials::{Disclosure, StoredCredentials, Way};
pub use decisions::SelfSized;
pub use denials::Denied;
pub use doctor::{ListedName, Stray};
pub use duties::{DutyOutcome, FinishedRun};
pub use error::LedgerError;
pub use events::NewEvent;
pub use findings::{
    AdoptedProject, DueFinding, FindingRules, Mended, PageOwners, PageProject, Retired, SweepOutcome, SweepRef, Taken,
};
pub use fitness::{Lookable, ShownName};
pub use fleet::TIMING_BUCKETS;
pub use identity::Whereabouts;
pub use installation::Installation;
pub use invariants::{Invariant, Violation};
pub use keys::{HeldKeys, MissingKey, Registration, Resealed, Resealing, SealedRow};
pub use leases::Backoff;
pub use looks::DueLook;
pub use observations::{ListedProject, Observation};
pub use operators::{NewOperator, OperatorAccount, SignInCandidate};
pub use owners::{OwnerChange, OwnerChanged};
pub use plans::{Followed, PlanIntent, RollingPlan};
pub use pools::NewPool;
pub use proofs::{Doubtful, ProofState, SignsOfLife};
pub use provision::NewProjectRecord;
pub use quotas::QuotaIntent;
pub use rate_limit::{CallsGranted, CallsWanted};
pub use refill::Deficit;
pub use release::{Clearance, DueRelease, Unheld};
pub use relief::Relief;
pub use repair::{ComputeOnNeon, FoundOwner, Held, KnownRow, RebuiltProject, Withheld};
pub use schema::SchemaState;
pub use seed::{SeedHour, SeedRow};
pub use sessions::{LinkUse, NewSession, SessionLimits};
pub use sizes::DueSize;
pub use snapshot::{DutyHealth, FleetSnapshot};
pub use sweeps::{Sweep, SweptPage};
pub use templates::Rolling;
pub use tokens::{ApiTokenRow, LiveToken, NewApiToken, TokenReplacement, TokenState};
pub use unreadable::MetUnreadable;
pub use usage::{DueUsage, PeriodUsage, Recorded};
pub use usage_days::DayUsage;
pub use waiting::ServedClaim;

/// A handle on the ledger's PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    db: PgPool,
    watermarks: Arc<Watermarks>,
    /// PostgreSQL does not answer.
    is_unreachable: Arc<AtomicBool>,
    /// That this process has seen the ledger to be current.
    held_proof: Arc<HeldProof>,
    denials: Arc<denials::Pending>,
}

impl Ledger {
    /// Connects with a pool of at most `connections`. No statement runs longer than 15 seconds, none waits longer than 5 for a lock.
    ///
    /// # Errors
    /// When PostgreSQL does not answer within 10 seconds.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, LedgerError> {
        let db = pool_of(connections, SETTINGS).connect_with(options(url)?).await?;
        Ok(Self {
            db,
            watermarks: Arc::default(),
            is_unreachable: Arc::default(),
            denials: Arc::default(),
            held_proof: Arc::default(),
        })
    }

    /// The same ledger by connections of its own, so that whoever uses them does not wait for others.
    #[must_use]
    pub fn with_connections(&self, connections: u32) -> Self {
        let db = pool_of(connections, SETTINGS).connect_lazy_with((*self.db.connect_options()).clone());
        Self { db, ..self.clone() }
    }

    /// As [`Ledger::with_connections`], for what can be had again: a commit is answered before it is on disk, so that it costs no sync and holds
    /// up nobody's claim. If PostgreSQL itself crashes, the newest of these commits may be lost, all others are kept.
    #[must_use]
    pub fn with_quick_connections(&self, connections: u32) -> Self {
        let db = pool_of(connections, QUICK).connect_lazy_with((*self.db.connect_options()).clone());
        Self { db, ..self.clone() }
    }

    /// Writes what is left to write and closes the connections, waiting for those in use.
    pub async fn close(&self) {
        self.write_last_denials().await;
        self.db.close().await;
    }
}

/// Who makes a change, by which way, and why: goes into the event of the change.
#[derive(Clone, Debug)]
pub struct By {
    /// An operator's e-mail, an API token's name, or a duty's.
    pub actor: String,
    pub via: Via,
    pub reason: Option<String>,
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Console,
    Api,
    Engine,
    Cli,
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Engine => "engine",
            Self::Cli => "cli",
        }
    }
}

impl By {
    /// A duty of the engine, within the thread of its run or of the request that it carries out.
    pub fn duty(name: &str) -> Self {
        let request_id = trace::current().map(|id| id.to_string());
        Self { actor: name.to_owned(), via: Via::Engine, reason: None, request_id }
    }

    /// Somebody at the command line.
    pub fn cli() -> Self {
        Self { actor: String::from("command line"), via: Via::Cli, reason: None, request_id: None }
    }
}
