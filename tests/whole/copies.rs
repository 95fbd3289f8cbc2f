//! A copy with an id of its own has nothing to say about what was copied, in whatever state it was: the original may have it back since.

use std::collections::BTreeSet;

use fleet_types::{FindingKind, Role};
use ledger::Ledger;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::{
    held::in_the_ledger,
    older_ledger::with_migrations_before,
    reconcile::{about, decide, sweeps_pass},
    repairs::{command, ledger_command},
    restores::{held_by, marked, marking_every, until_told},
    safety::{lives, rows},
    support::{Server, World, until},
};

/// A database that is deleted in the ledger, found as a zombie, and alive on Neon under its owner's name: its id and its project.
async fn deleted_here_and_recovered(world: &World, server: &Server, owner: &str) -> [String; 2] {
    let held = held_by(server, owner).await;
    let [id, project] = ["id", "neon_project_id"].map(|field| held[field].as_str().unwrap().to_owned());
    until_told(world, &BTreeSet::from([project.clone()])).await;
    let release = server.api(Method::POST, &format!("/api/v1/databases/{id}/release"));
    assert!(release.json(&json!({ "reason": "account closed" })).send().await.unwrap().status().is_success());
    until("the ledger says deleted", || async {
        server.get(&format!("/api/v1/databases/{id}")).await["state"] == json!("deleted")
    })
    .await;
    let recover = world.neon(Method::POST, &format!("/projects/{project}/recover")).send().await.unwrap();
    assert!(recover.status().is_success(), "{}", recover.status());
    until("a sweep has found it", || async { about(world, FindingKind::Zombie, &project).await.is_some() }).await;
    [id, project]
}

/// As an earlier version has left it in a copy.
async fn find_again(world: &World, id: &str, name: &str) -> String {
    let insert = format!(
        "INSERT INTO findings (kind, status, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, action_due_at)
         SELECT 'zombie', 'ignored', neon_project_id, neon_project_id, '{name}', id, 1, 1, '{{}}', now() - interval '1 hour'
         FROM databases WHERE id = '{id}' RETURNING id::text"
    );
    rows(world, &insert).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_when_the_copy_was_made_is_the_originals_too() {
    let (world, original) = marked(marking_every(1)).await;
    let ada = deleted_here_and_recovered(&world, &original, "ada").await;
    let grace = deleted_here_and_recovered(&world, &original, "grace").await;
    original.stop().await;
    let failed = "WITH row AS (
           INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name)
           SELECT gen_random_uuid(), id, 'failed', region_id, pg_version, 'flotilla-a-test' FROM pools WHERE is_default RETURNING id)
         INSERT INTO events (kind, database_id, actor, via, after) SELECT 'database.state', id, 'test', 'engine', '{\"state\": \"failed\"}' FROM row";
    in_the_ledger(&world, failed.to_owned()).await;
    let (is_done, words) = ledger_command(&world, &["new-identity", "--yes"]).await;
    assert!(is_done, "{words}");

    let copy = world.serve_with(marking_every(1)).await;
    sweeps_pass(&world, 3).await;
    let found = "SELECT kind || ' ' || coalesce(project_name, '') FROM findings";
    assert_eq!(rows(&world, found).await, [""; 0], "found by the copy");
    let (_, repair) = ledger_command(&world, &["repair", "--apply"]).await;
    let (_, doctor) = command(&world, &["doctor"]).await;
    let operator = copy.sign_in(Role::Operator).await;
    for [id, project] in [&ada, &grace] {
        assert!(!repair.contains(project.as_str()) && !doctor.contains(project.as_str()), "{repair}{doctor}");
        for what in [project, id] {
            let give = ["give-back", what, "--owner", "ada", "--plan", "free"];
            let (is_done, words) = ledger_command(&world, &give).await;
            assert!(!is_done && words.contains("belongs to another installation"), "{words}");
        }
        let release = ["database", "release", id, "--reason", "cleanup", "--anyway"];
        let (is_done, words) = command(&world, &release).await;
        assert!(!is_done && words.contains("this ledger was copied"), "{words}");
        let because = json!({ "reason": "cleanup" });
        for (action, body) in [
            ("release", json!({ "reason": "cleanup", "anyway": true })),
            ("release", because.clone()),
            ("rotate-password", because),
        ] {
            let asked = copy.api(Method::POST, &format!("/api/v1/databases/{id}/{action}"));
            let answer = asked.json(&body).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::CONFLICT, "{action}");
        }
        let name = world.living_on_neon().await.into_iter().find(|one| one.id == *project).unwrap().name;
        let finding = find_again(&world, id, &name).await;
        for action in ["take-back-finding", "delete-finding", "recover-finding", "look-again", "adopt-finding"] {
            let form =
                [("id", finding.as_str()), ("reason", "cleanup"), ("confirmation", name.as_str()), ("anyway", "true")];
            let (status, answer) = decide(&copy, &operator, action, &form).await;
            let is_told = answer.contains("belongs to another installation");
            assert!(status == StatusCode::CONFLICT && is_told, "{action}: {status} {answer}");
        }
        assert!(lives(&world, project).await, "the copy has deleted it");
    }
    let states = "SELECT DISTINCT state::text || ' ' || origin FROM databases WHERE owner_id IN ('ada', 'grace')";
    assert_eq!(rows(&world, states).await, ["deleted copied"]);
    assert_eq!(world.ledger.problems().await.unwrap().failed, 0, "the original's");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    copy.stop().await;
}

/// An earlier version gave the copy its id, and left it what was deleted; the copy has given one of them to its owner since.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_before_loses_what_it_took_for_its_own() {
    for is_copy in [true, false] {
        let (url, mut connection) = with_migrations_before(35).await;
        let fill = format!(
            "UPDATE installation SET id = '13ae773e', id_given_at = CASE WHEN {is_copy} THEN now() - interval '1 hour' END;
             INSERT INTO plans (name, label) VALUES ('free', 'Free');
             INSERT INTO pools (name, region_id, pg_version, birth_plan, target) VALUES ('p', 'r', 17, 'free', 3);
             INSERT INTO owners (id, email, plan) SELECT 'owner-' || n, n || '@mail.example', 'free' FROM generate_series(1, 3) AS n;
             INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order,
               owner_id, plan, claimed_at, requested_at, deleted_at)
             SELECT uuid(n), pools.id, CASE n WHEN 1 THEN 'deleted' ELSE 'claimed' END::database_state, 'r', 17,
               'flotilla-' || CASE n WHEN 3 THEN '13ae773e' ELSE '557daf0f' END || '-' || uuid(n), 'project-' || n, '\\x00', n, 'owner-' || n, 'free', now(),
               now() - CASE n WHEN 3 THEN interval '1 minute' ELSE interval '1 day' END, CASE n WHEN 1 THEN now() END
             FROM pools, generate_series(1, 3) AS n;
             INSERT INTO findings (kind, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence)
             SELECT CASE state WHEN 'deleted' THEN 'zombie' ELSE 'ghost' END, neon_project_id, neon_project_id, neon_project_name, id, 1, 1, '{{}}' FROM databases;
             INSERT INTO findings (kind, subject, project_id, project_name, first_sweep, last_sweep, evidence)
             SELECT 'orphan', n, n, 'flotilla-' || n || '-' || uuid(9), 1, 1, '{{}}' FROM unnest(ARRAY['13ae773e', '557daf0f']) AS n"
        );
        let uuid = "CREATE FUNCTION pg_temp.uuid(n integer) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid $$";
        connection.execute(uuid).await.unwrap();
        connection.execute(AssertSqlSafe(fill.replace("uuid(", "pg_temp.uuid("))).await.unwrap();
        Ledger::connect(&url, 2).await.unwrap().migrate().await.unwrap();
        let mut all = async |sql: &'static str| -> Vec<String> {
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        };
        let (origins, found) = match is_copy {
            true => (vec!["copied", "copied", "pool"], vec!["13ae773e", "project-3"]),
            false => (vec!["pool"; 3], vec!["13ae773e", "557daf0f", "project-1", "project-2", "project-3"]),
        };
        assert_eq!(all("SELECT origin FROM databases ORDER BY id").await, origins);
        assert_eq!(all("SELECT subject FROM findings ORDER BY subject").await, found);
        connection.close().await.unwrap();
    }
}
