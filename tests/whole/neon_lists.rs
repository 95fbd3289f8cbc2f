//! What a repair concludes from Neon's list of projects, and what it does not: two that bear one name, others that repair at the same moment, and a list
//! that lacks what lives.

use std::collections::BTreeSet;

use neon_emulator::{Fault, Rule};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    backup::restore,
    repairs::ledger_command,
    restores::{back_up, marked, marking_every, project_of, until_told},
    safety::rows,
    support::World,
};

/// A restored ledger, without a server, that does not have the databases of these owners at all; and their projects.
async fn without_the_databases_of(owners: &[&str]) -> (World, Vec<String>) {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    for other in ["other-1", "other-2", "other-3"] {
        project_of(&server, other).await;
    }
    let mut projects = Vec::new();
    for owner in owners {
        projects.push(project_of(&server, owner).await);
    }
    until_told(&world, &projects.iter().cloned().collect::<BTreeSet<_>>()).await;
    server.stop().await;
    restore(&world, &backup).await;
    (world, projects)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_projects_with_one_name_none_is_given_back_until_a_person_says_which() {
    let (world, projects) = without_the_databases_of(&["ada"]).await;
    let theirs = &projects[0];
    let name = world.living_on_neon().await.into_iter().find(|one| one.id == *theirs).unwrap().name;
    let other = world.emulator.create_project(&name, None).await.unwrap();
    let known = format!("SELECT neon_project_id FROM databases WHERE neon_project_id IN ('{theirs}', '{other}')");

    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(words.contains("Rebuilt with their owners: 0") && words.contains("2 projects bear its name"), "{words}");
    assert!(words.contains(theirs.as_str()) && words.contains(&other) && words.contains("(made "), "{words}");
    assert!(words.contains("`flotilla ledger give-back PROJECT --owner ID`"), "{words}");
    assert_eq!(rows(&world, &known).await, [""; 0]);
    let id = name.strip_prefix("flotilla-").unwrap()[9..45].to_owned();
    let (is_done, words) = ledger_command(&world, &["give-back", &id, "--owner", "ada"]).await;
    assert!(!is_done && words.contains("2 projects bear its name"), "{words}");

    let (is_done, words) = ledger_command(&world, &["give-back", theirs, "--owner", "ada"]).await;
    assert!(is_done, "{words}");
    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    let told = format!("bears the name of database {id}, which has the project {theirs}");
    assert!(words.contains(&format!("Project {other} (made ")) && words.contains(&told), "{words}");
    assert!(!words.contains("2 projects bear its name"), "it is decided: {words}");
    let (is_done, words) = ledger_command(&world, &["give-back", &other, "--owner", "ada"]).await;
    assert!(!is_done && words.contains("only bears its name"), "{words}");
    assert_eq!(rows(&world, &known).await, [theirs.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rebuilt_by_several_at_the_same_time_is_rebuilt_once() {
    let (world, _) = without_the_databases_of(&["ada", "grace", "hedy"]).await;
    let repair = || ledger_command(&world, &["repair", "--apply"]);
    let (one, two, three, four) = tokio::join!(repair(), repair(), repair(), repair());
    for (is_done, words) in [one, two, three, four] {
        assert!(is_done && !words.contains("duplicate key") && !words.contains("at the same moment"), "{words}");
    }
    let held = "SELECT owner_id FROM databases WHERE state = 'claimed' ORDER BY owner_id";
    assert_eq!(rows(&world, held).await, ["ada", "grace", "hedy"]);
}

/// Claimed databases of which Neon knows nothing.
async fn add_claimed(world: &World, count: usize) {
    let sql = format!(
        "INSERT INTO owners (id, email, plan) SELECT 'gone-' || n, n || '@mail.example', 'free' FROM generate_series(1, {count}) AS n;
         INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order, owner_id,
           plan, claimed_at)
         SELECT gen_random_uuid(), pools.id, 'claimed', 'r', 17, 'name-' || n, 'gone-project-' || n, '\\x00', n, 'gone-' || n, 'free', now()
         FROM pools, generate_series(1, {count}) AS n"
    );
    PgConnection::connect(&world.database_url).await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_database_is_told_to_be_gone_only_when_neon_says_so_of_it() {
    let (world, server) = marked(marking_every(1)).await;
    let mut held = Vec::new();
    for owner in ["ada", "grace", "hedy"] {
        held.push(project_of(&server, owner).await);
    }
    until_told(&world, &held.iter().cloned().collect::<BTreeSet<_>>()).await;
    server.stop().await;
    let (hidden, gone) = (&held[..2], &held[2]);
    world.emulator.delete_project(gone).await.unwrap();
    for project in hidden {
        world.emulator.faults().add(Rule::new(Fault::Missing).on("GET", "/projects").for_project(project));
    }
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert!(words.contains(&format!("Neon does not know its project {gone} any more")), "{words}");
    assert!(words.contains("For a person to decide: 1") && words.contains("projects that live: 2."), "{words}");
    assert!(hidden.iter().all(|project| !words.contains(project.as_str())), "{words}");

    add_claimed(&world, 201).await;
    let asked = || world.emulator.stats().count("GET", "/projects/{project_id}");
    let before = asked();
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert_eq!(asked() - before, 200);
    assert!(words.contains("not asked for by their ids yet: 4, of which 4 are claimed"), "{words}");
}
