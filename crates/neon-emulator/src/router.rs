//! Everything that the API's port serves: the API itself, and the emulator's own switches beside it.

use std::sync::Arc;

use axum::Router;

use crate::context::Context;
use crate::route::BASE_PATH;
use crate::{api, control};

pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .nest(BASE_PATH, api::router(&context))
        .nest("/_emulator", control::routes())
        .fallback(api::outside_of_the_api)
        .with_state(context)
}
