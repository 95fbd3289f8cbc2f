//! Crash points: every step of the duties after which a crash leaves Neon and the ledger apart, as a name to die at.
//!
//! A duty says where it is in one line, `crash::here(CrashPoint::ProjectCreated);`, between two effects: after each call to Neon, after each write to
//! the ledger, and before the first of them. In a release build that is nothing at all. With the feature `crash-points`, `FLOTILLA_CRASH_AT=ProjectCreated`
//! aborts the process there, as a power cut would: no destructor runs, no lease is given up. `ProjectCreated:3` lets two pass first.
//!
//! The list below is the only one: the tests take it from [`CrashPoint::ALL`] and fail for a point that is never reached.

macro_rules! crash_points {
    ($($part:literal { $($point:ident: $when:literal,)+ })+) => {
        /// A step of a duty.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CrashPoint {
            $($(#[doc = $when] $point,)+)+
        }

        impl CrashPoint {
            pub const ALL: &[Self] = &[$($(Self::$point,)+)+];

            /// As it is written in `FLOTILLA_CRASH_AT`.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$point => stringify!($point),)+)+
                }
            }

            /// The duty that it is a step of; `adopt` and `interactive` are shared.
            pub fn part(self) -> &'static str {
                match self {
                    $($(Self::$point => $part,)+)+
                }
            }
        }
    };
}

crash_points! {
    "refill" {
        DeficitSeen: "A pool lacks databases; none is asked for yet.",
        DatabasesRequested: "The rows are committed as `requested`.",
    }
    "provision" {
        CreationLeased: "The row is `creating` and leased; Neon has not been asked.",
        NameNotFound: "Asked before, and Neon has no project of this name; it is about to be asked again.",
        ProjectCreated: "Neon has made the project; the ledger does not know its id.",
        ProjectRecorded: "The row is `verifying`.",
        VerificationLeased: "The row is leased; nothing has been tried.",
        DatabaseAnswered: "A connection answered.",
        DatabaseSuspended: "The endpoint sleeps; the row is still `verifying`.",
        DatabaseAvailable: "The row is `available`; nobody who waits has been served.",
        ClaimServed: "A waiting claim has its database; nobody has been told.",
        CreationFailureCounted: "A failed creation counts towards the breaker; the row is still leased.",
        StepPostponed: "The row is due again later.",
        FailureDecided: "The row is to be given up; it is still leased.",
        FailureRecorded: "The row is `failed`; no replacement has been asked for.",
    }
    "adopt" {
        ProjectFound: "A project of this name was found on Neon.",
        EndpointFound: "So was its endpoint.",
        ConnectionRead: "So was its password; the ledger knows nothing of it yet.",
    }
    "apply" {
        ChangeLeased: "The row is leased; Neon knows nothing of what is desired.",
        QuotaTaken: "Neon has the new quota; the ledger does not know.",
        ComputeTaken: "Neon has the new compute settings; the ledger does not know.",
        EndpointSuspended: "Neon has suspended the endpoint; the ledger does not know.",
        EndpointStarted: "Neon has started the endpoint; the ledger does not know.",
        RetentionTaken: "Neon keeps history for as long as the plan says; the ledger does not know.",
        ResetAsked: "The ledger says that Neon is being asked for a new password; Neon has not been asked.",
        PasswordReset: "Neon has a new password; the ledger does not know it.",
        ChangeRecorded: "The ledger knows that Neon has confirmed.",
        ChangeRecordedInPart: "The ledger knows what was taken of it; the rest is still leased.",
        ChangePostponed: "The change is due again later.",
    }
    "release" {
        ReleaseLeased: "The row is leased; Neon has not been asked to delete anything.",
        NameLookedUp: "A row without a project was looked up by its name.",
        ProjectDeleted: "Neon has deleted the project; the row is still `releasing`.",
        DeletionRecorded: "The row is `deleted`.",
        ReleasePostponed: "The release is due again later.",
    }
    "mark" {
        MarkWritten: "The ledger knows the next mark; Neon does not.",
        MarkTold: "Neon has the mark; the ledger does not know that.",
    }
    "sync" {
        SweepBegun: "The sweep is on record; no page has been asked for.",
        PageListed: "Neon has answered with a page; nothing of it is written down.",
        PageTakenIn: "What the page shows is written down; the sweep does not count it yet.",
        SweepEnded: "The sweep is complete; no conclusions have been drawn.",
        SweepConcluded: "Nobody has been told how the sweep went.",
    }
    "usage" {
        HistoryAnswered: "Neon has told what a batch used; nothing of it is written down.",
        DaysRecorded: "The days are written down, the totals are not, and the batch is still due.",
    }
    "measure" {
        BranchRead: "Neon has told a logical size; it is not written down.",
    }
    "reconcile" {
        FindingsTaken: "Findings that are due are leased; nothing has been done about them.",
        DeletionMarked: "The ledger says that a project which it does not know is being deleted; Neon has not been asked.",
        UnknownDeleted: "Neon has deleted that project; its finding does not say so.",
        GhostRetired: "A database whose project is gone is retired; its finding is still open.",
        FindingSettled: "The finding says what was done.",
    }
    "sample" {
        CountersRolledUp: "The counters are rolled up; no sample has been taken.",
        PoolsSampled: "The pools have their sample; the fleet may not.",
    }
    "size" {
        TargetDecided: "A new target is committed with its reasons; the refill has not been told.",
    }
    "roll" {
        RequestedRewritten: "Databases that Neon does not know yet follow the new template; no other does.",
        TemplateRequested: "A few databases are to follow it; Neon has not been asked.",
        SurgeSet: "The pool asks for more databases than its target, so that some can be replaced; none is released.",
        OutdatedReleased: "A few databases are being released; no replacement has been asked for.",
        RollOutEnded: "The template has reached all; nobody has been told.",
        MembersFollow: "A few claimed databases follow their plan in the ledger; Neon has not been asked.",
        PlanRolledOut: "A plan has reached its members; nobody has been told.",
        OverridesEnded: "Overrides have ended, and their databases follow their plans in the ledger; Neon has not been asked.",
    }
    "seal" {
        CredentialsErased: "Credentials of deleted databases are erased; nobody has been told.",
        SealedAnew: "Some credentials are sealed with the new key in memory; the ledger has them as they were.",
        ResealRecorded: "These are sealed with the new key; others are not.",
    }
    "watch" {
        NeonSeen: "Whether Neon answers is on record; what was called is not.",
    }
    "doctor" {
        InvariantsChecked: "The checks have run; their result is not on record.",
        ExaminationRecorded: "It is; nobody has been told.",
    }
    "interactive" {
        IntentRecorded: "What somebody asked for is committed; nothing has been done about it.",
        ReleaseRecorded: "A release is committed; nothing has been done about it.",
    }
}

/// Where a duty stands. Dies if it was told to.
#[cfg(feature = "crash-points")]
pub(super) fn here(point: CrashPoint) {
    armed::pass(point);
}

/// Where a duty stands.
#[cfg(not(feature = "crash-points"))]
pub(super) const fn here(_: CrashPoint) {}

#[cfg(feature = "crash-points")]
mod armed {
    use std::{
        io::Write,
        sync::{
            LazyLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::CrashPoint;

    /// The name of the point, and which of its hits is the last.
    static TARGET: LazyLock<Option<(String, u32)>> = LazyLock::new(|| parse(&std::env::var("FLOTILLA_CRASH_AT").ok()?));
    static HITS: AtomicU32 = AtomicU32::new(0);

    fn parse(text: &str) -> Option<(String, u32)> {
        let (name, hit) = text.split_once(':').unwrap_or((text, "1"));
        Some((name.to_owned(), hit.parse().ok()?))
    }

    pub fn pass(point: CrashPoint) {
        let Some((name, hit)) = TARGET.as_ref() else { return };
        if name == point.name() && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *hit {
            let _ = writeln!(std::io::stderr(), "crash point {name} reached");
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_may_say_which_of_its_hits_counts() {
            assert_eq!(parse("ProjectCreated"), Some((String::from("ProjectCreated"), 1)));
            assert_eq!(parse("ProjectCreated:3"), Some((String::from("ProjectCreated"), 3)));
            assert_eq!(parse("ProjectCreated:x"), None);
        }
    }
}
