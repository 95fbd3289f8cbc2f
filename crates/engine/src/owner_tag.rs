//! The owner in a project's name: `flotilla-<installation>-<database>-o<sealed>`, written with the quota after a claim, so that a ledger that has forgotten
//! a claim can be rebuilt from Neon. Sealed with the key of the credentials: Neon's console shows that somebody holds the project, not who.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use ledger::FoundOwner;
use secrets::Secrets;

/// Neon's limit of a project's name.
const LONGEST_NAME: usize = 256;
const MARK: &str = "-o";
/// Of an owner of whom the ledger knows the id alone; it wants an address, and the platform's next claim with `update_owner` brings the right one.
pub const UNKNOWN_EMAIL: &str = "unknown@owner.invalid";
/// Held, by an owner whose id is too long for a name.
const TOO_LONG: &str = "x";

/// What the name of a project says of its owner.
#[derive(Debug, PartialEq, Eq)]
pub enum Tag {
    Nobody,
    Owner(FoundOwner),
    /// Somebody holds it; who, this process cannot read.
    Somebody,
}

/// The name of a database's project once it has an owner.
pub fn name_with_owner(secrets: &Secrets, id: Uuid, name: &str, owner: &FoundOwner) -> String {
    let room = LONGEST_NAME.saturating_sub(name.len() + MARK.len());
    let whole = serde_json::json!([owner.id, owner.plan, owner.email]).to_string();
    let without_email = serde_json::json!([owner.id, owner.plan]).to_string();
    let sealed = [whole, without_email].into_iter().find_map(|text| {
        let sealed = URL_SAFE_NO_PAD.encode(secrets.seal_owner(id, text.as_bytes()).ok()?);
        (sealed.len() <= room).then_some(sealed)
    });
    format!("{name}{MARK}{}", sealed.as_deref().unwrap_or(TOO_LONG))
}

/// Which database a project was made for, its name without the owner, and the owner.
pub fn read_name<'a>(secrets: &Secrets, name: &'a str) -> Option<(Uuid, &'a str, Tag)> {
    let rest = name.strip_prefix("flotilla-")?;
    let (before, sealed) = match rest.find(MARK) {
        Some(at) => (&rest[..at], Some(&rest[at + MARK.len()..])),
        None => (rest, None),
    };
    let id = before.get(before.len().checked_sub(36)?..)?.parse::<Uuid>().ok()?;
    let plain_name = &name[.."flotilla-".len() + before.len()];
    let Some(sealed) = sealed else { return Some((id, plain_name, Tag::Nobody)) };
    let opened = URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|sealed| secrets.open_owner(id, &sealed).ok());
    let parts: Option<Vec<String>> = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
    let tag = match parts.as_deref() {
        Some([id, plan, rest @ ..]) => {
            let email = rest.first().cloned().unwrap_or_else(|| String::from(UNKNOWN_EMAIL));
            Tag::Owner(FoundOwner { id: id.clone(), email, plan: plan.clone() })
        }
        _ => Tag::Somebody,
    };
    Some((id, plain_name, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(id: &str) -> FoundOwner {
        FoundOwner { id: id.to_owned(), email: String::from("ada@mail.example"), plan: String::from("free") }
    }

    #[test]
    fn an_owner_is_read_back_from_the_name_by_whoever_has_the_key_alone() {
        let secrets = Secrets::from_keys(&Secrets::generate_key(), &[""; 0]).expect("a key");
        let id = Uuid::now_v7();
        let plain = format!("flotilla-13ae773e-{id}");
        let name = name_with_owner(&secrets, id, &plain, &owner("customer-4711"));
        assert!(name.len() <= LONGEST_NAME && !name.contains("4711"), "{name}");
        assert_eq!(read_name(&secrets, &name), Some((id, plain.as_str(), Tag::Owner(owner("customer-4711")))));
        assert_eq!(read_name(&secrets, &plain), Some((id, plain.as_str(), Tag::Nobody)));
        let stranger = Secrets::from_keys(&Secrets::generate_key(), &[""; 0]).expect("a key");
        assert_eq!(read_name(&stranger, &name), Some((id, plain.as_str(), Tag::Somebody)));
        // Put onto another project, it does not open.
        let other = Uuid::now_v7();
        let moved = name.replace(&id.to_string(), &other.to_string());
        assert!(matches!(read_name(&secrets, &moved), Some((_, _, Tag::Somebody))));
    }

    #[test]
    fn a_name_never_passes_the_limit() {
        let secrets = Secrets::from_keys(&Secrets::generate_key(), &[""; 0]).expect("a key");
        for length in [1, 40, 80, 100, 255] {
            let id = Uuid::now_v7();
            let long = owner(&"x".repeat(length));
            let name = name_with_owner(&secrets, id, &format!("flotilla-13ae773e-{id}"), &long);
            assert!(name.len() <= LONGEST_NAME, "{length}: {}", name.len());
            let (_, _, tag) = read_name(&secrets, &name).expect("ours");
            assert!(matches!(tag, Tag::Owner(_)) || length > 80, "{length}: {tag:?}");
            assert!(tag != Tag::Nobody);
        }
        assert!(read_name(&secrets, "customer-app").is_none() && read_name(&secrets, "flotilla-").is_none());
    }
}
