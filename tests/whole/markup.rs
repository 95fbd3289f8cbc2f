//! Names that are markup: on no page does an element appear that the page did not write.

use std::collections::BTreeSet;

use fleet_types::Role;
use flotilla::app::App;
use reqwest::{Method, header};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::{
    html,
    support::{Server, World},
};

/// Ends whatever it stands in, and begins what a page must not have.
const MARKUP: &str = "</title></textarea></script><script>hostile()</script><meta http-equiv=\"refresh\" content=\"0;url=http://127.0.0.1:9/\">\
    <form action=/rpc/resume><x-hostile onhostile=1>\"'`><!-- \u{202e}\u{200b}{{7*7}}&lt;";

/// With all that a text may hold in PostgreSQL, and long.
fn hostile(what: &str) -> String {
    format!("{what} {MARKUP}\r\n\u{1b}[31m\u{9b}1m{}", "x".repeat(10_240))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_write_no_element_on_any_page() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    server.claim("bob").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    let cookie = server.sign_in(Role::Admin).await;
    let finding = make_all_names_hostile(&world, &id).await;
    let pool = encoded(&pool_name());
    let typed = encoded(&MARKUP[..60]);
    let mut named = 0;
    let routes: BTreeSet<String> =
        leptos_axum::generate_route_list(App).iter().map(|route| route.path().to_owned()).collect();
    assert!(routes.len() >= 12, "{routes:?}");
    let errors =
        ["/no-such-page", "/databases/00000000-0000-7000-8000-000000000000", "/pools/nowhere"].map(str::to_owned);
    for route in routes.into_iter().chain(errors) {
        let paths = match route.as_str() {
            "/databases" => vec![format!("/databases?text={typed}&pool={typed}&state={typed}"), route.clone()],
            "/lookup" => vec![format!("/lookup?q={typed}"), String::from("/lookup?q=hostile"), route.clone()],
            "/problems" => vec![format!("/problems?kind={typed}"), route.clone()],
            "/sign-in" => vec![format!("/sign-in?next=/{typed}&error={typed}")],
            path if path.contains("policy") => vec![format!("/pools/{pool}/policy?cover={typed}")],
            path if path.starts_with("/pools/") && path != "/pools/nowhere" => {
                vec![format!("/pools/{pool}?range={typed}")]
            }
            path if path.starts_with("/problems/") => vec![format!("/problems/{finding}")],
            path if path.starts_with("/databases/") && path.ends_with('}') => {
                vec![format!("/databases/{id}?usage={typed}")]
            }
            path => vec![format!("{path}?error={typed}&field={typed}")],
        };
        for path in paths {
            let html = page(&server, &path, if route == "/sign-in" { "" } else { &cookie }).await;
            assert_nothing_foreign(&path, &html);
            named += usize::from(html.contains("&lt;x-hostile"));
        }
    }
    assert!(named >= 8, "only {named} pages showed a hostile name: the others prove nothing");
    server.stop().await;
}

async fn page(server: &Server, path: &str, cookie: &str) -> String {
    let ask = async |path: &str| {
        let request = server.anonymous(Method::GET, path).header(header::COOKIE, cookie);
        request.header(header::ACCEPT, "text/html").send().await.unwrap()
    };
    let mut answer = ask(path).await;
    // A text that may hold a secret does not stay in the address.
    if let Some(cleaned) = answer.headers().get(header::LOCATION) {
        let cleaned = cleaned.to_str().unwrap().to_owned();
        answer = ask(&cleaned).await;
    }
    let status = answer.status().as_u16();
    assert!([200, 404, 422].contains(&status), "{path}: {status}");
    answer.text().await.unwrap()
}

fn assert_nothing_foreign(path: &str, html: &str) {
    let document = html::read(html);
    let head = html.split_once("</head>").map_or(html, |(head, _)| head);
    let titles = html::read(head).elements.iter().filter(|element| element.name == "title").count();
    assert_eq!(titles, 1, "{path} has {titles} titles");
    for element in &document.elements {
        let is_foreign = element.name == "x-hostile"
            || element.text.trim() == "hostile()"
            || element.attribute("onhostile").is_some()
            || element.attribute("http-equiv").is_some()
            || element.attribute("action") == Some("/rpc/resume") && element.attribute("method").is_none();
        assert!(!is_foreign, "{path} has {element:?}");
    }
    let foreign = document.comments.iter().find(|comment| comment.contains("7*7"));
    assert_eq!(foreign, None, "{path} has a foreign comment");
    let shown: Vec<&str> = html
        .char_indices()
        .filter(|(_, c)| matches!(c, '\u{1b}' | '\u{9b}' | '\u{202e}' | '\u{200b}'))
        .filter(|(at, _)| is_text(&html[..*at]))
        .map(|(at, _)| &html[html.floor_char_boundary(at.saturating_sub(250))..at])
        .collect();
    assert!(shown.is_empty(), "{path} shows what is not seen: {shown:#?}");
}

/// Outside of tags and scripts: in a field of a form what was typed stands as it was typed, and scripts are the framework's own.
fn is_text(before: &str) -> bool {
    before.rfind('<') <= before.rfind('>') && before.matches("<script").count() == before.matches("</script>").count()
}

/// Past all rules, as if they had been broken: owner, organisation, project, pool, operator, token, reasons and errors. Answers with a finding.
async fn make_all_names_hostile(world: &World, database: &str) -> i64 {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let checks = sqlx::query(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
         WHERE contype = 'c' AND conrelid::regclass::text IN ('owners', 'pools', 'operators', 'api_tokens', 'events', 'findings', 'pool_schedules')",
    )
    .fetch_all(&mut ledger)
    .await
    .unwrap();
    for check in checks {
        sqlx::query(AssertSqlSafe(check.get::<String, _>(0))).execute(&mut ledger).await.unwrap();
    }
    for (statement, text) in [
        ("UPDATE owners SET email = $1, organisation = $1", hostile("owner")),
        ("UPDATE databases SET neon_project_name = $1 || id, region_id = $1, last_error = $1, last_error_at = now(), host = $1, database_name = $1
          WHERE state = 'claimed'", hostile("project")),
        ("UPDATE operators SET name = $1, email = lower($1)", hostile("operator")),
        ("UPDATE api_tokens SET name = $1", hostile("token")),
        ("UPDATE pools SET name = $1, paused_at = now(), paused_reason = $1", pool_name()),
        ("INSERT INTO pool_schedules (pool_id, label, weekdays, start_minute, end_minute, at_least) SELECT id, $1, 127, 1, 2, 9 FROM pools", hostile("peak")),
        ("INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after)
          SELECT 'database.suspend', d.id, d.pool_id, $1, 'api', $1, jsonb_build_object('plan', $1), jsonb_build_object('plan', $1 || '2') FROM databases AS d",
         hostile("actor")),
    ] {
        sqlx::query(statement).bind(text).execute(&mut ledger).await.unwrap();
    }
    let finding = sqlx::query(
        "INSERT INTO findings (kind, status, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, timeline, last_error,
           last_error_at, decided_by, reason)
         VALUES ('orphan', 'needs_operator', 'p', $1, $1, $2::uuid, 1, 1, jsonb_build_object('neon', jsonb_build_object('name', $1)),
           jsonb_build_array(jsonb_build_object('at', now(), 'what', $1, 'by', $1, 'reason', $1)), $1, now(), $1, $1) RETURNING id",
    )
    .bind(hostile("finding"))
    .bind(database)
    .fetch_one(&mut ledger)
    .await
    .unwrap()
    .get(0);
    ledger.close().await.unwrap();
    finding
}

/// That of a pool can hold no character that is not seen, whatever else is broken.
fn pool_name() -> String {
    format!("pool {}", MARKUP.replace(['\u{202e}', '\u{200b}'], ""))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
