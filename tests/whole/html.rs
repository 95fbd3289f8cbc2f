//! What a browser makes of HTML: its elements and comments, by the rules of the WHATWG's tokenizer (no tree is built).

/// A start tag.
#[derive(Debug)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Of `script`, `style`, `title` and `textarea`, in which no element begins.
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub struct Document {
    pub elements: Vec<Element>,
    pub comments: Vec<String>,
}

pub fn read(html: &str) -> Document {
    let mut document = Document::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let (text, after) = comment.split_once("-->").unwrap_or((comment, ""));
            document.comments.push(text.to_owned());
            rest = after;
        } else if rest.starts_with(['!', '?'])
            || rest.starts_with('/') && !rest[1..].starts_with(|c: char| c.is_ascii_alphabetic())
        {
            rest = rest.split_once('>').map_or("", |(_, after)| after);
        } else if rest.starts_with('/') {
            rest = tag(&rest[1..]).1;
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (mut element, after) = tag(rest);
            rest = after;
            if ["script", "style", "title", "textarea", "noscript", "iframe", "xmp"].contains(&element.name.as_str()) {
                let end = end_of(rest, &element.name);
                element.text = rest[..end].to_owned();
                rest = &rest[end..];
            }
            document.elements.push(element);
        }
    }
    document
}

/// Where the text of such an element ends: at its own end tag only.
fn end_of(rest: &str, name: &str) -> usize {
    let lower = rest.to_ascii_lowercase();
    let end = format!("</{name}");
    let ends = lower.match_indices(&end).map(|(at, _)| at);
    let mut proper =
        ends.filter(|at| lower[at + end.len()..].starts_with(|c: char| c.is_ascii_whitespace() || "/>".contains(c)));
    proper.next().unwrap_or(rest.len())
}

/// The name and the attributes of a tag, and what stands behind it.
fn tag(text: &str) -> (Element, &str) {
    let is_space = |c: char| c.is_ascii_whitespace() || c == '/';
    let end = text.find(|c| is_space(c) || c == '>').unwrap_or(text.len());
    let mut element = Element { name: text[..end].to_ascii_lowercase(), attributes: Vec::new(), text: String::new() };
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() || rest.starts_with('>') {
            return (element, rest.get(1..).unwrap_or_default());
        }
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| is_space(*c) || ">=".contains(*c))
            .map_or(rest.len(), |(at, _)| at);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(after.len())),
            };
        }
        element.attributes.push((name, value.to_owned()));
    }
}

#[test]
fn what_a_browser_would_see_is_seen() {
    let document = read(
        "<!DOCTYPE html><title>a <b></title ><p class='x>y' Hidden data-a=1>1 < 2 <!-- <i> --><script>'<u>'</script></p><br/>",
    );
    let names: Vec<&str> = document.elements.iter().map(|element| element.name.as_str()).collect();
    assert_eq!(names, ["title", "p", "script", "br"]);
    assert_eq!(document.elements[0].text, "a <b>");
    assert_eq!(document.elements[1].attribute("class"), Some("x>y"));
    assert_eq!(
        (document.elements[1].attribute("hidden"), document.elements[1].attribute("data-a")),
        (Some(""), Some("1"))
    );
    assert_eq!(document.comments, [" <i> "]);
}
