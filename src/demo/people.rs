//! Owners for a simulated fleet: put together from word lists, the same for the same number, under names that cannot exist (`.example`).

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

const GIVEN: [&str; 40] = [
    "ada", "amir", "anika", "bruno", "carmen", "chidi", "dana", "eero", "elif", "emil", "farah", "felix", "grace",
    "hana", "hugo", "ines", "ivo", "jonas", "kaito", "lara", "leon", "lucia", "malik", "maren", "mila", "nadia",
    "noor", "olga", "omar", "paula", "priya", "quinn", "rafa", "sofia", "tariq", "theo", "uma", "vera", "yusuf", "zoe",
];
const FAMILY: [&str; 40] = [
    "abara", "adler", "almeida", "banerjee", "berg", "castro", "chen", "costa", "dietrich", "duarte", "eriksen",
    "farouk", "fischer", "garcia", "haddad", "hansen", "ito", "jansen", "kaya", "keller", "kovac", "lindt", "lopez",
    "mbeki", "meyer", "moreau", "nakamura", "novak", "okafor", "olsen", "park", "petrov", "quist", "rossi", "sato",
    "silva", "tanaka", "ueda", "weber", "yilmaz",
];
const FIRST: [&str; 24] = [
    "amber", "atlas", "birch", "bright", "cedar", "clear", "cobalt", "coral", "delta", "ember", "fern", "granite",
    "harbour", "indigo", "juniper", "kestrel", "lumen", "maple", "north", "onyx", "prairie", "quartz", "river",
    "summit",
];
const SECOND: [&str; 24] = [
    "analytics",
    "bakery",
    "bank",
    "cargo",
    "clinic",
    "credit",
    "dental",
    "energy",
    "farms",
    "fitness",
    "foods",
    "freight",
    "games",
    "health",
    "homes",
    "labs",
    "legal",
    "logistics",
    "media",
    "motors",
    "retail",
    "school",
    "studio",
    "travel",
];

/// An owner that signs up.
pub struct Person {
    pub id: String,
    pub email: String,
    pub organisation: Option<String>,
    pub plan: &'static str,
}

/// The owner of this number.
pub fn person(number: u64) -> Person {
    let mut rng = SmallRng::seed_from_u64(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (given, family) = (pick(&mut rng, &GIVEN), pick(&mut rng, &FAMILY));
    let company = format!("{}-{}", pick(&mut rng, &FIRST), pick(&mut rng, &SECOND));
    let plan = match rng.random_range(0..100) {
        0..82 => "free",
        82..97 => "pro",
        _ => "business",
    };
    let works_somewhere = plan != "free" || rng.random_bool(0.4);
    let (email, organisation) = if works_somewhere {
        (format!("{given}.{family}@{company}.example"), Some(company))
    } else {
        (format!("{given}.{family}{}@mail.example", number % 1000), None)
    };
    Person { id: format!("user-{number:07}"), email, organisation, plan }
}

fn pick<'a>(rng: &mut impl Rng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_person() {
        assert_eq!(person(7).email, person(7).email);
        assert_ne!(person(7).id, person(8).id);
        assert!((0..500).all(|n| person(n).email.ends_with(".example")));
    }
}
