//! What settings must be beside being readable: secrets that can be used, and settings that go together.

use reqwest::Url;

use super::Config;
use secrets::Secrets;

impl Config {
    /// # Errors
    /// With a text that says which setting cannot be right, and what to do; it tells nothing of a secret.
    pub fn check(&self) -> Result<(), String> {
        self.database_url().map_or(Ok(()), check_database_url)?;
        self.check_api_key()?;
        self.check_keys()?;
        if self.session_idle() > self.session_limit() {
            return Err(format!(
                "FLOTILLA_SESSION_IDLE_MINUTES ({}) is never reached within FLOTILLA_SESSION_HOURS ({}): lower the minutes, or raise the hours",
                self.session_idle_minutes, self.session_hours
            ));
        }
        let own = [self.listen_address().to_string(), format!("localhost:{}", self.port)];
        match self.metrics_listen() {
            Some(address) if own.iter().any(|own| own == address) => Err(format!(
                "FLOTILLA_METRICS_LISTEN ({address}) is where Flotilla itself listens: give it another port"
            )),
            _ => Ok(()),
        }
    }

    fn check_api_key(&self) -> Result<(), String> {
        let is_right = |key: &str| key.trim().bytes().all(|byte| byte.is_ascii_graphic());
        match self.neon_api_key().is_none_or(|key| is_right(secrecy::ExposeSecret::expose_secret(key))) {
            true => Ok(()),
            false => Err(String::from(
                "NEON_API_KEY holds spaces, line breaks or other characters that no key has: copy it again from Neon's console",
            )),
        }
    }

    fn check_keys(&self) -> Result<(), String> {
        let (current, previous) = (self.secret_key(), self.previous_secret_keys());
        if let Some(key) = current {
            Secrets::from_keys(key, &[""; 0])
                .map_err(|error| format!("FLOTILLA_SECRET_KEY cannot be used: {error}"))?;
        }
        match current.or_else(|| previous.first().copied()) {
            Some(key) => Secrets::from_keys(key, &previous)
                .map(drop)
                .map_err(|error| format!("FLOTILLA_PREVIOUS_SECRET_KEYS cannot be used: {error}")),
            None => Ok(()),
        }
    }
}

/// PostgreSQL's own rules leave out nearly everything; here it has to say where.
fn check_database_url(text: &str) -> Result<(), String> {
    let wrong = |why: &str| {
        Err(format!(
            "DATABASE_URL {why}: write postgres://user:password@host/database, with @ and / in a password as %40 and %2F"
        ))
    };
    let Ok(url) = Url::parse(text) else { return wrong("is no URL") };
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return wrong("does not begin with postgres://");
    }
    let has = |name: &str| url.query_pairs().any(|(key, value)| key == name && !value.is_empty());
    if url.host_str().is_none_or(str::is_empty) && !has("host") {
        return Err(String::from(
            "DATABASE_URL names no host: write postgres://user:password@host/database, or for a socket postgres://user@%2Fvar%2Frun%2Fpostgresql/database",
        ));
    }
    if has("options") {
        return Err(String::from(
            "DATABASE_URL holds `options`, which poolers refuse and Flotilla sets itself: take them out, and give the role its own settings in PostgreSQL",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_ledger_says_where() {
        for right in [
            "postgres://flotilla:pw@db.example/flotilla?sslmode=verify-full",
            "postgresql://localhost",
            "postgres://[::1]:5433/f",
            "postgres://u@%2Fvar%2Frun%2Fpostgresql/flotilla",
            "postgres:///flotilla?host=/var/run/postgresql",
        ] {
            assert_eq!(check_database_url(right), Ok(()), "{right}");
        }
        for (wrong, why) in [
            ("db.example/flotilla", "is no URL"),
            ("postgres://u:p#w@db.example/f", "is no URL"),
            ("mysql://db.example/f", "does not begin with postgres://"),
            ("postgres:///flotilla", "names no host"),
            ("postgres://db.example/f?options=-c%20x=y", "holds `options`"),
        ] {
            let words = check_database_url(wrong).unwrap_err();
            assert!(words.contains(why) && !words.contains("p#w"), "{wrong}: {words}");
        }
    }
}
