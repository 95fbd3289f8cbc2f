//! The rules of paging, and what an incomplete list proves: nothing.

use serde_json::{Value, json};

use super::client;
use super::stub::{Answer, Stub, json};
use crate::NeonError;

fn item(n: u32, name: &str) -> Value {
    json!({"id": format!("p-{n}"), "name": name, "region_id": "aws-us-west-2", "pg_version": 17, "created_at": "2025-09-10T07:58:16Z", "updated_at": "2025-09-10T07:58:16Z", "owner_id": "org-1"})
}

fn page(items: &[Value], cursor: Option<&str>) -> Answer {
    json(
        200,
        json!({"projects": items, "pagination": cursor.map(|cursor| json!({"cursor": cursor})), "applications": {}}),
    )
}

fn partial(items: &[Value], unavailable: &[&str]) -> Answer {
    json(200, json!({"projects": items, "unavailable_project_ids": unavailable, "applications": {}}))
}

#[tokio::test]
async fn a_page_leads_to_the_next_until_the_end() {
    let answers = [
        page(&[item(1, "a")], Some("p-1")),
        page(&[item(2, "b")], Some("p-2")),
        page(&[], Some("p-2")),
        page(&[item(3, "c")], None),
        page(&[item(4, "d")], Some("p-4")),
    ];
    let stub = Stub::answering(answers).await;
    let client = client(&stub.url);
    assert_eq!(client.list_projects(None, 400).await.unwrap().next.as_deref(), Some("p-1"));
    let second = client.list_projects(Some("p-1"), 9_999).await.unwrap();
    assert_eq!((second.items[0].name.as_str(), second.next.as_deref()), ("b", Some("p-2")));
    assert_eq!(client.list_projects(Some("p-1"), 400).await.unwrap().next, None, "an empty page ends the list");
    assert_eq!(client.list_projects(Some("p-2"), 400).await.unwrap().next, None, "no cursor ends the list");
    let again = client.list_projects(Some("p-4"), 400).await.unwrap();
    assert_eq!((again.next, again.unavailable), (None, 1), "a cursor that leads back is no end: there may be more");
    let queries: Vec<_> = stub.seen().iter().map(|seen| seen.uri.query().unwrap().to_owned()).collect();
    assert_eq!(queries[0], "limit=400&org_id=org-royal-sun-91776391");
    assert_eq!(queries[1], "limit=400&cursor=p-1&org_id=org-royal-sun-91776391");
}

#[tokio::test]
async fn a_list_item_has_its_quota_and_its_last_activity() {
    let mut item = item(1, "a");
    item["settings"] = json!({"quota": {"logical_size_bytes": 5}});
    item["compute_last_active_at"] = json!("2025-09-10T08:03:00Z");
    item["synthetic_storage_size"] = json!(31_000_000);
    let stub = Stub::answering([page(&[item], None)]).await;
    let found = client(&stub.url).list_projects(None, 1).await.unwrap().items.remove(0);
    assert_eq!(
        (found.quota.and_then(|quota| quota.logical_size_bytes), found.synthetic_size_bytes, found.pg_version),
        (Some(5), Some(31_000_000), 17)
    );
    assert!(found.last_active_at.is_some());
}

#[tokio::test]
async fn a_name_is_found_only_if_it_is_exactly_that_name() {
    let stub = Stub::answering([
        page(&[item(1, "flotilla-1-old"), item(2, "a flotilla-1")], Some("p-2")),
        page(&[item(3, "flotilla-1")], Some("p-3")),
    ])
    .await;
    let found = client(&stub.url).find_project_by_name("flotilla-1").await.unwrap();
    assert_eq!(found.map(|project| project.id).as_deref(), Some("p-3"));
    assert_eq!(
        stub.seen()[1].uri.query(),
        Some("limit=400&cursor=p-2&search=flotilla-1&org_id=org-royal-sun-91776391")
    );
}

#[tokio::test]
async fn absent_is_only_what_a_whole_list_does_not_have() {
    let stub = Stub::answering([page(&[item(1, "other")], Some("p-1")), page(&[], None)]).await;
    assert_eq!(client(&stub.url).find_project_by_name("flotilla-1").await.unwrap(), None);
    assert_eq!(stub.count(), 2);
    let stub = Stub::answering([partial(&[item(1, "other")], &["p-7", "p-8"])]).await;
    assert_eq!(
        client(&stub.url).find_project_by_name("flotilla-1").await.unwrap_err(),
        NeonError::Incomplete { unavailable: 2 }
    );
    let stub = Stub::answering([partial(&[item(1, "flotilla-1")], &["p-7"])]).await;
    assert!(client(&stub.url).find_project_by_name("flotilla-1").await.unwrap().is_some(), "found is found");
}

#[tokio::test]
async fn a_page_says_what_it_could_not_read() {
    let stub = Stub::answering([partial(&[], &["p-7"])]).await;
    assert_eq!(client(&stub.url).list_projects(None, 400).await.unwrap().unavailable, 1);
}

#[tokio::test]
async fn a_record_that_is_damaged_spoils_neither_its_page_nor_what_can_be_read_of_it() {
    let mut strange = item(2, "b");
    strange["synthetic_storage_size"] = json!("many");
    strange["compute_last_active_at"] = json!("99999-01-01T00:00:00Z");
    strange["settings"] = json!({"quota": {"logical_size_bytes": -5}});
    let nameless = json!({"id": "p-4", "name": 7});
    let lost = json!({"id": ["p-5"], "name": "e"});
    let stub = Stub::answering([page(&[item(1, "a"), strange, json!(null), nameless, lost, item(6, "f")], None)]).await;
    let client = client(&stub.url);
    let read = client.list_projects(None, 400).await.unwrap();
    let names: Vec<_> = read.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!((names, read.unavailable), (vec!["a", "b", "f"], 3), "what was not shown may be there");
    let strange = &read.items[1];
    assert_eq!((strange.synthetic_size_bytes, strange.last_active_at, strange.quota), (None, None, None), "not told");
    let named: Vec<_> = client.take_unreadable().into_iter().map(|one| (one.record, one.times)).collect();
    let named: Vec<_> = named.iter().map(|(record, times)| (record.as_str(), *times)).collect();
    assert_eq!(named, [("a record without an id", 2), ("p-2", 1), ("p-4", 1)]);
    assert!(client.health().failing_since.is_none(), "Neon works");
}

#[tokio::test]
async fn a_name_is_not_absent_while_a_record_cannot_be_read() {
    let stub = Stub::answering([page(&[item(1, "other"), json!({"id": 7})], None)]).await;
    assert_eq!(
        client(&stub.url).find_project_by_name("flotilla-1").await.unwrap_err(),
        NeonError::Incomplete { unavailable: 1 }
    );
    let stub = Stub::answering([page(&[json!({"id": 7}), item(1, "flotilla-1")], None)]).await;
    assert!(client(&stub.url).find_project_by_name("flotilla-1").await.unwrap().is_some(), "found is found");
}

#[tokio::test]
async fn bytes_that_are_no_text_spoil_one_record() {
    let body = page(&[item(1, "a"), item(2, "b-?")], None).with_bytes(b"b-?", b"b-\xff");
    let stub = Stub::answering([body]).await;
    let read = client(&stub.url).list_projects(None, 400).await.unwrap();
    assert_eq!((read.items.len(), read.items[0].name.as_str()), (2, "a"));
}

#[tokio::test]
async fn one_project_that_cannot_be_read_is_no_outage_and_no_project() {
    let mut project = item(1, "a");
    project["compute_last_active_at"] = json!("long ago");
    let stub = Stub::answering([json(200, json!({"project": project}))]).await;
    let client = client(&stub.url);
    let error = client.get_project("p-1").await.unwrap_err();
    assert!(matches!(error, NeonError::Unreadable { .. }), "whether it is in use decides about its deletion: {error}");
    assert!(client.health().failing_since.is_none());
    assert_eq!(client.take_unreadable()[0].record, "p-1");
}
