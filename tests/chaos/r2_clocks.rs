//! R2: replicas whose clocks are ten minutes off. Leases are on PostgreSQL's clock, so none is taken early.
//!
//! Two proofs. No statement sets a lease, or compares it, with a time from its caller: read off the descriptions of all statements, which the build checks. And
//! three replicas, one right, one ten minutes ahead, one ten minutes behind, fill a pool together, while a trigger in the ledger watches every lease.

use std::{fs, path::Path, process::Command, time::Duration};

use ledger::By;
use neon_emulator::{Fault, Rule};
use serde_json::Value;

use crate::{
    ledger::Behind,
    process::{Caller, Replica, free_port},
    scenario::{Scenario, sized, within},
    support::World,
};

const OFF_SECONDS: i64 = 600;
/// Put before the C library, this is what a process believes the time to be.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *time) {
    long failed = syscall(SYS_clock_gettime, id, time);
    if (!failed && id == CLOCK_REALTIME) time->tv_sec += atol(getenv("CLOCK_IS_OFF_BY"));
    return failed;
}
"#;
const WATCH: &str = r"
CREATE TABLE thefts (what text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION watch_leases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO thefts VALUES (format('%s: %s', TG_TABLE_NAME, to_jsonb(OLD)));
    RETURN NULL;
END $$;
CREATE TRIGGER watch_databases AFTER UPDATE ON databases FOR EACH ROW
    WHEN (OLD.lease_until > now() AND NEW.leased_by IS NOT NULL AND NEW.leased_by <> OLD.leased_by) EXECUTE FUNCTION watch_leases();
CREATE TRIGGER watch_duties AFTER UPDATE ON duties FOR EACH ROW
    WHEN (OLD.lease_until > now() AND NEW.leased_by IS NOT NULL AND NEW.leased_by <> OLD.leased_by) EXECUTE FUNCTION watch_leases();
";

/// What decides whose turn it is.
const LEASES: [&str; 4] = ["lease_until", "next_attempt_at", "breaker_until", "action_due_at"];

#[test]
fn r2_no_lease_is_set_or_compared_with_a_time_of_the_caller() {
    let mut about_leases = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx")).unwrap() {
        let statement: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        let text = statement["query"].as_str().unwrap();
        let types: Vec<String> =
            serde_json::from_value(statement["describe"]["parameters"]["Left"].clone()).unwrap_or_default();
        let times: Vec<usize> = (1..=types.len()).filter(|number| types[number - 1].starts_with("Timestamp")).collect();
        about_leases += usize::from(LEASES.iter().any(|column| text.contains(column)));
        assert_eq!(leases_beside(text, &times), [""; 0], "{text}");
    }
    assert!(about_leases >= 10, "only {about_leases} statements were found");
    let wrong = "UPDATE databases SET lease_until = $2, n = $1 WHERE n > 1 AND $3 > databases.next_attempt_at";
    assert_eq!(leases_beside(wrong, &[2, 3]).len(), 2, "this check sees nothing");
    let hidden = "UPDATE databases SET lease_until = greatest(now(), $1), leased_by = $2";
    assert_eq!(leases_beside(hidden, &[1]).len(), 1, "this check does not see into functions");
}

/// The assignments and comparisons of a lease that have one of these parameters in them.
fn leases_beside<'a>(statement: &'a str, parameters: &[usize]) -> Vec<&'a str> {
    let words = ["\n", " AND ", " OR ", " SET ", " WHERE ", " WHEN ", " THEN "];
    let parts =
        words.iter().fold(vec![statement], |parts, word| parts.iter().flat_map(|part| part.split(word)).collect());
    let parts: Vec<&str> = parts.into_iter().flat_map(split_at_outer_commas).collect();
    let has = |part: &str, number: &usize| {
        part.match_indices(&format!("${number}"))
            .any(|(at, found)| !part[at + found.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    parts
        .into_iter()
        .filter(|part| LEASES.iter().any(|column| part.contains(column)))
        .filter(|part| parameters.iter().any(|number| has(part, number)))
        .collect()
}

/// What one function takes stays together.
fn split_at_outer_commas(part: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    part.split(move |character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        character == ',' && depth <= 0
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_replicas_with_wrong_clocks_take_no_lease_early() {
    let target = sized(80, 600);
    let scenario = Scenario::begin("R2", format!("3 replicas, clocks 0, +10 and -10 minutes, a pool of {target}"));
    let mut world = World::new(0, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    world.calls_per_minute = 10_000;
    let behind = Behind::of(&world).await;
    behind.run_all(WATCH).await;
    // Leases last: half of the calls take seconds.
    world.emulator.faults().add(Rule::new(Fault::Delay { delay_ms: 3_000 }).with_probability(0.5));
    let shim = build_shim();
    let mut replicas = Vec::new();
    for off in [0, OFF_SECONDS, -OFF_SECONDS] {
        let off_text = off.to_string();
        let environment =
            [("LD_PRELOAD", shim.as_str()), ("CLOCK_IS_OFF_BY", &off_text), ("RUST_LOG", "info,neon_client=debug")];
        let replica = Replica::start(&world, free_port(), &environment);
        assert_clock_is_off(&world, &replica, off).await;
        replicas.push(replica);
    }
    world.ledger.set_target("standard", target, &By::cli()).await.unwrap();
    within(Duration::from_secs(300), "the pool is full and at rest", || async { behind.restless().await.is_empty() })
        .await;

    assert_eq!(behind.texts("SELECT what FROM thefts").await, [""; 0], "leases that were taken before they ran out");
    let made = world.emulator.stats().count("POST", "/projects");
    assert_eq!(made, target as u64 + 1, "no database was asked for twice, and the mark once");
    let shares: Vec<usize> = replicas.iter().map(|replica| replica.log().matches("POST /projects ").count()).collect();
    assert!(shares.iter().all(|share| *share > 0), "every replica has created some: {shares:?}");
    world.assert_sound().await;
    scenario.passed(format!("0 leases taken early; {made} projects for {target} rows, by replica {shares:?}"));
}

/// The replica believes what this test says it does: its answers carry its time.
async fn assert_clock_is_off(world: &World, replica: &Replica, off: i64) {
    let caller = Caller::of(world, std::slice::from_ref(&replica.url)).await;
    let date = caller.date().await;
    let seen = (date - chrono::Utc::now()).num_seconds();
    assert!((seen - off).abs() < 30, "the clock is {seen} s off, not {off} s");
}

/// The compiler is there: Rust links with it.
fn build_shim() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(built.success());
    library.to_str().unwrap().to_owned()
}
