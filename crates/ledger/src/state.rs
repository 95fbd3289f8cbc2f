//! A database's state as a column: the type `database_state` of PostgreSQL, read into the type that everybody shares.

use fleet_types::DatabaseState;
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
};

/// In queries: `state AS "state: State"`. A field of type [`DatabaseState`] takes it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(pub DatabaseState);

impl From<State> for DatabaseState {
    fn from(column: State) -> Self {
        column.0
    }
}

impl Type<Postgres> for State {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("database_state")
    }
}

impl<'r> Decode<'r, Postgres> for State {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let word = value.as_str()?;
        DatabaseState::parse(word).map(Self).ok_or_else(|| format!("{word:?} is no state of a database").into())
    }
}

impl Encode<'_, Postgres> for State {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<Postgres>>::encode(self.0.as_str(), buffer)
    }
}
