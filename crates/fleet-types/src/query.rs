//! Reading queries of URLs, the same way for console and API: each field by the names that it goes by, what is empty as absent,
//! and what cannot be read, stands there twice or means nothing as an error, so that it is never taken for a request to see everything.

use super::{AppError, text};

/// More than any page or route has.
const MOST_PARAMETERS: usize = 50;
/// The field of what is wrong with a query as a whole.
const WHOLE: &str = "query";

/// What stands in the query under this name, if it is there.
type Field<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A field whose value makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub field: &'static str,
    /// What to write instead.
    pub message: String,
}

impl From<Unreadable> for AppError {
    fn from(unreadable: Unreadable) -> Self {
        Self::invalid(unreadable.field, unreadable.in_words())
    }
}

impl Unreadable {
    /// For a person who has opened the address.
    pub fn in_words(&self) -> String {
        let Self { field, message } = self;
        match *field {
            WHOLE => format!("The address cannot be read. {message}"),
            field => format!("“{field}” in the address cannot be read. {message}"),
        }
    }
}

/// Takes the fields of a query one by one, and remembers what was asked for and what could not be read.
pub struct QueryReader<'a> {
    field: Field<'a>,
    names: Vec<&'static str>,
    unreadable: Vec<Unreadable>,
}

impl<'a> QueryReader<'a> {
    pub fn new(field: Field<'a>) -> Self {
        Self { field, names: Vec::new(), unreadable: Vec::new() }
    }

    /// What `read` makes of a whole query, and everything in it that cannot be read. Names in `elsewhere` mean something to others.
    pub fn read_all<T>(
        pairs: &[(String, String)],
        elsewhere: &[&str],
        read: impl FnOnce(&mut QueryReader<'_>) -> T,
    ) -> (T, Vec<Unreadable>) {
        let field = |name: &str| pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let mut query = QueryReader::new(&field);
        let value = read(&mut query);
        query.check_names(pairs, elsewhere);
        (value, query.unreadable)
    }

    /// What stands there twice or means nothing here. Only a name that is a word is repeated: anybody can write an address.
    fn check_names(&mut self, pairs: &[(String, String)], elsewhere: &[&str]) {
        if pairs.len() > MOST_PARAMETERS {
            return self.wrong(WHOLE, format!("Write at most {MOST_PARAMETERS} parameters."));
        }
        for (at, (name, _)) in pairs.iter().enumerate() {
            let is_repeated = pairs[..at].iter().any(|(other, _)| other == name);
            match self.names.iter().copied().find(|known| known == name) {
                Some(known) if is_repeated => self.wrong(known, "Write it once."),
                Some(_) => {}
                None if elsewhere.contains(&name.as_str()) || is_repeated => {}
                None if is_word(name) => self.wrong(WHOLE, format!("There is no parameter “{name}” here.")),
                None => self.wrong(WHOLE, "One of its parameters means nothing here."),
            }
        }
    }

    /// A text of at most so many characters. The first name is the field's own; others mean the same.
    pub fn text(&mut self, names: &[&'static str], longest: usize) -> Option<String> {
        self.names.extend(names);
        let mut all = names.iter().filter_map(|name| Some((*name, given((self.field)(name))?)));
        let ((name, value), other) = (all.next()?, all.next());
        if let Some((other, _)) = other {
            self.wrong(other, format!("It means the same as “{name}”: write one of them."));
        }
        match text::label(&value, 1..=longest) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, error.to_string());
                None
            }
        }
    }

    /// What `parse` makes of the text; `expected` says what it understands.
    pub fn parsed<T>(
        &mut self,
        names: &[&'static str],
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(names, 200)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.wrong(names.first().copied().unwrap_or_default(), format!("Write {expected}."));
        }
        parsed
    }

    /// One of these words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, all: &[T], word: fn(T) -> &'static str) -> Option<T> {
        let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
        self.parsed(&[name], &format!("one of {}", words.join(", ")), |text| {
            all.iter().copied().find(|value| word(*value) == text)
        })
    }

    /// A whole number in these bounds.
    pub fn number(&mut self, names: &[&'static str], bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let expected = match *bounds.end() {
            i64::MAX => format!("a whole number from {}", bounds.start()),
            end => format!("{} to {end}", bounds.start()),
        };
        self.parsed(names, &expected, |text| text.parse().ok().filter(|number| bounds.contains(number)))
    }

    /// `1` or `true`; `0` and `false` as if it were absent.
    pub fn flag(&mut self, name: &'static str) -> bool {
        let flag = self.parsed(&[name], "1 or 0", |text| match text {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        });
        flag.unwrap_or_default()
    }

    /// Names that a form sends along, and that mean nothing to the page.
    pub fn skip(&mut self, names: &[&'static str]) {
        self.names.extend(names);
    }

    pub fn wrong(&mut self, field: &'static str, message: impl Into<String>) {
        self.unreadable.push(Unreadable { field, message: message.into() });
    }

    /// What was read, if all of it could be read.
    ///
    /// # Errors
    /// The first field that could not.
    pub fn finish<T>(self, read: T) -> Result<T, Unreadable> {
        self.unreadable.into_iter().next().map_or(Ok(read), Err)
    }
}

fn is_word(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn given(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_absent_and_nonsense_is_named() {
        let pairs = [("a", " "), ("b", "x"), ("c", "1"), ("d", "a\0b"), ("e", "11")];
        let field = |name: &str| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        let mut query = QueryReader::new(&field);
        assert_eq!((query.text(&["a"], 9), query.flag("a"), query.number(&["a"], 1..=9)), (None, false, None));
        assert_eq!((query.text(&["other", "b"], 9), query.flag("c")), (Some(String::from("x")), true));
        assert_eq!((query.flag("b"), query.text(&["d"], 9), query.number(&["e"], 1..=9)), (false, None, None));
        assert_eq!(query.text(&["b", "c"], 9), Some(String::from("x")));
        let fields: Vec<&str> = query.unreadable.into_iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, ["b", "d", "e", "c"]);
    }

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            QueryReader::read_all(&pairs, &["error"], |query| (query.flag("blocked"), query.number(&["limit"], 1..=9)))
        };
        assert_eq!(read(&[("blocked", "1"), ("limit", ""), ("error", "x")]), ((true, None), vec![]));
        for (pairs, field) in [
            ([("blocked", "1"), ("blocked", "1")], "blocked"),
            ([("limit", "0"), ("blocked", "")], "limit"),
            ([("colour", "1"), ("limit", "")], WHOLE),
        ] {
            let (_, unreadable) = read(&pairs);
            assert_eq!(unreadable.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), [field], "{pairs:?}");
        }
        let (_, foreign) = read(&[("call 555 now", "1")]);
        assert!(!foreign[0].in_words().contains("555"), "nobody puts words into our mouth");
        let many: Vec<_> = (0..51).map(|_| ("limit", "1")).collect();
        assert_eq!(read(&many).1.len(), 1);
    }
}
