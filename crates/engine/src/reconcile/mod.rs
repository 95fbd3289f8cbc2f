//! Reconcile: finds what has come apart between Neon and the ledger, and mends it.
//!
//! - `detect`: hooks of the sweep. Each page and each complete sweep is compared with the ledger, without a call of its own
//! - `remediate`: the duty. Acts on findings that are due, each looked at once more on Neon before anything changes there
//! - `unattended`: what must be shown before something goes into the pool, or is deleted without a person
//! - `operator`: what an operator asks for
//!
//! Nothing is deleted in the pass that confirms it, nothing that is not named by us, nothing that a row of the ledger knows. Owners' databases are never touched.
//! When more is due in one pass than the cap allows, nothing is done about anything: the brake is for an operator to lift.

mod detect;
mod operator;
mod remediate;
mod unattended;

pub use operator::FindingError;

/// Whether the name looks like one of an installation of Flotilla. Whose it is, the ledger has decided when it was found.
pub(crate) fn bears_our_prefix(name: &str) -> bool {
    name.strip_prefix("flotilla-").is_some_and(|rest| rest.len() >= 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_has_changed_is_nobodys_to_delete() {
        for ours in
            ["flotilla-0192d3a4-7b1c-7e55-8f00-0123456789ab", "flotilla-13ae773e-0192d3a4-7b1c-7e55-8f00-0123456789ab"]
        {
            assert!(bears_our_prefix(ours), "{ours}");
        }
        for foreign in ["flotilla", "flotilla-", "flotilla-staging", "my-flotilla-0192d3a4-7b1c-7e55-8f00-0123456789ab"]
        {
            assert!(!bears_our_prefix(foreign), "{foreign}");
        }
    }
}
