//! Makes text that came from elsewhere fit for logs, errors and screens: short, printable, without secrets.

const MAX_CHARS: usize = 200;

/// Words that look like a credential are replaced, control characters become spaces, what is long is cut.
pub fn presentable(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut after_bearer = false;
    let words: Vec<&str> = printable
        .split_whitespace()
        .map(|word| {
            let hide = after_bearer || looks_secret(word);
            after_bearer = word.to_ascii_lowercase().ends_with("bearer");
            if hide { "[hidden]" } else { word }
        })
        .collect();
    cut(&words.join(" "))
}

/// API keys, generated passwords and anything with `user:password@` in it.
fn looks_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    ["napi_", "npg_", "password=", "postgres://", "postgresql://"].iter().any(|mark| word.contains(mark))
        || (word.contains("://") && word.contains('@'))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_length_are_tamed() {
        assert_eq!(presentable("a\u{1b}[31m\r\n  b"), "a [31m b");
        let long = presentable(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn what_looks_like_a_credential_is_hidden() {
        let text = presentable("key napi_abc, uri \"postgresql://u:npg_x@h/db\" and npg_N67FDMtGvJke were refused");
        assert_eq!(text, "key [hidden] uri [hidden] and [hidden] were refused");
        assert_eq!(
            presentable("Authorization: Bearer demo-key is unknown"),
            "Authorization: Bearer [hidden] is unknown"
        );
    }
}
