//! Sealing of database credentials, and (`token`) what tokens are made of.
//!
//! A sealed credential is bound to its database: copied to another row it does not open. Layout:
//! `version (1) | key id (4) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305, associated data = database id and purpose.
//! The key id picks the key that opens. Which one seals is a choice of its own, so that a new key can be held before it is used. No error or `Debug` text
//! holds a key or what was sealed.

mod token;

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::RngExt as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use fleet_types::{AppError, Connection};

pub use token::{hash_token, is_well_formed, random_token};

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;
/// Part of the associated data: a credential sealed for one purpose does not open for another.
const PURPOSE: &[u8] = b"connection";
const OWNER: &[u8] = b"owner";

type KeyId = [u8; KEY_ID_BYTES];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "a key for sealing credentials is not 32 bytes in base64 or hexadecimal; make one with `flotilla key generate`"
    )]
    BadKey,
    #[error("two different keys for sealing credentials have the same id; replace one of them")]
    SameKeyId,
    #[error(
        "the credential was sealed with key {0}, which is not among the configured keys; add it to the previous keys"
    )]
    UnknownKey(String),
    #[error("the sealed credential was written by a newer version (layout {0}); upgrade")]
    UnknownLayout(u8),
    #[error("the sealed credential is not whole")]
    TooShort,
    #[error("the sealed credential does not open: it was changed, or it belongs to another database")]
    DoesNotOpen,
    #[error("the credential could not be sealed")]
    NotSealed,
    #[error("the sealed credential opens but is not a connection")]
    NotAConnection,
}

impl From<SecretsError> for AppError {
    fn from(error: SecretsError) -> Self {
        Self::Internal { reference: trace::logged(&error) }
    }
}

/// The keys, ready to seal and open.
pub struct Secrets {
    /// All open. The first is the one that shall seal.
    keys: Vec<(KeyId, XChaCha20Poly1305)>,
    /// The one that does.
    sealing: AtomicUsize,
}

impl Secrets {
    /// `current` seals, until [`Self::seal_with`] says otherwise; `previous` still open what they sealed.
    ///
    /// # Errors
    /// [`SecretsError::BadKey`] and [`SecretsError::SameKeyId`].
    pub fn from_keys(current: &str, previous: &[impl AsRef<str>]) -> Result<Self, SecretsError> {
        let mut known: Vec<Zeroizing<[u8; KEY_BYTES]>> = Vec::new();
        for text in std::iter::once(current).chain(previous.iter().map(AsRef::as_ref)) {
            let key = read_key(text)?;
            if known.contains(&key) {
                continue;
            }
            if known.iter().any(|other| key_id(other) == key_id(&key)) {
                return Err(SecretsError::SameKeyId);
            }
            known.push(key);
        }
        let keys = known.iter().map(|key| (key_id(key), XChaCha20Poly1305::new((&**key).into()))).collect();
        Ok(Self { keys, sealing: AtomicUsize::new(0) })
    }

    /// The ids of the keys, the current one first. They tell nothing of the keys.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys.iter().map(|(id, _)| hex(id)).collect()
    }

    /// The id of the key that seals.
    pub fn sealing_key(&self) -> String {
        self.keys.get(self.sealing.load(Ordering::Relaxed)).map_or_else(String::new, |(id, _)| hex(id))
    }

    /// From now on the key of this id seals. `false`, and nothing changes, when it is not here.
    pub fn seal_with(&self, key_id: &str) -> bool {
        let place = self.keys.iter().position(|(id, _)| hex(id) == key_id);
        if let Some(place) = place {
            self.sealing.store(place, Ordering::Relaxed);
        }
        place.is_some()
    }

    /// A new random key, as [`Self::from_keys`] reads it.
    pub fn generate_key() -> String {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::rng().fill(&mut *key);
        STANDARD.encode(*key)
    }

    /// Seals the connection of the database `id`.
    ///
    /// # Errors
    /// [`SecretsError::NotSealed`], which does not happen in practice.
    pub fn seal(&self, id: Uuid, connection: &Connection) -> Result<Vec<u8>, SecretsError> {
        let plain = Zeroizing::new(serde_json::to_vec(connection).map_err(|_| SecretsError::NotSealed)?);
        self.seal_bytes(&associated(id, PURPOSE), &plain)
    }

    /// The same connection of the database `id`, sealed anew.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reseal(&self, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let associated = associated(id, PURPOSE);
        self.seal_bytes(&associated, &self.open_bytes(&associated, sealed)?)
    }

    /// Seals what a project's name says of the owner of the database `id`.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_owner(&self, id: Uuid, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        self.seal_bytes(&associated(id, OWNER), plain)
    }

    /// Opens what [`Self::seal_owner`] sealed for the same database.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_owner(&self, id: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        self.open_bytes(&associated(id, OWNER), sealed)
    }

    fn seal_bytes(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let (key_id, cipher) = self.keys.get(self.sealing.load(Ordering::Relaxed)).ok_or(SecretsError::NotSealed)?;
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill(&mut nonce);
        let payload = Payload { msg: plain, aad: associated };
        let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SecretsError::NotSealed)?;
        Ok([&[VERSION][..], key_id, &nonce, &ciphertext].concat())
    }

    /// Opens what [`Self::seal`] sealed for the same database.
    ///
    /// # Errors
    /// [`SecretsError`], saying whether the key is missing or the sealed bytes are wrong.
    pub fn open(&self, id: Uuid, sealed: &[u8]) -> Result<Connection, SecretsError> {
        let plain = self.open_bytes(&associated(id, PURPOSE), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| SecretsError::NotAConnection)
    }

    fn open_bytes(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        let (header, ciphertext) = sealed.split_at_checked(HEADER_BYTES).ok_or(SecretsError::TooShort)?;
        if header[0] != VERSION {
            return Err(SecretsError::UnknownLayout(header[0]));
        }
        let (key_id, nonce) = header[1..].split_at(KEY_ID_BYTES);
        let cipher = self
            .keys
            .iter()
            .find(|(id, _)| id == key_id)
            .map(|(_, cipher)| cipher)
            .ok_or_else(|| SecretsError::UnknownKey(hex(key_id)))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| SecretsError::TooShort)?;
        let payload = Payload { msg: ciphertext, aad: associated };
        Ok(Zeroizing::new(cipher.decrypt(&nonce, payload).map_err(|_| SecretsError::DoesNotOpen)?))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("keys", &self.keys.iter().map(|(id, _)| hex(id)).collect::<Vec<_>>()).finish()
    }
}

fn read_key(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretsError> {
    let text = text.trim();
    let bytes = if text.len() == KEY_BYTES * 2 { unhex(text) } else { STANDARD.decode(text).ok() };
    let bytes = Zeroizing::new(bytes.ok_or(SecretsError::BadKey)?);
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| SecretsError::BadKey)?))
}

/// The first bytes of a hash of the key: names it without telling it.
fn key_id(key: &[u8; KEY_BYTES]) -> KeyId {
    let digest = Sha256::new().chain_update(b"flotilla key id").chain_update(key).finalize();
    std::array::from_fn(|i| digest[i])
}

fn associated(id: Uuid, purpose: &[u8]) -> Vec<u8> {
    [id.as_bytes(), purpose].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    fn connection() -> Connection {
        Connection {
            uri: String::from("postgresql://neondb_owner:npg_N67FDMtGvJke@ep-a.neon.tech/neondb"),
            pooled_uri: String::from("postgresql://neondb_owner:npg_N67FDMtGvJke@ep-a-pooler.neon.tech/neondb"),
            host: String::from("ep-a.neon.tech"),
            port: 5432,
            database: String::from("neondb"),
            role: String::from("neondb_owner"),
            password: String::from("npg_N67FDMtGvJke"),
        }
    }

    fn secrets() -> Secrets {
        Secrets::from_keys(&Secrets::generate_key(), &NONE).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_and_never_looks_the_same() {
        let (secrets, id) = (secrets(), Uuid::now_v7());
        let (one, two) = (secrets.seal(id, &connection()).unwrap(), secrets.seal(id, &connection()).unwrap());
        assert_ne!(one, two);
        assert!(secrets.open(id, &one).unwrap() == connection() && secrets.open(id, &two).unwrap() == connection());
        assert!(!one.windows(4).any(|window| window == b"npg_"));
    }

    #[test]
    fn another_row_cannot_open_it() {
        let secrets = secrets();
        let sealed = secrets.seal(Uuid::now_v7(), &connection()).unwrap();
        assert_eq!(secrets.open(Uuid::now_v7(), &sealed).unwrap_err(), SecretsError::DoesNotOpen);
    }

    #[test]
    fn another_key_cannot_open_it_and_is_named() {
        let id = Uuid::now_v7();
        let sealed = secrets().seal(id, &connection()).unwrap();
        assert_eq!(secrets().open(id, &sealed).unwrap_err(), SecretsError::UnknownKey(hex(&sealed[1..5])));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (secrets, id) = (secrets(), Uuid::now_v7());
        let sealed = secrets.seal(id, &connection()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(secrets.open(id, &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let (secrets, id) = (secrets(), Uuid::now_v7());
        let sealed = secrets.seal(id, &connection()).unwrap();
        for length in 0..sealed.len() {
            assert!(secrets.open(id, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_new_key_is_held_before_it_seals_and_then_seals_anew_what_the_old_one_sealed() {
        let (old, new, id) = (Secrets::generate_key(), Secrets::generate_key(), Uuid::now_v7());
        let before = Secrets::from_keys(&old, &NONE).unwrap();
        let sealed = before.seal(id, &connection()).unwrap();
        let both = Secrets::from_keys(&new, &[old.as_str()]).unwrap();
        let [new_id, old_id] = <[String; 2]>::try_from(both.key_ids()).unwrap();
        assert_eq!((before.key_ids(), hex(&sealed[1..5])), (vec![old_id.clone()], old_id.clone()));
        assert_eq!(both.sealing_key(), new_id);

        assert!(both.seal_with(&old_id) && !both.seal_with("00000000"));
        assert_eq!(both.sealing_key(), old_id, "a key that is not held changes nothing");
        assert!(
            before.open(id, &both.seal(id, &connection()).unwrap()).is_ok(),
            "whoever has the old one alone goes on"
        );
        assert!(before.open_owner(id, &both.seal_owner(id, b"ada").unwrap()).is_ok());

        assert!(both.seal_with(&new_id));
        let anew = both.reseal(id, &sealed).unwrap();
        let after = Secrets::from_keys(&new, &NONE).unwrap();
        assert!(after.open(id, &anew).unwrap() == connection());
        assert_eq!(after.open(id, &sealed).unwrap_err(), SecretsError::UnknownKey(old_id.clone()));
        assert_eq!(after.reseal(id, &sealed).unwrap_err(), SecretsError::UnknownKey(old_id));
        assert_eq!(
            both.reseal(Uuid::now_v7(), &sealed).unwrap_err(),
            SecretsError::DoesNotOpen,
            "of its own row alone"
        );
    }

    #[test]
    fn keys_are_read_in_base64_and_hexadecimal_only_when_whole() {
        let base64 = Secrets::generate_key();
        let same = hex(&*read_key(&base64).unwrap());
        let id = Uuid::now_v7();
        let sealed = Secrets::from_keys(&base64, &NONE).unwrap().seal(id, &connection()).unwrap();
        assert!(Secrets::from_keys(&same, &[&base64]).unwrap().open(id, &sealed).is_ok());
        for wrong in ["", "password", &base64[1..], &same[2..], &"é".repeat(32)] {
            assert_eq!(Secrets::from_keys(wrong, &NONE).unwrap_err(), SecretsError::BadKey, "{wrong}");
        }
    }

    #[test]
    fn nothing_secret_is_told_by_debug() {
        let key = Secrets::generate_key();
        let text = format!("{:?}", Secrets::from_keys(&key, &NONE).unwrap());
        assert!(!text.contains(&key) && !text.contains(&hex(&*read_key(&key).unwrap())), "{text}");
    }
}
