//! Queries of console and API are read alike: by both names, what is empty as absent, and nonsense never as a request to see everything.

use fleet_types::Role;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Server, World};

async fn api(server: &Server, query: &str) -> (StatusCode, Value) {
    let answer = server.api(Method::GET, &format!("/api/v1/databases?{query}")).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn items(answer: &Value) -> usize {
    answer["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consoles_own_addresses_are_queries_of_the_api() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    for (query, expected) in [
        ("state=&pool=&plan=&text=&sort=&limit=", 3),
        ("blocked=1", 0),
        ("blocked=true&storage=80", 0),
        ("storage_percent=80", 0),
        ("blocked=0&state=available", 3),
    ] {
        let (status, answer) = api(&server, query).await;
        assert_eq!((status, items(&answer)), (StatusCode::OK, expected), "{query}: {answer}");
    }
    for nonsense in [
        "state=frozen",
        "blocked=maybe",
        "storage=7",
        "limit=0",
        "limit=x",
        "colour=red",
        "pool=a&pool=b",
        "text=a%00b",
    ] {
        let (status, problem) = api(&server, nonsense).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{nonsense}: {problem}");
        assert!(!problem["errors"].as_array().unwrap().is_empty());
    }
    for query in ["kind=&status=&after=&limit=", "kind=ghost"] {
        server.get(&format!("/api/v1/findings?{query}")).await;
    }
    let odd = server.api(Method::GET, "/api/v1/findings?kind=unicorn").send().await.unwrap();
    assert_eq!(odd.status(), StatusCode::UNPROCESSABLE_ENTITY);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_of_no_use_in_another_list() {
    let world = World::with_pool(0).await;
    world.stock(5).await;
    let server = world.serve_without_duties().await;
    let (_, first) = api(&server, "sort=size&limit=2").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = api(&server, &format!("sort=size&limit=3&after={next}")).await;
    assert_eq!((items(&second), &second["next"]), (3, &Value::Null), "all five were seen");
    let previous = second["previous"].as_str().unwrap();
    let (_, back) = api(&server, &format!("sort=size&limit=2&before={previous}")).await;
    assert_eq!(back["items"], first["items"]);
    for other in ["sort=created", "", "sort=size&state=available", "sort=size&text=stocked"] {
        let (status, problem) = api(&server, &format!("{other}&after={next}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{other}: {problem}");
        assert_eq!(problem["errors"][0]["field"], json!("after"));
    }
    let far = "00000000000000000000000000000000";
    let fingerprint = next.split('.').next().unwrap();
    for cursor in [format!("-211813488000000001.{far}"), format!("{fingerprint}.-211813488000000001.{far}")] {
        assert_eq!(api(&server, &format!("sort=size&after={cursor}")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_console_cannot_read_lists_nothing_and_says_so() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    let page = async |path: &str| {
        let answer = server.anonymous(Method::GET, path).header(header::COOKIE, &cookie).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, all) = page("/databases?state=&pool=").await;
    assert_eq!((status, all.contains("stocked-")), (StatusCode::OK, true));
    for path in [
        "/databases?state=frozen",
        "/databases?storage=7",
        "/databases?sort=colour",
        "/problems?kind=unicorn",
        "/problems?after=x",
        "/databases?colour=red",
        "/databases?state=&state=claimed",
        "/databases?call+555=now",
        "/problems?kind=ghost&kind=ghost",
        "/problems?zz=1",
        "/lookup?q=stocked&zz=1",
        "/lookup?q=stocked&q=other",
    ] {
        let (status, text) = page(path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(text.contains("cannot be read, so nothing is listed"), "{path}");
        assert!(!text.contains("stocked-"), "{path} shows databases");
        assert!(!text.contains("555"), "nobody puts words into our mouth");
    }
    let (_, claim) = server.claim("ada").await;
    let record = format!("/databases/{}", claim["database"]["id"].as_str().unwrap());
    for (path, shown) in [
        (String::from("/"), "This page has no parameters."),
        (String::from("/pools"), "This page has no parameters."),
        (String::from("/engine"), "This page has no parameters."),
        (String::from("/budget"), "The last hour is shown."),
        (String::from("/pools/standard"), "The last hour is shown."),
        (String::from("/pools/standard/policy"), "The form begins with what is in force."),
        (record, "The last 30 days are shown."),
    ] {
        for query in ["range=zz", "range=day&range=day", "usage=zz", "cover=1&cover=1", "zz=1"] {
            let (status, text) = page(&format!("{path}?{query}")).await;
            let says = text.contains("in the address cannot be read") || text.contains("The address cannot be read.");
            assert_eq!((status, says), (StatusCode::UNPROCESSABLE_ENTITY, true), "{path}?{query}");
            assert!(text.contains(shown), "{path}?{query}");
        }
        let (status, text) = page(&format!("{path}?error=busy&field=x")).await;
        assert_eq!((status, text.contains("cannot be read")), (StatusCode::OK, false), "{path}: a form's error");
    }
    let form = "cover=2&rate=p95&floor=1&ceiling=40&step=5&wait=60&name=standard&read=0&reason=";
    let (status, text) = page(&format!("/pools/standard/policy?{form}")).await;
    assert_eq!((status, text.contains("cannot be read")), (StatusCode::OK, false), "the form, sent without scripts");
    server.stop().await;
}
