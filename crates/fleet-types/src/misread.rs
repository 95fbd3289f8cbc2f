//! What is wrong with a body or a form that could not be read, in words for whoever sent it. The texts of the readers (serde's) name types of
//! ours and repeat what was sent; nothing of that gets through here.

/// A body or form that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The name of the field at fault, below the one that the reader has told itself.
    pub field: Option<String>,
    /// What belongs there.
    pub message: String,
}

impl Misread {
    /// From the reader's own text.
    pub fn of(text: &str) -> Self {
        let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
        let named = |prefix: &str| text.strip_prefix(prefix).and_then(quoted);
        if let Some((name, _)) = named("missing field ") {
            Self::at(name, "It is missing.")
        } else if let Some((name, _)) = named("duplicate field ") {
            Self::at(name, "Write it once.")
        } else if let Some((name, rest)) = named("unknown field ") {
            Self::at(name, format!("There is no such field here. {}", known(rest)).trim_end())
        } else if let Some((_, rest)) = named("unknown variant ") {
            Self { field: None, message: format!("Write one of these: {}.", words(rest)) }
        } else if let Some((_, wanted)) = text.rsplit_once("expected ") {
            Self { field: None, message: format!("Write {}.", plain(wanted)) }
        } else {
            Self { field: None, message: String::from("It cannot be read.") }
        }
    }

    fn at(field: &str, message: impl Into<String>) -> Self {
        Self { field: is_name(field).then(|| field.to_owned()), message: message.into() }
    }
}

/// Whether a text names a field, as `owner.email` or `days[3]`.
pub fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte))
}

/// What stands in the first pair of backticks, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('`')?.split_once('`')
}

fn known(rest: &str) -> String {
    match words(rest) {
        words if words.is_empty() => String::new(),
        words => format!("Those that are: {words}."),
    }
}

/// What stands in backticks after `expected`.
fn words(rest: &str) -> String {
    let (_, list) = rest.rsplit_once("expected ").unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ")
}

/// As JSON calls it, not as Rust does.
fn plain(wanted: &str) -> &str {
    let is_of = |kinds: &[&str]| kinds.iter().any(|kind| wanted.starts_with(kind));
    match wanted {
        "a boolean" => "true or false",
        "a string" | "a whole number" => wanted,
        "a JSON number" | "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            "a whole number in the range of this field"
        }
        _ if is_of(&["struct ", "a map", "map"]) => "an object with named fields",
        _ if is_of(&["a sequence", "tuple ", "a tuple", "sequence"]) => "an array",
        _ => "what the description of this field asks for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_texts_become_plain_words() {
        let told = |text: &str| {
            let Misread { field, message } = Misread::of(text);
            (field.unwrap_or_default(), message)
        };
        for (text, field, message) in [
            ("missing field `email` at line 1 column 2", "email", "It is missing."),
            ("duplicate field `id` at line 1 column 9", "id", "Write it once."),
            (
                "unknown field `x`, expected `reason` at line 1",
                "x",
                "There is no such field here. Those that are: reason.",
            ),
            ("unknown field `x`, expected `a` or `b`", "x", "There is no such field here. Those that are: a, b."),
            ("unknown field `x`, there are no fields", "x", "There is no such field here."),
            ("unknown field `a b`, expected `a`", "", "There is no such field here. Those that are: a."),
            ("unknown variant `x`, expected one of `Hour`, `Day`", "", "Write one of these: Hour, Day."),
            ("invalid type: integer `5`, expected a string at line 1 column 20", "", "Write a string."),
            ("invalid type: string \"hunter2, expected u8\", expected a boolean", "", "Write true or false."),
            ("invalid type: null, expected struct ClaimRequest", "", "Write an object with named fields."),
            ("invalid length 0, expected struct Reason with 1 element", "", "Write an object with named fields."),
            ("invalid value: integer `-1`, expected u32", "", "Write a whole number in the range of this field."),
            ("invalid type: map, expected crate::Thing", "", "Write what the description of this field asks for."),
            ("invalid digit found in string", "", "It cannot be read."),
        ] {
            assert_eq!(told(text), (field.to_owned(), message.to_owned()), "{text}");
        }
    }
}
