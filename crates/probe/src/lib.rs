//! A database on Neon as its owner meets it: what its connection string says ([`uri`]), whether it answers ([`answers`]), and whether anybody has
//! made anything in it ([`holds_nothing`]).
//!
//! One connection, one round trip, within a deadline. An idle endpoint is woken by it. No error holds the password.

#[cfg(test)]
mod tests;
pub mod uri;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use uri::{Parts, UriError};

/// Parameters that matter to us and that the driver knows. Others, such as `channel_binding`, are for other drivers.
const KNOWN_PARAMETERS: [&str; 3] = ["sslmode", "sslrootcert", "options"];
/// Whether somebody has made anything in it: schemas; tables, views and sequences; functions; types; large objects; extensions, whose tables, jobs and
/// settings are whoever's made them. Without those that a new database has, on Neon too; in these, what holds no rows.
const OBJECTS: &str = "WITH foreign_schemas AS (SELECT oid, nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'), \
    born AS (SELECT oid FROM pg_extension WHERE extname IN ('plpgsql', 'neon', 'neon_utils')), \
    made AS ( \
      SELECT 'pg_namespace'::regclass AS class, oid, false AS holds_rows FROM foreign_schemas WHERE nspname <> 'public' \
      UNION ALL SELECT 'pg_class'::regclass, c.oid, c.relkind NOT IN ('v', 'c') FROM pg_class AS c JOIN foreign_schemas AS n ON n.oid = c.relnamespace \
      UNION ALL SELECT 'pg_proc'::regclass, p.oid, false FROM pg_proc AS p JOIN foreign_schemas AS n ON n.oid = p.pronamespace \
      UNION ALL SELECT 'pg_type'::regclass, t.oid, false FROM pg_type AS t JOIN foreign_schemas AS n ON n.oid = t.typnamespace WHERE t.typrelid = 0 AND t.typelem = 0 \
      UNION ALL SELECT 'pg_largeobject'::regclass, oid, true FROM pg_largeobject_metadata \
      UNION ALL SELECT 'pg_extension'::regclass, oid, true FROM pg_extension WHERE oid NOT IN (SELECT oid FROM born)) \
    SELECT EXISTS (SELECT FROM made AS m \
      WHERE m.holds_rows OR NOT EXISTS (SELECT FROM pg_depend AS d \
        WHERE d.classid = m.class AND d.objid = m.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid IN (SELECT oid FROM born)))";
/// The time to say goodbye in; the answer is known by then.
const CLOSING: Duration = Duration::from_secs(1);
/// In characters, of what is told of an error.
const LONGEST_TEXT: usize = 200;

/// Why it does not. No text holds the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error("the database did not answer within {0:?}")]
    TimedOut(Duration),
    /// Answered, with a refusal: wrong password, endpoint disabled, quota exceeded.
    #[error("the database refused the connection ({code}: {message})")]
    Refused { code: String, message: String },
    #[error("no connection to the database ({0})")]
    Failed(String),
}

impl ProbeError {
    /// What the database or the driver says is made fit for logs and screens: one short line without the password.
    fn hiding(self, password: &str) -> Self {
        let presentable = |text: String| {
            let words: Vec<_> =
                text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
            words.join(" ").replace(password, "[hidden]").chars().take(LONGEST_TEXT).collect()
        };
        match self {
            Self::Refused { code, message } => Self::Refused { code, message: presentable(message) },
            Self::Failed(text) => Self::Failed(presentable(text)),
            Self::Uri(_) | Self::TimedOut(_) => self,
        }
    }
}

/// Connects as a client would and asks for one sign of life.
///
/// # Errors
/// [`ProbeError`]; [`ProbeError::TimedOut`] at `deadline` at the latest.
pub async fn answers(uri: &SecretString, deadline: Duration) -> Result<(), ProbeError> {
    let parts = uri::parse(uri)?;
    let connection = within(deadline, &parts, connect_and_ping(&options(&parts)?)).await?;
    // A polite end keeps the server's log clean; that it fails or takes long does not matter any more.
    let _ = tokio::time::timeout(CLOSING, connection.close()).await;
    Ok(())
}

/// Connects as a client would and asks whether nobody has made anything in the database.
///
/// # Errors
/// [`ProbeError`]; [`ProbeError::TimedOut`] at `deadline` at the latest.
pub async fn holds_nothing(uri: &SecretString, deadline: Duration) -> Result<bool, ProbeError> {
    let parts = uri::parse(uri)?;
    let options = options(&parts)?;
    let look = async {
        let mut connection = connect_and_ping(&options).await?;
        let row = connection.fetch_one(OBJECTS).await.map_err(failure)?;
        let something: bool = row.try_get(0).map_err(failure)?;
        Ok::<_, ProbeError>((connection, !something))
    };
    let (connection, nothing) = within(deadline, &parts, look).await?;
    let _ = tokio::time::timeout(CLOSING, connection.close()).await;
    Ok(nothing)
}

/// Ends at the deadline, and tells what went wrong without the password.
async fn within<T>(
    deadline: Duration,
    parts: &Parts,
    work: impl Future<Output = Result<T, ProbeError>>,
) -> Result<T, ProbeError> {
    let outcome = tokio::time::timeout(deadline, work).await.unwrap_or(Err(ProbeError::TimedOut(deadline)));
    outcome.map_err(|error| error.hiding(parts.password.expose_secret()))
}

async fn connect_and_ping(options: &PgConnectOptions) -> Result<PgConnection, ProbeError> {
    let mut connection = options.connect().await.map_err(failure)?;
    connection.ping().await.map_err(failure)?;
    Ok(connection)
}

/// Everything is taken from the URI, so that no `PG…` variable of the environment slips in.
fn options(parts: &Parts) -> Result<PgConnectOptions, ProbeError> {
    let mut url = url::Url::parse("postgresql://localhost").map_err(|_| UriError::NotPostgres)?;
    url.set_query(None);
    for (name, value) in parts.parameters.iter().filter(|(name, _)| KNOWN_PARAMETERS.contains(&name.as_str())) {
        url.query_pairs_mut().append_pair(name, value);
    }
    let options: PgConnectOptions = url.as_str().parse().map_err(failure)?;
    Ok(options
        .host(&parts.host)
        .port(parts.port)
        .database(&parts.database)
        .username(&parts.role)
        .password(parts.password.expose_secret())
        .application_name("flotilla")
        .statement_cache_capacity(0)
        // A pooler in between refuses start-up parameters that it does not know.
        .extra_float_digits(None)
        .disable_statement_logging())
}

fn failure(error: sqlx::Error) -> ProbeError {
    match error {
        sqlx::Error::Database(error) => ProbeError::Refused {
            code: error.code().unwrap_or_default().into_owned(),
            message: error.message().to_owned(),
        },
        sqlx::Error::Configuration(_) => ProbeError::Uri(UriError::NotPostgres),
        error => ProbeError::Failed(error.to_string()),
    }
}
