//! Settings, as somebody meets them who runs the program: each is in the help of the commands that use it, what cannot be right is refused before anything
//! is started, with the exit code of wrong usage and a word of what to do, and secrets come from variables and files alone.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flotilla::cli;
use secrets::Secrets;
use uuid::Uuid;

use crate::support::{NEON_KEY, World};

/// A server that refuses at once: whatever gets as far as asking it has settings that are right.
const NOBODY: &str = "postgres://flotilla:pw@127.0.0.1:1/flotilla";
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

struct Setting {
    variable: &'static str,
    flag: &'static str,
    /// As the help shows it.
    default: &'static str,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
}

const fn setting(
    variable: &'static str,
    flag: &'static str,
    default: &'static str,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
) -> Setting {
    Setting { variable, flag, default, right, wrong }
}

/// All that are no secrets, with the least and the most that is right.
const SETTINGS: [Setting; 28] = [
    setting("DATABASE_URL_FILE", "database-url-file", "", &[""], &["/nowhere/url"]),
    setting(
        "FLOTILLA_DATABASE_CONNECTIONS",
        "database-connections",
        "20",
        &["2", "500", ""],
        &["0", "1", "501", "-1", "many"],
    ),
    setting("FLOTILLA_DATA_DIR", "data-dir", ".flotilla", &["/tmp/flotilla", ""], &[]),
    setting("FLOTILLA_PG_BIN", "postgres-bin", "", &["/usr/bin", ""], &["/nowhere/bin"]),
    setting("FLOTILLA_LISTEN", "listen", "127.0.0.1", &["0.0.0.0", "::1", ""], &["localhost", "127.0.0.1:80", "*"]),
    setting("PORT", "port", "8080", &["1", "65535", ""], &["0", "65536", "-1", "http"]),
    setting(
        "FLOTILLA_PUBLIC_URL",
        "public-url",
        "",
        &["https://fleet.example.com", "http://127.0.0.1:8080/", ""],
        &[
            "fleet.example.com",
            "https://",
            "ftp://fleet.example.com",
            "https://a:b@fleet.example.com",
            "https://fleet.example.com/console",
        ],
    ),
    setting(
        "FLOTILLA_METRICS_LISTEN",
        "metrics-listen",
        "",
        &["127.0.0.1:9464", "[::1]:9464", "host.internal:9464", ""],
        &["9464", ":9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:8080"],
    ),
    setting(
        "FLOTILLA_TRUSTED_PROXIES",
        "trusted-proxies",
        "",
        &["10.0.0.0/8,2001:db8::/32", ""],
        &["10.0.0.0/33", "proxy"],
    ),
    setting("FLOTILLA_CONNECTIONS", "connections", "4096", &["16", "65535", ""], &["0", "15", "65536"]),
    setting("FLOTILLA_CONNECTIONS_PER_ADDRESS", "connections-per-address", "100", &["1", "65535", ""], &["0", "-5"]),
    setting(
        "FLOTILLA_SESSION_IDLE_MINUTES",
        "session-idle-minutes",
        "30",
        &["5", "480", ""],
        &["0", "4", "481", "1441", "-30"],
    ),
    setting("FLOTILLA_SESSION_HOURS", "session-hours", "8", &["1", "168", ""], &["0", "169", "1.5"]),
    setting("FLOTILLA_UNREADY_SECONDS", "unready-seconds", "5", &["0", "300", ""], &["-1", "301", "5s"]),
    setting("FLOTILLA_DRAIN_SECONDS", "drain-seconds", "45", &["0", "3600", ""], &["-1", "3601"]),
    setting("LEPTOS_SITE_ROOT", "site-dir", "", &["/srv/site", ""], &[]),
    setting("LEPTOS_WATCH", "watch", "", &["true", "0", ""], &[]),
    setting("NEON_API_KEY_FILE", "neon-api-key-file", "", &[""], &["/nowhere/key"]),
    setting("NEON_ORG_ID", "neon-org-id", "", &["org-bold-sun-12345678", ""], &["two words", "org/x"]),
    setting(
        "NEON_API_HOST",
        "neon-api-url",
        "https://console.neon.tech/api/v2",
        &["http://127.0.0.1:8082/api/v2", ""],
        &["console.neon.tech", "https:///api/v2", "https://key@console.neon.tech", "https://console.neon.tech/?a=b"],
    ),
    setting(
        "FLOTILLA_NEON_CALLS_PER_MINUTE",
        "neon-calls-per-minute",
        "700",
        &["10", "100000", ""],
        &["0", "9", "100001"],
    ),
    setting("FLOTILLA_NEON_CALLS_PER_SECOND", "neon-calls-per-second", "40", &["3", "10000", ""], &["0", "2", "10001"]),
    setting(
        "FLOTILLA_NEON_CONSUMPTION_CALLS_PER_MINUTE",
        "neon-consumption-calls-per-minute",
        "30",
        &["3", "100000", ""],
        &["0", "2", "100001"],
    ),
    setting("FLOTILLA_QUOTA_DRIFT", "quota-drift", "reapply", &["show", ""], &["ignore"]),
    setting("FLOTILLA_SECRET_KEY_FILE", "secret-key-file", "", &[""], &["/nowhere/key"]),
    setting("FLOTILLA_PREVIOUS_SECRET_KEYS_FILE", "previous-secret-keys-file", "", &[""], &["/nowhere/keys"]),
    setting("FLOTILLA_LOST_SECRET_KEYS", "lost-secret-keys", "", &["3fa9c1d2,00000000", ""], &["3fa9", "secret12"]),
    setting("RUST_LOG", "log", "info", &["warn", "info,flotilla=debug", ""], &["infoo", "flotilla=everything"]),
];
const LOG_FORMAT: Setting = setting("FLOTILLA_LOG_FORMAT", "log-format", "text", &["json", ""], &["xml"]);

/// Secrets, with what is wrong beside an empty file.
const SECRETS: [Setting; 4] = [
    setting(
        "DATABASE_URL",
        "",
        "",
        &[NOBODY],
        &["127.0.0.1/flotilla", "mysql://h/d", "postgres:///flotilla", "postgres://h/d?options=-cx=y"],
    ),
    setting("NEON_API_KEY", "", "", &["napi_abc", ""], &["two words", "napi_\u{e9}"]),
    setting("FLOTILLA_SECRET_KEY", "", "", &[KEY, ""], &["password", "00", "AAECAwQFBgcICQoLDA0ODw=="]),
    setting("FLOTILLA_PREVIOUS_SECRET_KEYS", "", "", &[KEY, ""], &["password", "00,11"]),
];

fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain([&LOG_FORMAT])
}

/// How it ended, what it printed, and what it said.
fn flotilla(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    let command = command.args(arguments).env_clear().env("COLUMNS", "400").envs(environment.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn help(arguments: &[&str]) -> String {
    let (code, text, words) = flotilla(&[arguments, &["--help"]].concat(), &[]);
    assert_eq!(code, Some(0), "{words}");
    text
}

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("flotilla-settings-{}", Uuid::now_v7().simple()));
    fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn every_setting_stands_in_the_help_of_the_server_with_its_variable_and_default() {
    let command = cli::command();
    let known: BTreeSet<&str> = all().map(|setting| setting.flag).collect();
    let there: BTreeSet<&str> =
        command.get_arguments().filter(|arg| arg.is_global_set()).filter_map(|arg| arg.get_long()).collect();
    assert_eq!(known, there, "the settings of these tests (left) and of the program (right)");
    assert!(command.get_arguments().all(|arg| !arg.is_hide_set()), "a setting is hidden");
    for server in ["serve", "engine", "demo"] {
        let help = help(&[server]);
        for Setting { variable, flag, default, .. } in all() {
            let entry = help.split("\n      --").find(|entry| entry.split([' ', '\n']).next() == Some(flag));
            let entry = entry.unwrap_or_else(|| panic!("--{flag} is not in the help of {server}"));
            let entry = entry.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(entry.contains(&format!("[env: {variable}=]")), "{server}: {entry}");
            assert!(default.is_empty() || entry.contains(&format!("[default: {default}]")), "{server}: {entry}");
        }
        for secret in &SECRETS {
            assert!(
                help.contains(&format!("into {}", secret.variable))
                    || help.contains(&format!("into\n          {}", secret.variable)),
                "{} is not in the help of {server}",
                secret.variable
            );
        }
    }
}

#[test]
fn a_command_shows_the_settings_that_it_uses_and_no_others() {
    let shown: [(&[&str], &[&str], &[&str]); 8] = [
        (
            &["token", "create"],
            &["--database-url-file", "--data-dir", "--log"],
            &["--neon-api-url", "--port", "--secret-key-file"],
        ),
        (
            &["operator", "link"],
            &["--database-url-file", "--public-url", "--port"],
            &["--neon-api-url", "--drain-seconds"],
        ),
        (&["doctor"], &["--database-url-file", "--neon-api-key-file"], &["--port", "--secret-key-file"]),
        (
            &["ledger", "repair"],
            &["--neon-api-key-file", "--secret-key-file", "--previous-secret-keys-file"],
            &["--port"],
        ),
        (
            &["neon", "check"],
            &["--neon-api-key-file", "--neon-org-id"],
            &["--database-url-file", "--secret-key-file", "--port"],
        ),
        (&["migrate"], &["--database-url-file"], &["--neon-api-url", "--session-hours"]),
        (&["key", "list"], &["--database-url-file", "--previous-secret-keys-file"], &["--port", "--neon-api-url"]),
        (&["key", "generate"], &["--file"], &["--database-url-file", "--secret-key-file", "--log"]),
    ];
    for (command, theirs, others) in shown {
        let help = help(command);
        let has = |flag: &&&str| help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n"));
        assert_eq!(theirs.iter().filter(|flag| !has(flag)).collect::<Vec<_>>(), [&""; 0], "missing in {command:?}");
        assert_eq!(others.iter().filter(has).collect::<Vec<_>>(), [&""; 0], "too many in {command:?}");
    }
}

#[test]
fn what_cannot_be_right_is_refused_at_start_and_its_variable_named() {
    for Setting { variable, wrong, .. } in all().chain(&SECRETS) {
        for value in *wrong {
            let (code, _, words) = flotilla(&["serve"], &[("DATABASE_URL", NOBODY), (variable, value)]);
            // Of two that mean the same the one is named that is wrong.
            let named = variable.strip_suffix("_FILE").unwrap_or(variable);
            assert_eq!(code, Some(2), "{variable}={value}: {words}");
            assert!(words.starts_with("error: ") && words.contains(named), "{variable}={value}: {words}");
        }
    }
}

#[test]
fn what_is_right_is_accepted_up_to_its_limits_and_what_is_empty_counts_as_absent() {
    for Setting { variable, right, .. } in all().chain(&SECRETS) {
        for value in *right {
            let (code, _, words) = flotilla(&["token", "list"], &[("DATABASE_URL", NOBODY), (variable, value)]);
            assert_eq!(code, Some(1), "{variable}={value}: {words}");
            assert!(words.contains("PostgreSQL does not answer"), "{variable}={value}: {words}");
        }
    }
}

#[test]
fn no_secret_is_an_argument() {
    for flag in ["--database-url", "--neon-api-key", "--secret-key", "--previous-secret-keys"] {
        let (code, _, words) = flotilla(&["serve", flag, "hunter2"], &[]);
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(&format!("{flag}-file")) && !words.contains("hunter2"), "{words}");
    }
}

#[test]
fn what_a_server_lacks_is_told_before_anything_is_started() {
    let folder = folder();
    let data = ("FLOTILLA_DATA_DIR", folder.to_str().unwrap());
    for (given, missing) in [
        ([("NEON_API_KEY", "napi_abc"), data], "FLOTILLA_SECRET_KEY"),
        ([("FLOTILLA_SECRET_KEY", KEY), data], "NEON_API_KEY"),
    ] {
        let (code, _, words) = flotilla(&["serve"], &given);
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(&format!("{missing} is not set, nor {missing}_FILE")), "{words}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "a PostgreSQL was set up for nothing");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_new_key_is_printed_or_put_into_a_file_of_ones_own_that_is_never_replaced() {
    let (code, one, words) = flotilla(&["key", "generate"], &[("FLOTILLA_SECRET_KEY", "not a key")]);
    assert!(code == Some(0) && words.contains("Keep it safe"), "{words}");
    let (_, other, _) = flotilla(&["key", "generate"], &[]);
    assert_ne!(one, other);
    assert!(Secrets::from_keys(one.trim_end(), &[other.trim_end()]).is_ok());

    let folder = folder();
    let file = folder.join("secret.key");
    let generate = |file: &Path| flotilla(&["key", "generate", "--file", file.to_str().unwrap()], &[]);
    let (code, printed, words) = generate(&file);
    assert!(code == Some(0) && printed.is_empty(), "{words}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&file).unwrap();
    assert!(Secrets::from_keys(key.trim_end(), &[""; 0]).is_ok());
    let (code, _, words) = generate(&file);
    assert!(code == Some(1) && words.contains("exists and is left as it is"), "{words}");
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    assert_eq!(generate(&folder.join("none/secret.key")).0, Some(1));
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_sealed_with_another_key_is_refused_until_that_key_is_named() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let other = Secrets::generate_key();
    let run = |command: &'static [&'static str], key: &str, more: Option<(&'static str, String)>| {
        let ours = [("DATABASE_URL", world.database_url.clone()), ("NEON_API_HOST", world.neon_url.clone())];
        let keys = [("NEON_API_KEY", NEON_KEY.to_owned()), ("FLOTILLA_SECRET_KEY", key.to_owned())];
        let environment: Vec<(&str, String)> = ours.into_iter().chain(keys).chain(more).collect();
        async move {
            let run = move || {
                let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
                flotilla(command, &environment)
            };
            tokio::task::spawn_blocking(run).await.unwrap()
        }
    };
    for command in [&["serve"][..], &["engine"], &["ledger", "repair"]] {
        let (code, _, words) = run(command, &other, None).await;
        assert_eq!(code, Some(2), "{command:?}: {words}");
        assert!(words.contains("is not the key with which credentials in this ledger are sealed"), "{words}");
        assert!(!words.contains(&world.secret_key) && !words.contains(&other), "{words}");
    }
    let (_, _, words) = run(&["ledger", "repair"], &other, None).await;
    let id = words.split("whose id is ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    for way in [("FLOTILLA_PREVIOUS_SECRET_KEYS", world.secret_key.clone()), ("FLOTILLA_LOST_SECRET_KEYS", id)] {
        let (code, _, words) = run(&["ledger", "repair"], &other, Some(way)).await;
        assert_eq!(code, Some(0), "{words}");
    }
    assert_eq!(run(&["ledger", "repair"], &world.secret_key, None).await.0, Some(0));
}
