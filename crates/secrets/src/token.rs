//! Tokens of API clients, sessions and sign-in links: how they are made, recognised and stored.

use rand::RngExt as _;
use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 characters of 62 carry 256 bits.
const TOKEN_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// What of a token is stored: enough to recognise it, not to use it. Tokens carry 256 random bits, so no slow hash is needed.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token: `prefix` (such as `flt_`), 256 random bits, and a checksum by which a mistyped or foreign one is told without a look-up.
pub fn random_token(prefix: &str) -> String {
    let mut random = rand::rng();
    let secret = (0..TOKEN_CHARS).map(|_| char::from(BASE62[random.random_range(0..BASE62.len())]));
    let token: String = prefix.chars().chain(secret).collect();
    let checksum = checksum(&token);
    token + &checksum
}

/// Whether the text can be a token of ours: its length and its checksum are right.
pub fn is_well_formed(token: &str) -> bool {
    let Some((body, sum)) = token.len().checked_sub(CHECKSUM_CHARS).and_then(|at| token.split_at_checked(at)) else {
        return false;
    };
    let secret = body.rsplit('_').next().unwrap_or_default();
    secret.len() == TOKEN_CHARS && secret.bytes().all(|b| b.is_ascii_alphanumeric()) && checksum(body) == sum
}

/// Six characters of the hash.
fn checksum(text: &str) -> String {
    hash_token(text)[..CHECKSUM_CHARS]
        .iter()
        .map(|byte| char::from(BASE62[usize::from(*byte) % BASE62.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_mistakes_in_them_are_seen() {
        let token = random_token("flt_");
        assert_eq!(token.len(), 4 + TOKEN_CHARS + CHECKSUM_CHARS);
        assert_ne!(token, random_token("flt_"));
        assert!(is_well_formed(&token) && is_well_formed(&random_token("")));
        assert_ne!(hash_token(&token), hash_token(&token[1..]));
        let mistyped =
            format!("{}{}", &token[..20], if token.as_bytes()[20] == b'a' { "b" } else { "a" }) + &token[21..];
        for wrong in ["", "flt_", "flt_short", &token[1..], &token[..token.len() - 1], &mistyped, &format!("{token}é")]
        {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
