//! The owner in a project's name: `flotilla-<installation>-<database>-o<sealed>`, written with the quota after a claim, so that a ledger that has forgotten
//! a claim can be rebuilt from Neon. Sealed with the key of the credentials: Neon's console shows that somebody holds the project, not who. What the name gives
//! to somebody is nobody's to delete, whatever the ledger says.

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

/// The name of a project once its database, in the row `id`, has an owner. Sealed for the database in the name, by which it is read: an adopted project has
/// a row with an id of its own.
pub fn name_with_owner(secrets: &Secrets, id: Uuid, name: &str, owner: &FoundOwner) -> String {
    let id = read_name(secrets, name).map_or(id, |(named, ..)| named);
    let room = LONGEST_NAME.saturating_sub(name.len() + MARK.len());
    let whole = serde_json::json!([owner.id, owner.plan, owner.email]).to_string();
    let without_email = serde_json::json!([owner.id, owner.plan]).to_string();
    let sealed = [whole, without_email].into_iter().find_map(|text| {
        let sealed = URL_SAFE_NO_PAD.encode(secrets.seal_owner(id, text.as_bytes()).ok()?);
        (sealed.len() <= room).then_some(sealed)
    });
    format!("{name}{MARK}{}", sealed.as_deref().unwrap_or(TOO_LONG))
}

/// Who holds a project, as its name says, and what to do about it, in two sentences. `None` when the name gives it to nobody.
pub fn held_by_name(secrets: &Secrets, name: &str, project_id: &str) -> Option<String> {
    match read_name(secrets, name)?.2 {
        Tag::Nobody => None,
        Tag::Owner(owner) => Some(format!(
            "Its name on Neon says that {} holds it. Give it back to them: `flotilla ledger give-back {project_id} --owner {}`.",
            owner.id,
            as_argument(&owner.id)
        )),
        Tag::Somebody => Some(format!(
            "Its name on Neon says that somebody holds it, and does not tell here who. Ask whose it is, and give it back to them: `flotilla ledger give-back {project_id} --owner ID`."
        )),
    }
}

/// For a command that is copied into a shell: an id that would mean more there than itself is left to whoever types it.
pub fn as_argument(owner_id: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+:-".contains(&byte);
    match owner_id.bytes().all(is_plain) && !owner_id.starts_with('-') {
        true => owner_id,
        false => "ID",
    }
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

/// Whether a name without its owner bears the id of another installation than this one. Those of early versions bear none.
pub(super) fn bears_another_id(installation: &str, plain_name: &str) -> bool {
    let rest = plain_name.strip_prefix("flotilla-").unwrap_or_default();
    rest.len() == "01234567-".len() + 36 && !rest.starts_with(installation)
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
        assert_eq!(held_by_name(&secrets, &plain, "quiet-hill-1"), None);
        let told = held_by_name(&secrets, &name, "quiet-hill-1").expect("held");
        assert!(told.contains("`flotilla ledger give-back quiet-hill-1 --owner customer-4711`"), "{told}");
        let stranger = Secrets::from_keys(&Secrets::generate_key(), &[""; 0]).expect("a key");
        assert_eq!(read_name(&stranger, &name), Some((id, plain.as_str(), Tag::Somebody)));
        let told = held_by_name(&stranger, &name, "quiet-hill-1").expect("held");
        assert!(told.contains("somebody holds it") && !told.contains("4711"), "{told}");
        assert_eq!(
            (as_argument("ada@mail.example"), as_argument("a; rm x"), as_argument("-x")),
            ("ada@mail.example", "ID", "ID")
        );
        // The row that has taken the project over has another id than the name.
        let taken_over = name_with_owner(&secrets, Uuid::now_v7(), &plain, &owner("customer-4711"));
        assert_eq!(read_name(&secrets, &taken_over), Some((id, plain.as_str(), Tag::Owner(owner("customer-4711")))));
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
