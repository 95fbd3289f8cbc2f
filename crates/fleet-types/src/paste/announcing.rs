//! Words that announce a secret, in several languages and disguises.

/// Within any word these announce a secret.
const ANNOUNCING: [&str; 24] = [
    "passw",
    "passphrase",
    "passcode",
    "passkey",
    "passord",
    "secret",
    "token",
    "credential",
    "apikey",
    "authorization",
    "bearer",
    "identified",
    "kennwort",
    "wachtwoord",
    "contrase",
    "senha",
    "пароль",
    "пассворд",
    "hasło",
    "heslo",
    "密码",
    "密碼",
    "パスワード",
    "비밀번호",
];
/// And these as a whole word, or as the end of one: `DB_PASS`, `dbpass`.
const ANNOUNCING_ENDS: [&str; 6] = ["pass", "passe", "pwd", "psw", "pw", "creds"];
/// And these only as a whole word.
const ANNOUNCING_WORDS: [&str; 5] = ["key", "pin", "cred", "clave", "parol"];

/// Whether a text in lower case has a word for a secret.
pub fn announces(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).any(|word| announces_as(word) || announces_as(&without_disguise(word)))
}

fn announces_as(word: &str) -> bool {
    let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
    ANNOUNCING.iter().any(|announcing| word.contains(announcing))
        || ANNOUNCING_ENDS.iter().any(|announcing| bare.ends_with(announcing))
        || ANNOUNCING_WORDS.contains(&bare)
}

/// `passw0rd` → `password`.
fn without_disguise(word: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        other => other,
    };
    word.chars().map(plain).collect()
}
