//! What an API token may do.

use std::str::FromStr;

/// Scopes stand side by side, but for one: who may manage may also read, since every change answers with what it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Claim databases and see their connection strings.
    Claim,
    /// See databases and pools, without secrets.
    Read,
    /// Change plans, owners and quotas, suspend, resume and release databases, rotate passwords.
    Manage,
    /// See the credentials of any claimed database. Nothing else includes it.
    Reveal,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Claim, Self::Read, Self::Manage, Self::Reveal];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Reveal => "reveal",
        }
    }

    /// Whether a token that was given these scopes may do what needs this one.
    pub fn is_granted_by(self, scopes: &[String]) -> bool {
        let has = |scope: Self| scopes.iter().any(|given| given == scope.as_str());
        has(self) || (self == Self::Read && has(Self::Manage))
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| String::from("write claim, read, manage or reveal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_what_it_was_made_for() {
        let granted = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            Scope::ALL.map(|scope| scope.is_granted_by(&scopes))
        };
        assert_eq!(granted(&[]), [false, false, false, false]);
        assert_eq!(granted(&["claim"]), [true, false, false, false]);
        assert_eq!(granted(&["read"]), [false, true, false, false]);
        assert_eq!(granted(&["manage"]), [false, true, true, false], "to manage is not to see secrets");
        assert_eq!(granted(&["reveal"]), [false, false, false, true]);
        assert_eq!(granted(&["claim", "read", "manage"]), [true, true, true, false]);
    }

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("admin".parse::<Scope>().is_err());
    }
}
