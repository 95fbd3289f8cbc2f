//! Answers as they come: a failure is one, too.

use serde_json::json;

use super::client;
use super::stub::{Stub, refusal};
use crate::{Call, NeonError, Route};

#[tokio::test]
async fn a_refusal_is_an_answer_with_its_code_and_headers_and_is_not_repeated() {
    let limited = refusal(429, "", "too many, napi_secret0 has to wait").header("retry-after", "7");
    let stub = Stub::answering([limited.header("x-ratelimit-remaining", "0"), refusal(200, "", "")]).await;
    let call = Call::to(Route::GET_PROJECT, &["p-1"]).with("a", "b").json(json!({}));
    let answer = client(&stub.url).raw(call).await.unwrap();
    assert_eq!((answer.status, stub.count()), (429, 1));
    assert_eq!(answer.in_words(), "429 too many, [hidden] has to wait");
    let told = answer.headers_with(&["ratelimit", "retry-after"]);
    assert!(told.contains(&String::from("retry-after: 7")) && told.len() == 2, "{told:?}");
    assert!(matches!(answer.error, Some(NeonError::RateLimited { retry_after: Some(_) })), "{answer:?}");
    let sent = &stub.seen()[0];
    assert_eq!(sent.headers["x-request-id"].to_str().unwrap(), answer.request_id);
    assert!(!format!("{answer:?}").contains("napi_secret0"));
}
