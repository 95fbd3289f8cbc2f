//! Pages before or beside the console: what went wrong, and a question that one button answers. No script, no data.

use std::time::Duration;

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::request_id::RequestId;

const WAY_OUT: &str = "<p><a href=\"/\">Go to the fleet</a></p>";

/// An HTML answer of this status, in its words.
pub fn error(status: StatusCode) -> Response {
    let (title, text) = words(status);
    answer(status, title, text, WAY_OUT)
}

/// Too many attempts to sign in have failed.
pub fn too_soon(wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let text = format!("Too many attempts to sign in have failed. Go back and try again in {seconds} {unit}.");
    let mut response = answer(StatusCode::TOO_MANY_REQUESTS, "Too many attempts", &text, WAY_OUT);
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    response
}

/// A button that sends a form to the address of the page.
pub fn with_button(title: &'static str, text: &'static str, button: &'static str) -> Response {
    answer(
        StatusCode::OK,
        title,
        text,
        &format!("<form method=\"post\"><button type=\"submit\">{button}</button></form>"),
    )
}

fn answer(status: StatusCode, title: &'static str, text: &str, below: &str) -> Response {
    let request_id = RequestId::current();
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Flotilla</title><link rel=\"stylesheet\" href=\"/plain.css\"><link rel=\"icon\" href=\"/favicon.svg\"></head>\
         <body><main><h1>{title}</h1><p>{text}</p>{below}<p><small>Request {request_id}</small></p></main></body></html>\n"
    );
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// What a status means to a person. Also the words of a problem document that has none of its own.
pub fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad request", "The address, or what was sent to it, cannot be read. Nothing was done."),
        401 => ("Not signed in", "Sign in and try again."),
        403 => (
            "Refused",
            "This request did not come from a page of this console. Open the page again and repeat what you did there.",
        ),
        404 => ("Not found", "There is nothing at this address."),
        405 => {
            ("Method not allowed", "This address does not answer to this method; the Allow header names those it does.")
        }
        408 => ("Too slow", "The request did not arrive within 10 seconds. Send it again."),
        413 => ("Too large", "The request is larger than 64 KiB."),
        414 => ("Address too long", "The address is longer than 8 KiB."),
        415 => ("Wrong content type", "Send the body as application/json."),
        429 => ("Too many requests", "Wait a moment and try again."),
        503 => {
            ("Not available right now", "Flotilla or its ledger is too busy to answer in time. Try again in a moment.")
        }
        500.. => (
            "Something went wrong",
            "Something went wrong on our side. Try again; if it stays, quote the request's id to whoever runs this console.",
        ),
        _ => ("Request refused", "The request could not be answered."),
    }
}
