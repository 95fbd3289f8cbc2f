//! The API for people to read: a page made from the OpenAPI document at start, without a script.

use std::fmt::Write;

use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value};

use super::problem::KINDS;

pub async fn answer(page: String) -> Response {
    Html(page).into_response()
}

pub fn page(document: &Value) -> String {
    let mut body = String::new();
    let _ = write!(body, "<h1>Flotilla API</h1>{}", paragraphs(&document["info"]["description"]));
    body.push_str("<p><a href=\"/api/v1/openapi.json\">OpenAPI document</a> · <a href=\"/\">Console</a></p>");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let _ = write!(body, "<h2>{}</h2>{}", text(&tag["name"]), paragraphs(&tag["description"]));
        for (path, method, operation) in operations(document).filter(|(.., operation)| operation["tags"][0] == name) {
            write_operation(&mut body, path, method, operation);
        }
    }
    write_schemas(&mut body, document);
    write_problems(&mut body);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>API · Flotilla</title><link rel=\"stylesheet\" href=\"/plain.css\"><link rel=\"icon\" href=\"/favicon.svg\"></head>\
         <body><main>{body}</main></body></html>\n"
    )
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn write_operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        out,
        "<h3 id=\"{id}\"><span class=\"method\">{method}</span> {path} <span class=\"scope\">scope {scope}</span></h3><p>{summary}.</p>{description}",
        id = text(&operation["operationId"]),
        method = escape(&method.to_uppercase()),
        path = escape(path),
        scope = text(&operation["security"][0]["token"][0]),
        summary = text(&operation["summary"]),
        description = paragraphs(&operation["description"]),
    );
    let parameters: Vec<[String; 3]> =
        operation["parameters"].as_array().into_iter().flatten().map(parameter_row).collect();
    write_table(out, ["Parameter", "Type", "Meaning"], &parameters);
    if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") {
        let _ = write!(out, "<p>Body: {}</p>", type_of(schema));
    }
    let responses: Vec<[String; 3]> =
        operation["responses"].as_object().into_iter().flatten().map(response_row).collect();
    write_table(out, ["Answer", "Body", "Meaning"], &responses);
}

fn parameter_row(parameter: &Value) -> [String; 3] {
    let name = format!("<code>{}</code> in {}", text(&parameter["name"]), text(&parameter["in"]));
    [name, type_of(&parameter["schema"]), text(&parameter["description"])]
}

fn response_row((status, response): (&String, &Value)) -> [String; 3] {
    let schema = response["content"]
        .as_object()
        .and_then(|content| content.values().next())
        .map(|content| type_of(&content["schema"]));
    [escape(status), schema.unwrap_or_default(), text(&response["description"])]
}

fn write_schemas(out: &mut String, document: &Value) {
    out.push_str("<h2>Shapes</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(out, "<h3 id=\"shape-{0}\">{0}</h3>{1}", escape(name), paragraphs(&schema["description"]));
        let values: Vec<&str> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !values.is_empty() {
            let _ = write!(out, "<p>One of <code>{}</code></p>", escape(&values.join("  ")));
        }
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for part in parts {
            if part.get("$ref").is_some() {
                let _ = write!(out, "<p>All of {}, and</p>", type_of(part));
            }
            write_fields(out, part);
        }
        if let Some(example) = schema.get("example").and_then(|example| serde_json::to_string_pretty(example).ok()) {
            let _ = write!(out, "<pre>{}</pre>", escape(&example));
        }
    }
}

fn write_fields(out: &mut String, schema: &Value) {
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|required| required.iter().any(|field| field == name));
    let rows: Vec<[String; 3]> = fields
        .iter()
        .map(|(name, field)| {
            let mark = if is_required(name) { "" } else { " (optional)" };
            [format!("<code>{}</code>{mark}", escape(name)), type_of(field), text(&field["description"])]
        })
        .collect();
    write_table(out, ["Field", "Type", "Meaning"], &rows);
}

fn write_problems(out: &mut String) {
    out.push_str("<h2>Problems</h2><p>Every error is a <a href=\"#shape-Problem\">problem document</a>. Its type leads here.</p>");
    for (kind, status, title, advice) in KINDS {
        let id = id_of(kind);
        let _ = write!(out, "<h3 id=\"{id}\">{status} {title}</h3><p>{}</p>", escape(advice));
    }
}

/// Where on this page a problem's type leads.
fn id_of(kind: &str) -> &str {
    kind.split_once('#').map_or(kind, |(_, id)| id)
}

fn write_table(out: &mut String, head: [&str; 3], rows: &[[String; 3]]) {
    if rows.is_empty() {
        return;
    }
    let [first, second, third] = head;
    let _ = write!(out, "<table><thead><tr><th>{first}</th><th>{second}</th><th>{third}</th></tr></thead><tbody>");
    for [first, second, third] in rows {
        let _ = write!(out, "<tr><td>{first}</td><td>{second}</td><td>{third}</td></tr>");
    }
    out.push_str("</tbody></table>");
}

/// A type in a few words, linked to its shape.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escape(name));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema[choice].as_array() {
            return options.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    let name = match &schema["type"] {
        Value::String(name) => escape(name),
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => String::from("any"),
    };
    let name = if schema.get("items").is_some() { format!("{name} of {}", type_of(&schema["items"])) } else { name };
    match schema["format"].as_str() {
        Some(format) if !format.starts_with("int") && format != "double" => format!("{name} ({})", escape(format)),
        _ => name,
    }
}

fn paragraphs(value: &Value) -> String {
    value.as_str().unwrap_or_default().split("\n\n").filter(|part| !part.trim().is_empty()).fold(
        String::new(),
        |mut out, part| {
            let _ = write!(out, "<p>{}</p>", with_code(&escape(part)));
            out
        },
    )
}

/// Backticks as code.
fn with_code(text: &str) -> String {
    text.split('`').enumerate().fold(String::new(), |mut out, (index, part)| {
        let _ = if index % 2 == 1 { write!(out, "<code>{part}</code>") } else { write!(out, "{part}") };
        out
    })
}

fn text(value: &Value) -> String {
    with_code(&escape(value.as_str().unwrap_or_default()))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_shape_and_problem() {
        let document = super::super::document();
        let page = page(&document);
        for (.., operation) in operations(&document) {
            assert!(page.contains(&format!("<h3 id=\"{}\">", operation["operationId"].as_str().expect("an id"))));
        }
        for (kind, ..) in KINDS {
            assert!(page.contains(&format!("<h3 id=\"{}\">", id_of(kind))), "{kind}");
        }
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(page.contains(&format!("id=\"shape-{name}\"")), "{name}");
        }
        assert!(!page.contains("<script") && !page.contains(" style="), "the policy admits neither");
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(text(&Value::from("a<b> & `c\"d`")), "a&lt;b&gt; &amp; <code>c&quot;d</code>");
    }
}
