//! Where Neon's behaviour is documented nowhere, or its pages contradict each other: one switch each. The default is the
//! likelier reading; where several are as likely, the one that is harder on a client.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Direction;

/// Each switch stands once, with its meaning, so that program and documentation cannot fall out of step.
macro_rules! unknowns {
    ($($(#[doc = $meaning:literal])+ $name:ident: $kind:ty,)+) => {
        /// The switches. The program takes them as `--unknown NAME=VALUE`.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Unknowns {
            $($(#[doc = $meaning])+ pub $name: $kind,)+
        }

        impl Unknowns {
            /// Names, and what they mean.
            pub const MEANINGS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($name), concat!($($meaning),+))),+];
        }
    };
}

unknowns! {
    /// A PATCH merges its quota into the stored one; else it replaces it.
    quota_patch_merges: bool,
    /// Seconds in `Retry-After` with a 429 of the rate limit; else the header is not sent.
    rate_limit_retry_after: Option<u32>,
    /// All organisations and the person share one rate limit; else each has its own.
    rate_limit_is_shared: bool,
    /// The pooled form is what `connection_uri` answers without `pooled`; else the direct one.
    pooled_by_default: bool,
    /// The counters of GET /projects/{project_id} stay zero, as was seen on newer paid plans; else they move.
    counters_stay_zero: bool,
    /// Code in a 423; else it is empty.
    locked_code: Option<String>,
    /// Status of a start that a quota forbids; else 422.
    quota_refusal_status: Option<u16>,
    /// Status of a deletion that a protected branch forbids; else 422.
    protected_refusal_status: Option<u16>,
    /// Status of a call that reaches for what belongs to another organisation; else 404, as if it were not there.
    foreign_status: Option<u16>,
    /// Deleting a project that is deleted already is answered with 404; else with 200 and a thinner project.
    second_deletion_is_404: bool,
    /// Deleted projects count towards the limit until they are purged; else they do not.
    deleted_count_towards_limit: bool,
    /// The frame that `to` of the consumption history falls into is left out; else it is there as far as it has come.
    consumption_cuts_last_frame: bool,
    /// Calls of the consumption history count against their own limit only; else against the account's 700 a minute too.
    consumption_counts_apart: bool,
    /// The consumption history still shows deleted projects; else they vanish from it.
    consumption_shows_deleted: bool,
    /// The sponsored organisation of an agent plan has no consumption history, as the free plan (403); else it has one.
    agent_free_has_no_consumption: bool,
    /// How long a transfer takes for each project of a batch, one after another, in milliseconds; else 500. `--time-scale` applies.
    transfer_lag_ms: Option<u32>,
    /// A project on its way can be changed; else that is a 423 until it has arrived.
    transfer_locks_nothing: bool,
    /// A batch that cannot go as a whole goes up to the first project that cannot, although the answer is an error; else nothing goes.
    transfer_goes_one_by_one: bool,
    /// Projects that are on their way or have arrived may be named again; else that is a 423, or a 404.
    transfer_may_be_repeated: bool,
    /// Status of a transfer with an organisation's key; else 404.
    transfer_by_organization_status: Option<u16>,
    /// Between which plans projects move: `any`, `down` or `up`; else any.
    transfer_direction: Direction,
    /// Settings above the destination's plan are brought down to it; else they stay.
    transfer_clamps_settings: bool,
    /// The counters of a project begin anew in its new organisation; else they go on.
    transfer_resets_counters: bool,
    /// The consumption of a project goes with it to its new organisation; else what was before stays with the old one.
    transfer_takes_past_along: bool,
}

impl Unknowns {
    /// Sets one of them: `NAME=VALUE`, the name with dashes or underscores; `NAME` alone is `NAME=true`.
    ///
    /// # Errors
    /// With what would be right.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        let name = name.trim().replace('-', "_");
        if !Self::MEANINGS.iter().any(|(known, _)| *known == name) {
            let known: Vec<String> = Self::MEANINGS.iter().map(|(name, _)| name.replace('_', "-")).collect();
            return Err(format!("there is no {name:?}: choose one of {}", known.join(", ")));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.into()));
        if name.ends_with("_status") && !value.as_u64().is_some_and(|status| (400..=599).contains(&status)) {
            return Err(format!("{name} is an HTTP status from 400 to 599"));
        }
        let mut all = serde_json::to_value(&*self).map_err(|error| error.to_string())?;
        all[&name] = value;
        *self = serde_json::from_value(all).map_err(|error| format!("{name}: {error}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_set_by_its_name() {
        let mut unknowns = Unknowns::default();
        for text in [
            "quota-patch-merges",
            "second_deletion_is_404=true",
            "transfer-lag-ms=20",
            "locked-code=PROJECT_LOCKED",
            "transfer-direction=down",
            "foreign-status=403",
        ] {
            unknowns.set(text).unwrap();
        }
        let expected = Unknowns {
            quota_patch_merges: true,
            second_deletion_is_404: true,
            transfer_lag_ms: Some(20),
            locked_code: Some("PROJECT_LOCKED".into()),
            transfer_direction: Direction::Down,
            foreign_status: Some(403),
            ..Unknowns::default()
        };
        assert_eq!(unknowns, expected);
    }

    #[test]
    fn what_cannot_be_right_is_said() {
        let mut unknowns = Unknowns::default();
        for (text, words) in [
            ("speed=3", "choose one of quota-patch-merges, rate-limit-retry-after"),
            ("quota-patch-merges=maybe", "invalid type: string \"maybe\", expected a boolean"),
            ("foreign-status=200", "from 400 to 599"),
            ("transfer-direction=left", "expected one of `any`, `down`, `up`"),
            ("transfer-lag-ms=-1", "transfer_lag_ms: invalid value"),
        ] {
            let told = unknowns.set(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
        assert_eq!(unknowns, Unknowns::default());
    }
}
