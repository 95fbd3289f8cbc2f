//! What is pasted into the look-up box: led to the record that it names, without its password in any address, page or row.

use fleet_types::Role;
use ledger::{By, NewOperator};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::support::{Server, World};

const PASSWORD: &str = "hunter2-Aq9";

/// Where a browser is led that sends this from the look-up box.
async fn led_to(server: &Server, cookie: &str, pasted: &str) -> String {
    let answer = server
        .anonymous(Method::POST, "/lookup")
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .form(&[("q", pasted)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{pasted}");
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paste_leads_to_its_record_and_its_password_goes_nowhere() {
    let world = World::with_pool(0).await;
    world.stock(3).await;
    let server = world.serve_without_duties().await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap();
    let record = format!("/databases/{id}");
    let endpoint = format!("ep-{id}");
    let cookie = server.sign_in(Role::Support).await;
    for pasted in [
        format!("postgresql://u:{PASSWORD}@{endpoint}-pooler.c-2.aws.neon.tech/neondb?sslmode=require"),
        format!("jdbc:postgresql://{endpoint}.aws.neon.tech/db?user=u&password={PASSWORD}"),
        format!("PGPASSWORD={PASSWORD} psql -h {endpoint}.aws.neon.tech -U u"),
        format!("PGHOST={endpoint}.aws.neon.tech\r\nPGPASSWORD={PASSWORD}\r\n"),
        format!("host={endpoint} user=u password={PASSWORD}"),
        format!("see https://wiki.example/x: postgres://u:{PASSWORD}@{endpoint}/db"),
        format!("ada@mail.example says that {PASSWORD} no longer works"),
        id.to_owned(),
        String::from("ada"),
        String::from(" ada@mail.example "),
    ] {
        assert_eq!(led_to(&server, &cookie, &pasted).await, record, "{pasted}");
    }
    for nothing in [
        format!("password={PASSWORD}"),
        format!("postgres://u:{PASSWORD}@10.0.0.1/db"),
        format!("a\npassword: {PASSWORD}"),
        format!("user:{PASSWORD}@db.example.com"),
        format!("localhost:5432:my db:me:{PASSWORD}"),
        format!("DB_PASS {PASSWORD}"),
        format!("u&colon;{PASSWORD}@db.example.com"),
    ] {
        assert_eq!(led_to(&server, &cookie, &nothing).await, "/lookup?error=unread", "{nothing}");
    }
    assert_eq!(led_to(&server, &cookie, "mail.example and more").await, "/lookup?q=mail.example%20and%20more");
    assert_eq!(led_to(&server, &cookie, "a\0b").await, "/lookup?error=unread", "NUL is no reason to fail");
    assert_written_nowhere(&world, PASSWORD).await;
    server.stop().await;
}

/// In no row of any table.
async fn assert_written_nowhere(world: &World, secret: &str) {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let tables = sqlx::query("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_all(&mut ledger)
        .await
        .unwrap();
    assert!(tables.len() > 10);
    for table in tables {
        let table: String = table.get(0);
        let holding = format!("SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%' || $1 || '%'");
        let count: i64 = sqlx::query(AssertSqlSafe(holding)).bind(secret).fetch_one(&mut ledger).await.unwrap().get(0);
        assert_eq!(count, 0, "{table} holds what was pasted");
    }
    ledger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_very_id_of_an_owner_is_found_whatever_it_looks_like() {
    let world = World::with_pool(0).await;
    let ids = [
        "https://social.example/@jo",
        "auth0|5f7c8ec7",
        "jo@b.example",
        "app://tenant:7@realm",
        "password=x",
        "ep-a-b-c",
    ];
    world.stock(ids.len()).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    for owner in ids {
        let body = json!({ "owner": { "id": owner, "email": "someone@mail.example" } });
        let (status, claim) = server.claim_with(body, None).await;
        assert_eq!(status, StatusCode::CREATED, "{claim}");
        let record = format!("/databases/{}", claim["database"]["id"].as_str().unwrap());
        assert_eq!(led_to(&server, &cookie, &format!(" {owner}\n")).await, record, "{owner}");
        let encoded: String = owner.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = server
            .anonymous(Method::GET, &format!("/lookup?q={encoded}"))
            .header(header::COOKIE, &cookie)
            .send()
            .await
            .unwrap();
        let location = page.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let html = page.text().await.unwrap();
        assert!(location.as_deref() == Some(&record) || html.contains(&record), "{owner}: {location:?}");
    }
    assert_eq!(world.ledger.violations().await.unwrap(), [], "an id is no credential that stands unsealed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_holds_a_secret_is_led_to_one_that_does_not() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(Role::Viewer).await;
    let uri = format!("postgres%3A%2F%2Fu%3A{PASSWORD}%40ep-cool-lake-12345678.neon.tech%2Fdb");
    for (address, cleaned) in [
        (format!("/lookup?q={uri}"), "/lookup?q=ep-cool-lake-12345678"),
        (format!("/lookup?q=password%3D{PASSWORD}"), "/lookup?error=unread"),
        (
            format!("/databases?state=claimed&text={uri}&sort=size"),
            "/databases?state=claimed&text=ep-cool-lake-12345678&sort=size",
        ),
        (format!("/databases?text=pgpassword%3D{PASSWORD}"), "/databases?text=removed"),
        (format!("/databases?pool=password%3D{PASSWORD}&sort=size"), "/databases?pool=removed&sort=size"),
        (format!("/databases?state={uri}&after=-12.00ff"), "/databases?state=removed&after=-12.00ff"),
        (format!("/?password%3A{PASSWORD}=1"), "/?removed=removed"),
        (format!("/budget?range=npg_{PASSWORD}"), "/budget?range=removed"),
    ] {
        for cookie in [&cookie, ""] {
            let answer = server.anonymous(Method::GET, &address).header(header::COOKIE, cookie).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{address}");
            assert_eq!(answer.headers()[header::LOCATION], cleaned, "{address}");
        }
    }
    for (next, cleaned) in [
        (format!("/databases?text=password%3D{PASSWORD}"), "/sign-in?next=%2Fdatabases%3Ftext%3Dremoved"),
        (format!("/databases?pool={uri}"), "/sign-in?next=%2Fdatabases%3Fpool%3Dremoved"),
        (format!("password:{PASSWORD}"), "/sign-in"),
    ] {
        let next: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = server.anonymous(Method::GET, &format!("/sign-in?next={next}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{next}");
        assert_eq!(answer.headers()[header::LOCATION], cleaned, "{next}");
    }
    for path in [
        format!("/databases/{uri}"),
        format!("/databases/postgresql://u:{PASSWORD}@h/db"),
        format!("/databases/postgresql:%2F%2Fu:{PASSWORD}@h/db"),
        format!("/pools/password={PASSWORD}"),
        format!("/no-such-page/npg_{PASSWORD}"),
        format!("/api/v1/nothing/{uri}"),
    ] {
        for cookie in [&cookie, ""] {
            let request = server.anonymous(Method::GET, &path).header(header::COOKIE, cookie);
            let answer = request.header(header::ACCEPT, "text/html").send().await.unwrap();
            assert_eq!(
                (answer.status(), answer.headers().get(header::LOCATION)),
                (StatusCode::NOT_FOUND, None),
                "{path}"
            );
            let page = answer.text().await.unwrap();
            assert!(!page.contains(PASSWORD), "{path}: {page}");
        }
    }
    let email = "pasted@staff.example";
    let password_hash = flotilla::auth::password::hash("a long password".into()).await.unwrap();
    let new = NewOperator { email, name: "Test", role: Role::Viewer, password_hash: Some(&password_hash) };
    world.ledger.create_operator(&new, &By::cli()).await.unwrap();
    for (next, led) in [
        (format!("/lookup?q=postgres://u:{PASSWORD}@h/db"), "/lookup?error=unread"),
        (format!("/databases?text=password={PASSWORD}&sort=size"), "/databases?text=removed&sort=size"),
        (format!("/databases/postgres:%2F%2Fu:{PASSWORD}%40h%2Fdb"), "/"),
        (format!("/databases#password={PASSWORD}"), "/"),
        (String::from("/databases?text=ada"), "/databases?text=ada"),
    ] {
        let form = [("email", email), ("password", "a long password"), ("next", next.as_str())];
        let answer = server.anonymous(Method::POST, "/sign-in").form(&form).send().await.unwrap();
        assert_eq!(answer.headers()[header::LOCATION], led, "{next}");
    }
    let page = server.anonymous(Method::GET, "/sign-in?next=/databases%3Fstate%3Dclaimed%26text%3Dada").send().await;
    assert_eq!(page.unwrap().status(), StatusCode::OK, "what is clean stays");
    server.stop().await;
}
