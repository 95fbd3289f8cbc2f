//! Why a duty got no further: Neon, or the ledger.

use ledger::LedgerError;
use neon_client::NeonError;

pub(super) enum Setback {
    Neon(NeonError),
    Ledger(LedgerError),
}

impl From<LedgerError> for Setback {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<NeonError> for Setback {
    fn from(error: NeonError) -> Self {
        Self::Neon(error)
    }
}
