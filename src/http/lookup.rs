//! What was pasted into the look-up box. It comes in the body of a form, with and without scripts, and is led to the record that it names.

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use serde::Deserialize;

use super::session;
use crate::{pages::path, state::AppState};
use fleet_types::{LookupAnswer, Paste};
use ledger::LedgerError;

pub fn router() -> Router<AppState> {
    Router::new().route(path::LOOKUP, post(find)).layer(DefaultBodyLimit::max(64 * 1024))
}

#[derive(Deserialize)]
struct Pasted {
    #[serde(default)]
    q: String,
}

async fn find(State(state): State<AppState>, Form(Pasted { q }): Form<Pasted>) -> Response {
    match state.ledger.look_up(&q).await {
        Ok(answer) => Redirect::to(&place_of(&answer)).into_response(),
        // Too little to search for: the page says so.
        Err(LedgerError::Invalid { .. }) => {
            Redirect::to(&path::lookup(Paste::read(&q).searched().unwrap_or_default())).into_response()
        }
        Err(error) => session::unavailable(error),
    }
}

fn place_of(answer: &LookupAnswer) -> String {
    match (answer.hits.as_slice(), &answer.searched) {
        ([hit], _) if !answer.more => path::database(hit.database.id),
        (_, Some(searched)) => path::lookup(searched),
        (_, None) => path::lookup_unread(),
    }
}
