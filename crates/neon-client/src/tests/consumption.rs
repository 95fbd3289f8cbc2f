//! The two histories of consumption: how they are asked, read and paged, and what a plan without them answers.

use serde_json::{Value, json};

use super::client;
use super::stub::{Answer, Stub, json, refusal};
use crate::consumption::{Frame, Granularity, History, MAX_IDS, Window};
use crate::{NeonClient, NeonConfig, NeonError};

fn window() -> Window {
    let at = |text: &str| text.parse().unwrap();
    Window { from: at("2026-03-01T00:00:00Z"), to: at("2026-03-22T00:00:00Z"), granularity: Granularity::Daily }
}

fn page(projects: Value, cursor: Option<&str>) -> Answer {
    json(200, json!({"projects": projects, "pagination": cursor.map(|cursor| json!({"cursor": cursor}))}))
}

fn project(id: &str, frames: Value) -> Value {
    json!({"project_id": id, "periods": [{
        "period_id": "79ec829f-1828-4006-ac82-9f1828a0067d", "period_plan": "scale", "period_start": "2026-03-01T00:00:00Z", "consumption": frames}]})
}

#[tokio::test]
async fn the_legacy_history_is_asked_by_ids_in_one_list_and_read_by_period() {
    let frame = json!({"timeframe_start": "2026-03-21T00:00:00Z", "timeframe_end": "2026-03-22T00:00:00Z", "active_time_seconds": 27_853,
        "compute_time_seconds": 18_346, "written_data_bytes": 7, "synthetic_storage_size_bytes": 5_368_709_120_u64, "a_field_of_tomorrow": 1});
    let stub = Stub::answering([page(json!([project("p-1", json!([frame]))]), None)]).await;
    let read = client(&stub.url).consumption(&["p-1", "p-2"], window()).await.unwrap().projects;
    let seen = &stub.seen()[0].uri;
    assert_eq!(seen.path(), "/api/v2/consumption_history/projects");
    assert_eq!(
        seen.query().unwrap(),
        "project_ids=p-1%2Cp-2&from=2026-03-01T00%3A00%3A00Z&to=2026-03-22T00%3A00%3A00Z&granularity=daily\
         &metrics=active_time_seconds%2Ccompute_time_seconds%2Cwritten_data_bytes%2Csynthetic_storage_size_bytes%2Clogical_size_bytes\
         &limit=100&org_id=org-royal-sun-91776391"
    );
    let period = &read[0].periods[0];
    assert_eq!((period.start.to_rfc3339(), period.end), (String::from("2026-03-01T00:00:00+00:00"), None));
    let frame = &period.frames[0];
    assert_eq!((frame.active_time_seconds, frame.compute_time_seconds), (27_853, 18_346));
    assert_eq!(frame.written_data_bytes, 7);
    assert_eq!((frame.synthetic_storage_size_bytes, frame.logical_size_bytes), (5_368_709_120, None));
}

#[tokio::test]
async fn the_newer_history_names_its_metrics_and_adds_up_transfer() {
    let frame = json!({"timeframe_start": "2026-03-21T00:00:00Z", "metrics": [
        {"metric_name": "compute_unit_seconds", "value": 100}, {"metric_name": "public_network_transfer_bytes", "value": 7},
        {"metric_name": "private_network_transfer_bytes", "value": 5}, {"metric_name": "of_tomorrow", "value": 9}]});
    let bare = json!({});
    let stub = Stub::answering([page(json!([project("p-1", json!([frame, bare]))]), None)]).await;
    let read = client(&stub.url).consumption_v2(&["p-1"], window()).await.unwrap().projects;
    let query = stub.seen()[0].uri.to_string();
    assert!(query.starts_with("/api/v2/consumption_history/v2/projects?project_ids=p-1&"), "{query}");
    assert!(
        query
            .contains("metrics=compute_unit_seconds%2Cpublic_network_transfer_bytes%2Cprivate_network_transfer_bytes&"),
        "{query}"
    );
    let frames = &read[0].periods[0].frames;
    assert_eq!((frames[0].compute_unit_seconds, frames[0].transfer_bytes), (100, 12));
    assert_eq!((frames[1].start, frames[1].transfer_bytes), (None, 0));
}

#[tokio::test]
async fn a_history_is_read_to_its_end_or_until_all_were_seen() {
    let of = |id: &str, cursor| page(json!([project(id, json!([]))]), cursor);
    let ids = |read: History<Frame>| read.projects.into_iter().map(|one| one.project_id).collect::<Vec<_>>();
    let stub = Stub::answering([of("p-1", Some("c-1")), of("p-2", Some("c-2"))]).await;
    assert_eq!(ids(client(&stub.url).consumption(&["p-1", "p-2"], window()).await.unwrap()), ["p-1", "p-2"]);
    assert!(stub.seen()[1].uri.query().unwrap().contains("&cursor=c-1&"));
    assert_eq!(stub.count(), 2, "both were seen");
    let ends = [of("p-1", None), page(json!([]), Some("c-2")), of("p-1", Some("c-1"))];
    for (end, calls) in ends.into_iter().zip([2, 2, 2]) {
        let stub = Stub::answering([of("p-1", Some("c-1")), end]).await;
        client(&stub.url).consumption(&["p-1", "p-2"], window()).await.unwrap();
        assert_eq!(stub.count(), calls, "no cursor, an empty page, or the same cursor again is the end");
    }
}

#[tokio::test]
async fn a_history_that_breaks_off_or_never_ends_is_no_answer() {
    let of = |cursor: &str| page(json!([project("p-1", json!([]))]), Some(cursor));
    let stub = Stub::answering([of("c-1"), refusal(400, "", "bad cursor")]).await;
    let broken = client(&stub.url).consumption(&["p-1", "p-2"], window()).await;
    assert!(matches!(broken, Err(NeonError::Refused { status: 400, .. })), "{broken:?}");
    let stub = Stub::answering((0..50).map(|n| of(&format!("c-{n}")))).await;
    let endless = client(&stub.url).consumption(&["p-1", "p-2"], window()).await;
    assert!(matches!(endless, Err(NeonError::Unreadable { .. })), "{endless:?}");
    assert!(stub.count() < 50);
}

#[tokio::test]
async fn a_plan_without_it_is_no_outage_and_no_fault_of_the_key() {
    let text =
        "This endpoint is not available. It is only supported with Scale, Business, and Enterprise plan accounts.";
    let stub = Stub::answering([refusal(403, "", text)]).await;
    let client = client(&stub.url);
    let refused = client.consumption(&["p-1"], window()).await.unwrap_err();
    assert_eq!(refused, NeonError::NotOffered { message: text.into() });
    let health = client.health();
    assert!(health.failing_since.is_none() && health.last_ok_at.is_some() && health.last_error.is_none());
    assert_eq!(stub.count(), 1, "it is not asked again at once");
    let elsewhere = client.get_project("p-1").await.unwrap_err();
    assert!(matches!(elsewhere, NeonError::Unauthorised { status: 403, .. }), "of another route it is: {elsewhere}");
}

#[tokio::test]
async fn a_window_that_neon_does_not_keep_is_refused_with_its_status() {
    let stub = Stub::answering([refusal(406, "", "the range is outside the boundaries of the granularity")]).await;
    let refused = client(&stub.url).consumption(&["p-1"], window()).await.unwrap_err();
    assert!(matches!(refused, NeonError::Refused { status: 406, .. }), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_sent() {
    let stub = Stub::answering([page(json!([]), None)]).await;
    let ids: Vec<String> = (0..=MAX_IDS).map(|n| format!("p-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let with_org = client(&stub.url);
    assert!(matches!(with_org.consumption(&ids, window()).await, Err(NeonError::Misconfigured(_))));
    assert!(
        matches!(with_org.consumption(&[], window()).await, Err(NeonError::Misconfigured(_))),
        "that would be the whole organisation"
    );
    let without = NeonClient::new(NeonConfig::new(&stub.url, super::KEY.into())).unwrap();
    assert!(
        matches!(without.consumption_v2(&["p-1"], window()).await, Err(NeonError::Misconfigured(text)) if text.contains("NEON_ORG_ID"))
    );
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn nothing_is_concluded_about_a_project_whose_history_cannot_be_read() {
    let frame = |value: Value| json!([{"timeframe_start": "2026-03-21T00:00:00Z", "active_time_seconds": value}]);
    for strange in [json!(-1), json!(u64::MAX), json!("7"), json!(1.5)] {
        let answer = page(json!([project("p-1", frame(strange)), project("p-2", frame(json!(7)))]), None);
        let stub = Stub::answering([answer]).await;
        let client = client(&stub.url);
        let read = client.consumption(&["p-1", "p-2", "p-3"], window()).await.unwrap();
        let told: Vec<_> = read.projects.iter().map(|project| project.project_id.as_str()).collect();
        assert_eq!((told, read.unreadable.contains("p-1")), (vec!["p-2"], true), "p-3 used nothing");
        assert_eq!(client.take_unreadable()[0].record, "p-1");
    }
    let stub = Stub::answering([page(json!([{"project_id": 7, "periods": []}]), None)]).await;
    let whose = client(&stub.url).consumption(&["p-1", "p-2"], window()).await;
    assert!(matches!(whose, Err(NeonError::Unreadable { .. })), "it may be either's: {whose:?}");
}
