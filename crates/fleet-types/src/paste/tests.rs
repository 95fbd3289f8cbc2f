//! Every notation in which a connection is written down, with any password: none of it comes out, and the database is found.

use proptest::prelude::*;

use super::Paste;

const ENDPOINT: &str = "ep-round-unit-afbn7qv4";
const HOST: &str = "ep-round-unit-afbn7qv4-pooler.c-2.us-west-2.aws.neon.tech";

/// Everything that the parser gives out.
fn outputs(paste: &Paste) -> Vec<&str> {
    paste.identifiers.iter().chain(&paste.text).map(String::as_str).collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace('\\', "\\\\").replace(quote, &format!("\\{quote}")))
}

fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Each as its own rules demand the password to be written.
fn notations(password: &str) -> Vec<String> {
    let (uri, single, double, shell) =
        (percent(password), quoted(password, '\''), quoted(password, '"'), in_shell(password));
    let ado = format!("'{}'", password.replace('\'', "''"));
    vec![
        format!("postgresql://neondb_owner:{uri}@{HOST}/neondb?sslmode=require&channel_binding=require"),
        format!("postgres://neondb_owner:{uri}@[::1]:5432,{HOST}:5432/neondb"),
        format!("postgresql://{HOST}/neondb?user=neondb_owner&password={uri}&sslmode=require"),
        format!("postgresql://u:{uri}@127.0.0.1:5433/neondb?options=endpoint%3D{ENDPOINT}"),
        format!("see https://wiki.example/page: postgres://u:{uri}@{HOST}/db is what I use"),
        format!("host={HOST} user=neondb_owner password={single} dbname=neondb"),
        format!("host = {HOST} password = {single}"),
        format!("jdbc:postgresql://{HOST}/neondb?user=u&password={uri}&ssl=true"),
        format!("jdbc:postgresql://{HOST}:5432/neondb?password={uri}"),
        format!("Host={HOST};Username=u;Password={ado};Database=neondb"),
        format!("Password={ado};Host={HOST};Username=u"),
        format!("PGHOST={HOST}\nPGUSER=u\nPGPASSWORD={double}\n"),
        format!("export PGPASSWORD={shell}\nexport PGHOST={HOST}"),
        format!("PGHOST={HOST}\r\nDB_PASSWORD: {double}\r\n"),
        format!("DATABASE_URL=\"postgresql://u:{uri}@{HOST}/neondb\""),
        format!("$env:PGPASSWORD = {double}; psql -h {HOST}"),
        format!("setenv PGPASSWORD {shell}; psql -h {HOST}"),
        format!("PGPASSWORD={shell} psql -h {HOST} -U neondb_owner neondb"),
        format!("psql 'postgresql://u:{uri}@{HOST}/neondb' -c 'select 1'"),
        format!("psql \"host={HOST} user=u password={single}\" -c 'select 1'"),
        format!("docker run -e POSTGRES_PASSWORD={shell} -e PGHOST={HOST} postgres"),
        format!("tool --host {HOST} --password {shell}"),
        format!("cannot parse `postgres://u:{uri}@{HOST}/db`: failed to configure TLS"),
        format!("parse \"postgres://u:{uri}@{HOST}:x/db\": invalid port \":x\" after host"),
        format!("failed to connect to `host={HOST} user=u password={single} database=db`: dial error"),
        format!("&{{Host:{HOST} Port:5432 Password:{double} TLSConfig:<nil>}}"),
        format!("Config {{ host: [Tcp(\"{HOST}\")], password: Some({double}), port: [5432] }}"),
        format!("PgConnectOptions {{ host: \"{HOST}\", password: Some({double}), ssl_mode: Prefer }}"),
        format!("error connecting to postgres://u:{uri}@{HOST}/db: password authentication failed for user \"u\""),
        format!("{{\"host\": \"{HOST}\", \"password\": {double}}}"),
        format!("host: {HOST}\npassword: {double}\n"),
        format!("{HOST}:5432:neondb:neondb_owner:{}", password.replace('\\', "\\\\").replace(':', "\\:")),
        format!("ALTER ROLE u PASSWORD {ado}; -- on {HOST}"),
        percent(&format!("postgresql://u:{uri}@{HOST}/neondb")),
        percent(&format!("host={HOST} password={single}")),
    ]
}

/// As people write them who do not quote: without an end, a rule can only be cautious.
fn careless(password: &str) -> Vec<String> {
    vec![
        format!("postgresql://neondb_owner:{password}@{HOST}/neondb"),
        format!("host={HOST} password={password} user=u"),
        format!("jdbc:postgresql://{HOST}/db?user=u&password={password}"),
        format!("PGPASSWORD={password} psql -h {HOST}"),
        format!("PGHOST={HOST}\nPGPASSWORD={password}\n"),
        format!("Password={password};Host={HOST}"),
        format!("{{Host:{HOST} Password:{password}}}"),
        format!("neondb_owner:{password}@{HOST}/neondb"),
        format!("psql \"postgres://u:{password}@{HOST}/db\""),
        format!("please help: postgres://u:{password}@{HOST}/db does not work, see http://x.example"),
    ]
}

proptest! {
    #[test]
    fn no_password_comes_out_of_any_notation_and_its_database_is_found(password in "[ -~é]{4,24}") {
        for pasted in notations(&password) {
            let paste = Paste::read(&pasted);
            prop_assert!(paste.may_hold_secret || password.trim().is_empty(), "not seen: {}", pasted);
            for output in outputs(&paste) {
                prop_assert!(!output.contains(&password), "{} → {}", pasted, output);
            }
        }
    }

    #[test]
    fn a_database_is_found_beside_a_password(password in "[A-Z0-9!$^*+=;&/?#%:@-]{6,24}") {
        for pasted in notations(&password) {
            let paste = Paste::read(&pasted);
            prop_assert_eq!(paste.searched(), Some(ENDPOINT), "{}", pasted);
        }
    }

    #[test]
    fn no_password_comes_out_of_what_was_written_carelessly(password in "[!-~]{4,24}") {
        for pasted in careless(&password) {
            for output in outputs(&Paste::read(&pasted)) {
                prop_assert!(!output.contains(&password), "{} → {}", pasted, output);
            }
        }
    }

    #[test]
    fn what_it_gives_out_is_taken_as_it_is(pasted in "(host=|password[=:] ?|postgres://|u:|'|\"|@|ep-a-b1|[a-z.]{1,8}|[ -~é\\n]){0,12}") {
        let paste = Paste::read(&pasted);
        if let Some(searched) = paste.searched() {
            let again = Paste::read(searched);
            prop_assert_eq!(again.searched(), Some(searched));
        }
    }
}

#[test]
fn the_examples_of_operators_are_read() {
    for (pasted, searched) in [
        ("  owner-42 ", Some("owner-42")),
        ("Jo Doe <jo.doe@example.com> says it is slow", Some("jo.doe@example.com")),
        ("mailto:jo@example.com", Some("jo@example.com")),
        ("@example.com", Some("@example.com")),
        ("o'brien@example.com", Some("o'brien@example.com")),
        ("secretary@compass.example", Some("secretary@compass.example")),
        ("user \"ada@example.com\" cannot connect", Some("ada@example.com")),
        ("O'Brien & Sons (Cork), Inc.", Some("O'Brien & Sons (Cork), Inc.")),
        ("Zoë Łukasz", Some("Zoë Łukasz")),
        ("Иван Петров", Some("Иван Петров")),
        ("https://social.example/@jo", None),
        ("auth0|5f7c8ec7c33c6c004bbafe82", Some("auth0|5f7c8ec7c33c6c004bbafe82")),
        ("ERROR: endpoint EP-dry-sun-a1b2c3d4 is disabled.", Some("ep-dry-sun-a1b2c3d4")),
        ("project shiny-wind-028834 is slow", Some("shiny-wind-028834")),
        ("postgresql://neondb_owner:p@ep-cool-lake-12345678.neon.tech/neondb", Some("ep-cool-lake-12345678")),
        ("https://console.neon.tech/app/projects/shiny-wind-028834/branches", Some("shiny-wind-028834")),
        (
            "GET https://fleet.example:8443/databases/0191b2c3-0000-7000-8000-000000000001: 404",
            Some("0191b2c3-0000-7000-8000-000000000001"),
        ),
        ("ep-cool-lake-12345678-pooler.c-2.us-west-2.aws.neon.tech", Some("ep-cool-lake-12345678")),
        ("psql -h ep-cool-lake-12345678 -U app db", Some("ep-cool-lake-12345678")),
        ("{\"endpoint_id\": \"ep-cool-lake-12345678\", \"password\": \"hunter2x\"}", Some("ep-cool-lake-12345678")),
        (
            "error parsing `postgres://u:a b@ep-cool-lake-12345678.neon.tech/db`: invalid dsn",
            Some("ep-cool-lake-12345678"),
        ),
        ("postgres://app@ep-cool-lake-12345678/db", Some("ep-cool-lake-12345678")),
        ("password authentication failed for user 'jo'", None),
        ("PGPASSWORD=hunter2 psql", None),
        ("npg_N67FDMtGvJke", None),
        ("two\nlines", None),
        ("", None),
    ] {
        assert_eq!(Paste::read(pasted).searched(), searched, "{pasted}");
    }
}

/// Passwords that have no form, and those that have the form of an identifier.
const PASSWORDS: [&str; 4] =
    ["hunter2x", "0191b2c3-0000-7000-8000-000000000001", "shiny-wind-028834", "ep-cool-lake-12345678"];

/// Nothing of any paste in which `<p>` is the password may hold it, and the paste may not stay in an address.
fn assert_silent(kind: &str, pastes: &[&str]) {
    for (password, template) in PASSWORDS.iter().flat_map(|password| pastes.iter().map(move |paste| (password, paste)))
    {
        let pasted = template.replace("<p>", password);
        let paste = Paste::read(&pasted);
        assert!(paste.may_hold_secret, "{kind}: {pasted} is kept as it is");
        for output in outputs(&paste) {
            assert!(!output.contains(password), "{kind}: {pasted} → {output}");
        }
    }
}

#[test]
fn no_word_before_a_colon_makes_a_password_the_name_of_an_address() {
    let pastes = [
        "user:<p>@db.example.com",
        "owner:<p>@db.example.com",
        "login:<p>@db.example.com/neondb",
        "id:<p>@db.example.com",
        "project:<p>@db.example.com",
        "host:<p>@db.example.com",
        "mailto:u:<p>@db.example.com",
        "neondb_owner:<p>",
        "postgres://u:x@<p>@db.example.com/x",
    ];
    assert_silent("behind a user", &pastes);
}

#[test]
fn no_line_of_a_password_file_comes_out_however_its_fields_are_written() {
    let pastes = [
        "localhost:5432:my db:me:<p>",
        "localhost:5432:db:me you:<p>",
        "\\:\\:1:5432:d:u:<p>",
        "[::1]:5432:d:u:<p>",
        "*:*:*:*:<p>",
    ];
    assert_silent("password file", &pastes);
}

#[test]
fn no_password_comes_out_behind_any_word_for_it_whatever_separates_them() {
    let pastes = [
        "set -gx DB_PASS <p>",
        "DB_PASS <p>",
        "{\"name\":\"DB_PASS\",\"value\":\"<p>\"}",
        "name: DB_PASS, value: <p>",
        "pass <p>",
        "dbpass <p>",
        "secret <p>",
        "passw0rd <p>",
        "psql -h localhost -U me -W<p>",
        "Passwort=<p>",
        "PSW=<p>",
        "passcode=<p>",
        "passkey=<p>",
        "passkey <p>",
        "credentials=<p>",
        "credentials <p>",
        "curl -u u:<p> https://x",
        "CREATE USER u IDENTIFIED BY '<p>'",
        "IDENTIFIED BY <p>",
        "пароль <p>",
        "пароль=<p>",
        "p\u{430}ssword <p>",
        "ｐａｓｓｗｏｒｄ <p>",
        "pass＝<p>",
        "𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝 <p>",
        "pa\u{200b}ssword <p>",
        "pa\u{3164}ssword <p>",
    ];
    assert_silent("behind a word", &pastes);
}

#[test]
fn no_encoding_of_a_separator_hides_a_password() {
    let pastes = [
        "pass%252525253D<p>",
        "pass&#61;<p>",
        "postgres://u&colon;<p>@db.example.com/x",
        "postgres://u&#58;<p>@db.example.com/x",
        "u&#58;<p>@db.example.com",
        "u：<p>@db.example.com",
        "u\u{200b}:<p>@db.example.com",
        "u/<p>@db.example.com",
        "u|<p>@db.example.com",
        "u;<p>@db.example.com",
        "u%3A<p>@db.example.com",
        "u:<p>@db.example.com:http://x",
        "admin:hün <p>@h.example.com",
        "admin/hün <p>@h.example.com",
    ];
    assert_silent("encoded separator", &pastes);
}

#[test]
fn no_password_is_taken_for_an_identifier_whose_form_it_has() {
    let pastes = [
        "password:\n  <p>",
        "POSTGRES_PASSWORD: |\n  <p>",
        "--password\n<p>",
        "password <p>",
        "Password for user u: <p>",
        "parse \"postgres://u:<p>\": invalid port \":<p>\" after host",
        "postgres://server:<p>",
        "localhost:5432:db:host:<p>",
        "localhost:<p>",
        "ghost: <p>",
    ];
    assert_silent("form of an identifier", &pastes);
}

#[test]
fn a_long_paste_costs_little() {
    for unit in ["password='", "postgres://u:", "a:b@c\"", "%70", "pass=\\\"", "@ep-a-b", "host=ep-a-b", "  -"] {
        let started = std::time::Instant::now();
        Paste::read(&unit.repeat(100_000));
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{unit}");
    }
}
