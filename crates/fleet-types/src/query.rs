//! Reading queries of URLs, the same way for console and API: each field by the names that it goes by, what is empty as absent,
//! and what cannot be read as an error, so that it is never taken for a request to see everything.

use super::{AppError, text};

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
    fn from(Unreadable { field, message }: Unreadable) -> Self {
        Self::invalid(field, format!("“{field}” in the address cannot be read. {message}"))
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

    pub fn wrong(&mut self, field: &'static str, message: impl Into<String>) {
        self.unreadable.push(Unreadable { field, message: message.into() });
    }

    /// The names that mean something here.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    pub fn into_unreadable(self) -> Vec<Unreadable> {
        self.unreadable
    }

    /// What was read, if all of it could be read.
    ///
    /// # Errors
    /// The first field that could not.
    pub fn finish<T>(self, read: T) -> Result<T, Unreadable> {
        self.unreadable.into_iter().next().map_or(Ok(read), Err)
    }
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
        let fields: Vec<&str> = query.into_unreadable().into_iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, ["b", "d", "e", "c"]);
    }
}
