//! Reconcile: finds what has come apart between Neon and the ledger, and mends it.
//!
//! - `detect`: hooks of the sweep. Each page and each complete sweep is compared with the ledger, without a call of its own
//! - `act`: the duty. Acts on findings that are due, each looked at once more on Neon before anything changes there
//! - `decide`: what an operator asks for
//!
//! Nothing is deleted in the pass that confirms it, nothing that is not named by us, nothing that a row of the ledger knows. Owners' databases are never touched.
//! When more is due in one pass than the cap allows, nothing is done about anything: the brake is for an operator to lift.

mod act;
mod decide;
mod detect;

pub use decide::FindingError;

/// Whether the project bears a name that only we give: `flotilla-<uuid>`.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("flotilla-").is_some_and(|id| id.len() == 36 && uuid::Uuid::try_parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        assert!(is_ours("flotilla-0192d3a4-7b1c-7e55-8f00-0123456789ab"));
        for foreign in [
            "flotilla",
            "flotilla-",
            "flotilla-staging",
            "my-flotilla-0192d3a4-7b1c-7e55-8f00-0123456789ab",
            "flotilla-0192d3a47b1c7e558f000123456789ab",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
